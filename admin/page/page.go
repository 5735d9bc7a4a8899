// Package page shows what a director tells as HTML, and sends to who looks at it what
// changes.
package page

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed" // for the page
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"time"

	"github.com/shunt-lb/shunt/admin/internal/curves"
	"github.com/shunt-lb/shunt/admin/text"
	"github.com/shunt-lb/shunt/director"
)

const (
	// latest is how many transitions the page shows.
	latest = 25
	// unfolded is how many virtual services are shown open. Of more, those with
	// problems are.
	unfolded = 40
)

//go:embed page.html
var pageHTML string

//go:embed parts.html
var partsHTML string

//go:embed page.css
var pageCSS string

//go:embed page.js
var pageJS string

// pages has the page, and a template for each of its parts.
var pages = template.Must(template.Must(template.New("page").Funcs(template.FuncMap{
	"about":    about,
	"explain":  explain,
	"bounds":   text.Bounds,
	"clock":    text.Clock,
	"size":     text.Size,
	"times":    text.Times,
	"wrapped":  text.Wrapped,
	"verdict":  text.LatestCheck,
	"word":     text.CheckWord,
	"machine":  func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"critical": func(l text.Level) bool { return l == text.Critical },
}).Parse(pageHTML)).New("parts").Parse(partsHTML)).Lookup("page")

// about says what stands below the heading, which has the name.
func about(sv director.ServiceStatus) string {
	sv.Name = ""
	return text.About(sv)
}

// explain returns the command that explains a problem, "" for one of the director itself.
func explain(p text.Problem) string {
	switch {
	case p.Service == "":
		return ""
	case p.Server == "":
		return fmt.Sprintf("shunt explain '%s'", p.Service)
	}
	return fmt.Sprintf("shunt explain %s --virtual '%s'", p.Server, p.Service)
}

// Policy lets the page run its own script and style and nothing else, so that nothing
// a real server answers can be more than text on it.
var Policy = fmt.Sprintf("default-src 'none'; style-src '%s'; script-src '%s'; connect-src 'self'; img-src data:; "+
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'", fingerprint(pageCSS), fingerprint(pageJS))

func fingerprint(inline string) string {
	sum := sha256.Sum256([]byte(inline))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// Options configure a Page. Status is needed.
type Options struct {
	// Version says which shunt this is, and Host on which machine; "" is this one.
	Version, Host string
	// Status reads the director's status. It is called from many goroutines at once.
	Status func(context.Context) (director.Status, error)
	// Curves returns the last hour of a service; nil if nothing keeps it.
	Curves func(service string) []curves.Point
	// Now reads the clock, nil for the host's.
	Now func() time.Time
	// Pace is how long a client may take for a message, 0 for five seconds.
	Pace time.Duration
}

// A Page answers with the page and with streams of its changes. It is closed after use.
type Page struct {
	o   Options
	hub hub
}

// New returns a page that nobody looks at yet.
func New(o Options) *Page {
	if o.Host == "" {
		o.Host = text.Host()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Pace == 0 {
		o.Pace = 5 * time.Second
	}
	p := &Page{o: o}
	p.hub.init(p.frame)
	return p
}

// Close ends all streams, and returns when nothing of the page runs any more.
func (p *Page) Close() { p.hub.close() }

// ServeHTTP answers with the whole page. It keeps itself up to date by its script, and
// without one by loading itself anew.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, err := p.frame(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	var b bytes.Buffer
	err = pages.Execute(&b, struct {
		Version, Host string
		Style         template.CSS
		Script        template.JS
		At            time.Time
		Parts         []part
	}{p.o.Version, p.o.Host, template.CSS(pageCSS), template.JS(pageJS), f.at, f.parts})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if f.failed {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = b.WriteTo(w) // the client has gone: there is nobody to tell
}

// A frame is what the page shows at a moment.
type frame struct {
	at     time.Time
	failed bool // there is no status
	parts  []part
}

// A part is an element of the page with an id.
type part struct {
	ID   string
	HTML template.HTML
	// services are parts of their own within this one; of them names is the order.
	services []part
	names    string
}

// A view is what the templates of the parts read.
type view struct {
	director.Status
	At       time.Time
	Failure  error // why there is no status
	Summary  text.Summary
	Problems []text.Problem
	Latest   []director.Transition // latest first
}

// frame asks the director and renders each part. The error is the templates'.
func (p *Page) frame(ctx context.Context) (frame, error) {
	st, failed := p.o.Status(ctx)
	v := view{Status: st, At: p.o.Now(), Failure: failed, Latest: newest(st.Transitions)}
	if failed == nil {
		v.Summary, v.Problems = text.Summarize(st), text.Problems(st, v.At)
	}
	f := frame{at: v.At, failed: failed != nil}
	for _, id := range []string{"summary", "problems", "force"} {
		html, err := render(id, v)
		if err != nil {
			return f, err
		}
		f.parts = append(f.parts, part{ID: id, HTML: html})
	}
	services, err := p.services(v)
	if err != nil {
		return f, err
	}
	html, err := render("latest", v)
	f.parts = append(f.parts, services, part{ID: "latest", HTML: html})
	return f, err
}

// A serviceView is a virtual service on the page.
type serviceView struct {
	director.ServiceStatus
	ID       string
	Open     bool
	Problems []text.Problem
	Curves   []curve
	At       time.Time
	Rows     []serverView
}

// A serverView is a real server on the page.
type serverView struct {
	director.ServerStatus
	Trouble string
}

// services renders each service, and a part around them all.
func (p *Page) services(v view) (part, error) {
	about := map[string][]text.Problem{}
	for _, problem := range v.Problems {
		about[problem.Service] = append(about[problem.Service], problem)
	}
	all := part{ID: "services"}
	var names, joined bytes.Buffer
	for i, sv := range v.Services {
		one := serviceView{
			ServiceStatus: sv, ID: fmt.Sprint("s", i), Problems: about[sv.Service], At: v.At,
			Open: len(v.Services) <= unfolded || len(about[sv.Service]) > 0,
		}
		if p.o.Curves != nil {
			one.Curves = draw(p.o.Curves(sv.Service))
		}
		for _, rs := range sv.Servers {
			one.Rows = append(one.Rows, serverView{rs, text.Trouble(v.At, rs)})
		}
		html, err := render("service", one)
		if err != nil {
			return all, err
		}
		all.services = append(all.services, part{ID: one.ID, HTML: html})
		joined.WriteString(string(html))
		fmt.Fprintf(&names, "%s\n%s\n", sv.Service, sv.Name)
	}
	var err error
	all.names = names.String()
	all.HTML, err = render("services", struct {
		Failure error
		All     template.HTML
	}{v.Failure, template.HTML(joined.String())})
	return all, err
}

func render(name string, data any) (template.HTML, error) {
	var b bytes.Buffer
	err := pages.ExecuteTemplate(&b, name, data)
	return template.HTML(b.String()), err
}

// newest returns the latest transitions, the latest one first.
func newest(ts []director.Transition) []director.Transition {
	ts = slices.Clone(ts[max(0, len(ts)-latest):])
	slices.Reverse(ts)
	return ts
}
