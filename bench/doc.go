// Package bench measures directors: shunt's dataplanes, other programs in use
// today, and no director at all, in one interleaved run.
//
// The parts have packages of their own: lab builds the network, load makes
// connections and datagrams and serves them, wire makes and watches packets,
// subject starts what is measured, result is what a run leaves, and report
// shows it. This package brings them together as scenarios.
package bench
