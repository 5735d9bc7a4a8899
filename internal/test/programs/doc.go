// Package programs is where programs that people use meet shunt: its tests
// run the daemon on the proxy dataplane, with checks, between real servers and
// their usual clients, and look at what arrives.
package programs
