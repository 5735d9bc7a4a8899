package load

import (
	"errors"
	"fmt"
)

// check says what is wrong with a job before anything is started.
func (j Job) check() error {
	if j.Client == nil && len(j.Serve) == 0 {
		return errors.New("load job: neither a client nor real servers")
	}
	for _, s := range j.Serve {
		if !s.Address.IsValid() || s.Number < 0 || s.Number > 65535 {
			return fmt.Errorf("load job: real server %d on %v: want an address and a number up to 65535", s.Number, s.Address)
		}
	}
	if j.Client == nil {
		return nil
	}
	return j.Client.check()
}

func (c *Client) check() error {
	switch c.Kind {
	case Connections, Requests, Bulk, Idle, Datagrams:
	default:
		return fmt.Errorf("load job: unknown kind of work %q", c.Kind)
	}
	for _, t := range c.Targets {
		if !t.IsValid() || t.Port() == 0 {
			return fmt.Errorf("load job: target %v: want an address and a port", t)
		}
	}
	switch {
	case len(c.Targets) == 0:
		return errors.New("load job: no target")
	case c.Connections < 1 || c.Connections > 1<<20:
		return fmt.Errorf("load job: %d connections, want 1 to %d", c.Connections, 1<<20)
	case c.Duration <= 0:
		return fmt.Errorf("load job: duration %v, want more than 0", c.Duration)
	case c.Rate < 0, c.Warmup < 0, c.Timeout < 0, c.Interval < 0, c.Flows < 0, c.Buffer < 0:
		return errors.New("load job: a negative rate, time or number")
	}
	return nil
}
