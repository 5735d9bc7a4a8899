package config

import (
	"context"
	"fmt"

	"github.com/shunt-lb/shunt/internal/files"
)

// readSorryPage reads the path of a page. One that is not there may come.
func readSorryPage(f *field) (string, bool) {
	p, ok := f.quoted(true)
	if !ok {
		return "", false
	}
	name := p
	info, err := files.Stat(name)
	if err == nil && info.IsDir() {
		name += "/index.html"
		info, err = files.Stat(name)
	}
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no file", name)
	}
	if err == nil {
		err = files.Readable(context.Background(), name)
	}
	if err != nil {
		f.wait(f.valAt, fmt.Sprintf("the sorry page cannot be read: %v; the page from before answers until it can, or the built-in one", err), "name a file, or a folder with an index.html")
	}
	return p, true
}
