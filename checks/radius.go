package checks

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"encoding/binary"
	"net"
	"net/netip"

	"github.com/shunt-lb/shunt/checks/internal/datagram"
	"github.com/shunt-lb/shunt/checks/internal/failure"
)

// Codes and attributes of RFC 2865, and of RFC 3579 and 3162 the last two.
const (
	radiusRequest   = 1
	radiusAccept    = 2
	radiusReject    = 3
	radiusChallenge = 11

	radiusUser     = 1
	radiusPassword = 2
	radiusNAS      = 4
	radiusMessage  = 80
	radiusNAS6     = 95

	radiusHeader      = 20  // code, ID, length and authenticator
	radiusMost        = 253 // bytes of an attribute's value
	radiusMostOfAPass = 128
)

// Radius asks by UDP whether target.Login may log in with target.Passwd. The
// check succeeds with an Access-Accept that whoever has target.Secret has made
// for this request. Everything else that comes is dropped, as RFC 2865, section
// 3, wants it, and the request made again after a second, two, four; ldirectord
// ends with the first reply: a defect.
//
// The request has a Message-Authenticator in front, as servers want it since
// CVE-2024-3596, and that of a reply has to be right if it has one.
func Radius(ctx context.Context, target Target) error {
	return attempt(ctx, "radius", target.Addr.String(), func() error {
		l, err := target.server().Dial(ctx, "udp", target.Addr)
		if err != nil {
			return err
		}
		defer l.Close()
		user := radius{target.Login, target.Passwd, target.Secret}
		request, err := user.request(l.LocalAddr())
		if err != nil {
			return err
		}
		target.Trace.Note(TraceNoted, "asks whether %q may log in", target.Login)
		return datagram.Ask(ctx, l, request, func(reply []byte) (bool, error) {
			return user.accepted(reply, request)
		})
	})
}

// A radius is the user who may log in, and the secret that server and client share.
type radius struct{ login, passwd, secret string }

// request returns an Access-Request from own.
func (r *radius) request(own net.Addr) ([]byte, error) {
	if len(r.login) > radiusMost || len(r.passwd) > radiusMostOfAPass {
		return nil, failure.Because(Other, "login has more than %d bytes or passwd more than %d", radiusMost, radiusMostOfAPass)
	}
	p := make([]byte, radiusHeader, 512)
	_, _ = rand.Read(p) // never fails
	p[0] = radiusRequest
	p = attribute(p, radiusMessage, make([]byte, md5.Size))
	p = attribute(p, radiusUser, []byte(r.login))
	p = attribute(p, radiusPassword, r.hidden(p[4:radiusHeader]))
	if addr, err := netip.ParseAddrPort(own.String()); err == nil {
		kind := byte(radiusNAS)
		if addr.Addr().Is6() {
			kind = radiusNAS6
		}
		p = attribute(p, kind, addr.Addr().AsSlice())
	}
	binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
	copy(p[radiusHeader+2:], r.signed(p))
	return p, nil
}

func attribute(p []byte, kind byte, value []byte) []byte {
	return append(append(p, kind, byte(2+len(value))), value...)
}

// hidden is the password as RFC 2865, section 5.2, hides it.
func (r *radius) hidden(authenticator []byte) []byte {
	blocks := max(1, (len(r.passwd)+md5.Size-1)/md5.Size)
	hidden := make([]byte, blocks*md5.Size)
	copy(hidden, r.passwd)
	for last := authenticator; blocks > 0; blocks-- {
		at := len(hidden) - blocks*md5.Size
		key := md5.Sum(append([]byte(r.secret), last...))
		for i := range key {
			hidden[at+i] ^= key[i]
		}
		last = hidden[at : at+md5.Size]
	}
	return hidden
}

// signed is the Message-Authenticator of a packet in which its value is zero
// (RFC 3579, section 3.2).
func (r *radius) signed(packet []byte) []byte {
	h := hmac.New(md5.New, []byte(r.secret))
	h.Write(packet)
	return h.Sum(nil)
}

// accepted reports whether a datagram is a reply to request, and the verdict
// about it. An authentic one may have any ID, as with ldirectord: nobody could
// have made it who does not have the secret and the request.
func (r *radius) accepted(reply, request []byte) (ours bool, err error) {
	reply, at, ok := radiusPacket(reply)
	if !ok {
		return false, failure.Because(Protocol, "not a RADIUS packet")
	}
	if !r.authentic(reply, at, request[4:radiusHeader]) {
		return false, failure.Because(Protocol, "not authentic: is the secret the right one?")
	}
	switch code := reply[0]; code {
	case radiusAccept:
		return true, nil
	case radiusReject:
		return true, failure.Because(Auth, "Access-Reject")
	case radiusChallenge:
		return true, failure.Because(Auth, "Access-Challenge, which a check cannot meet")
	default:
		return true, failure.Because(Status, "code %d, want 2, Access-Accept", code)
	}
}

// radiusPacket returns the packet in a datagram, and where the value of its
// Message-Authenticator is, 0 if there is none.
func radiusPacket(b []byte) (packet []byte, message int, ok bool) {
	if len(b) < radiusHeader {
		return nil, 0, false
	}
	length := int(binary.BigEndian.Uint16(b[2:]))
	if length < radiusHeader || length > len(b) {
		return nil, 0, false
	}
	b = b[:length]
	for at := radiusHeader; at < length; at += int(b[at+1]) {
		if at+2 > length || b[at+1] < 2 || at+int(b[at+1]) > length {
			return nil, 0, false
		}
		if b[at] == radiusMessage && message == 0 {
			if message = at + 2; int(b[at+1]) != 2+md5.Size {
				return nil, 0, false
			}
		}
	}
	return b, message, true
}

// authentic reports whether a reply was made with the secret for the request of
// this authenticator: by its own (RFC 2865, section 3), and by the
// Message-Authenticator at message, if that is not 0.
func (r *radius) authentic(reply []byte, message int, authenticator []byte) bool {
	asked := bytes.Clone(reply)
	copy(asked[4:], authenticator)
	sum := md5.Sum(append(asked, r.secret...))
	if !hmac.Equal(sum[:], reply[4:radiusHeader]) {
		return false
	}
	if message == 0 {
		return true
	}
	clear(asked[message : message+md5.Size])
	return hmac.Equal(r.signed(asked[:len(reply)]), reply[message:message+md5.Size])
}
