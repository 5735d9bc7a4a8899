package daemon

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/internal/files"
	"github.com/shunt-lb/shunt/internal/logs"
)

// Check validates a configuration file as `shunt run` does, without putting it in
// force. The error is of type config.Problems, unless the flag is wrong. on is the
// flag --dataplane: "" and auto are the first dataplane that this host has.
func Check(ctx context.Context, src *config.Source, o config.Options, on string) (*config.Config, error) {
	v, err := newValidator(on)
	if err != nil {
		return nil, err
	}
	return v.check(ctx, src, o)
}

func (j *validator) check(ctx context.Context, src *config.Source, o config.Options) (*config.Config, error) {
	conf, open, err := j.judge(ctx, src, o)
	if err != nil {
		return nil, err
	}
	conf.Warnings = config.Join(src.Name, conf.Warnings, open)
	return conf, nil
}

// judge is check, with the warnings about programs that others may change apart.
func (j *validator) judge(ctx context.Context, src *config.Source, o config.Options) (conf *config.Config, open config.Problems, err error) {
	o.Dataplanes = dataplaneNames()
	conf, err = config.ParseSource(ctx, src, o)
	if err != nil {
		return nil, nil, err
	}
	awaitLog(conf)
	strict := o.Strict || conf.Global.Strict
	open = withLines(exposed(conf, strict), src)
	ps := withLines(j.validate(conf), src)
	if len(ps) > 0 || strict && len(open) > 0 {
		return nil, nil, config.Join(src.Name, ps, open, conf.Warnings)
	}
	conf.Waiting = config.Join(src.Name, withLines(conf.Waiting, src))
	conf.Warnings = config.Join(src.Name, conf.Warnings, withLines(remarks(conf, j.def), src))
	return conf, open, nil
}

// remarks returns the warnings that depend on the dataplane and on this host.
func remarks(conf *config.Config, def string) config.Problems {
	ps := slices.Concat(uselessTimeouts(conf, def), ownFallbacks(conf, def), oneWay(conf, def), vacant(conf))
	if err := noFacility(conf); err != nil && !conf.Global.Supervised {
		ps = append(ps, config.Problem{
			Pos: conf.Global.Origins["logfile"].Pos, Text: fmt.Sprintf("%v; the log goes to standard error", err),
			Hint: "write logfile=\"daemon\", or a path",
		})
	}
	return append(ps, readable(conf)...)
}

// awaitLog makes conf wait for a log file that cannot be written yet.
func awaitLog(conf *config.Config) {
	target := logTarget(conf)
	if !strings.HasPrefix(target, "/") {
		return
	}
	if err := logs.Usable(target); err != nil {
		conf.Await(config.Problem{
			Pos: conf.Global.Origins["logfile"].Pos, Text: fmt.Sprintf("%v; until it can be written the log goes where it went, at first to standard error", err),
		})
	}
}

// vacant warns of a file without services, and of services without real servers.
func vacant(conf *config.Config) (ps config.Problems) {
	if len(conf.Waiting) > 0 {
		return nil // they may come with what conf waits for
	}
	if len(conf.Virtuals) == 0 && len(conf.Global.Execute) == 0 {
		return config.Problems{{
			Pos: config.Pos{File: conf.Path}, Text: "there is no virtual service in this file: nothing is served",
			Hint: "a section begins with virtual=ADDRESS:PORT at the first column",
		}}
	}
	for i := range conf.Virtuals {
		v := &conf.Virtuals[i]
		if len(v.Reals) > 0 {
			continue
		}
		text := "the section has no real server: clients are refused"
		if v.Fallback != nil {
			text = "the section has no real server: the fallback answers all the time"
		}
		ps = append(ps, config.Problem{Pos: v.Pos, Text: text, Hint: "add real=ADDRESS:PORT gate|masq|ipip, indented with 4 blanks or a tab"})
	}
	return ps
}

// readable warns of passwords in files that others than their owner may read, once
// for each file.
func readable(conf *config.Config) (ps config.Problems) {
	seen := map[string]bool{}
	look := func(directive string, pos config.Pos) {
		if pos.Line == 0 || seen[pos.File] {
			return
		}
		seen[pos.File] = true
		if info, err := files.Stat(pos.File); err == nil && info.Mode().Perm()&0o044 != 0 {
			ps = append(ps, config.Problem{
				Severity: config.Warning, Pos: pos,
				Text: fmt.Sprintf("`%s` is in a file that others than its owner may read", directive),
				Hint: fmt.Sprintf("chmod 600 %s", pos.File),
			})
		}
	}
	for i := range conf.Virtuals {
		for _, directive := range []string{"passwd", "secret"} {
			look(directive, conf.Virtuals[i].Origins[directive].Pos)
		}
		for _, c := range conf.Virtuals[i].Checks {
			if c.Passwd != "" || c.Secret != "" {
				look("check", c.Pos)
			}
		}
	}
	return ps
}

// withLines adds to each problem the text of its line, without passwords.
func withLines(ps config.Problems, src *config.Source) config.Problems {
	want := map[string]map[int][]int{} // problems by file and line
	for i := range ps {
		at := ps[i].Pos
		if want[at.File] == nil {
			want[at.File] = map[int][]int{}
		}
		want[at.File][at.Line] = append(want[at.File][at.Line], i)
	}
	if len(want) == 0 {
		return ps
	}
	for name, text := range src.Texts() {
		of, num := want[name], 0
		if of == nil {
			continue
		}
		for line := range bytes.Lines(text) {
			num++
			for _, i := range of[num] {
				ps[i].Line = config.Masked(string(bytes.TrimRight(line, "\r\n")))
			}
		}
	}
	return ps
}
