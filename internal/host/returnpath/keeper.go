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

	"github.com/shunt-lb/shunt/internal/host/claim"
	"github.com/shunt-lb/shunt/internal/host/rtnl"
)

// lookAgain is the interval at which the rules are read: some programs, such as
// systemd-networkd, remove rules that they have not added.
const lookAgain = 30 * time.Second

// A Keeper keeps the rules for a set of answers. Its methods may be
// called from several goroutines at once.
type Keeper struct {
	log  *slog.Logger
	stop chan struct{}
	wg   sync.WaitGroup

	mark  uint8 // of its rules
	claim claim.Claim

	mu     sync.Mutex
	kernel *rtnl.Conn
	want   []Answer
	closed bool
}

// New returns a Keeper for the network namespace of the calling thread, without
// answers. It adopts the rules that a killed Keeper of the same owner has left.
func New(log *slog.Logger, owner string) (*Keeper, error) {
	k := &Keeper{log: log, mark: markOf(owner), stop: make(chan struct{})}
	var err error
	if k.kernel, err = rtnl.Dial(); err != nil {
		return nil, fmt.Errorf("open netlink for rules: %w", err)
	}
	k.claim = claim.New(claimName(k.mark))
	k.wg.Go(k.tend)
	return k, nil
}

// Clear removes the rules and routes that a killed Keeper of the same owner has
// left.
func Clear(log *slog.Logger, owner string) error {
	mark := markOf(owner)
	if claim.Held(claimName(mark)) {
		return nil // a running owner has the same mark
	}
	c, err := rtnl.Dial()
	if err != nil {
		return fmt.Errorf("open netlink for rules: %w", err)
	}
	own, _, err := find(c, mark)
	c.Close()
	if err != nil || len(own) == 0 {
		return err
	}
	k, err := New(log, owner)
	if err != nil {
		return err
	}
	return k.Close()
}

// claimName names a mark to other shunts.
func claimName(mark uint8) string { return fmt.Sprintf("rules %d", mark) }

// find returns the answers that rules with the mark lead to the table, and the
// number of other rules that lead there.
func find(c *rtnl.Conn, mark uint8) (own map[Answer]bool, others int, err error) {
	rules, err := c.Rules(Table)
	if err != nil {
		return nil, 0, err
	}
	own = map[Answer]bool{}
	for _, r := range rules {
		if r.Proto == mark && r.From.IsValid() {
			own[Answer{UDP: r.IP == unix.IPPROTO_UDP, From: r.From}] = true
		} else {
			others++
		}
	}
	return own, others, nil
}

func (k *Keeper) rule(a Answer) rtnl.Rule {
	return rtnl.Rule{From: a.From, IP: a.number(), Table: Table, Proto: k.mark}
}

// markOf returns the mark of an owner: the protocol of its rules in the kernel
// (FRA_PROTOCOL), one of the values that rtnetlink(7) leaves free. Two owners with
// the same mark remove each other's rules, and put their own back within half a
// minute.
func markOf(owner string) uint8 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(owner))
	return uint8(200 + h.Sum32()%55)
}

// Set makes k keep the rules for want and no others. The error names each answer
// whose rule could not be added or removed, with the reason and the command to
// type; k goes on trying. Setting equal answers writes no rule.
func (k *Keeper) Set(want []Answer) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.want = slices.Clone(want)
	return k.reconcile()
}

// Close removes the rules and routes that k, or a Keeper before it, has added.
// Closing again does nothing.
func (k *Keeper) Close() error {
	k.mu.Lock()
	if k.closed {
		k.mu.Unlock()
		return nil
	}
	k.closed, k.want = true, nil
	close(k.stop)
	err := k.reconcile()
	k.kernel.Close()
	k.claim.Close()
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

// look puts back missing rules. It reports no error: Set has returned them.
func (k *Keeper) look() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.closed {
		_ = k.reconcile()
	}
}

// reconcile adds and removes rules and routes until they are as wanted. It adds
// routes before the rules that lead to them and removes them after those.
func (k *Keeper) reconcile() error {
	own, others, err := find(k.kernel, k.mark)
	if err != nil {
		return err
	}
	var errs []error
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		errs = append(errs, k.addRoute(family))
	}
	for _, a := range k.want {
		if !own[a] {
			errs = append(errs, k.add(a))
		}
		delete(own, a)
	}
	for _, a := range slices.SortedFunc(maps.Keys(own), Answer.Compare) {
		errs = append(errs, k.remove(a))
	}
	if len(k.want) == 0 && others == 0 && len(own) > 0 {
		errs = append(errs, k.kernel.RemoveLocalRoute(unix.AF_INET, Table), k.kernel.RemoveLocalRoute(unix.AF_INET6, Table))
	}
	return errors.Join(errs...)
}

// addRoute adds the route of a family that rules lead to, if there are any.
func (k *Keeper) addRoute(family uint8) error {
	i := slices.IndexFunc(k.want, func(a Answer) bool { return a.family() == family })
	if i < 0 {
		return nil
	}
	if err := k.kernel.AddLocalRoute(family, Table); err != nil {
		return fmt.Errorf("make everything local by table %d: %w; type: %s", Table, err, k.want[i].Commands()[1])
	}
	return nil
}

func (k *Keeper) add(a Answer) error {
	if err := k.kernel.AddRule(k.rule(a)); err != nil {
		return fmt.Errorf("bring back %v: %w; type: %s", a, explain(err), strings.Join(a.Commands(), "; "))
	}
	k.log.Info("answers are brought back", "real", a.From, "rule", a.Commands()[0])
	return nil
}

func (k *Keeper) remove(a Answer) error {
	if err := k.kernel.RemoveRule(k.rule(a)); err != nil {
		return fmt.Errorf("no longer bring back %v: %w", a, explain(err))
	}
	k.log.Info("answers are no longer brought back", "real", a.From)
	return nil
}

// explain returns what an error of netlink means for an operator.
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
