package alert

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

const (
	hookAttempt  = 5 * time.Second // for one attempt to post an event
	maxHookHead  = 16 << 10        // bytes of an answer's headers that are read
	maxHookBody  = 4 << 10         // and of its body
	maxRedirects = 3
)

// hookPauses are the pauses before each further attempt.
var hookPauses = []time.Duration{time.Second, 3 * time.Second, 9 * time.Second, 20 * time.Second}

// errFinal marks an answer after which no other attempt is made.
var errFinal = errors.New("it is given up")

// Post posts body, which is JSON, to a URL of http or https, in up to five
// attempts within a minute, with growing pauses, until one is answered with a
// status of 2xx. After last is closed there is one more attempt at most, at
// once. It ends soon after ctx. authorities are those that it trusts, nil for
// the system's. No proxy is asked, whatever the environment says, and no
// redirect leads to another host. The error does not tell what stands in the
// URL behind the host, nor a user or password in front of it.
func Post(ctx context.Context, last <-chan struct{}, address string, authorities *x509.CertPool, body []byte) error {
	return post(ctx, last, address, hookClient(authorities, new(net.Dialer).DialContext), body)
}

// post is Post by a client.
func post(ctx context.Context, last <-chan struct{}, address string, client *http.Client, body []byte) error {
	u, err := url.Parse(address)
	if err != nil {
		return errors.New("the webhook is no URL")
	}
	for i := 0; ; i++ {
		final := over(last)
		err := postOnce(ctx, client, u, body)
		if err == nil {
			return nil
		}
		err = fmt.Errorf("webhook %s: %w", HookName(address), err)
		if errors.Is(err, errFinal) || final || i == len(hookPauses) || !pauseFor(ctx, last, hookPauses[i]) {
			return err
		}
	}
}

// HookName names a webhook without what may be secret in its URL.
func HookName(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "of an unreadable URL"
	}
	return u.Scheme + "://" + u.Host
}

// hookClient returns a client that keeps no connection and asks no proxy.
func hookClient(authorities *x509.CertPool, dial dialer) *http.Client {
	t := &http.Transport{
		DialContext:            dial,
		TLSClientConfig:        &tls.Config{RootCAs: authorities},
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHookHead,
	}
	return &http.Client{Transport: t, CheckRedirect: sameHost}
}

// sameHost lets a redirect lead to where the first request went, by the same
// method.
func sameHost(to *http.Request, via []*http.Request) error {
	first := via[0].URL
	if len(via) > maxRedirects || to.URL.Scheme != first.Scheme || to.URL.Host != first.Host || to.Method != http.MethodPost {
		return http.ErrUseLastResponse
	}
	return nil
}

// postOnce makes one attempt.
func postOnce(ctx context.Context, client *http.Client, u *url.URL, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, hookAttempt)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("no request can be made of it: %w", errFinal)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "shunt")
	resp, err := client.Do(req)
	if err != nil {
		return hidden(ctx, err)
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, maxHookBody) // so that a short answer ends in good order
	return verdict(resp.StatusCode)
}

// verdict says what a status means: what is the fault of the event or its
// receiver's settings does not get better (RFC 9110, section 15).
func verdict(status int) error {
	switch {
	case status/100 == 2:
		return nil
	case status/100 == 3:
		return fmt.Errorf("status %d, and a redirect that is not followed: %w", status, errFinal)
	case status/100 == 4 && status != http.StatusRequestTimeout && status != http.StatusTooManyRequests:
		return fmt.Errorf("status %d: %w", status, errFinal)
	}
	return fmt.Errorf("status %d", status)
}

// hidden returns why a request failed without the URL, which http puts in front
// of it.
func hidden(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("no answer within %s: %w", hookAttempt, ctx.Err())
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	return brief(err)
}

// over reports whether a channel is closed.
func over(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// pauseFor waits for the next attempt, which is at once when it is the last,
// and returns false if there is to be none.
func pauseFor(ctx context.Context, last <-chan struct{}, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-last:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}
