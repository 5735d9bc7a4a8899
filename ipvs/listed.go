package ipvs

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"strings"

	"github.com/shunt-lb/shunt/dataplane"
)

// Listed returns the tcp and udp services in the kernel's table, by whatever
// program, in the network namespace of the calling thread. It needs no rights.
// Without IPVS there are none.
func Listed() ([]dataplane.ServiceID, error) {
	runtime.LockOSThread()
	f, err := os.Open(listed)
	runtime.UnlockOSThread()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the table of IPVS: %w", err)
	}
	defer f.Close()
	return readServices(f)
}

// readServices reads the table and skips its other lines.
func readServices(r io.Reader) ([]dataplane.ServiceID, error) {
	var ids []dataplane.ServiceID
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 3 {
			continue
		}
		id, known, err := parseListed(f[0], f[1])
		if err != nil {
			return nil, fmt.Errorf("a service of IPVS: %w: %q", err, lines.Text())
		}
		if known {
			ids = append(ids, id)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the table of IPVS: %w", err)
	}
	return ids, nil
}

// parseListed reads a service's protocol and address.
func parseListed(protocol, where string) (id dataplane.ServiceID, known bool, err error) {
	switch protocol {
	case "TCP":
		id.Protocol = dataplane.TCP
	case "UDP":
		id.Protocol = dataplane.UDP
	default:
		return id, false, nil
	}
	colon := strings.LastIndexByte(where, ':')
	if colon < 0 {
		return id, false, errors.New("it has no port")
	}
	id.Addr, err = parseEnd(strings.Trim(where[:colon], "[]"), where[colon+1:])
	return id, true, err
}
