// Package differential holds tests alone: Debian's ldirectord and shunt, each in
// a namespace of its own, direct the same real servers by the same file, and
// the kernel's tables have to be the same after every event. So do keepalived
// and shunt, each with a file in its language. Where they may differ a test says
// in which way, and CONFIGURATION.md why.
//
// It needs the tag kernel and a machine with the programs' surroundings. The
// machine should count its time, so that no check of either program fails
// because the host is slow:
//
//	CGO_ENABLED=0 VMRUN_COUNTED=true VMRUN_PACKAGES=dash,ipvsadm,keepalived,ldirectord,libnet-inet6glue-perl,libmail-pop3client-perl,libnet-imap-simple-perl,libnet-ldap-perl,libauthen-radius-perl,libnet-dns-perl,libdbd-mysql-perl,libdbd-pg-perl VMRUN_MEMORY=1024 \
//	  go test -tags kernel -exec "$PWD/bin/tools/vmrun" ./internal/test/differential
package differential
