package logs

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	stdsyslog "log/syslog"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A syslog writes to the local syslog daemon. Package log/syslog gives its
// constants alone: its writes have no deadline, and a daemon that hangs would
// hang the log.
type syslog struct {
	name     string
	facility stdsyslog.Priority
	sink     *Sink
	conn     net.Conn // nil while the daemon is out of reach
	stream   bool     // lines are separated by newlines, not by datagrams
	tried    time.Time
}

const (
	ident   = "shunt"
	lineMax = 8 << 10 // what syslog daemons take
)

// dialSyslog returns a syslog, which writes to standard error while there is
// no daemon.
func (s *Sink) dialSyslog(name string, f stdsyslog.Priority) *syslog {
	l := &syslog{name: name, facility: f, sink: s}
	if err := l.dial(); err != nil {
		s.complain("log %v: %v: writing to standard error until there is one", l, err)
	}
	return l
}

// dial connects, which takes no time: the socket is local.
func (l *syslog) dial() error {
	l.tried = time.Now()
	err := errors.New("no syslog daemon")
	for _, path := range l.sink.set.sockets {
		for _, network := range []string{"unixgram", "unix"} {
			conn, dialErr := net.DialTimeout(network, path, l.sink.set.write)
			if dialErr == nil {
				l.conn, l.stream = conn, network == "unix"
				return nil
			}
			if !errors.Is(dialErr, os.ErrNotExist) && !errors.Is(dialErr, unix.EPROTOTYPE) {
				err = fmt.Errorf("no syslog daemon: %w", dialErr)
			}
		}
	}
	return err
}

func (l *syslog) write(level slog.Level, line []byte) error {
	if l.conn == nil && time.Since(l.tried) >= l.sink.set.redial {
		_ = l.dial() // its absence was reported when it began
	}
	if l.conn == nil {
		return l.sink.stderr.write(level, line)
	}
	err := l.send(level, line)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded) && l.stream:
		l.hangUp() // after half a line nothing else would make sense
	case err != nil && !errors.Is(err, os.ErrDeadlineExceeded):
		err = l.again(level, line)
	}
	return err
}

// again connects anew, to a daemon that was restarted, and sends line there.
func (l *syslog) again(level slog.Level, line []byte) error {
	l.hangUp()
	if err := l.dial(); err != nil {
		l.sink.complain("log %v: %v: writing to standard error until there is one", l, err)
		return l.sink.stderr.write(level, line)
	}
	return l.send(level, line)
}

// send writes line to the daemon.
func (l *syslog) send(level slog.Level, line []byte) error {
	_ = l.conn.SetWriteDeadline(time.Now().Add(l.sink.set.write)) // an open socket takes it
	_, err := l.conn.Write(l.frame(level, line))
	return err
}

// frame is what daemons expect on the local socket: RFC 3164 without the host.
func (l *syslog) frame(level slog.Level, line []byte) []byte {
	line = bytes.TrimRight(line, "\n")
	b := fmt.Appendf(nil, "<%d>%s %s[%d]: %s", l.facility|severity(level), time.Now().Format(time.Stamp),
		ident, os.Getpid(), line[:min(len(line), lineMax)])
	if l.stream {
		b = append(b, '\n')
	}
	return b
}

func severity(l slog.Level) stdsyslog.Priority {
	switch {
	case l >= slog.LevelError:
		return stdsyslog.LOG_ERR
	case l >= slog.LevelWarn:
		return stdsyslog.LOG_WARNING
	case l >= slog.LevelInfo:
		return stdsyslog.LOG_INFO
	}
	return stdsyslog.LOG_DEBUG
}

func (l *syslog) reopen() error {
	l.hangUp()
	return l.dial()
}

func (l *syslog) hangUp() {
	if l.conn != nil {
		_ = l.conn.Close() // what was sent is sent
		l.conn = nil
	}
}

func (l *syslog) close() error {
	l.hangUp()
	return nil
}

func (l *syslog) String() string { return "to syslog facility " + l.name }

var facilities = map[string]stdsyslog.Priority{
	"kern": stdsyslog.LOG_KERN, "user": stdsyslog.LOG_USER, "mail": stdsyslog.LOG_MAIL,
	"daemon": stdsyslog.LOG_DAEMON, "auth": stdsyslog.LOG_AUTH, "syslog": stdsyslog.LOG_SYSLOG,
	"lpr": stdsyslog.LOG_LPR, "news": stdsyslog.LOG_NEWS, "uucp": stdsyslog.LOG_UUCP,
	"cron": stdsyslog.LOG_CRON, "authpriv": stdsyslog.LOG_AUTHPRIV, "ftp": stdsyslog.LOG_FTP,
	"local0": stdsyslog.LOG_LOCAL0, "local1": stdsyslog.LOG_LOCAL1, "local2": stdsyslog.LOG_LOCAL2,
	"local3": stdsyslog.LOG_LOCAL3, "local4": stdsyslog.LOG_LOCAL4, "local5": stdsyslog.LOG_LOCAL5,
	"local6": stdsyslog.LOG_LOCAL6, "local7": stdsyslog.LOG_LOCAL7,
}
