package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// units are those of sizes, as powers of 1024.
var units = []struct {
	letter string
	bytes  int64
}{{"G", 1 << 30}, {"M", 1 << 20}, {"K", 1 << 10}}

const minSize = 1 << 20

// readSize reads a number of bytes.
func readSize(f *field) (int64, bool) {
	f.comment(false)
	digits, unit := strings.ToUpper(f.val), int64(1)
	for _, u := range units {
		if cut, ok := strings.CutSuffix(digits, u.letter); ok {
			digits, unit = strings.TrimSpace(cut), u.bytes
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	switch {
	case err != nil || digitsLen(digits) != len(digits):
		return 0, f.fail(f.valAt, fmt.Sprintf("`%s` is no number of bytes", f.val), "write 268435456, 262144K, 256M or 1G")
	case n > math.MaxInt64/unit:
		return 0, f.fail(f.valAt, fmt.Sprintf("%s is too much for `%s`", f.val, f.key), "")
	case n*unit < minSize:
		return 0, f.fail(f.valAt, fmt.Sprintf("%s is too little for `%s`", f.val, f.key), "the least is 1M")
	}
	return n * unit, true
}

// writeSize leaves 0 out, which is the choice of somebody else.
func writeSize(n int64) string {
	if n == 0 {
		return ""
	}
	for _, u := range units {
		if n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.letter
		}
	}
	return strconv.FormatInt(n, 10)
}

// writeCount leaves 0 out as well.
func writeCount(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}
