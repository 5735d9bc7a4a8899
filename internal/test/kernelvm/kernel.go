package kernelvm

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/shunt-lb/shunt/internal/test/kernelvm/internal/kmod"
)

// kernelFolder is where kernels are, below the cache folder.
const kernelFolder = "kernel"

// Names of the files in a kernel's folder.
const (
	imageFile  = "vmlinuz"
	modulesDir = "modules"
	indexFile  = "modules.json"
)

// ErrNoKernel is what looking for an unpacked kernel gives where there is none.
var ErrNoKernel = errors.New("no kernel was fetched yet")

// A Kernel is a kernel to boot, unpacked in a folder.
type Kernel struct {
	dir   string
	index kmod.Index
}

// OpenKernel returns the kernel in dir, a folder that Fetch made.
func OpenKernel(dir string) (Kernel, error) {
	k := Kernel{dir: dir}
	data, err := os.ReadFile(filepath.Join(dir, indexFile))
	if err == nil {
		err = json.Unmarshal(data, &k.index)
	}
	if err != nil {
		return Kernel{}, fmt.Errorf("open kernel %s: %w", dir, err)
	}
	return k, nil
}

// Cached returns the folder of the kernel that was fetched last, or an error
// matching ErrNoKernel.
func Cached() (dir string, err error) {
	cache, err := cacheDir(kernelFolder)
	if err != nil {
		return "", err
	}
	index, err := newest(filepath.Join(cache, "*", indexFile))
	if err != nil {
		return "", err
	}
	if index == "" {
		return "", fmt.Errorf("%s: %w", cache, ErrNoKernel)
	}
	return filepath.Dir(index), nil
}

// modules adds the modules that the patterns match, and what they need, to r.
func (k Kernel) modules(r root, patterns []string) (kmod.Index, error) {
	names, err := k.index.Match(patterns...)
	if err != nil {
		return kmod.Index{}, err
	}
	needed, err := k.index.Closure(names...)
	if err != nil {
		return kmod.Index{}, err
	}
	for _, m := range needed {
		if err := r.file(filepath.Join(guestModules, m.File), filepath.Join(k.dir, modulesDir, m.File)); err != nil {
			return kmod.Index{}, err
		}
	}
	return k.index.Subset(needed), nil
}
