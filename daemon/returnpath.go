package daemon

import (
	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/internal/host/returnpath"
)

// followReturns brings the answers of real servers back that see the clients'
// addresses.
func (d *Daemon) followReturns(conf *config.Config) error {
	want := wantedAnswers(conf, d.plane.status.Name)
	if d.host.returns == nil {
		if len(want) == 0 {
			return nil
		}
		k, err := returnpath.New(d.log, d.o.Config)
		if err != nil {
			return err
		}
		d.host.returns = k
	}
	return d.host.returns.Set(want)
}
