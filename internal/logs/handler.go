package logs

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// A handler renders records with one of slog's own handlers and passes them
// on, each with its level.
type handler struct {
	sink  *Sink
	inner slog.Handler // writes to page
	page  *page
}

const (
	// maxRecord is how many bytes of a record are written.
	maxRecord = 4 << 10
	// maxValue is how many bytes of each value are, and shortValue how many of
	// each value of a record that is too long all the same.
	maxValue   = maxRecord * 3 / 4
	shortValue = maxRecord / 16
)

// A page holds one rendered record at a time.
type page struct {
	mu    sync.Mutex
	b     bytes.Buffer
	value int // how much of each value there is room for
}

// fit takes the end off a value that is too long.
func (p *page) fit(_ []string, a slog.Attr) slog.Attr {
	a.Value = a.Value.Resolve()
	if k := a.Value.Kind(); k != slog.KindString && k != slog.KindAny {
		return a
	}
	if text := a.Value.String(); len(text) > p.value {
		return slog.String(a.Key, fmt.Sprintf("%s… (%d bytes more)", strings.ToValidUTF8(text[:p.value], ""), len(text)-p.value))
	}
	return a
}

func (p *page) Write(b []byte) (int, error) { return p.b.Write(b) }

func newHandler(format string, s *Sink) (*handler, error) {
	if err := CheckFormat(format); err != nil {
		return nil, err
	}
	p := &page{value: maxValue}
	o := &slog.HandlerOptions{Level: &s.level, ReplaceAttr: p.fit}
	if format == jsonFormat {
		return &handler{sink: s, page: p, inner: slog.NewJSONHandler(p, o)}, nil
	}
	return &handler{sink: s, page: p, inner: slog.NewTextHandler(p, o)}, nil
}

const jsonFormat = "json"

// CheckFormat returns an error for a format that Options may not have.
func CheckFormat(format string) error {
	switch format {
	case "", "text", jsonFormat:
		return nil
	}
	return fmt.Errorf("log format %q: want text or json", format)
}

// Enabled reports whether records of level l are written.
func (h *handler) Enabled(ctx context.Context, l slog.Level) bool { return h.inner.Enabled(ctx, l) }

// Handle writes a record.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	line, err := h.render(ctx, r)
	if err != nil {
		return err
	}
	h.sink.put(r.Level, line)
	return nil
}

func (h *handler) render(ctx context.Context, r slog.Record) ([]byte, error) {
	h.page.mu.Lock()
	defer h.page.mu.Unlock()
	h.page.b.Reset()
	err := h.inner.Handle(ctx, r)
	if h.page.b.Len() > maxRecord {
		h.page.b.Reset()
		h.page.value = shortValue
		err = h.inner.Handle(ctx, r)
		h.page.value = maxValue
	}
	return bytes.Clone(h.page.b.Bytes()), err
}

// first renders the first record of a target, whatever the level; nil without args.
func (h *handler) first(args []any) []byte {
	if len(args) == 0 {
		return nil
	}
	r := slog.NewRecord(time.Now(), slog.LevelInfo, "log begins", 0)
	r.Add(args...)
	line, err := h.render(context.Background(), r)
	if err != nil {
		return nil
	}
	return line
}

// WithAttrs returns a handler that adds attributes.
func (h *handler) WithAttrs(a []slog.Attr) slog.Handler {
	return &handler{sink: h.sink, page: h.page, inner: h.inner.WithAttrs(a)}
}

// WithGroup returns a handler that opens a group.
func (h *handler) WithGroup(name string) slog.Handler {
	return &handler{sink: h.sink, page: h.page, inner: h.inner.WithGroup(name)}
}
