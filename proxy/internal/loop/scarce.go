package loop

import "golang.org/x/sys/unix"

// scarce reports whether e is that this host has nothing to make a socket of,
// which says nothing about whom it was for.
func scarce(e unix.Errno) bool {
	switch e {
	case unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM, unix.ENOSPC:
		return true
	}
	return false
}

// forsake refuses a client for whom no socket can be had. Nobody else is let
// in for a moment.
func (w *worker) forsake(c *conn, e unix.Errno) {
	o := w.slab.owner(c)
	w.pause()
	w.engine.unreached(o.service, o.claim, e)
	o.claim.Done()
	c.failure = uint16(e)
	w.refuse(c, false)
}
