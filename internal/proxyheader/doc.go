// Package proxyheader writes and reads the headers of the PROXY protocol,
// versions 1 and 2, by which one that passes a connection or a datagram on says
// who it comes from. The rules are those of proxy-protocol.txt, revision
// 2020/03/05, of the HAProxy project.
//
// It is pure: bytes in, bytes out. Writing allocates nothing where there is
// room.
package proxyheader
