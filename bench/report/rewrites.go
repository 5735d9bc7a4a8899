package report

import (
	"fmt"

	"github.com/shunt-lb/shunt/bench/result"
)

func rewrites(all []result.Rewrite) section {
	s := section{
		title: "What the director changes in packets",
		about: "Packets of a flow before and after the director, beside what the forwarding method promises.",
	}
	table := grid{names: 3, columns: []column{
		{name: "SUBJECT"},
		{name: "METHOD"},
		{name: "FAMILY"},
		{name: "PACKETS", right: true},
		{name: "PROMISES KEPT", right: true},
		{name: "VERDICT"},
		{name: "CAPTURE", about: "file with the packets"},
	}}
	fields := grid{title: "Fields", names: 2, columns: []column{
		{name: "PACKETS OF"}, {name: "FIELD"}, {name: "BEFORE"}, {name: "AFTER"}, {name: "PROMISE"}, {name: "KEPT"},
	}}
	for _, r := range all {
		table.add(rewriteRow(r)...)
		for _, f := range r.Fields {
			fields.add(fieldRow(r, f)...)
		}
	}
	s.tables = []grid{table.lean()}
	if len(fields.rows) > 0 {
		s.tables = append(s.tables, fields)
	}
	return s
}

func rewriteRow(r result.Rewrite) []cell {
	kept := 0
	for _, f := range r.Fields {
		if f.Kept {
			kept++
		}
	}
	row := words(r.Subject, r.Method, r.Family, thousands(float64(r.Packets)), fmt.Sprintf("%d of %d", kept, len(r.Fields)))
	return append(row, verdict(r.Verdict), cell{text: r.File})
}

func fieldRow(r result.Rewrite, f result.Field) []cell {
	kept := cell{"yes", good}
	if !f.Kept {
		kept = cell{"NO", bad}
	}
	return append(words(r.Subject+" "+r.Method+" "+r.Family, f.Name, f.Before, f.After, f.Promise), kept)
}
