package sorry

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	index   = "index.html"
	pageMax = 1 << 20
)

// A page is what answers a request when nothing more special does.
type page struct {
	kind string // media type
	body []byte
}

//go:embed page.html
var source string

var tmpl = template.Must(template.New("page").Parse(source))

// builtin renders the page that comes with shunt.
func builtin(name string, retry int64) page {
	var b bytes.Buffer
	err := tmpl.Execute(&b, struct {
		Name  string
		Retry int64
	}{name, retry})
	if err != nil {
		panic(err) // the template is part of the program
	}
	return page{kind: "text/html; charset=utf-8", body: b.Bytes()}
}

// readPage reads a page from a file or from the index of a folder, which is
// returned as well.
func readPage(name string) (p page, folder string, err error) {
	fi, err := os.Stat(name)
	if err != nil {
		return page{}, "", fmt.Errorf("sorry page: %w", err)
	}
	dir, file := filepath.Split(filepath.Clean(name))
	if fi.IsDir() {
		dir, file, folder = name, index, name
	}
	f, size, err := openFile(dir, file, !fi.IsDir())
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

// openFile opens the regular file called name in dir. Without loose, symbolic
// links that lead out of dir are refused.
func openFile(dir, name string, loose bool) (*os.File, int64, error) {
	// O_NONBLOCK: opening a pipe by mistake must not hang.
	const flags = unix.O_RDONLY | unix.O_NONBLOCK
	var f *os.File
	var err error
	if loose {
		f, err = os.OpenFile(filepath.Join(dir, name), flags, 0)
	} else {
		f, err = openInside(dir, name, flags)
	}
	if err != nil {
		return nil, 0, err
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: f.Name(), Err: errors.New("not a regular file")}
	}
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, fi.Size(), nil
}

func openInside(dir, name string, flags int) (*os.File, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return root.OpenFile(name, flags, 0)
}

// inFolder is the name inside a folder that an URL path asks for, and false
// if no file may answer it.
func inFolder(urlPath string) (string, bool) {
	name := strings.TrimPrefix(path.Clean("/"+urlPath), "/")
	if strings.HasPrefix(name, ".") || strings.Contains(name, "/.") {
		return "", false
	}
	return name, name != "" && name != index && filepath.IsLocal(name)
}

// kindOf is the media type of a file, from its name or else its first bytes.
func kindOf(name string, head []byte) string {
	if t := mime.TypeByExtension(filepath.Ext(name)); t != "" {
		return t
	}
	return http.DetectContentType(head)
}

func isHTML(kind string) bool {
	return strings.HasPrefix(kind, "text/html")
}
