package report

import (
	"fmt"

	"github.com/shunt-lb/shunt/bench/result"
)

func rewrites(all []result.Rewrite) section {
	type field struct {
		of string
		result.Field
	}
	var fields []field
	for _, r := range all {
		for _, f := range r.Fields {
			fields = append(fields, field{r.Subject + " " + r.Method + " " + r.Family, f})
		}
	}
	s := section{
		Title: "Packets before and after the director",
		About: "The fields of a flow's packets on both sides of the director, beside the promise of the forwarding method.",
		Tables: []table{tabulate("", 3, all,
			words("SUBJECT", func(r result.Rewrite) string { return r.Subject }),
			words("METHOD", func(r result.Rewrite) string { return r.Method }),
			words("FAMILY", func(r result.Rewrite) string { return r.Family }),
			figures("PACKETS", "", func(r result.Rewrite) string { return count(r.Packets) }),
			figures("PROMISES KEPT", "", kept),
			column[result.Rewrite]{heading{Name: "VERDICT"}, func(r result.Rewrite) cell { return verdict(r.Verdict) }},
			column[result.Rewrite]{heading{Name: "CAPTURE", About: "file with the packets"}, func(r result.Rewrite) cell { return cell{Text: r.File} }},
		).lean()},
	}
	if len(fields) > 0 {
		s.Tables = append(s.Tables, tabulate("Fields", 2, fields,
			words("PACKETS OF", func(f field) string { return f.of }),
			words("FIELD", func(f field) string { return f.Name }),
			words("BEFORE", func(f field) string { return f.Before }),
			words("AFTER", func(f field) string { return f.After }),
			words("PROMISE", func(f field) string { return f.Promise }),
			column[field]{heading{Name: "KEPT"}, func(f field) cell {
				if f.Kept {
					return cell{"yes", good}
				}
				return cell{"NO", bad}
			}}))
	}
	return s
}

// kept counts the promises that r kept.
func kept(r result.Rewrite) string {
	n := 0
	for _, f := range r.Fields {
		if f.Kept {
			n++
		}
	}
	return fmt.Sprintf("%d of %d", n, len(r.Fields))
}
