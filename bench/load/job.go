package load

import (
	"net/netip"
	"time"
)

// A Kind is a kind of work.
type Kind string

// The kinds of work.
const (
	// Connections connects, sends a request, reads the answer and closes.
	Connections Kind = "connections"
	// Requests sends one request after the other over kept connections.
	Requests Kind = "requests"
	// Bulk is Requests with answers (or requests) too large to look at: they are
	// discarded in the kernel, and their bytes are counted.
	Bulk Kind = "bulk"
	// Idle opens connections, makes one request over each and holds them; at
	// the end it makes another one, and counts those that answered.
	Idle Kind = "idle"
	// Datagrams sends requests and awaits answers over UDP.
	Datagrams Kind = "udp"
)

// A Job describes the work of one load process. It needs a client, real servers or
// both. With a client it ends when the client has; real servers alone run until
// they are stopped.
type Job struct {
	Client *Client `json:"client,omitempty"`
	// Beside is work of the kind Bulk that goes on while Client does its own.
	// It is measured in the same time, and Rate, Warmup, Duration and Interval
	// of it do not matter.
	Beside *Client `json:"beside,omitempty"`
	Serve  []Serve `json:"serve,omitempty"`
	// Processors the process may run on; any if empty.
	Processors []int `json:"processors,omitempty"`
}

// A Client is one generator of load.
type Client struct {
	Kind    Kind             `json:"kind"`
	Targets []netip.AddrPort `json:"targets"` // taken in turn
	// Namespace is a path such as /proc/1/fd/7, that of the process if empty.
	Namespace string `json:"namespace,omitempty"`
	// Sources are the addresses to come from, all those of each prefix in turn,
	// the first and the last of it too. The kernel chooses if there are none.
	Sources []netip.Prefix `json:"sources,omitempty"`

	// Connections kept, or operations in flight for Connections and Datagrams.
	Connections int `json:"connections"`
	// Flows is the number of pairs of source address and port Datagrams come
	// from in turn; as many as Connections if 0. As they share a socket for all
	// source addresses, many addresses are much cheaper than many ports.
	Flows int `json:"flows,omitempty"`
	// Request and Answer are payload bytes, raised to MinRequest and
	// MinAnswer where they are less.
	Request int `json:"request"`
	Answer  int `json:"answer"`
	// Pieces makes real servers write the header of an answer and the rest of it
	// in a piece each, with Nagle's algorithm on: the second piece waits until
	// the first one has been acknowledged.
	Pieces bool `json:"pieces,omitempty"`
	// Buffer is SO_SNDBUF and SO_RCVBUF of every socket; the kernel's if 0.
	Buffer int `json:"buffer,omitempty"`

	// Rate is operations per second, begun on time regardless of those before (an
	// open loop). Latency counts from when an operation was to begin. At 0 each
	// begins when the one before has ended (a closed loop).
	Rate float64 `json:"rate,omitempty"`
	// Warmup precedes Duration; operations in it are not counted.
	Warmup   time.Duration `json:"warmup,omitempty"`
	Duration time.Duration `json:"duration"`
	// Timeout is the longest an operation may take, from when it was to begin;
	// 5 seconds if 0. It is kept to within a twentieth.
	Timeout time.Duration `json:"timeout,omitempty"`
	// Interval is the width of a Moment of the timeline; none is kept at 0.
	Interval time.Duration `json:"interval,omitempty"`
	// Trust omits the check of the pattern; sizes, sequence numbers and the
	// numbers of real servers are always checked.
	Trust bool `json:"trust,omitempty"`
}

// Serve is one real server, for TCP and UDP on the same address.
type Serve struct {
	Address netip.AddrPort `json:"address"` // port 0 takes a free one
	// Number is the number in its answers, at most 65535.
	Number int `json:"number"`
	// Namespace is a path such as /proc/1/fd/7, that of the process if empty.
	Namespace string `json:"namespace,omitempty"`
	// Buffer is SO_SNDBUF and SO_RCVBUF of every socket; the kernel's if 0.
	Buffer int `json:"buffer,omitempty"`
}
