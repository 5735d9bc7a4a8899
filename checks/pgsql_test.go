package checks_test

import (
	"context"
	"net"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/shunt-lb/shunt/checks"
)

// saysTag is a server of PostgreSQL that has one database, named as everybody who
// logs in, and answers each query with this tag, and no rows.
func saysTag(tag string) handler {
	return func(_ context.Context, conn *net.TCPConn) {
		b := pgproto3.NewBackend(conn, conn)
		for started := false; !started; {
			message, err := b.ReceiveStartupMessage()
			if err != nil {
				return
			}
			start, ok := message.(*pgproto3.StartupMessage)
			if started = ok; !ok {
				_, _ = conn.Write([]byte("N"))
				continue
			}
			if as, database := start.Parameters["user"], start.Parameters["database"]; database != "" && database != as {
				b.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: "3D000", Message: "no database " + database})
				_ = b.Flush()
				return
			}
		}
		b.Send(&pgproto3.AuthenticationOk{})
		b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		for b.Flush() == nil {
			if _, err := b.Receive(); err != nil {
				return
			}
			b.Send(&pgproto3.CommandComplete{CommandTag: []byte(tag)})
			b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		}
	}
}

// TestPgSQLTags: without rows, what a statement says of those that it has found
// or changed counts, and no other number.
func TestPgSQLTags(t *testing.T) {
	for tag, kind := range map[string]checks.Kind{
		"UPDATE 3": "", "INSERT 0 1": "", "DELETE 2": "", "SELECT 3": "", "MOVE 3": "", "MERGE 2": "",
		"UPDATE 0": checks.Mismatch, "INSERT 0 0": checks.Mismatch, "INSERT 7 0": checks.Mismatch, "UPDATE": checks.Mismatch, "UPDATE x": checks.Mismatch,
		"COPY 5": checks.Mismatch, "FETCH 3": checks.Mismatch, "VACUUM": checks.Mismatch, "SET": checks.Mismatch, "LOCK 99999999999999999999": checks.Mismatch,
	} {
		t.Run(tag, func(t *testing.T) {
			err := run(t, "pgsql", long, checks.Target{Addr: server(t, "127.0.0.1", saysTag(tag)), Login: "joe", Request: "/anything"})
			if got := checks.KindOf(err); got != kind {
				t.Errorf("%v is %q, want %q", err, got, kind)
			}
		})
	}
}
