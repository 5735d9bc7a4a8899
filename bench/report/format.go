package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// none stands where there is no figure.
const none = "–"

func finite(x float64) bool {
	return !math.IsNaN(x) && !math.IsInf(x, 0)
}

// number writes x with three digits at least, and thousands apart.
func number(x float64) string {
	switch a := math.Abs(x); {
	case !finite(x):
		return none
	case x == math.Trunc(x) && a < 1e15, a >= 99.95:
		return thousands(x)
	case a >= 9.995:
		return strconv.FormatFloat(x, 'f', 1, 64)
	case a >= 0.0995:
		return strconv.FormatFloat(x, 'f', 2, 64)
	}
	return strconv.FormatFloat(x, 'g', 2, 64)
}

func thousands(x float64) string {
	s := strconv.FormatFloat(math.Abs(x), 'f', 0, 64)
	var b strings.Builder
	if x < 0 && s != "0" {
		b.WriteByte('-')
	}
	for i, r := range s {
		if i > 0 && (len(s)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(r)
	}
	return b.String()
}

func count(n uint64) string { return thousands(float64(n)) }

// some writes x unless it is 0, which says that there is no figure.
func some(x float64, write func(float64) string) string {
	if x == 0 {
		return none
	}
	return write(x)
}

// scaled writes x with the largest of the units that leaves one digit before the
// point, or the smallest.
func scaled(x, step float64, units ...string) string {
	if !finite(x) {
		return none
	}
	i := 0
	// Half a digit below the step: 999.96 is written as 1000.
	for i < len(units)-1 && math.Abs(x) >= step*0.9995 {
		x /= step
		i++
	}
	return number(x) + units[i]
}

// short writes x for the axis of a plot: 150k.
func short(x float64) string { return scaled(x, 1000, "", "k", "M", "G", "T") }

func volume(bytes float64) string { return scaled(bytes, 1024, " B", " KiB", " MiB", " GiB", " TiB") }

func period(seconds float64) string {
	if seconds == 0 || math.Abs(seconds) >= 0.9995 {
		return scaled(seconds, math.MaxFloat64, " s")
	}
	return scaled(seconds*1e9, 1000, " ns", " µs", " ms")
}

func percent(share float64) string {
	if !finite(share) {
		return none
	}
	return number(math.Round(share*1e4)/100) + " %"
}

// whole is percent without places behind the point.
func whole(share float64) string {
	if !finite(share * 100) {
		return none
	}
	return thousands(math.Round(share*100)) + " %"
}

func times(ratio float64) string {
	if ratio == 0 || !finite(ratio) {
		return none
	}
	return strconv.FormatFloat(ratio, 'f', 2, 64) + "×"
}

// list writes xs with blanks between them, and how many more there are after
// the first limit.
func list[T any](xs []T, limit int) string {
	var words []string
	for i, x := range xs {
		if i == limit {
			words = append(words, fmt.Sprintf("… %d more", len(xs)-limit))
			break
		}
		words = append(words, fmt.Sprint(x))
	}
	return strings.Join(words, " ")
}
