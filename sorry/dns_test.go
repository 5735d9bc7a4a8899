package sorry_test

import (
	"encoding/binary"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/shunt-lb/shunt/sorry"
)

// query is a question as a resolver asks it, with EDNS if wanted.
func query(t testing.TB, edns bool) []byte {
	t.Helper()
	m := dnsmessage.Message{
		Header: dnsmessage.Header{ID: 0xbeef, RecursionDesired: true},
		Questions: []dnsmessage.Question{{
			Name: dnsmessage.MustNewName("wWw.eXample.com."), Type: dnsmessage.TypeAAAA, Class: dnsmessage.ClassINET,
		}},
	}
	if edns {
		var h dnsmessage.ResourceHeader
		if err := h.SetEDNS0(4096, dnsmessage.RCodeSuccess, true); err != nil {
			t.Fatal(err)
		}
		m.Additionals = []dnsmessage.Resource{{Header: h, Body: &dnsmessage.OPTResource{}}}
	}
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func checkServfail(t *testing.T, q, answer []byte) {
	t.Helper()
	var asked, got dnsmessage.Message
	if err := asked.Unpack(q); err != nil {
		t.Fatal(err)
	}
	if err := got.Unpack(answer); err != nil {
		t.Fatalf("%v in %x", err, answer)
	}
	want := dnsmessage.Header{ID: 0xbeef, Response: true, RecursionDesired: true, RCode: dnsmessage.RCodeServerFailure}
	if diff := cmp.Diff(want, got.Header); diff != "" {
		t.Error(diff)
	}
	if len(got.Questions) != 1 || got.Questions[0] != asked.Questions[0] {
		t.Errorf("questions %v, want %v", got.Questions, asked.Questions)
	}
	if len(got.Answers) != 0 || len(got.Additionals) != len(asked.Additionals) {
		t.Errorf("answer %v to %v", got.GoString(), asked.GoString())
	}
	if len(got.Additionals) == 1 && !got.Additionals[0].Header.DNSSECAllowed() {
		t.Error("the DO bit was not copied")
	}
}

func TestDatagrams(t *testing.T) {
	s := newServer(t, sorry.New(sorry.Options{}), sorry.Site{Protocol: "dns", UDP: true})
	for _, edns := range []bool{false, true} {
		q := query(t, edns)
		checkServfail(t, q, s.Answer(service, q))
	}
	response := query(t, false)
	response[2] |= 0x80
	noQuestion := query(t, false)[:12]
	noQuestion[5] = 0
	for name, b := range map[string][]byte{
		"empty": nil, "short": {1, 2, 3}, "cut": query(t, false)[:20], "response": response, "no question": noQuestion,
	} {
		if got := s.Answer(service, b); got != nil {
			t.Errorf("%s: %x, want nothing", name, got)
		}
	}
	if got := s.Stats()[service]; got.Queries != 2 || got.Ignored != 5 {
		t.Errorf("stats %+v", got)
	}
	for _, site := range []sorry.Site{{Protocol: "none", UDP: true}, {Protocol: "sip", UDP: true}, {Protocol: "dns"}} {
		if err := s.Set(service, site); err != nil {
			t.Fatal(err)
		}
		if got := s.Answer(service, query(t, false)); got != nil {
			t.Errorf("%+v: %x, want nothing", site, got)
		}
	}
}

func TestDNSOverTCP(t *testing.T) {
	s := newServer(t, sorry.New(sorry.Options{}), sorry.Site{Protocol: "dns"})
	address := front(t, s, "tcp4")
	c := dial(t, address)
	q := query(t, true)
	framed := append(binary.BigEndian.AppendUint16(nil, uint16(len(q))), q...)
	if _, err := c.Write(append(framed, framed...)); err != nil { // two at once
		t.Fatal(err)
	}
	for range 2 {
		var size [2]byte
		if _, err := io.ReadFull(c, size[:]); err != nil {
			t.Fatal(err)
		}
		answer := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(c, answer); err != nil {
			t.Fatal(err)
		}
		checkServfail(t, q, answer)
	}
	for name, request := range map[string]string{"garbage": "\x00\x03abc", "endless": "\xff\xff", "nothing": "\x00\x00"} {
		if b, err := exchange(t, address, request); !isReset(err) {
			t.Errorf("%s: %q, %v; want a reset", name, b, err)
		}
	}
}

func FuzzServfail(f *testing.F) {
	f.Add(query(f, false))
	f.Add(query(f, true))
	f.Add([]byte("\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\xc0\x0c\x00\x01\x00\x01"))
	f.Fuzz(func(t *testing.T, q []byte) {
		answer := sorry.Servfail(q)
		if answer == nil {
			return
		}
		if len(answer) > len(q) {
			t.Fatalf("answer of %d bytes to a query of %d", len(answer), len(q))
		}
		if answer[0] != q[0] || answer[1] != q[1] {
			t.Fatal("another ID")
		}
		if answer[2]&0x80 == 0 || answer[2]&0x79 != q[2]&0x79 || answer[3]&0x0f != 2 {
			t.Fatalf("header %x to %x", answer[2:4], q[2:4])
		}
		if sorry.Servfail(answer) != nil {
			t.Fatal("an answer is answered")
		}
	})
}
