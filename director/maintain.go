package director

import (
	"time"
)

// maintain handles new files in maintenancedir, by the configured addresses of the
// real servers that they keep out.
func (c *cluster) maintain(now time.Time, files map[string]string) {
	c.files = files
	for _, sv := range c.services {
		c.applyFiles(now, sv)
		c.refresh(now, sv)
	}
}

// applyFiles takes the servers of a service out of service, or back, as the files
// say.
func (c *cluster) applyFiles(now time.Time, sv *service) {
	for _, s := range sv.servers {
		if file := c.files[s.conf.Addr.String()]; file != s.maintenance {
			c.setMaintenance(now, sv, s, file)
		}
	}
}

// setMaintenance takes a server out of service, or back: then its checks have to
// succeed before it is used again. A server without checks is as it was.
func (c *cluster) setMaintenance(now time.Time, sv *service, s *server, file string) {
	before := s.state()
	s.maintenance, s.kept = file, ""
	why := "maintenance file " + file
	if file == "" {
		why = "maintenance file is gone"
		s.setHealth(s.health.Up && len(s.checks) == 0)
	}
	if s.state() != before {
		c.reports.changed(now, sv, s, before, why)
	} else {
		s.cause = why
	}
}
