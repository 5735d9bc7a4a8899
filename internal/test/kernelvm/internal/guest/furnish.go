package guest

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// openFiles is the limit of open files, the largest that the kernel allows.
const openFiles = 1 << 20

// mounts are the file systems of the machine beside its root, which is memory.
var mounts = []struct{ kind, dir, options string }{
	{"proc", "/proc", ""},
	{"sysfs", "/sys", ""},
	{"devtmpfs", "/dev", ""},
	{"devpts", "/dev/pts", "mode=620,ptmxmode=666"},
	{"tmpfs", "/dev/shm", ""},
	{"tmpfs", "/run", "mode=755"},
}

// links are names that programs expect below /dev.
var links = map[string]string{
	"/dev/fd":     "/proc/self/fd",
	"/dev/stdin":  "/proc/self/fd/0",
	"/dev/stdout": "/proc/self/fd/1",
	"/dev/stderr": "/proc/self/fd/2",
}

// furnish makes of the bare kernel a machine that programs know their way in.
func furnish() error {
	for _, m := range mounts {
		if err := mount(m.kind, m.dir, m.options); err != nil {
			return err
		}
	}
	for name, target := range links {
		if err := os.Symlink(target, name); err != nil {
			return err
		}
	}
	if err := unix.Sethostname([]byte("kernelvm")); err != nil {
		return fmt.Errorf("set the host's name: %w", err)
	}
	limit := unix.Rlimit{Cur: openFiles, Max: openFiles}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("raise the limit of open files: %w", err)
	}
	return up("lo")
}

func mount(kind, dir, options string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(kind, dir, kind, 0, options); err != nil {
		return fmt.Errorf("mount %s on %s: %w", kind, dir, err)
	}
	return nil
}

// up brings a link up; the kernel gives lo its addresses then.
func up(link string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("bring %s up: %w", link, err)
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq(link)
	if err == nil {
		req.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
		err = unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, req)
	}
	if err != nil {
		return fmt.Errorf("bring %s up: %w", link, err)
	}
	return nil
}
