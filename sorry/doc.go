// Package sorry is the built-in sorry server: what answers for a virtual
// service when no real server can.
//
// Each virtual service has a [Site], which says what its clients understand.
// Web clients get a page with status 503; mail, news and file clients get the
// one line of their protocol that means "try again later"; resolvers get
// SERVFAIL. Everybody else gets a reset at once, which is kinder than a
// timeout.
//
// The server listens nowhere. Whoever forwards the traffic hands over
// connections that are already accepted, and datagrams one at a time. It is
// made to stand in front of a crowd that has just lost its site: connections
// are bounded in number, in time and in memory, none is kept open after its
// answer, so that clients come back to the real servers when these do.
//
// The package imports nothing else of the project.
package sorry
