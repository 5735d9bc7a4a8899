// Package admin shows what the director knows: metrics, health, a JSON API and
// a page on a TCP address, and the same API with the right to reload and to give
// orders on a unix control socket, with the client that the operator's commands use.
//
// It only reads the director, but for reloads and for orders about real servers
// and fallbacks. Those are taken over the control socket, which only the user that
// shunt runs as, root and Options.ControlGroup can open, and over TCP from those who
// have one of Options.Tokens.
package admin
