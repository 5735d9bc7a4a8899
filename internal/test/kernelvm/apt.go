package kernelvm

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// download downloads packages to dir and returns their files.
func download(ctx context.Context, dir string, packages ...string) (debs []string, err error) {
	// As another user apt might be unable to write to dir.
	args := append([]string{"-o", "APT::Sandbox::User=root", "download"}, packages...)
	if _, err := output(ctx, dir, "apt-get", args...); err != nil {
		return nil, err
	}
	debs, err = filepath.Glob(filepath.Join(dir, "*.deb"))
	if err == nil && len(debs) != len(packages) {
		return nil, fmt.Errorf("apt-get left %d of %d packages", len(debs), len(packages))
	}
	return debs, err
}

// output runs a command in dir and returns what it says. What it complains of
// is part of the error.
func output(ctx context.Context, dir, name string, args ...string) ([]byte, error) {
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Stderr = dir, &stderr
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", cmd, err, bytes.TrimSpace(stderr.Bytes()))
	}
	return out, nil
}
