package config

import (
	"fmt"
	"os"
)

// sorryPage reads the path of a page that exists.
func (f *field) sorryPage() (string, bool) {
	p, ok := f.quoted(true)
	if !ok {
		return "", false
	}
	name := p
	info, err := os.Stat(name)
	if err == nil && info.IsDir() {
		name += "/index.html"
		info, err = os.Stat(name)
	}
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no file", name)
	}
	if err == nil {
		err = readable(name)
	}
	if err != nil {
		return "", f.fail(f.valAt, fmt.Sprintf("the sorry page cannot be read: %v", err), "name a file, or a folder with an index.html")
	}
	return p, true
}

func readable(name string) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	return file.Close()
}
