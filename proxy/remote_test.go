package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/rpc"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/proxy"
)

// remoteEnv makes the test binary a proxy, so that its descriptors, memory and
// processor time are apart from those of a test.
const remoteEnv = "SHUNT_PROXY_REMOTE"

// Remote is what that process can be asked for.
type Remote struct{ d *proxy.Dataplane }

// RemoteOptions are what it is started with.
type RemoteOptions struct {
	Files  uint64 // descriptors it may have, 0 as many as there are
	Limits proxy.Limits
}

// Vitals say how it is.
type Vitals struct {
	Goroutines int
	Memory     uint64 // that Go has of the system
	Heap       uint64 // of that in use, after a collection if it was asked for
	Busy       time.Duration
	Pauses     uint64
	Load       dataplane.Load
	Sources    int // of clients, that are remembered
	Having     int // what those have
	Services   []dataplane.ServiceStatus
}

// serveRemote is a proxy until standard input ends.
func serveRemote() error {
	r := &Remote{}
	s := rpc.NewServer()
	if err := s.RegisterName("Remote", r); err != nil {
		return err
	}
	s.ServeConn(struct {
		io.Reader
		io.WriteCloser
	}{os.Stdin, os.Stdout})
	return r.d.Close()
}

// Start makes the proxy.
func (r *Remote) Start(o RemoteOptions, _ *int) error {
	if o.Files > 0 {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: o.Files, Max: o.Files}); err != nil {
			return err
		}
	}
	r.d = proxy.New(proxy.Options{Limits: o.Limits})
	return nil
}

// Apply puts services in force.
func (r *Remote) Apply(vs []dataplane.VirtualService, _ *int) error {
	for _, v := range vs {
		if err := r.d.Apply(context.Background(), v); err != nil {
			return err
		}
	}
	return nil
}

// Remove ends services.
func (r *Remote) Remove(ids []dataplane.ServiceID, _ *int) error {
	for _, id := range ids {
		if err := r.d.Remove(context.Background(), id); err != nil {
			return err
		}
	}
	return nil
}

// Vitals tells how it is.
func (r *Remote) Vitals(collect bool, v *Vitals) (err error) {
	if collect {
		debug.FreeOSMemory()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	v.Goroutines, v.Memory, v.Heap, v.Pauses = runtime.NumGoroutine(), m.Sys-m.HeapReleased, m.HeapInuse, r.d.AcceptPauses()
	v.Load = r.d.Load()
	v.Sources, v.Having = r.d.Sources()
	var u unix.Rusage
	err = unix.Getrusage(unix.RUSAGE_SELF, &u)
	v.Busy = time.Duration(u.Utime.Nano() + u.Stime.Nano())
	var status error
	v.Services, status = r.d.Snapshot(context.Background())
	return errors.Join(err, status)
}

// A remote is that process as its test sees it.
type remote struct {
	*rpc.Client
	t   testing.TB
	pid int
}

type duplex struct {
	io.ReadCloser
	io.WriteCloser
}

func (d duplex) Close() error { return errors.Join(d.WriteCloser.Close(), d.ReadCloser.Close()) }

func newRemote(t testing.TB, o RemoteOptions) *remote {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), remoteEnv+"=1")
	cmd.Stderr = os.Stderr
	in := get[io.WriteCloser](t)(cmd.StdinPipe())
	out := get[io.ReadCloser](t)(cmd.StdoutPipe())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := &remote{rpc.NewClient(duplex{out, in}), t, cmd.Process.Pid}
	t.Cleanup(func() {
		_ = r.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the proxy's process: %v", err)
		}
	})
	r.ask("Start", o, nil)
	return r
}

func (r *remote) ask(method string, args, reply any) {
	r.t.Helper()
	if err := r.Call("Remote."+method, args, reply); err != nil {
		r.t.Errorf("%s: %v", method, err)
	}
}

func (r *remote) apply(vs ...dataplane.VirtualService) { r.t.Helper(); r.ask("Apply", vs, nil) }

func (r *remote) remove(ids ...dataplane.ServiceID) { r.t.Helper(); r.ask("Remove", ids, nil) }

func (r *remote) vitals(collect bool) Vitals {
	r.t.Helper()
	var v Vitals
	r.ask("Vitals", collect, &v)
	return v
}

// files counts the descriptors that the process has open.
func (r *remote) files() int {
	r.t.Helper()
	return len(get[[]os.DirEntry](r.t)(os.ReadDir(fmt.Sprintf("/proc/%d/fd", r.pid))))
}

// resident is the memory of the process that is in use.
func (r *remote) resident() uint64 {
	r.t.Helper()
	text := get[[]byte](r.t)(os.ReadFile(fmt.Sprintf("/proc/%d/statm", r.pid)))
	pages := get[uint64](r.t)(strconv.ParseUint(strings.Fields(string(text))[1], 10, 64))
	return pages * uint64(os.Getpagesize())
}

// connections is how many there are now, flows among them.
func (r *remote) connections() int {
	r.t.Helper()
	n := 0
	for _, sv := range r.vitals(false).Services {
		for _, s := range sv.Servers {
			n += s.Active
		}
	}
	return n
}

func mib(n uint64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
