package admin

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // for the page
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/shunt-lb/shunt/admin/text"
	"github.com/shunt-lb/shunt/director"
)

// latest is how many transitions the page shows.
const latest = 25

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

//go:embed page.js
var pageJS string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"about":   text.About,
	"bounds":  text.Bounds,
	"clock":   text.Clock,
	"failing": text.Failing, "warnings": text.Warnings,
	"first":   text.First,
	"full":    text.Full,
	"size":    text.Size,
	"times":   text.Times,
	"trouble": func(rs director.ServerStatus) string { return text.Trouble(time.Now(), rs) },
	"wrapped": text.Wrapped,
	"verdict": text.LatestCheck,
	"word":    text.CheckWord,
}).Parse(pageHTML))

// pagePolicy lets the page run its own script and style and nothing else, so
// that nothing a real server answers can be more than text on it.
var pagePolicy = fmt.Sprintf("default-src 'none'; style-src '%s'; script-src '%s'; connect-src 'self'; img-src data:; "+
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'", fingerprint(pageCSS), fingerprint(pageJS))

func fingerprint(inline string) string {
	sum := sha256.Sum256([]byte(inline))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// A pageData is what the template reads.
type pageData struct {
	Version, Host string
	Style         template.CSS
	Script        template.JS
	Status        director.Status
	// Failure is why there is no status, Unready why shunt is not ready.
	Failure, Unready error
	Latest           []director.Transition // latest first
}

// page shows the status as HTML. The page refreshes itself, with its script
// or without.
func (s *Server) page(w http.ResponseWriter, r *http.Request) {
	d := pageData{Version: s.version, Host: host(), Style: template.CSS(pageCSS), Script: template.JS(pageJS)}
	code := http.StatusOK
	d.Status, d.Failure = s.status(r.Context())
	if d.Failure != nil {
		code = http.StatusServiceUnavailable
	} else {
		d.Unready = text.Unready(d.Status)
	}
	d.Latest = newest(d.Status.Transitions)
	var b bytes.Buffer
	if err := page.Execute(&b, d); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	_, _ = b.WriteTo(w) // the client has gone: there is nobody to tell
}

// newest returns the latest transitions, the latest one first.
func newest(ts []director.Transition) []director.Transition {
	ts = slices.Clone(ts[max(0, len(ts)-latest):])
	slices.Reverse(ts)
	return ts
}

// host names this machine, so that several pages can be told apart.
func host() string {
	name, err := os.Hostname()
	if err != nil {
		return "an unnamed host"
	}
	return name
}
