package ipvs

import (
	"bytes"
	"errors"
	"hash/maphash"
	"io"
	"os"
	"runtime"
	"strconv"

	"github.com/shunt-lb/shunt/dataplane"
)

// A listing is /proc/net/ip_vs of the network namespace it was opened in: all
// services with the methods and weights of their real servers. It costs a
// fiftieth of asking for each of them. Where several namespaces have services,
// the kernel may leave some out at the border of two pages: where a page begins is
// counted among the services of this namespace, where the one before ended among
// those of all (Linux 6.1, net/netfilter/ipvs/ip_vs_ctl.c, ip_vs_info_array and
// ip_vs_info_seq_next). What is not listed has to be asked for.
type listing struct {
	home string // the network namespace
	file *os.File
	text []byte // room to read into
	seed maphash.Seed
}

// open opens the listing of the calling thread's network namespace. Without
// one there are no prints.
func (l *listing) open() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	l.home, l.seed = here(), maphash.MakeSeed()
	l.file, _ = os.Open(listed)
}

// listed is the path of the file. The one in /proc/net is that of the first
// thread.
const listed = "/proc/thread-self/net/ip_vs"

// reopen opens the file again, which is another one after the module was loaded
// anew. It does nothing in another namespace.
func (l *listing) reopen() {
	l.close()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if here() == l.home {
		l.file, _ = os.Open(listed)
	}
}

func (l *listing) close() {
	if l.file != nil {
		_ = l.file.Close()
		l.file = nil
	}
}

// prints implements viewer. It covers everything that is listed except the counts
// of connections.
func (l *listing) prints() map[dataplane.ServiceID]uint64 {
	if l.load() != nil {
		l.reopen()
		if l.load() != nil {
			return nil
		}
	}
	all := map[dataplane.ServiceID]uint64{}
	var id dataplane.ServiceID
	for line := range bytes.Lines(l.text) {
		if bytes.HasPrefix(line, []byte("  -> ")) {
			line = withoutCounts(line)
		} else {
			id = listedID(line)
		}
		all[id] = all[id]*31 + maphash.Bytes(l.seed, line)
	}
	return all
}

// load reads the file, which the kernel hands out in pages.
func (l *listing) load() error {
	if l.file == nil {
		return os.ErrNotExist
	}
	if _, err := l.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	l.text = l.text[:0]
	for {
		if cap(l.text)-len(l.text) < os.Getpagesize() {
			l.text = append(make([]byte, 0, 2*cap(l.text)+4*os.Getpagesize()), l.text...)
		}
		n, err := l.file.Read(l.text[len(l.text):cap(l.text)])
		l.text = l.text[:len(l.text)+n]
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// withoutCounts cuts the last two words, which are of connections.
func withoutCounts(line []byte) []byte {
	for range 2 {
		line = bytes.TrimRight(line, " \n")
		line = line[:max(0, bytes.LastIndexByte(line, ' '))]
	}
	return line
}

// listedID returns the service that a line describes, the zero value for none.
func listedID(line []byte) dataplane.ServiceID {
	protocol, rest, _ := bytes.Cut(line, []byte(" "))
	where, _, _ := bytes.Cut(bytes.TrimLeft(rest, " "), []byte(" "))
	if string(protocol) == "FWM" {
		mark, _ := strconv.ParseUint(string(where), 16, 32)
		return dataplane.ServiceID{Protocol: dataplane.FWMark, Mark: uint32(mark)}
	}
	id, known, err := parseListed(string(protocol), string(where))
	if !known || err != nil {
		return dataplane.ServiceID{}
	}
	return id
}
