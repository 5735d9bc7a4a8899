package load

import (
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// A runner does a job, on one thread.
type runner struct {
	l               *loop
	netns           namespaces
	servers         *servers
	datagramServers *datagramServers
	client          *client
}

// run does a job and returns what came of it. It has a thread to itself, which
// ends with it. send gets where real servers listen, and when the measured
// time begins. The job ends early when the other end of the pipe control closes.
func run(j Job, control int, send func(message)) (o Outcome, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		// Never unlocked: the thread may end in another namespace.
		runtime.LockOSThread()
		o, err = do(j, control, send)
	}()
	<-done
	return o, err
}

func do(j Job, control int, send func(message)) (Outcome, error) {
	// Else waits would end 50 us late, prctl(2).
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	l, err := newLoop()
	if err != nil {
		return Outcome{}, err
	}
	r := &runner{l: l, netns: namespaces{home: -1}}
	defer r.close()
	if err := r.prepare(j, send); err != nil {
		return Outcome{}, err
	}
	if err := r.stopWithInput(control); err != nil {
		return Outcome{}, err
	}
	return r.runLoop()
}

// prepare opens the real servers, and the client after them.
func (r *runner) prepare(j Job, send func(message)) error {
	var listening []netip.AddrPort
	if len(j.Serve) > 0 {
		r.servers = newServers(r.l)
		r.datagramServers = newDatagramServers(r.servers)
		accepting := r.l.register(acceptor{r.servers})
		for _, s := range j.Serve {
			if err := r.serve(s, accepting); err != nil {
				return err
			}
		}
		var err error
		if listening, err = r.servers.listening(); err != nil {
			return err
		}
	}
	send(message{Listening: listening})
	if j.Client == nil {
		return nil
	}
	if err := r.netns.enter(j.Client.Namespace); err != nil {
		return err
	}
	var err error
	if r.client, err = newClient(r.l, *j.Client, func(at time.Time) { send(message{Begun: &at}) }); err != nil {
		return err
	}
	return r.client.addBeside(j)
}

func (r *runner) serve(s Serve, accepting int32) error {
	if err := r.netns.enter(s.Namespace); err != nil {
		return err
	}
	tcp, udp, err := listen(s)
	if err != nil {
		return err
	}
	errno := r.servers.add(s.Number, tcp, accepting)
	if e := r.datagramServers.add(udp); errno == 0 {
		errno = e
	}
	if errno != 0 {
		return fmt.Errorf("wait for clients of %v: %w", s.Address, errno)
	}
	return nil
}

// stopWithInput stops the loop when the pipe control is closed.
func (r *runner) stopWithInput(control int) error {
	c := &controller{l: r.l, fd: int32(control)}
	if err := unix.SetNonblock(control, true); err != nil {
		return fmt.Errorf("watch the standard input: %w", err)
	}
	if errno := r.l.watch(c.fd, r.l.register(c), 0); errno != 0 {
		return fmt.Errorf("watch the standard input: %w", errno)
	}
	return nil
}

// runLoop runs the loop to its end and gathers what came of it.
func (r *runner) runLoop() (o Outcome, err error) {
	var m meter
	m.start()
	if r.client != nil {
		r.client.start()
	}
	err = r.l.run()
	m.stop()
	if r.client != nil {
		o = r.client.outcome()
	} else {
		o = Outcome{Began: m.at, Seconds: time.Since(m.at).Seconds(), CPU: m.cpu, Busy: m.busy}
	}
	if r.servers != nil {
		o.Served = r.servers.served()
	}
	return o, err
}

func (r *runner) close() {
	if r.datagramServers != nil {
		r.datagramServers.close()
		r.servers.served()
	}
	if r.client != nil {
		r.client.close()
	}
	r.netns.close()
	r.l.close()
}

// controller owns the pipe whose end ends the job.
type controller struct {
	l  *loop
	fd int32
}

func (c *controller) tick(int64) int64 { return never }

func (c *controller) ready(int32, uint32) {
	var b [512]byte
	for {
		n, err := unix.Read(int(c.fd), b[:])
		if n > 0 {
			continue
		}
		if err != unix.EAGAIN && err != unix.EINTR {
			c.l.stopped = true
		}
		return
	}
}

// pin keeps all threads of the process to the processors, if there are any.
func pin(processors []int) error {
	if len(processors) == 0 {
		return nil
	}
	var set unix.CPUSet
	for _, p := range processors {
		set.Set(p)
	}
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return fmt.Errorf("find this process's threads: %w", err)
	}
	for _, t := range threads {
		id, _ := strconv.Atoi(t.Name()) // the kernel's, a number
		if err := unix.SchedSetaffinity(id, &set); err != nil {
			return fmt.Errorf("keep to processors %v: %w", processors, err)
		}
	}
	return nil
}
