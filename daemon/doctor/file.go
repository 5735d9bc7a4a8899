package doctor

import (
	"context"
	"fmt"

	"github.com/shunt-lb/shunt/config"
)

// file says what is wrong with the configuration itself.
func file(_ context.Context, s *Subject) []Finding {
	var lacking []config.Pos // kernel tells of these
	for v := range s.Lacks {
		lacking = append(lacking, v.Pos)
	}
	var all config.Problems
	for _, p := range s.Conf.Waiting {
		told := false
		for _, pos := range lacking {
			told = told || p.Pos == pos
		}
		if !told {
			all = append(all, p)
		}
	}
	return problems(append(all, s.Conf.Warnings...))
}

// programs says which of the programs that shunt runs others may change.
func programs(_ context.Context, s *Subject) (all []Finding) {
	for _, p := range s.Exposed {
		all = append(all, found(programWritable, p.Pos, "%s", p.Text).mend("%s", p.Hint))
	}
	return all
}

var codesOfProblems = map[config.Severity]Code{config.Error: fileError, config.Warning: fileWarning, config.Waiting: fileWaiting}

func problems(ps config.Problems) (all []Finding) {
	for _, p := range ps {
		f := found(codesOfProblems[p.Severity], p.Pos, "%s", p.Text)
		if f.Type = p.Hint; p.Severity == config.Error {
			f = f.breaks("%s", "shunt does not start with this file; one that runs keeps what it has")
		}
		if p.Pos.Line == 0 && p.Count > 1 {
			f.What += fmt.Sprintf(" (%d times)", p.Count)
		}
		all = append(all, f)
	}
	return all
}
