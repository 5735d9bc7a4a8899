// Package virtual is what both halves of the proxy know of a virtual service:
// its books, its settings, who is let in, and what is said about clients that
// are not served. It knows neither connections nor flows.
package virtual
