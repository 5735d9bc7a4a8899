package kernelvm

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/shunt-lb/shunt/internal/test/kernelvm/internal/kmod"
)

// metaPackage depends on Debian's kernel for virtual machines, the current one.
const metaPackage = "linux-image-cloud-amd64"

var (
	kernelPackage = regexp.MustCompile(`(?m)^\s*Depends: (linux-image-[0-9].*-cloud-amd64)$`)
	// packageFile is in the answer to --print-uris: 'URL' FILE SIZE HASH.
	packageFile = regexp.MustCompile(`(?m)^'[^']+' linux-image-(\S+)_amd64\.deb `)
)

// kept are the folders of the package's modules that a network needs. The
// others, drivers of devices that the machine has not, are four fifths of it.
var kept = []string{"arch", "crypto", "lib", "net", "drivers/net", "virt", "mm", "block"}

// Fetch sees to it that the kernel which Debian's package lists name as the
// current one is unpacked, and returns its folder. Nothing is installed, and
// nothing downloaded that is there already. It is kept outside of the
// repository, below the user's cache folder, one folder for each version.
func Fetch(ctx context.Context) (dir string, err error) {
	cache, err := cacheDir(kernelFolder)
	if err != nil {
		return "", err
	}
	pkg, version, err := current(ctx)
	if err != nil {
		return "", fmt.Errorf("look up Debian's kernel (apt-get update may help): %w", err)
	}
	dir = filepath.Join(cache, version)
	if _, err := os.Stat(filepath.Join(dir, indexFile)); err == nil {
		return dir, nil
	}
	err = install(dir, func(tmp string) error { return makeKernel(ctx, pkg, tmp) })
	if err != nil {
		return "", fmt.Errorf("fetch kernel %s: %w", version, err)
	}
	return dir, nil
}

// current returns the name of the package with the kernel, and its version.
func current(ctx context.Context) (pkg, version string, err error) {
	depends, err := output(ctx, "", "apt-cache", "depends", metaPackage)
	if err != nil {
		return "", "", err
	}
	name := kernelPackage.FindSubmatch(depends)
	if name == nil {
		return "", "", fmt.Errorf("%s depends on no kernel", metaPackage)
	}
	pkg = string(name[1])
	uris, err := output(ctx, "", "apt-get", "download", "--print-uris", pkg)
	if err != nil {
		return "", "", err
	}
	file := packageFile.FindSubmatch(uris)
	if file == nil {
		return "", "", fmt.Errorf("apt-get names no file of %s", pkg)
	}
	return pkg, string(file[1]), nil
}

// makeKernel makes the folder of a kernel in tmp, which is empty.
func makeKernel(ctx context.Context, pkg, tmp string) error {
	debs, err := download(ctx, tmp, pkg)
	if err != nil {
		return err
	}
	if err := unpack(ctx, debs[0], tmp); err != nil {
		return err
	}
	index, err := kmod.Scan(filepath.Join(tmp, modulesDir))
	if err != nil {
		return err
	}
	data, err := json.Marshal(index)
	if err != nil {
		return err
	}
	return errors.Join(os.Remove(debs[0]), os.WriteFile(filepath.Join(tmp, indexFile), data, 0o644))
}

// unpack takes the kernel and its modules out of a package.
func unpack(ctx context.Context, deb, dir string) error {
	cmd := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", deb)
	cmd.Stderr = os.Stderr
	files, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	err = extract(tar.NewReader(files), dir)
	if err == nil {
		_, err = io.Copy(io.Discard, files)
	}
	return errors.Join(err, cmd.Wait())
}

func extract(files *tar.Reader, dir string) error {
	for {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name, ok := keep(h.Name)
		if !ok || h.Typeflag != tar.TypeReg {
			continue
		}
		if err := save(filepath.Join(dir, name), files); err != nil {
			return err
		}
	}
}

// keep returns where a file of the package goes in a kernel's folder, if it does.
func keep(name string) (string, bool) {
	name = strings.TrimPrefix(path.Clean(name), "usr/")
	if strings.HasPrefix(name, "boot/vmlinuz-") {
		return imageFile, true
	}
	rest, ok := strings.CutPrefix(name, "lib/modules/")
	if !ok {
		return "", false
	}
	_, rest, _ = strings.Cut(rest, "/") // the version
	if rest == "modules.builtin" {
		return path.Join(modulesDir, rest), true
	}
	for _, folder := range kept {
		if strings.HasPrefix(rest, "kernel/"+folder+"/") {
			return path.Join(modulesDir, rest), true
		}
	}
	return "", false
}
