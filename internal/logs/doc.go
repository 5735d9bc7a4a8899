// Package logs writes the log where the directive logfile says: to standard
// error, to a file, or to syslog.
//
// A [Sink] hands out a logger that stays good while the target changes under
// it. One goroutine owns the target. Who logs waits until the line is written,
// so that nothing is lost when the program ends abruptly, but not for long:
// when the target hangs, lines go through a bounded queue, and what does not
// fit is counted and dropped.
package logs
