package checks

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/shunt-lb/shunt/checks/internal/datagram"
	"github.com/shunt-lb/shunt/checks/internal/failure"
	"github.com/shunt-lb/shunt/checks/internal/match"
)

const dnsHeader = 12 // bytes of a message before its sections

var (
	errNoName    = failure.Because(Other, "there is no name to ask for: set request")
	errNoReceive = failure.Because(Other, "there is no record to look for: set receive")
	errTruncated = errors.New("the reply is truncated")
	errCut       = failure.Because(Protocol, "the reply is cut short or malformed")
)

// DNS asks for target.Request without its leading slash: for its A records, or
// for the PTR records if it is an address. The name is taken as it is, without
// the search list of this host. The check succeeds if the code of the reply is
// NOERROR and target.Receive matches the address or the name of a record of
// that kind in the answer section, whoever owns it. Without Receive it fails,
// as it does with ldirectord.
//
// It asks by UDP with target.UDP, again after a second, two, four, and then by
// TCP if the reply was truncated; without UDP it asks by TCP alone. Replies
// with another ID or to another question are dropped (RFC 5452, section 9.1);
// ldirectord takes the latter, and records beside an error: defects.
func DNS(ctx context.Context, target Target) error {
	return attempt(ctx, "dns", target.Addr.String(), func() error {
		q, err := newDNSQuery(&target)
		if err != nil {
			return err
		}
		target.Trace.Note(TraceNoted, "asks for %s %s", strings.TrimPrefix(q.question.Type.String(), "Type"), q.question.Name.String())
		if target.UDP {
			if err = q.overUDP(ctx); !errors.Is(err, errTruncated) {
				return err
			}
		}
		return q.overTCP(ctx)
	})
}

// A dnsQuery is one question and what its answer has to have.
type dnsQuery struct {
	target   *Target
	id       uint16
	question dnsmessage.Question
	message  []byte
}

func newDNSQuery(t *Target) (*dnsQuery, error) {
	name := strings.TrimPrefix(t.Request, "/")
	q := &dnsQuery{target: t, id: uint16(rand.Uint32())}
	q.question = dnsmessage.Question{Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}
	if addr, err := netip.ParseAddr(name); err == nil {
		name, q.question.Type = reverse(addr.Unmap()), dnsmessage.TypePTR
	}
	switch {
	case name == "":
		return nil, errNoName
	case t.Receive == nil:
		return nil, errNoReceive
	}
	var err error
	if q.question.Name, err = dnsmessage.NewName(strings.TrimSuffix(name, ".") + "."); err == nil {
		q.message, err = (&dnsmessage.Message{
			Header:    dnsmessage.Header{ID: q.id, RecursionDesired: true},
			Questions: []dnsmessage.Question{q.question},
		}).Pack()
	}
	if err != nil {
		return nil, failure.Because(Other, "the request is not a name that can be asked for: %w", err)
	}
	return q, nil
}

// reverse returns the name that an address has in in-addr.arpa or ip6.arpa.
func reverse(a netip.Addr) string {
	var labels []string
	for _, b := range a.AsSlice() {
		if a.Is4() {
			labels = append(labels, fmt.Sprint(b))
		} else {
			labels = append(labels, fmt.Sprintf("%x", b>>4), fmt.Sprintf("%x", b&15))
		}
	}
	slices.Reverse(labels)
	zone := ".ip6.arpa."
	if a.Is4() {
		zone = ".in-addr.arpa."
	}
	return strings.Join(labels, ".") + zone
}

func (q *dnsQuery) overUDP(ctx context.Context) error {
	l, err := q.target.server().Dial(ctx, "udp", q.target.Addr)
	if err != nil {
		return err
	}
	defer l.Close()
	return datagram.Ask(ctx, l, append(q.target.server().Header(l.Conn, q.target.Addr), q.message...), func(reply []byte) (bool, error) {
		return q.judge(ctx, reply, true)
	})
}

func (q *dnsQuery) overTCP(ctx context.Context) error {
	l, err := q.target.server().Dial(ctx, "tcp", q.target.Addr)
	if err != nil {
		return err
	}
	defer l.Close()
	if _, err := l.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(q.message))), q.message...)); err != nil {
		return &failure.Cause{Err: err, When: "while sending the query"}
	}
	reply, err := q.readTCP(l)
	if err != nil {
		return err
	}
	_, err = q.judge(ctx, reply, false)
	return err
}

// readTCP reads one message. Whoever speaks another protocol is found out by
// the header, not by waiting for the length that it seems to have sent.
func (q *dnsQuery) readTCP(conn net.Conn) ([]byte, error) {
	head := make([]byte, 2+dnsHeader)
	if _, err := io.ReadFull(conn, head); err != nil {
		return nil, &failure.Cause{Err: err, When: datagram.UntilReply}
	}
	length := int(binary.BigEndian.Uint16(head))
	if ours, err := q.ours(head[2:]); !ours {
		return nil, err
	}
	reply := append(head[2:], make([]byte, max(0, length-dnsHeader))...)
	if _, err := io.ReadFull(conn, reply[dnsHeader:]); err != nil {
		return nil, &failure.Cause{Err: err, When: datagram.UntilReply}
	}
	return reply, nil
}

// ours reports whether a header is that of a reply to the query.
func (q *dnsQuery) ours(header []byte) (bool, error) {
	switch {
	case len(header) < dnsHeader:
		return false, failure.Because(Protocol, "not a DNS message")
	case binary.BigEndian.Uint16(header) != q.id || header[2]&0x80 == 0:
		return false, failure.Because(Protocol, "not a reply to the query")
	}
	return true, nil
}

// judge reports whether a message is the reply to the query, and the verdict
// about it: errTruncated if it came by UDP and is.
func (q *dnsQuery) judge(ctx context.Context, reply []byte, udp bool) (ours bool, err error) {
	if ours, err := q.ours(reply); !ours {
		return false, err
	}
	var p dnsmessage.Parser
	header, err := p.Start(reply)
	if err != nil {
		return true, errCut
	}
	if ours, err := q.asked(&p); err != nil {
		return ours, err
	}
	if header.RCode != dnsmessage.RCodeSuccess {
		return true, failure.Because(Status, "the reply is %s", rcode(header.RCode))
	}
	if udp && header.Truncated {
		return true, errTruncated // a part of the records is no answer
	}
	return true, q.match(ctx, &p)
}

// asked compares the question of a reply with the query's. A reply without one
// counts as an answer to it.
func (q *dnsQuery) asked(p *dnsmessage.Parser) (ours bool, err error) {
	question, err := p.Question()
	if errors.Is(err, dnsmessage.ErrSectionDone) {
		return true, nil
	}
	if err != nil {
		return true, errCut
	}
	if question.Type != q.question.Type || !strings.EqualFold(question.Name.String(), q.question.Name.String()) {
		return false, failure.Because(Protocol, "a reply to another question")
	}
	if p.SkipAllQuestions() != nil {
		return true, errCut
	}
	return true, nil
}

// match looks for a record that matches in the answer section, all of which
// has to be well formed.
func (q *dnsQuery) match(ctx context.Context, p *dnsmessage.Parser) error {
	first, records, found := "", 0, false
	for {
		text, err := record(p, q.question.Type)
		if errors.Is(err, dnsmessage.ErrSectionDone) {
			break
		}
		if err != nil {
			return errCut
		}
		if text == "" {
			continue
		}
		if records++; records == 1 {
			first = text
		}
		if found {
			continue
		}
		if found, err = q.target.Receive.Match(ctx, strings.NewReader(text)); err != nil {
			return match.Interrupted(err)
		}
	}
	switch kind := strings.TrimPrefix(q.question.Type.String(), "Type"); {
	case found:
		return nil
	case records == 0:
		return failure.Because(Mismatch, "the reply has no %s record", kind)
	case records == 1:
		return failure.Because(Mismatch, "%s %s does not match %q", kind, q.target.server().Plain(first), q.target.Receive)
	default:
		return failure.Because(Mismatch, "none of %d %s records matches %q, the first is %s", records, kind, q.target.Receive, q.target.server().Plain(first))
	}
}

// record reads the next record of the answer section, "" if it is not of the
// kind.
func record(p *dnsmessage.Parser, kind dnsmessage.Type) (string, error) {
	header, err := p.AnswerHeader()
	if err != nil {
		return "", err
	}
	switch {
	case header.Type != kind:
		return "", p.SkipAnswer()
	case kind == dnsmessage.TypeA:
		a, err := p.AResource()
		return netip.AddrFrom4(a.A).String(), err
	default:
		ptr, err := p.PTRResource()
		return strings.TrimSuffix(ptr.PTR.String(), "."), err
	}
}

// rcode is the name of a code of RFC 1035, section 4.1.1.
func rcode(c dnsmessage.RCode) string {
	names := []string{"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"}
	if int(c) < len(names) {
		return names[c]
	}
	return fmt.Sprintf("RCODE %d", c)
}
