package prober

import (
	"log/slog"
	"sync/atomic"
	"time"
)

// complaints log what keeps this host from making checks as it should: one warning a
// minute, whatever it is about. Their methods may be called from any goroutine.
type complaints struct {
	*slog.Logger
	latest atomic.Int64 // in Unix seconds
}

// panicked logs each panic of a check.
func (c *complaints) panicked(value any, stack []byte) {
	c.Error("check panicked", "err", value, "stack", string(stack))
}

// waiting logs that checks wait because limit are under way.
func (c *complaints) waiting(limit int) {
	if c.due() {
		c.Warn("checks wait for one another: too many of them hang at once; raise checkconcurrency, or the limit of open files", "limit", limit)
	}
}

// local logs that this host cannot make checks.
func (c *complaints) local(err error) {
	if c.due() {
		c.Warn("this host cannot make its checks; real servers keep their states until it can", "err", err)
	}
}

// blind logs that this host cannot check real servers by their VIP.
func (c *complaints) blind(err error) {
	if c.due() {
		c.Warn("real servers are checked without their VIP, whatever checkpath says", "err", err)
	}
}

// due reports whether the latest warning was at least a minute ago, and notes one now.
func (c *complaints) due() bool {
	now, latest := time.Now().Unix(), c.latest.Load()
	return now-latest >= 60 && c.latest.CompareAndSwap(latest, now)
}
