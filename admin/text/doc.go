// Package text writes what a director tells for people and terminals: its status,
// the latest checks of a real server and connections; and words of them that the
// page and other views share.
package text
