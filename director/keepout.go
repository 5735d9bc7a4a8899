package director

import (
	"time"
)

// maintain takes in which real servers are kept out by a file, keyed by their
// configured address.
func (c *cluster) maintain(now time.Time, files map[string]string) {
	c.files = files
	for _, sv := range c.services {
		c.keepOut(now, sv)
		c.refresh(now, sv)
	}
}

// keepOut makes a service follow the files that are known.
func (c *cluster) keepOut(now time.Time, sv *service) {
	for _, s := range sv.servers {
		if file := c.files[s.conf.Addr.String()]; file != s.maintenance {
			c.setMaintenance(now, sv, s, file)
		}
	}
}

// setMaintenance takes a server out, or gives it back to its checks, which
// have to succeed before it is used again. Without checks it is as it was.
func (c *cluster) setMaintenance(now time.Time, sv *service, s *server, file string) {
	before := s.state()
	s.maintenance = file
	why := "maintenance file " + file
	if file == "" {
		why = "maintenance file is gone"
		s.health.set(s.health.up && s.probe == nil)
	}
	if s.state() != before {
		c.changed(now, sv, s, before, why)
	} else {
		s.cause = why
	}
}
