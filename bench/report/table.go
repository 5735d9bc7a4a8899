package report

import "slices"

// A table is printed by all printers. Its first columns name the row; a table
// that is too wide for a terminal repeats them.
type table struct {
	Title    string
	names    int // how many columns name the row, at least 1
	Headings []heading
	Rows     [][]cell
}

type heading struct {
	Name  string
	About string // a phrase for those who do not know the name; may be empty
	Right bool   // aligned, for figures
}

type cell struct {
	Text string
	Mark mark
}

// A mark is a cell's class on the page and its colour on a terminal.
type mark string

const (
	good  mark = "good"
	bad   mark = "bad"
	faint mark = "faint"
	doubt mark = "doubt"
)

// A column takes one cell of a table's row from an item.
type column[T any] struct {
	heading
	of func(T) cell
}

// words returns a column of texts.
func words[T any](name string, of func(T) string) column[T] {
	return column[T]{heading{Name: name}, func(x T) cell { return cell{Text: of(x)} }}
}

// figures returns a column of figures, aligned to the right.
func figures[T any](name, about string, of func(T) string) column[T] {
	return marked(name, about, func(x T) cell { return cell{Text: of(x)} })
}

// marked returns a column of figures that stand out where they should.
func marked[T any](name, about string, of func(T) cell) column[T] {
	return column[T]{heading{name, about, true}, of}
}

// tabulate returns a table with a row for each item.
func tabulate[T any](title string, names int, items []T, columns ...column[T]) table {
	t := table{Title: title, names: names}
	for _, c := range columns {
		t.Headings = append(t.Headings, c.heading)
	}
	for _, x := range items {
		row := make([]cell, len(columns))
		for i, c := range columns {
			row[i] = c.of(x)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// lean returns t without the columns that are empty in all rows. Those that name
// the row stay.
func (t table) lean() table {
	var keep []int
	for i := range t.Headings {
		if i < t.names || slices.ContainsFunc(t.Rows, func(r []cell) bool { return r[i].Text != "" && r[i].Text != none }) {
			keep = append(keep, i)
		}
	}
	return t.only(keep)
}

// only returns t with the columns of these numbers.
func (t table) only(columns []int) table {
	o := table{Title: t.Title, names: t.names, Rows: make([][]cell, len(t.Rows))}
	for _, i := range columns {
		o.Headings = append(o.Headings, t.Headings[i])
		for j, r := range t.Rows {
			o.Rows[j] = append(o.Rows[j], r[i])
		}
	}
	return o
}

// Class returns the class of a cell of column i, for the page.
func (t table) Class(i int, c cell) string {
	switch {
	case !t.Headings[i].Right:
		return string(c.Mark)
	case c.Mark == "":
		return "right"
	}
	return "right " + string(c.Mark)
}

// verdict is the cell of a verdict: "ok", or what is wrong.
func verdict(s string) cell {
	if s == "ok" {
		return cell{s, good}
	}
	return cell{s, bad}
}

// problems is the cell of a count that should be 0.
func problems(n uint64) cell {
	if n == 0 {
		return cell{Text: "0"}
	}
	return cell{count(n), bad}
}

// distinct returns the keys of items, each once, in order of appearance.
func distinct[T any, K comparable](items []T, key func(T) K) []K {
	var all []K
	for _, x := range items {
		if k := key(x); !slices.Contains(all, k) {
			all = append(all, k)
		}
	}
	return all
}
