package checks

import (
	"context"
	sqldriver "database/sql/driver"
	"errors"
	"io"
	"net"
	"slices"

	"github.com/go-sql-driver/mysql"

	"github.com/shunt-lb/shunt/checks/internal/failure"
	"github.com/shunt-lb/shunt/checks/internal/library"
	"github.com/shunt-lb/shunt/checks/internal/query"
)

// MySQL logs in as target.Login with target.Passwd, to target.Database if that
// is set, and makes the query target.Request without its leading slash, which
// is one statement. The check succeeds if the answer has a row, whatever is in
// it. A statement without a result, as an update, is made a second time, as
// ldirectord makes every query twice: it succeeds if it finds rows then.
//
// It speaks without TLS, and is over with the first row if there are more than
// it may read (512 KiB). No file of this host is ever sent.
func MySQL(ctx context.Context, target Target) error {
	return attempt(ctx, "mysql", target.Addr.String(), func() error {
		ask, err := query.Of(target.Login, target.Request)
		if err != nil {
			return err
		}
		return library.Connect(ctx, target.server(), library.MaxReply, nil, func(w *library.Conn) error { return askMySQL(&target, w, ask) })
	})
}

// askMySQL makes a query on w. The context of all calls is none: w ends with the
// check's.
func askMySQL(t *Target, w *library.Conn, ask string) error {
	t.Trace.Note(TraceNoted, "logs in as %q to database %q and asks %q", t.Login, t.Database, ask)
	most, greeted := library.MaxLogin, false
	config := mysql.NewConfig()
	config.Net, config.Addr = "tcp", t.Addr.String()
	config.User, config.Passwd, config.DBName = t.Login, t.Passwd, t.Database
	config.Logger = &mysql.NopLogger{}
	config.ClientFoundRows = true // rows that an update finds count, not those that it changes
	config.CheckConnLiveness = false
	config.DialFunc = func(context.Context, string, string) (net.Conn, error) {
		return library.NewFrames(w, mysqlHeader, func(m []byte) (int, bool, error) {
			length, err := mysqlLength(m, most)
			if err != nil && !greeted {
				err = failure.Because(Protocol, "the answer begins with %q, which is not MySQL", m)
			}
			greeted = true
			return length, false, err
		}), nil
	}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return failure.Because(Other, "%s", w.Plain(err))
	}
	conn, err := connector.Connect(context.Background())
	if err != nil {
		return mysqlError(w, err, library.UntilLogin)
	}
	defer conn.Close()
	most = library.MaxReply
	rows, err := conn.(sqldriver.QueryerContext).QueryContext(context.Background(), ask, nil)
	if err != nil {
		return mysqlError(w, err, query.UntilAnswer)
	}
	if len(rows.Columns()) == 0 {
		return execMySQL(w, conn, ask)
	}
	return readMySQL(w, rows)
}

// execMySQL makes a statement that has no result.
func execMySQL(w *library.Conn, conn sqldriver.Conn, ask string) error {
	result, err := conn.(sqldriver.ExecerContext).ExecContext(context.Background(), ask, nil)
	if err != nil {
		return mysqlError(w, err, query.UntilAnswer)
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return query.ErrNoRows
	}
	return nil
}

// readMySQL reads a result to its end, or as far as it may be read.
func readMySQL(w *library.Conn, rows sqldriver.Rows) error {
	row := make([]sqldriver.Value, len(rows.Columns()))
	for n := 0; ; n++ {
		switch err := rows.Next(row); {
		case n > 0 && (errors.Is(err, io.EOF) || err != nil && w.Overrun()):
			return nil
		case errors.Is(err, io.EOF):
			return query.ErrNoRows
		case err != nil:
			return mysqlError(w, err, query.UntilAnswer)
		}
	}
}

const mysqlHeader = 4 // length in three bytes, the least first, and a number

func mysqlLength(header []byte, most int) (length int, err error) {
	length = int(header[0]) | int(header[1])<<8 | int(header[2])<<16
	if length > most {
		return 0, library.TooLong(length)
	}
	return length, nil
}

// mysqlLogins are the errors that say that a login was not accepted: of
// MySQL's and MariaDB's references, server errors.
var mysqlLogins = []uint16{
	1044, 1045, // user or password, or no right to the database
	1129, 1130, // nobody from this host
	1251, 1275, 1698, 1862, // by this method, or with a password that has expired
	3118, 3955, 4151, // locked
}

func mysqlError(w *library.Conn, err error, when string) error {
	said, ok := errors.AsType[*mysql.MySQLError](err)
	if !ok {
		return w.Why(err, when)
	}
	kind := Status
	if slices.Contains(mysqlLogins, said.Number) && when == library.UntilLogin {
		kind = Auth
	}
	return failure.Because(kind, "error %d: %s", said.Number, w.Plain(said.Message))
}
