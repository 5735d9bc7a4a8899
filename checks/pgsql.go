package checks

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/shunt-lb/shunt/checks/internal/dial"
	"github.com/shunt-lb/shunt/checks/internal/failure"
	"github.com/shunt-lb/shunt/checks/internal/library"
	"github.com/shunt-lb/shunt/checks/internal/query"
)

// PgSQL logs in as target.Login with target.Passwd, to target.Database or else
// the one of the login's name, and makes the query target.Request without its
// leading slash. The check succeeds if the last of its statements has rows, has
// changed some, or has found some; rows that are copied from and to files do not
// count.
//
// It speaks TLS if the real server does, with whatever certificate, and does
// without it where a login by TLS is refused, as libpq does by default. It is
// over with the first row if there are more than it may read (512 KiB).
func PgSQL(ctx context.Context, target Target) error {
	return attempt(ctx, "pgsql", target.Addr.String(), func() error {
		request, err := query.Of(target.Login, target.Request)
		if err != nil {
			return err
		}
		server, secure := target.server(), true
		var early []byte
		begin := func(l *dial.Link) (conn net.Conn, err error) {
			conn, early, err = securePg(&target, l, &secure)
			return conn, err
		}
		ask := func(w *library.Conn) error {
			return askPg(&target, library.NewFrames(w, pgHeader, pgLook, early...), w, request, &secure)
		}
		if err = library.Connect(ctx, server, library.MaxReply, begin, ask); errors.Is(err, errNotByTLS) {
			err = library.Connect(ctx, server, library.MaxReply, begin, ask)
		}
		return err
	})
}

// errNotByTLS is the end of a connection that has to be made again.
var errNotByTLS = errors.New("no login by TLS")

// askPg makes the query on conn, which goes over w. If a login by TLS is refused
// it returns errNotByTLS, and secure is false.
func askPg(t *Target, conn net.Conn, w *library.Conn, ask string, secure *bool) error {
	t.Trace.Note(TraceNoted, "logs in as %q to database %q and asks %q", t.Login, t.Database, ask)
	pg, err := pgconn.ConnectConfig(context.Background(), pgConfig(t, conn))
	if err != nil {
		refused, ok := errors.AsType[*pgconn.PgError](err)
		if ok && *secure && refused.Code == pgNoEntry {
			*secure = false
			return errNotByTLS
		}
		return pgError(w, err, library.UntilLogin)
	}
	defer func() {
		_ = pg.Close(context.Background())
		_ = w.Close() // what goes on in the background ends by that
		<-pg.CleanupDone()
	}()
	rows, err := pgRows(pg, ask)
	switch {
	case err != nil && (rows == 0 || !w.Overrun()):
		return pgError(w, err, query.UntilAnswer)
	case rows == 0:
		return query.ErrNoRows
	}
	return nil
}

// pgRows returns how many rows the last statement of a query has or has
// changed, as far as the answer may be read.
func pgRows(pg *pgconn.PgConn, ask string) (rows int, err error) {
	results := pg.Exec(context.Background(), ask)
	for results.NextResult() {
		rows = 0
		r := results.ResultReader()
		for r.NextRow() {
			rows++
		}
		tag, _ := r.Close() // Close of all results has the error
		rows = max(rows, pgFound(tag))
	}
	return rows, results.Close()
}

// pgFound returns how many rows a statement has found or changed, by its tag.
// DBD::Pg has the same list, without MERGE.
func pgFound(tag pgconn.CommandTag) int {
	switch verb, _, _ := strings.Cut(tag.String(), " "); verb {
	case "INSERT", "UPDATE", "DELETE", "MERGE", "SELECT", "MOVE":
		return int(tag.RowsAffected())
	}
	return 0
}

// pgConfig returns how to log in on conn. Nothing of it is from the environment.
func pgConfig(t *Target, conn net.Conn) *pgconn.Config {
	config := pgBlank.Copy()
	config.Host, config.Port = t.Addr.Addr().String(), t.Addr.Port()
	config.User, config.Password, config.Database = t.Login, t.Passwd, t.Database
	config.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil }
	config.DialFunc = func(context.Context, string, string) (c net.Conn, err error) {
		if c, conn = conn, nil; c == nil {
			err = net.ErrClosed // a request to cancel: the end of the connection does
		}
		return c, err
	}
	return config
}

// pgBlank is a configuration that knows nothing. The library makes one only
// from the environment, and PGSERVICE cannot be overruled: it is made while
// nothing else runs yet.
var pgBlank = func() *pgconn.Config {
	const service = "PGSERVICE"
	if named, ok := os.LookupEnv(service); ok {
		_ = os.Unsetenv(service)
		defer os.Setenv(service, named)
	}
	config, err := pgconn.ParseConfig("host=127.0.0.1 port=5432 user=none password=none database=none passfile='' servicefile='' " +
		"connect_timeout=0 sslmode=disable sslkey='' sslcert='' sslcertmode=disable sslrootcert='' sslpassword='' sslnegotiation=postgres sslsni=0 " +
		"target_session_attrs=any min_protocol_version=3.0 max_protocol_version=3.0 channel_binding=disable require_auth=''")
	if err != nil {
		panic(err) // all that it depends on stands here
	}
	config.RuntimeParams = map[string]string{}
	config.Fallbacks = nil
	return config
}()

// securePg begins TLS on l if secure says so and the real server wants to
// (PostgreSQL's protocol, section SSL session encryption); if not, secure is
// false. early is what has been read of the answer to the login.
func securePg(t *Target, l *dial.Link, secure *bool) (conn net.Conn, early []byte, err error) {
	if !*secure {
		return l, nil, nil
	}
	if _, err := l.Write([]byte{0, 0, 0, 8, 4, 210, 22, 47}); err != nil {
		return nil, nil, &failure.Cause{Err: err, When: library.UntilLogin}
	}
	answer := make([]byte, 1)
	if _, err := io.ReadFull(l, answer); err != nil {
		return nil, nil, &failure.Cause{Err: err, When: library.UntilLogin}
	}
	switch *secure = answer[0] == 'S'; answer[0] {
	case 'S':
		conn, _, err = t.server().Secure(l, t.tlsConfig("pgsql"))
		return conn, nil, err
	case 'N':
		return l, nil, nil
	case 'E': // an error, which the library takes for the answer to the login
		return l, answer, nil
	}
	return nil, nil, failure.Because(Protocol, "the answer to a request for TLS begins with %q, want S or N", answer)
}

const (
	pgHeader     = 5 // kind, and the length of all that follows the kind
	pgAuth       = 'R'
	pgIterations = 100_000 // of SCRAM: as much as 50 ms can do
)

// pgLook bounds messages, and how much the real server makes this host
// compute for a login.
func pgLook(m []byte) (length int, whole bool, err error) {
	length = int(binary.BigEndian.Uint32(m[1:])) - 4
	most := library.MaxReply
	if m[0] == pgAuth {
		most = library.MaxLogin
	}
	switch {
	case length < 0:
		return 0, false, failure.Because(Protocol, "a message without a length")
	case length > most:
		return 0, false, library.TooLong(length)
	case m[0] == pgAuth && len(m) > pgHeader && iterations(m) > pgIterations:
		return 0, false, failure.Because(Protocol, "the real server wants more than %d iterations of SCRAM", pgIterations)
	}
	return length, m[0] == pgAuth, nil
}

// iterations returns the count in a message that begins SCRAM (RFC 5802,
// section 5.1), 0 if there is none.
func iterations(message []byte) int {
	_, count, _ := bytes.Cut(message[max(0, bytes.LastIndex(message, []byte(",i="))):], []byte(",i="))
	n, err := strconv.Atoi(string(count))
	if errors.Is(err, strconv.ErrRange) {
		return pgIterations + 1
	}
	return n
}

const (
	pgLogins  = "28"    // the class of errors that says that a login was not accepted
	pgNoEntry = "28000" // nobody may log in so: pg_hba.conf has no entry, or one that refuses
)

func pgError(w *library.Conn, err error, when string) error {
	said, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return w.Why(err, when)
	}
	kind := Status
	if strings.HasPrefix(said.Code, pgLogins) {
		kind = Auth
	}
	return failure.Because(kind, "error %s: %s", w.Plain(said.Code), w.Plain(said.Message))
}
