package load

import "time"

// beside is the work beside the client, for as long as that one works.
func (j Job) beside() *Client {
	c := *j.Beside
	c.Rate, c.Interval, c.Warmup, c.Duration = 0, 0, j.Client.Warmup, j.Client.Duration
	return &c
}

// addBeside adds the client that works beside c, if the job has one.
func (c *client) addBeside(j Job) (err error) {
	if j.Beside == nil {
		return nil
	}
	c.beside, err = newClient(c.l, *j.beside(), func(time.Time) {})
	c.beside.secondary = true
	return err
}

// setMeasured sets the measured time, and that of the client beside.
func (c *client) setMeasured(begin int64) {
	c.t.begin, c.t.end = begin, begin+int64(c.job.Duration)
	if c.beside != nil {
		c.beside.setMeasured(begin)
	}
}

func (c *client) close() {
	c.work.close()
	if c.beside != nil {
		c.beside.close()
	}
}
