// Package screen decides which clients of a virtual service are admitted: by
// their address, and by the connections that their source has already.
package screen
