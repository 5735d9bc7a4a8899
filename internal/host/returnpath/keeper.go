package returnpath

import (
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/host/vip"
)

// lookAgain is how often the rules are looked at: there are programs that take
// away what they have not made, systemd-networkd among them.
const lookAgain = 30 * time.Second

// A Keeper keeps the way back open for a set of answers. Its methods may be
// called from several goroutines at once.
type Keeper struct {
	log  *slog.Logger
	stop chan struct{}
	wg   sync.WaitGroup

	mu     sync.Mutex
	kernel *kernel
	want   []Answer
	closed bool
}

// New returns a Keeper of the network namespace of the calling thread that
// wants nothing yet. What a Keeper of the same owner has left, because it was
// killed, is the next one's.
func New(log *slog.Logger, owner string) (*Keeper, error) {
	k, err := openKernel(markOf(owner))
	if err != nil {
		return nil, err
	}
	k.claim = vip.NewClaim(claimName(k.mark))
	keeper := &Keeper{log: log, kernel: k, stop: make(chan struct{})}
	keeper.wg.Go(keeper.tend)
	return keeper, nil
}

// Clear takes away what a Keeper of the same owner has left because it was
// killed.
func Clear(log *slog.Logger, owner string) error {
	if vip.Claimed(claimName(markOf(owner))) {
		return nil // by another owner, who runs and has come to the same mark
	}
	k, err := openKernel(markOf(owner))
	if err != nil {
		return err
	}
	own, _, err := k.find()
	k.close()
	if err != nil || len(own) == 0 {
		return err
	}
	keeper, err := New(log, owner)
	if err != nil {
		return err
	}
	return keeper.Close()
}

// markOf returns what rules of an owner have in FRA_PROTOCOL, out of what
// rtnetlink(7) leaves to anybody. Two owners that come to the same one take
// rules away from each other, and put them back within half a minute.
func markOf(owner string) uint8 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(owner))
	return uint8(200 + h.Sum32()%55)
}

// Set has k keep the way open for want and nothing else. The error names each
// answer for which that could not be done, why, and what to type; k goes on
// trying. Setting what is there writes no rule.
func (k *Keeper) Set(want []Answer) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.want = slices.Clone(want)
	return k.reconcile()
}

// Close takes away what k, or one before it, has made. Closing again does
// nothing.
func (k *Keeper) Close() error {
	k.mu.Lock()
	if k.closed {
		k.mu.Unlock()
		return nil
	}
	k.closed, k.want = true, nil
	close(k.stop)
	err := k.reconcile()
	k.kernel.close()
	k.mu.Unlock()
	k.wg.Wait()
	return err
}

func (k *Keeper) tend() {
	t := time.NewTicker(lookAgain)
	defer t.Stop()
	for {
		select {
		case <-k.stop:
			return
		case <-t.C:
			k.look()
		}
	}
}

// look puts back what has gone. What cannot be is known already.
func (k *Keeper) look() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.closed {
		_ = k.reconcile()
	}
}

// reconcile makes rules and routes as wanted: routes before the rules that lead
// to them, and the other way round when they go.
func (k *Keeper) reconcile() error {
	own, others, err := k.kernel.find()
	if err != nil {
		return err
	}
	var errs []error
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		errs = append(errs, k.lead(family))
	}
	for _, a := range k.want {
		if !own[a] {
			errs = append(errs, k.open(a))
		}
		delete(own, a)
	}
	for _, a := range slices.SortedFunc(maps.Keys(own), Answer.Compare) {
		errs = append(errs, k.shut(a))
	}
	if len(k.want) == 0 && others == 0 && len(own) > 0 {
		errs = append(errs, k.kernel.local(unix.AF_INET, false), k.kernel.local(unix.AF_INET6, false))
	}
	return errors.Join(errs...)
}

// lead makes the route of a family that rules lead to.
func (k *Keeper) lead(family uint8) error {
	i := slices.IndexFunc(k.want, func(a Answer) bool { return a.family() == family })
	if i < 0 {
		return nil
	}
	if err := k.kernel.local(family, true); err != nil {
		return fmt.Errorf("make everything local by table %d: %w; type: %s", Table, err, k.want[i].Commands()[1])
	}
	return nil
}

func (k *Keeper) open(a Answer) error {
	if err := k.kernel.add(a); err != nil {
		return fmt.Errorf("bring back %v: %w; type: %s", a, explain(err), strings.Join(a.Commands(), "; "))
	}
	k.log.Info("answers are brought back", "real", a.From, "rule", a.Commands()[0])
	return nil
}

func (k *Keeper) shut(a Answer) error {
	if err := k.kernel.remove(a); err != nil {
		return fmt.Errorf("no longer bring back %v: %w", a, explain(err))
	}
	k.log.Info("answers are no longer brought back", "real", a.From)
	return nil
}

// explain says what is behind an error of netlink.
func explain(err error) error {
	switch {
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w (it needs CAP_NET_ADMIN)", err)
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EAFNOSUPPORT):
		return fmt.Errorf("%w (the kernel has no policy routing: CONFIG_IP_MULTIPLE_TABLES)", err)
	case errors.Is(err, unix.EINVAL):
		return fmt.Errorf("%w (rules for ports need Linux 4.17)", err)
	}
	return err
}
