// Package screen decides which clients of a virtual service are let in: by
// their address, and by what their source has of the service already.
package screen
