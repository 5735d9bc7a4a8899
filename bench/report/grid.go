package report

import "slices"

// A grid is a table, for the terminal and the page alike. The first columns name
// the row; they are repeated where a table is too wide.
type grid struct {
	title   string
	names   int // how many columns name the row, at least 1
	columns []column
	rows    [][]cell
}

type column struct {
	name  string
	right bool   // aligned, for figures
	about string // what it says, in a sentence; may be empty
}

type cell struct {
	text string
	mood mood
}

// A mood is how a cell is marked. Its value is the class on the page.
type mood string

const (
	plain mood = ""
	good  mood = "good"
	bad   mood = "bad"
	faint mood = "faint"
	doubt mood = "doubt"
)

func (g *grid) add(cells ...cell) {
	g.rows = append(g.rows, cells)
}

// words makes a row of cells that are not marked.
func words(texts ...string) []cell {
	cells := make([]cell, len(texts))
	for i, t := range texts {
		cells[i] = cell{text: t}
	}
	return cells
}

// lean returns g without the columns that are empty in all rows, but with those
// that name them.
func (g grid) lean() grid {
	keep := g.naming()
	for i := g.names; i < len(g.columns); i++ {
		if slices.ContainsFunc(g.rows, func(r []cell) bool { return r[i].text != "" && r[i].text != none }) {
			keep = append(keep, i)
		}
	}
	return g.only(keep)
}

// naming returns the numbers of the columns that name rows.
func (g grid) naming() []int {
	all := make([]int, g.names)
	for i := range all {
		all[i] = i
	}
	return all
}

// only returns g with the columns of these numbers.
func (g grid) only(keep []int) grid {
	o := grid{title: g.title, names: g.names}
	for _, i := range keep {
		o.columns = append(o.columns, g.columns[i])
	}
	for _, r := range g.rows {
		var row []cell
		for _, i := range keep {
			row = append(row, r[i])
		}
		o.add(row...)
	}
	return o
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
		return cell{"0", plain}
	}
	return cell{thousands(float64(n)), bad}
}
