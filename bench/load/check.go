package load

import (
	"errors"
	"fmt"
)

// check returns an error for a job that cannot be run.
func (j Job) check() error {
	if j.Client == nil && len(j.Serve) == 0 {
		return errors.New("load job: neither a client nor real servers")
	}
	for _, s := range j.Serve {
		if !s.Address.IsValid() || s.Number < 0 || s.Number > 65535 {
			return fmt.Errorf("load job: real server %d on %v: want an address and a number up to 65535", s.Number, s.Address)
		}
	}
	switch {
	case j.Client == nil && j.Beside == nil:
		return nil
	case j.Client == nil:
		return errors.New("load job: work beside a client, and no client")
	case j.Beside == nil:
		return j.Client.check()
	case j.Beside.Kind != Bulk:
		return fmt.Errorf("load job: work of the kind %q beside a client, want %q", j.Beside.Kind, Bulk)
	}
	return errors.Join(j.Client.check(), j.beside().check())
}

func (c *Client) check() error {
	switch c.Kind {
	case Connections, Requests, Bulk, Idle, Datagrams:
	default:
		return fmt.Errorf("load job: unknown kind of work %q", c.Kind)
	}
	return errors.Join(c.checkAddresses(), c.checkSizes(), c.checkTimes())
}

func (c *Client) checkAddresses() error {
	if len(c.Targets) == 0 {
		return errors.New("load job: no target")
	}
	v4 := c.Targets[0].Addr().Is4()
	for _, t := range c.Targets {
		if !t.IsValid() || t.Port() == 0 {
			return fmt.Errorf("load job: target %v: want an address and a port", t)
		}
		if t.Addr().Is4() != v4 {
			return fmt.Errorf("load job: target %v: want all of one family", t)
		}
	}
	for _, s := range c.Sources {
		if !s.IsValid() || s.Addr().Is4() != v4 {
			return fmt.Errorf("load job: targets like %v and source %v: want one of that family", c.Targets[0], s)
		}
	}
	return nil
}

// Limits of a job.
const (
	maxSlots    = 1 << slotBits
	maxMessage  = 1<<32 - 1
	maxDatagram = 65507 // of IPv4, RFC 768 and RFC 791
	maxMoments  = 1 << 20
)

func (c *Client) checkSizes() error {
	switch {
	case c.Connections < 1 || c.Connections > maxSlots:
		return fmt.Errorf("load job: %d connections, want 1 to %d", c.Connections, maxSlots)
	case c.Flows < 0, c.Buffer < 0, c.Request < 0, c.Answer < 0:
		return errors.New("load job: a negative number")
	case c.Request > maxMessage || c.Answer > maxMessage:
		return fmt.Errorf("load job: %d and %d bytes, want %d bytes at most", c.Request, c.Answer, maxMessage)
	case c.Kind == Datagrams && max(c.Request, c.Answer) > maxDatagram:
		return fmt.Errorf("load job: %d and %d bytes, want %d at most for a datagram", c.Request, c.Answer, maxDatagram)
	}
	return nil
}

func (c *Client) checkTimes() error {
	switch {
	case c.Duration <= 0:
		return fmt.Errorf("load job: duration %v, want more than 0", c.Duration)
	case c.Rate < 0, c.Warmup < 0, c.Timeout < 0, c.Interval < 0:
		return errors.New("load job: a negative rate or time")
	case c.Kind == Idle && c.Rate > 0:
		return errors.New("load job: a rate for connections that are held")
	case c.Interval > 0 && c.Duration/c.Interval > maxMoments:
		return fmt.Errorf("load job: %d moments, want at most %d", c.Duration/c.Interval, maxMoments)
	}
	return nil
}
