package process

import "testing"

func TestFreePortIsGivenOnce(t *testing.T) {
	given := map[string]bool{}
	for range 500 {
		port := FreePort(t)
		if given[port] {
			t.Fatalf("port %s is given twice", port)
		}
		given[port] = true
	}
}

// Another process has its own file description, and no other knowledge of ours.
func TestFreePortIsGivenToOneProcess(t *testing.T) {
	var other reservations
	const n = 9999 // no test gets it
	if !ports.reserve(t, n) || other.reserve(t, n) {
		t.Fatal("two processes have one port")
	}
	ports.release(n)
	if !other.reserve(t, n) {
		t.Error("a port is not free again")
	}
	other.file.Close() // as at its end
	if !ports.reserve(t, n) {
		t.Error("a port of a process that has ended is not free")
	}
	ports.release(n)
}
