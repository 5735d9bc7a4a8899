package alert_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shunt-lb/shunt/internal/alert"
)

// flood is written without being built for each write.
var flood = []byte(strings.Repeat("2", 64<<10))

// forever sends text until the other side has enough.
func forever(c io.Writer, text []byte) {
	for {
		if _, err := c.Write(text); err != nil {
			return
		}
	}
}

// lines is many of one line.
func lines(text string) []byte { return []byte(strings.Repeat(text+"\r\n", 8<<10)) }

// talk answers the commands of a session as a relay does, up to the one that
// begins with verb, which it leaves to the caller.
func talk(c net.Conn, in *bufio.Reader, greeting, verb string) bool {
	_, _ = io.WriteString(c, greeting)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return false
		}
		switch {
		case strings.HasPrefix(line, verb):
			return true
		case strings.HasPrefix(line, "EHLO"):
			_, _ = io.WriteString(c, "250-relay\r\n250-STARTTLS\r\n250 8BITMIME\r\n")
		case strings.HasPrefix(line, "DATA"):
			_, _ = io.WriteString(c, "354 go on\r\n")
		default:
			_, _ = io.WriteString(c, "250 ok\r\n")
		}
	}
}

var manyLines = lines("250-X")

// hostile are relays that do what no relay should.
var hostile = map[string]func(t *testing.T, c net.Conn, in *bufio.Reader){
	"greeting without end":        say(flood),
	"greeting of endless lines":   say(lines("220-welcome")),
	"greeting of empty lines":     say(lines("220-")),
	"greeting of other lines":     say(append([]byte("220-\r\n"), lines("")...)),
	"no line at all":              say([]byte(strings.Repeat("\x00", 64<<10))),
	"refusal of a long line":      say(append([]byte("554-"), lines("go away")...)),
	"answer to EHLO without end":  after("EHLO", "250-", flood),
	"endless extensions":          after("EHLO", "250-relay\r\n", lines("250-X")),
	"different extensions":        extensions,
	"refusal of EHLO and of HELO": after("EHLO", "550-\r\n", lines("550-no")),
	"answer to MAIL without end":  after("MAIL", "250-", flood),
	"refusal of a sender":         after("MAIL", "550-\r\n", lines("550-no")),
	"answer to RCPT without end":  after("RCPT", "250-", flood),
	"answer to DATA without end":  after("DATA", "354-", flood),
	"answer to a mail":            afterTheMail,
	"answer to STARTTLS":          after("STARTTLS", "220-", flood),
	"noise instead of TLS":        after("STARTTLS", "220 go on\r\n", flood),
	"endless handshake":           after("STARTTLS", "220 go on\r\n", []byte(strings.Repeat("\x16\x03\x03\x40\x00"+strings.Repeat("\x02\x00\xff\xff", 0x1000), 4))),
	"endless extensions over TLS": overTLS,
}

func say(text []byte) func(*testing.T, net.Conn, *bufio.Reader) {
	return func(_ *testing.T, c net.Conn, _ *bufio.Reader) { forever(c, text) }
}

func after(verb, first string, then []byte) func(*testing.T, net.Conn, *bufio.Reader) {
	return func(_ *testing.T, c net.Conn, in *bufio.Reader) {
		if talk(c, in, "220 relay\r\n", verb) {
			_, _ = io.WriteString(c, first)
			forever(c, then)
		}
	}
}

func extensions(_ *testing.T, c net.Conn, in *bufio.Reader) {
	if talk(c, in, "220 relay\r\n", "EHLO") {
		for i := 0; ; i++ {
			if _, err := fmt.Fprintf(c, "250-%d\r\n", i); err != nil {
				return
			}
		}
	}
}

func afterTheMail(_ *testing.T, c net.Conn, in *bufio.Reader) {
	if talk(c, in, "220 relay\r\n", "DATA") {
		_, _ = io.WriteString(c, "354 go on\r\n")
		for line := ""; line != ".\r\n"; {
			var err error
			if line, err = in.ReadString('\n'); err != nil {
				return
			}
		}
		forever(c, flood)
	}
}

func overTLS(t *testing.T, c net.Conn, in *bufio.Reader) {
	if talk(c, in, "220 relay\r\n", "STARTTLS") {
		_, _ = io.WriteString(c, "220 go on\r\n")
		secure := tls.Server(c, selfSigned(t))
		if talk(secure, bufio.NewReader(secure), "", "EHLO") {
			forever(secure, manyLines)
		}
	}
}

// listenHostile runs sessions of a relay until the test ends.
func listenHostile(t *testing.T, session func(*testing.T, net.Conn, *bufio.Reader)) string {
	t.Helper()
	r := &relay{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.l = l
	r.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r.mu.Lock()
			r.conns = append(r.conns, c)
			r.mu.Unlock()
			r.wg.Go(func() {
				session(t, c, bufio.NewReader(c))
				_ = c.Close()
			})
		}
	})
	t.Cleanup(r.close)
	return l.Addr().String()
}

// A delivery costs less than a mebibyte whatever the relay sends, and its
// report is short. All that is allocated on the way counts, by the relay, too.
func TestDeliveryIsBoundedInMemory(t *testing.T) {
	deliver(t, settings(), sample(startRelay(t, &relay{tls: selfSigned(t)}).addr())) // what is allocated once
	for name, session := range hostile {
		t.Run(name, func(t *testing.T) {
			m := sample(listenHostile(t, session))
			for i := range 20 {
				m.To = append(m.To, fmt.Sprintf("user%d@example.com", i))
			}
			set := settings()
			set.Pauses = nil
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			log := deliver(t, set, m)
			runtime.ReadMemStats(&after)
			if cost := after.TotalAlloc - before.TotalAlloc; cost > 1<<20 {
				t.Errorf("a delivery allocated %d KiB, want 1024 at most", cost>>10)
			}
			for line := range strings.Lines(log) {
				if len(line) > 4<<10 {
					t.Errorf("a log line has %d bytes: %.200s...", len(line), line)
				}
			}
			// Without TLS, those that are hostile about it take the mail.
			if about := strings.Contains(name, "TLS") || name == "endless handshake"; !about && !strings.Contains(log, "failed to send SMTP email message") {
				t.Errorf("no word of the failure in %.2000s", log)
			}
		})
	}
}

// slowly are relays that take their time without being silent.
var slowly = map[string]func(net.Conn, *bufio.Reader){
	"silent":            func(c net.Conn, _ *bufio.Reader) { _, _ = io.Copy(io.Discard, c) },
	"a byte at a time":  func(c net.Conn, _ *bufio.Reader) { drip(c, "2") },
	"a line at a time":  func(c net.Conn, _ *bufio.Reader) { drip(c, "220-welcome\r\n") },
	"extensions":        func(c net.Conn, in *bufio.Reader) { dripAfter(c, in, "EHLO", "", "250-X\r\n") },
	"TLS that hangs":    func(c net.Conn, in *bufio.Reader) { dripAfter(c, in, "STARTTLS", "220 go on\r\n", "") },
	"TLS that drips":    func(c net.Conn, in *bufio.Reader) { dripAfter(c, in, "STARTTLS", "220 go on\r\n", "\x16") },
	"no answer to DATA": func(c net.Conn, in *bufio.Reader) { dripAfter(c, in, "DATA", "", "") },
}

func drip(c net.Conn, text string) {
	for {
		if _, err := io.WriteString(c, text); err != nil {
			return
		}
		time.Sleep(time.Second)
	}
}

func dripAfter(c net.Conn, in *bufio.Reader, verb, first, then string) {
	if talk(c, in, "220 relay\r\n", verb) {
		_, _ = io.WriteString(c, first)
		drip(c, then)
	}
}

// A delivery takes half a minute at the most, with all of its attempts.
func TestDeliveryIsBoundedInTime(t *testing.T) {
	for name, session := range slowly {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var sessions sync.WaitGroup
				var attempts atomic.Int32
				dial := func(context.Context) (net.Conn, error) {
					here, there := net.Pipe()
					attempts.Add(1)
					sessions.Go(func() {
						session(there, bufio.NewReader(there))
						_ = there.Close()
					})
					return here, nil
				}
				var r record
				s := alert.NewDialing(r.logger(), dial)
				start := time.Now()
				s.Send(sample("relay.example"))
				s.Finish()
				if took := time.Since(start); took > 30*time.Second {
					t.Errorf("it took %v", took)
				}
				if n := attempts.Load(); n < 2 {
					t.Errorf("%d attempts, want more than one", n)
				}
				sessions.Wait()
			})
		})
	}
}

// A relay whose TLS hangs gets the mail without it.
func TestTLSThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got strings.Builder
		dial := func(context.Context) (net.Conn, error) {
			here, there := net.Pipe()
			go func() {
				in := bufio.NewReader(there)
				_, _ = io.WriteString(there, "220 relay\r\n")
				for {
					line, err := in.ReadString('\n')
					if err != nil {
						return
					}
					got.WriteString(line)
					switch {
					case strings.HasPrefix(line, "STARTTLS"):
						_, _ = io.WriteString(there, "220 go on\r\n")
						_, _ = io.Copy(io.Discard, there)
						return
					case strings.HasPrefix(line, "EHLO"):
						_, _ = io.WriteString(there, "250-relay\r\n250 STARTTLS\r\n")
					case strings.HasPrefix(line, "DATA"):
						_, _ = io.WriteString(there, "354 go on\r\n")
					case strings.HasPrefix(line, "MAIL"), strings.HasPrefix(line, "RCPT"), line == ".\r\n", strings.HasPrefix(line, "QUIT"):
						_, _ = io.WriteString(there, "250 ok\r\n")
					}
				}
			}()
			return here, nil
		}
		var r record
		s := alert.NewDialing(r.logger(), dial)
		s.Send(sample("relay.example"))
		s.Close(t.Context())
		if strings.Contains(r.String(), "level=ERROR") || !strings.Contains(got.String(), "Log-Message") {
			t.Errorf("log:\n%s\nthe relay got\n%s", r.String(), got.String())
		}
	})
}
