package daemon

import (
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
)

// A shortListener has run out of descriptors for its first connections.
type shortListener struct {
	net.Listener
	failures int
	conns    chan net.Conn
}

func (l *shortListener) Accept() (net.Conn, error) {
	if l.failures > 0 {
		l.failures--
		return nil, &net.OpError{Op: "accept", Err: unix.EMFILE}
	}
	if c, ok := <-l.conns; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (l *shortListener) Close() error {
	close(l.conns)
	return nil
}

// A resetter ends every connection.
type resetter struct{}

func (resetter) ServeConn(_ string, c net.Conn)   { _ = c.Close() }
func (resetter) Answer(_ string, _ []byte) []byte { return nil }

// TestSorryListenerOutlivesShortage: when descriptors are short, which is when much
// else has failed, the sorry server is not gone for good.
func TestSorryListenerOutlivesShortage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		id := dataplane.ServiceID{Protocol: dataplane.TCP, Addr: netip.MustParseAddrPort("10.0.0.1:80")}
		k := newSorryListener(id, id.Addr, resetter{}, slog.New(slog.NewTextHandler(&log, nil)))
		ln := &shortListener{failures: 3, conns: make(chan net.Conn)}
		k.stop = ln.Close
		k.wg.Go(func() { k.accept(ln) })
		ours, theirs := net.Pipe()
		ln.conns <- theirs
		if n, err := ours.Read(make([]byte, 1)); err == nil {
			t.Errorf("read %d bytes of a connection that was to be ended", n)
		}
		k.close()
		if n := strings.Count(log.String(), "too many open files"); n != 1 {
			t.Errorf("it is mentioned %d times:\n%s", n, &log)
		}
	})
}

// TestSorryListenerClosesWhileShort: nothing waits for descriptors that never come.
func TestSorryListenerClosesWhileShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newSorryListener(dataplane.ServiceID{}, netip.AddrPort{}, resetter{}, slog.New(slog.DiscardHandler))
		ln := &shortListener{failures: 1 << 30, conns: make(chan net.Conn)}
		k.stop = ln.Close
		k.wg.Go(func() { k.accept(ln) })
		synctest.Wait()
		k.close()
	})
}
