package config

import (
	"crypto/x509"
	"fmt"
	"net/url"
	"strings"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/files"
)

// maxURL is how long the URL of a webhook may be.
const maxURL = 2048

var (
	webhook    = bind("URL of http or https; or `none`", readWebhook, writeWebhook)
	notify     = bind("command, quotes optional", readNotify, inQuotes)
	pemFile    = bind("path of a PEM file", readPEMFile, asIs)
	alertLimit = bind("NUMBER/DURATION, such as 10/m, or 0", readRate, writeLimit)
)

func writeLimit(r dataplane.Rate) string {
	if r.Count == 0 {
		return ""
	}
	return writeRate(r)
}

// readWebhook reads a URL. No message shows it, since it may contain a password.
func readWebhook(f *field) (string, bool) {
	text, ok := f.quoted(true)
	if !ok || text == "none" {
		return "", ok
	}
	u, err := url.Parse(text)
	if err != nil || strings.ContainsAny(text, " \t") || len(text) > maxURL || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.Fragment != "" {
		return "", f.fail(f.valAt, "`webhook` is not a URL that can be posted to", "write https://HOST/PATH or http://HOST:PORT/PATH, without blanks and without a #")
	}
	return text, true
}

func writeWebhook(u string) string {
	if u == "" {
		return "none"
	}
	return inQuotes(u)
}

// readNotify reads a command line for the shell.
func readNotify(f *field) (string, bool) {
	command, ok := f.quoted(true)
	if ok {
		warnMissingProgram(f, command)
	}
	return command, ok
}

// readPEMFile reads the path of a file with certificates. A missing file is no
// error: it is read with each use.
func readPEMFile(f *field) (string, bool) {
	path, ok := f.quoted(true)
	if !ok {
		return "", false
	}
	if !strings.HasPrefix(path, "/") {
		return "", f.fail(f.valAt, fmt.Sprintf("`%s` is no absolute path", path), "write /...")
	}
	text, err := files.Read(path, maxSize)
	if err == nil && !x509.NewCertPool().AppendCertsFromPEM(text) {
		err = fmt.Errorf("%s has no certificate in the form PEM", path)
	}
	if err != nil {
		f.warn(f.valAt, fmt.Sprintf("`%s` cannot be used: %v", f.key, err), "no event is delivered over https until it can")
	}
	return path, true
}
