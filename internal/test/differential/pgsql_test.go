//go:build kernel

package differential

import (
	"io"
	"net"

	"github.com/jackc/pgx/v5/pgproto3"
)

// A pgSession is one of PostgreSQL's protocol, version 3: without TLS, with a
// password, and with statements as one message or in steps.
type pgSession struct {
	*pgproto3.Backend
	conn  net.Conn
	fault fault
	asked bool // the statement is the check's
	skips bool // what follows an error, up to a Sync
}

func (s *server) pgsql(conn net.Conn, f fault) {
	p := &pgSession{Backend: pgproto3.NewBackend(conn, conn), conn: conn, fault: f}
	for ok := p.logIn(); ok && p.Flush() == nil; {
		message, err := p.Receive()
		if err != nil {
			return
		}
		p.answer(message)
	}
}

// logIn says whether somebody may have logged in.
func (p *pgSession) logIn() bool {
	for started := false; !started; {
		message, err := p.ReceiveStartupMessage()
		if err != nil {
			return false
		}
		if _, started = message.(*pgproto3.StartupMessage); !started {
			_, _ = io.WriteString(p.conn, "N") // neither TLS nor GSSAPI
		}
	}
	p.Send(&pgproto3.AuthenticationCleartextPassword{})
	if p.Flush() != nil {
		return false
	}
	if _, err := p.Receive(); err != nil {
		return false
	}
	if p.fault == loginRefused {
		p.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: "28P01", Message: "password authentication failed"})
		_ = p.Flush()
		return false
	}
	p.Send(&pgproto3.AuthenticationOk{})
	p.Send(&pgproto3.ParameterStatus{Name: "server_version", Value: "15.6"})
	p.Send(&pgproto3.ParameterStatus{Name: "client_encoding", Value: "UTF8"})
	p.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	return true
}

func (p *pgSession) answer(message pgproto3.FrontendMessage) {
	if _, syncs := message.(*pgproto3.Sync); p.skips && !syncs {
		return
	}
	switch message := message.(type) {
	case *pgproto3.Query:
		p.query(message.String)
	case *pgproto3.Parse:
		if p.asked = message.Query == question; p.asked && p.fault == requestFails {
			p.fails()
			p.skips = true
			return
		}
		p.Send(&pgproto3.ParseComplete{})
	case *pgproto3.Bind:
		p.Send(&pgproto3.BindComplete{})
	case *pgproto3.Describe:
		if message.ObjectType == 'S' {
			p.Send(&pgproto3.ParameterDescription{})
		}
		p.columns()
	case *pgproto3.Execute:
		p.rows()
	case *pgproto3.Close:
		p.Send(&pgproto3.CloseComplete{})
	case *pgproto3.Sync:
		p.skips = false
		p.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	}
}

func (p *pgSession) query(statement string) {
	switch p.asked = statement == question; {
	case p.asked && p.fault == requestFails:
		p.fails()
	case p.asked:
		p.columns()
		fallthrough
	default:
		p.rows()
	}
	p.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
}

func (p *pgSession) fails() {
	p.Send(&pgproto3.ErrorResponse{Severity: "ERROR", Code: "42P01", Message: `relation "orders" does not exist`})
}

func (p *pgSession) columns() {
	if !p.asked {
		p.Send(&pgproto3.NoData{})
		return
	}
	const text = 25
	p.Send(&pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{{Name: []byte("a"), DataTypeOID: text, DataTypeSize: -1, TypeModifier: -1}}})
}

// rows is a result of two rows, or of none.
func (p *pgSession) rows() {
	switch {
	case !p.asked: // what a library sets on its own account
		p.Send(&pgproto3.CommandComplete{CommandTag: []byte("SET")})
	case p.fault == otherAnswer:
		p.Send(&pgproto3.CommandComplete{CommandTag: []byte("SELECT 0")})
	default:
		p.Send(&pgproto3.DataRow{Values: [][]byte{[]byte("1")}})
		p.Send(&pgproto3.DataRow{Values: [][]byte{nil}})
		p.Send(&pgproto3.CommandComplete{CommandTag: []byte("SELECT 2")})
	}
}
