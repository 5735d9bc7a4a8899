// Package checks finds out whether a real server is well: one attempt, one
// error that says why not.
//
// A check does nothing else. It counts nothing, logs nothing, keeps nothing
// and ends when its context does, whatever the other side is up to. What
// results mean over time is the director's business.
//
// # What is checked
//
//	connect        a TCP connection can be made
//	ping           an ICMP echo request is answered, IPv4 and IPv6
//	external       a program ends with exit status 0
//	external-perl  the same, run by perl
//	http, https    an answer with status 2xx whose body matches
//	http_proxy     the same, asked of the real server as a proxy
//	agent          an agent's line, as haproxy has it, does not say down
//	file           the same in a file of this host
//	tls            a handshake can be made, with a certificate that is trusted
//	simpletcp      a line of the answer matches
//	dns            a record matches
//	mysql, pgsql   a query has a row; oracle, in a build with that tag
//	ldap, ldaps    there is an entry
//	radius         a user may log in
//	grpc           the health service says SERVING
//	none           nothing: always well
//
// # Where the rules come from
//
// A server that ldirectord calls well has to be well here. The rules are
// ldirectord's as it was observed to work (4.12), not as its manual page has
// them. Where its behaviour is a defect the check does what the manual page
// promises, and the function's comment says so. In short:
//
//   - A ping of an IPv6 address can succeed, and all attempts together keep
//     within the timeout.
//   - A program that was ended by a signal has failed, and its whole process
//     group ends with the check.
//   - https tells the server the name of the virtual host (SNI) and takes any
//     certificate.
//   - Only the real server can vouch for itself. Redirects and absolute
//     request URLs are asked of the real server and never of another host.
//   - simpletcp without a receive pattern succeeds with any answer, whatever
//     the request.
//   - No answer is read without a bound: see [MaxAnswer] and [MaxBody].
//   - A pattern is matched no longer than the check may last.
//
// HTTP follows RFC 9110 and RFC 9112, ping RFC 792 and RFC 4443.
//
// A check that needs no more than a connection and a few bytes is a session,
// a state machine. Its [Func] drives it by blocking calls; a [Loop] drives
// thousands from one goroutine, for who repeats them. Both find the same.
//
// Why a check failed is said in words, for people, and as a [Kind], for metrics
// and programs.
package checks
