package kernelvm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// packageList is the file that says of which packages a tree was made.
const packageList = ".packages"

// anyPackage is in the answer to --print-uris: 'URL' NAME_VERSION_ARCH.deb SIZE HASH.
var anyPackage = regexp.MustCompile(`(?m)^'[^']+' (([^_\s]+)_\S+\.deb) `)

// unused is what packages bring that no machine needs.
var unused = []string{
	"usr/share/doc", "usr/share/info", "usr/share/lintian", "usr/share/locale", "usr/share/man",
	"usr/share/i18n", "usr/share/bug", "usr/lib/x86_64-linux-gnu/gconv", "usr/share/snmp",
}

// Packages returns a folder with the files of Debian packages and of all that
// they depend on, to be merged into the root of a machine. They are fetched
// the first time. They are unpacked only: what their installation would
// run does not run, no user is made and no alternative chosen.
func Packages(ctx context.Context, names ...string) (dir string, err error) {
	cache, err := packageCache(names)
	if err != nil {
		return "", err
	}
	list, err := newest(filepath.Join(cache, "*", packageList))
	if err != nil {
		return "", err
	}
	if list == "" {
		return FetchPackages(ctx, names...)
	}
	return filepath.Dir(list), nil
}

// FetchPackages is Packages that looks for newer versions.
func FetchPackages(ctx context.Context, names ...string) (dir string, err error) {
	cache, err := packageCache(names)
	if err != nil {
		return "", err
	}
	packages, files, err := closure(ctx, names)
	if err != nil {
		return "", fmt.Errorf("look up packages %s (apt-get update may help): %w", strings.Join(names, ", "), err)
	}
	list := strings.Join(files, "\n") + "\n"
	sum := sha256.Sum256([]byte(list))
	dir = filepath.Join(cache, hex.EncodeToString(sum[:8]))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	err = install(dir, func(tmp string) error { return makeTree(ctx, packages, list, tmp) })
	if err != nil {
		return "", fmt.Errorf("fetch packages %s: %w", strings.Join(names, ", "), err)
	}
	return dir, nil
}

func packageCache(names []string) (string, error) {
	sorted := slices.Sorted(slices.Values(names))
	return cacheDir(filepath.Join("packages", strings.Join(sorted, "+")))
}

// closure has apt work out what a system without any package would need to
// have these, and returns the names of packages and of their files.
func closure(ctx context.Context, names []string) (packages, files []string, err error) {
	args := append([]string{
		"install", "--print-uris", "-qq", "-y", "--no-install-recommends",
		"-o", "Dir::State::status=/dev/null", "-o", "Debug::NoLocking=1",
	}, names...)
	uris, err := output(ctx, "", "apt-get", args...)
	if err != nil {
		return nil, nil, err
	}
	for _, found := range anyPackage.FindAllSubmatch(uris, -1) {
		files = append(files, string(found[1]))
		packages = append(packages, string(found[2]))
	}
	if len(files) == 0 {
		return nil, nil, errors.New("apt-get names no files")
	}
	return packages, files, nil
}

// makeTree unpacks packages in tmp, which is empty.
func makeTree(ctx context.Context, packages []string, list, tmp string) error {
	debs, err := download(ctx, tmp, packages...)
	if err != nil {
		return err
	}
	for _, deb := range debs {
		if _, err := output(ctx, "", "dpkg-deb", "-x", deb, tmp); err != nil {
			return err
		}
		if err := os.Remove(deb); err != nil {
			return err
		}
	}
	for _, name := range unused {
		if err := os.RemoveAll(filepath.Join(tmp, name)); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(tmp, packageList), []byte(list), 0o644)
}
