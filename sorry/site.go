package sorry

import (
	"fmt"
	"strconv"
	"time"

	"github.com/shunt-lb/shunt/internal/services"
)

// A Site says how to answer for one virtual service.
type Site struct {
	// Protocol is what the clients of the service speak, in the words of the
	// directive service: http, https, smtp, dns, none and so on. An unknown
	// protocol is treated as none: a client that begins like an HTTP client
	// gets the page, any other a reset.
	Protocol string
	// UDP is true if the service takes datagrams.
	UDP bool
	// Page is a file to answer with, or a folder whose index.html answers
	// every path that is not a file in it; empty for the built-in page. Names
	// that begin with a dot are never served, nor is anything outside the
	// folder.
	Page string
	// Status is the status of the page; 0 means 503. Other files of a folder
	// than its HTML are always served with 200, because browsers ignore style
	// sheets that come with an error.
	Status int
	// RetryAfter tells clients when to try again. It is rounded up to whole
	// seconds; 0 means ten seconds.
	RetryAfter time.Duration
	// Title is the title and the headline of the built-in page; "" for its own.
	Title string
}

const retryDefault = 10 * time.Second

// A site is a valid Site with its page read.
type site struct {
	talk   talk
	dns    bool // answers datagrams
	status int
	retry  string // seconds
	page   page
	folder string // empty without one
	own    bool   // the page is not the built-in one
}

// A Ready is a valid Site with its page read.
type Ready struct{ *site }

// Prepare reads the page that w names. It returns an error if the server cannot
// answer by w.
func Prepare(w Site) (Ready, error) {
	s, err := prepare(w)
	return Ready{s}, err
}

func prepare(w Site) (*site, error) {
	if w.Status == 0 {
		w.Status = 503
	}
	if !hasBody(w.Status) {
		return nil, fmt.Errorf("status %d: want one from 200 to 599 that may carry a page", w.Status)
	}
	if w.RetryAfter < 0 {
		return nil, fmt.Errorf("retry after %v: want a time from now on", w.RetryAfter)
	}
	if w.RetryAfter == 0 {
		w.RetryAfter = retryDefault
	}
	retry := int64((w.RetryAfter + time.Second - 1) / time.Second)
	service, _ := services.Named(w.Protocol) // none for an unknown name
	s := &site{talk: talkOf(service), dns: w.UDP && service.Sorry == services.SorryDNS, status: w.Status, retry: strconv.FormatInt(retry, 10)}
	if w.Page == "" {
		s.page = builtin(w.Title, retry)
		return s, nil
	}
	var err error
	s.own = true
	s.page, s.folder, err = readPage(w.Page)
	return s, err
}

// hasBody reports whether RFC 9110 allows content with a status.
func hasBody(status int) bool {
	return status >= 200 && status <= 599 && status != 204 && status != 205 && status != 304
}
