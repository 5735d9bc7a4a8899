// Package sorry is the built-in sorry server. It answers for a virtual service
// when no real server can.
//
// Each virtual service has a [Site], which says what its clients understand.
// Web clients get a page with status 503; mail, news and file clients get the
// one line of their protocol that means "try again later"; resolvers get
// SERVFAIL. Everybody else gets a reset at once, which is kinder than a
// timeout.
//
// The server listens nowhere. The dataplane hands over connections that it has
// accepted, and datagrams one at a time. The server withstands a flood of
// clients: connections are bounded in number, in time and in memory. No
// connection is kept open after its answer, so that clients return to the real
// servers as soon as these are back.
//
// The package imports nothing else of the project.
package sorry
