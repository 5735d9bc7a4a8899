package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// A webServer is a small web server that can be stopped and started again on
// the same address. It says its name.
type webServer struct {
	name, addr string
	http       *http.Server
}

func newWebServer(name string) (*webServer, error) {
	w := &webServer{name: name, addr: "127.0.0.1:0"}
	return w, w.start()
}

func (w *webServer) start() error {
	ln, err := net.Listen("tcp", w.addr)
	if err != nil {
		return err
	}
	w.addr = ln.Addr().String()
	w.http = &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(w.answer)}
	go func() { _ = w.http.Serve(ln) }() // ends with stop
	return nil
}

func (w *webServer) answer(rw http.ResponseWriter, _ *http.Request) {
	fmt.Fprintln(rw, w.name)
}

func (w *webServer) stop() { _ = w.http.Close() }

func (w *webServer) stopped() error {
	w.stop()
	return nil
}

// ask makes one request, on a connection of its own, and returns the answer
// in a word.
func ask(ctx context.Context, addr string) string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/", nil)
	if err != nil {
		return err.Error()
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return "no answer"
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	switch {
	case err != nil:
		return "half an answer"
	case resp.StatusCode == http.StatusServiceUnavailable:
		return sorryPage
	}
	return strings.TrimSpace(string(body))
}

// freeAddr is want if nobody listens there, else a free port beside it.
func freeAddr(want string) (string, error) {
	ln, err := net.Listen("tcp", want)
	if err != nil {
		host, _, e := net.SplitHostPort(want)
		if e != nil {
			return "", errors.Join(err, e)
		}
		if ln, err = net.Listen("tcp", net.JoinHostPort(host, "0")); err != nil {
			return "", err
		}
	}
	defer ln.Close()
	return ln.Addr().String(), nil
}
