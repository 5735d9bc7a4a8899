// Package director keeps virtual services forwarding to the real servers that
// are well: check results in, wanted virtual services out.
package director
