// Package admin shows what the director knows: metrics, health, a JSON API and
// a page on a TCP address, and the same API with the right to reload on a unix
// control socket, with the client that the operator's commands use.
//
// It only reads the director. The one thing it can make it do is to reload,
// and that over the control socket alone, which belongs to one user.
package admin
