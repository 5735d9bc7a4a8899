package sorry

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"mime"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/shunt-lb/shunt/internal/files"
)

const (
	index   = "index.html"
	pageMax = 1 << 20
)

// A page is the answer to a request that no file of the site's folder answers.
type page struct {
	kind string // media type
	body []byte
}

//go:embed page.html
var source string

var tmpl = template.Must(template.New("page").Parse(source))

// builtin renders the page that comes with shunt.
func builtin(title string, retry int64) page {
	var b bytes.Buffer
	err := tmpl.Execute(&b, struct {
		Title string
		Retry int64
	}{title, retry})
	if err != nil {
		panic(err) // the template is part of the program
	}
	return page{kind: "text/html; charset=utf-8", body: b.Bytes()}
}

// readPage reads a page from a file or from the index of a folder, which is
// returned as well.
func readPage(name string) (page, string, error) {
	type read struct {
		page
		folder string
	}
	r, err := files.Try(context.Background(), name, func() (r read, err error) {
		r.page, r.folder, err = readPageNow(name)
		return r, err
	})
	return r.page, r.folder, err
}

func readPageNow(name string) (p page, folder string, err error) {
	fi, err := os.Stat(name)
	if err != nil {
		return page{}, "", fmt.Errorf("sorry page: %w", err)
	}
	dir, file := filepath.Split(filepath.Clean(name))
	if fi.IsDir() {
		dir, file, folder = name, index, name
	}
	f, size, err := openNow(dir, file, !fi.IsDir())
	if err != nil {
		return page{}, "", fmt.Errorf("sorry page: %w", err)
	}
	defer f.Close()
	if size > pageMax {
		return page{}, "", fmt.Errorf("sorry page %s: %d bytes, want at most %d", f.Name(), size, pageMax)
	}
	body, err := io.ReadAll(io.LimitReader(f, pageMax))
	if err != nil {
		return page{}, "", fmt.Errorf("sorry page: %w", err)
	}
	return page{kind: kindOf(file, body), body: body}, folder, nil
}

// openFile opens the regular file called name in dir and returns its size. It
// fails if the file system does not answer in time. Without loose it refuses
// symbolic links that lead out of dir.
func openFile(dir, name string, loose bool) (*os.File, int64, error) {
	type opened struct {
		*os.File
		size int64
	}
	o, err := files.Try(context.Background(), filepath.Join(dir, name), func() (o opened, err error) {
		o.File, o.size, err = openNow(dir, name, loose)
		return o, err
	})
	return o.File, o.size, err
}

func openNow(dir, name string, loose bool) (*os.File, int64, error) {
	f, err := openEither(dir, name, loose)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}

func openEither(dir, name string, loose bool) (*os.File, error) {
	if loose {
		return files.Open(filepath.Join(dir, name))
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return files.OpenIn(root, name)
}

// inFolder returns the name inside a folder that an URL path asks for, and false
// if no file may answer it.
func inFolder(urlPath string) (string, bool) {
	name := strings.TrimPrefix(path.Clean("/"+urlPath), "/")
	if strings.HasPrefix(name, ".") || strings.Contains(name, "/.") {
		return "", false
	}
	return name, name != "" && name != index && filepath.IsLocal(name)
}

// kindOf returns the media type of a file, from its name or else its first bytes.
func kindOf(name string, head []byte) string {
	if t := mime.TypeByExtension(filepath.Ext(name)); t != "" {
		return t
	}
	return http.DetectContentType(head)
}

func isHTML(kind string) bool {
	return strings.HasPrefix(kind, "text/html")
}
