package sorry

import (
	"encoding/binary"
	"io"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// servfail returns the answer SERVFAIL to a DNS query, no longer than the
// query, and nil if query is not a DNS query.
func servfail(query []byte) []byte {
	var p dnsmessage.Parser
	head, err := p.Start(query)
	if err != nil || head.Response {
		return nil
	}
	questions, err := p.AllQuestions()
	if err != nil || len(questions) != 1 {
		return nil
	}
	m := dnsmessage.Message{
		Header: dnsmessage.Header{
			ID:               head.ID,
			Response:         true,
			OpCode:           head.OpCode,
			RecursionDesired: head.RecursionDesired,
			CheckingDisabled: head.CheckingDisabled, // RFC 4035, section 3.2.2
			RCode:            dnsmessage.RCodeServerFailure,
		},
		Questions:   questions,
		Additionals: edns(&p),
	}
	answer, err := m.Pack()
	if err != nil || len(answer) > len(query) {
		return nil
	}
	return answer
}

// edns returns the OPT record for an answer to a query that carried one, as
// RFC 6891, section 6.1.1, demands, and nothing otherwise.
func edns(p *dnsmessage.Parser) []dnsmessage.Resource {
	if p.SkipAllAnswers() != nil || p.SkipAllAuthorities() != nil {
		return nil
	}
	for {
		h, err := p.AdditionalHeader()
		if err != nil {
			return nil
		}
		if h.Type == dnsmessage.TypeOPT {
			var opt dnsmessage.ResourceHeader
			// 1232 bytes pass every path; only a name can be too long here.
			_ = opt.SetEDNS0(1232, dnsmessage.RCodeSuccess, h.DNSSECAllowed())
			return []dnsmessage.Resource{{Header: opt, Body: &dnsmessage.OPTResource{}}}
		}
		if p.SkipAdditional() != nil {
			return nil
		}
	}
}

const (
	queriesMax = 64   // on one connection
	queryMax   = 4096 // bytes; real queries have a few hundred at most
)

// resolver answers DNS over TCP: RFC 7766, section 8.
func resolver(c *client) {
	_ = c.SetDeadline(time.Now().Add(c.s.pace.query))
	buf := make([]byte, queryMax)
	for range queriesMax {
		query, err := readQuery(c, buf)
		if err != nil {
			return
		}
		answer := servfail(query)
		if answer == nil {
			hangUp(c)
			return
		}
		c.sv.queries.Add(1)
		framed := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(answer)), uint16(len(answer)))
		if _, err := c.Write(append(framed, answer...)); err != nil {
			return
		}
	}
	c.finish()
}

// readQuery reads a query and its length into buf. It returns an empty query if
// buf is too small.
func readQuery(r io.Reader, buf []byte) ([]byte, error) {
	if _, err := io.ReadFull(r, buf[:2]); err != nil {
		return nil, err
	}
	size := int(binary.BigEndian.Uint16(buf))
	if size > len(buf) {
		return nil, nil
	}
	_, err := io.ReadFull(r, buf[:size])
	return buf[:size], err
}
