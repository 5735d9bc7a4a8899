package admin

import (
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"slices"
	"strings"
)

// maxSocketBase is how many bytes of a file's name go into the name of its
// control socket.
const maxSocketBase = 40

// ControlNames returns the file names of the control sockets of the director
// for a configuration at an absolute path: one for the path as it is and, if
// symbolic links are in it, one for the file that they lead to now. Each has
// the name of the file and a hash of its whole path.
func ControlNames(config string) []string {
	var names []string
	for _, path := range aliases(config) {
		sum := sha256.Sum256([]byte(path))
		base := strings.TrimSuffix(filepath.Base(path), ".cf")
		base = strings.ToValidUTF8(base[:min(len(base), maxSocketBase)], "")
		names = append(names, base+"-"+hex.EncodeToString(sum[:4])+".sock")
	}
	return names
}

// aliases are the absolute paths by which the file at path is known: this one,
// and the one that its symbolic links lead to. For a file that is gone, the links
// of its folder count.
func aliases(path string) []string {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		dir, err := filepath.EvalSymlinks(filepath.Dir(path))
		if err != nil {
			return []string{path}
		}
		real = filepath.Join(dir, filepath.Base(path))
	}
	return slices.Compact([]string{path, real})
}

// sameConfig reports whether two absolute paths mean one file now.
func sameConfig(a, b string) bool {
	known := aliases(b)
	return slices.ContainsFunc(aliases(a), func(path string) bool { return slices.Contains(known, path) })
}
