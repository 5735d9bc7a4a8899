//go:build oracle

package checks

import (
	"context"
	sqldriver "database/sql/driver"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"strings"

	oracle "github.com/sijms/go-ora/v2"
	"github.com/sijms/go-ora/v2/network"

	"github.com/shunt-lb/shunt/checks/internal/failure"
	"github.com/shunt-lb/shunt/checks/internal/library"
	"github.com/shunt-lb/shunt/checks/internal/query"
)

// The library is large and slowly maintained, so that a build has it only if it
// is asked for.
func init() { byName[oracleName] = Oracle }

// Oracle logs in as target.Login with target.Passwd to the instance whose SID
// target.Database is, and makes the query target.Request without its leading
// slash. The check succeeds if the answer has a row. Nothing is asked of a host
// that the real server's listener names instead of itself.
func Oracle(ctx context.Context, target Target) error {
	return attempt(ctx, oracleName, target.Addr.String(), func() error {
		ask, err := query.Of(target.Login, target.Request)
		if err != nil {
			return err
		}
		return library.Connect(ctx, target.server(), library.MaxReply, nil, func(w *library.Conn) error { return askOracle(&target, w, ask) })
	})
}

func askOracle(t *Target, w *library.Conn, ask string) error {
	t.Trace.Note(TraceNoted, "logs in as %q to SID %q and asks %q", t.Login, t.Database, ask)
	connector := oracle.NewConnector(oracle.BuildUrl(t.Addr.Addr().String(), int(t.Addr.Port()), "", t.Login, t.Passwd, map[string]string{"SID": t.Database}))
	connector.(*oracle.OracleConnector).Dialer(&oneConn{library.NewFrames(w, tnsHeader, (&tns{}).look)})
	conn, err := connector.Connect(context.Background())
	if err != nil {
		return oracleError(w, err, library.UntilLogin)
	}
	defer func() {
		_ = conn.Close()
		_ = w.Close()
	}()
	rows, err := conn.(sqldriver.QueryerContext).QueryContext(context.Background(), ask, nil)
	if err != nil {
		return oracleError(w, err, query.UntilAnswer)
	}
	switch err := rows.Next(make([]sqldriver.Value, len(rows.Columns()))); {
	case errors.Is(err, io.EOF):
		return query.ErrNoRows
	case err != nil:
		return oracleError(w, err, query.UntilAnswer)
	}
	return nil
}

// oneConn dials what has been dialed already, once.
type oneConn struct{ conn net.Conn }

var errElsewhere = failure.Because(Status, "the listener names another address than its own")

func (d *oneConn) DialContext(context.Context, string, string) (net.Conn, error) {
	conn := d.conn
	if d.conn = nil; conn == nil {
		return nil, errElsewhere
	}
	return conn, nil
}

const (
	tnsHeader = 8
	tnsAccept = 2
	tnsWide   = 315 // the version of the protocol from which on lengths have four bytes
)

// A tns knows how the lengths of the packets are written, which the library
// believes: a length of less than a header it takes for 4 GiB.
type tns struct{ wide bool }

func (p *tns) look(m []byte) (length int, whole bool, err error) {
	length = int(binary.BigEndian.Uint16(m))
	if p.wide {
		length = int(binary.BigEndian.Uint32(m))
	}
	switch accept := m[4] == tnsAccept; {
	case length < tnsHeader:
		return 0, false, failure.Because(Protocol, "a packet shorter than its header: is this a listener of Oracle?")
	case length > library.MaxReply:
		return 0, false, library.TooLong(length)
	case accept && len(m) >= tnsHeader+2:
		p.wide = binary.BigEndian.Uint16(m[tnsHeader:]) >= tnsWide
		return 0, true, nil
	default:
		return length - tnsHeader, accept && !p.wide, nil
	}
}

// oracleLogins are the errors that say that a login was not accepted.
var oracleLogins = []int{1005, 1017, 1045, 28000, 28001}

func oracleError(w *library.Conn, err error, when string) error {
	said, ok := errors.AsType[*network.OracleError](err)
	kind := Status
	switch {
	case errors.Is(err, errElsewhere):
		return errElsewhere
	case !ok:
		return w.Why(err, when)
	case slices.Contains(oracleLogins, said.ErrCode):
		kind = Auth
	}
	// Without a text of the real server's the library makes one up.
	text, _, _ := strings.Cut(w.Plain(said), " error occur at position")
	return failure.Because(kind, "%s", text)
}
