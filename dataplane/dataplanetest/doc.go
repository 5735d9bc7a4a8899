// Package dataplanetest holds the promises of package dataplane as tests over
// real traffic: real clients talk through the dataplane under test to real
// servers that identify themselves, and the answers tell what happened.
//
// The suite is the same for every dataplane. A Lab says where it runs: the
// addresses, the hosts they belong to, how to open the dataplane, and which
// promises it need not keep. The suite makes everything else itself.
package dataplanetest
