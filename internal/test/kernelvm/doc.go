// Package kernelvm boots a distribution's kernel, with IPVS, to run a program
// in: tests of what the machine's own kernel may lack. The virtual machine
// runs under software emulation, needs no rights, and boots in two seconds.
//
// Tests run in it by way of the command vmrun, which goes between go test and
// the test binary ("make vmrun" builds it, "make test-kernel" does all this):
//
//	CGO_ENABLED=0 go test -tags kernel -exec "$PWD/bin/tools/vmrun" ./ipvs
//
// The time of a machine may be counted: it goes on by a nanosecond with every
// instruction, and at once to the next timer where there is nothing to do. Then
// no test notices that the host is slow or busy, and none waits; what computes
// takes twice as long.
//
// The binary is root in the machine and alone with testdata; it may make
// namespaces, and the kernel loads the modules it needs by itself. See
// "vmrun -help" for memory, processors, modules and further files.
package kernelvm
