//go:build kernel

package differential

import (
	"encoding/binary"
	"io"
	"net"
)

// mysql is one session of MySQL's protocol (version 10), as far as a check takes
// it: a greeting, a login by password, and statements in text.
func (s *server) mysql(conn net.Conn, f fault) {
	m := &mysqlSession{conn: conn}
	m.say(mysqlGreeting)
	m.hear()
	if f == loginRefused {
		m.say("\xff\x15\x04#28000Access denied for user 'joe'")
		return
	}
	m.say(mysqlDone)
	for {
		command := m.hear()
		switch {
		case command == "" || command[0] == 1: // the end, or COM_QUIT
			return
		case command != "\x03"+question:
			m.say(mysqlDone) // what a library sets on its own account
		case f == requestFails:
			m.say("\xff\x7a\x04#42S02Table 'shop.orders' doesn't exist")
		default:
			m.rows(f)
		}
	}
}

// question is the query of both databases' checks.
const question = "select a from orders"

const (
	mysqlGreeting = "\x0a10.11.6-MariaDB\x00\x01\x00\x00\x0012345678\x00\x00\xa2\x2d\x02\x00\x08\x00\x15\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
		"123456789012\x00mysql_native_password\x00"
	mysqlDone = "\x00\x00\x00\x02\x00\x00\x00"
	mysqlEnd  = "\xfe\x00\x00\x02\x00" // of columns, and of rows
	mysqlText = "\x0c\x2d\x00\xff\x00\x00\x00\xfd\x00\x00\x00\x00\x00"
)

// A mysqlSession numbers packets, which have their length in front.
type mysqlSession struct {
	conn   net.Conn
	number byte
}

func (m *mysqlSession) say(packet string) {
	head := binary.LittleEndian.AppendUint32(nil, uint32(len(packet))|uint32(m.number)<<24)
	_, _ = m.conn.Write(append(head, packet...))
	m.number++
}

// hear returns a packet, "" at the end of the connection.
func (m *mysqlSession) hear() string {
	head := make([]byte, 4)
	if _, err := io.ReadFull(m.conn, head); err != nil {
		return ""
	}
	m.number = head[3] + 1
	packet := make([]byte, binary.LittleEndian.Uint32(head)&0xffffff)
	if _, err := io.ReadFull(m.conn, packet); err != nil {
		return ""
	}
	return string(packet)
}

// rows is a result of one column: two rows, or none.
func (m *mysqlSession) rows(f fault) {
	m.say("\x01")
	m.say("\x03def\x00\x06orders\x06orders\x01a\x01a" + mysqlText)
	m.say(mysqlEnd)
	if f != otherAnswer {
		m.say("\x011")
		m.say("\xfb") // NULL
	}
	m.say(mysqlEnd)
}
