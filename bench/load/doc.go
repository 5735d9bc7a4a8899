// Package load makes the traffic a director is measured with, and answers it:
// clients and real servers on raw sockets, one epoll loop on one thread.
//
// A [Job] says what one process does. It may be a client, real servers or both
// in one thread, which is cheapest where processors are few; sockets are
// opened in the network namespaces the job names, so that one thread can stand
// on both sides of a director. [Start] runs a job in a process of its own,
// which is this program again: main and TestMain call [Main] first.
//
// Every request says how long it is and how long an answer it wants, so that
// one real server answers every kind of work. Every answer carries the number
// of its real server, the sequence number of its request, and a pattern that
// depends on it; a director that mixes up, cuts short or changes what it
// carries is found out on both ways.
package load
