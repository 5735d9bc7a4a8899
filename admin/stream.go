package admin

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"

	"github.com/shunt-lb/shunt/director"
)

// writeStatus writes a status as a json.Encoder does, but a real server at a time: that
// of thousands takes megabytes as a whole, several times until the buffer is as large.
func writeStatus(to io.Writer, st director.Status) error {
	w := bufio.NewWriterSize(to, 16<<10)
	services := st.Services
	st.Services = services[:0:0]
	err := inPieces(w, st, "services", len(services), func(i int) error {
		one := services[i]
		servers := one.Servers
		one.Servers = servers[:0:0]
		return inPieces(w, one, "servers", len(servers), func(i int) error {
			return inPieces(w, &servers[i], "", 0, nil)
		})
	})
	if err != nil {
		return err
	}
	_ = w.WriteByte('\n') // its error comes with Flush
	return w.Flush()
}

// inPieces writes v, in which the list of a name is empty, with the n elements that
// element writes in that list. Nothing in v but the list itself looks as it does: a
// quotation mark within a text has a backslash.
func inPieces(w *bufio.Writer, v any, list string, n int, element func(i int) error) error {
	whole, err := json.Marshal(v)
	if err != nil {
		return err
	}
	before, after := whole, []byte(nil)
	if at := bytes.Index(whole, []byte(`"`+list+`":[]`)); n > 0 && at >= 0 {
		at += len(list) + len(`"":[`)
		before, after = whole[:at], whole[at:]
	}
	if _, err := w.Write(before); err != nil {
		return err
	}
	for i := range n {
		if i > 0 {
			_ = w.WriteByte(',')
		}
		if err := element(i); err != nil {
			return err
		}
	}
	_, err = w.Write(after)
	return err
}
