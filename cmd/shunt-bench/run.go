package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/shunt-lb/shunt/bench"
	"github.com/shunt-lb/shunt/bench/lab"
	"github.com/shunt-lb/shunt/bench/report"
	"github.com/shunt-lb/shunt/bench/subject"
)

func runCommand() *cli.Command {
	return &cli.Command{
		Name:  "run",
		Usage: "measure",
		Description: "Scenarios: " + strings.Join(bench.Scenarios(), ", ") + ";\n" +
			"mixed is small requests beside bulk, and pieces answers that a real server writes in two pieces.\n" +
			"Subjects: " + strings.Join(subject.Names(), ", ") + ".\n" +
			"Subjects take turns, so that what changes on the machine meets all of them. Ctrl-C ends a run\n" +
			"and reports what was measured until then. The report is on the terminal and in report.json,\n" +
			"report.csv and report.html.",
		OnUsageError: usage,
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "scenario", Aliases: []string{"s"}, Usage: "`NAMES` of scenarios (default: all)"},
			&cli.StringSliceFlag{Name: "subjects", Usage: "`NAMES` of subjects (default: all that run here)"},
			&cli.StringSliceFlag{Name: "fault", Usage: "`NAMES` of faults in failover: " + strings.Join(bench.Faults(), ", ") + " (default: all)"},
			&cli.IntFlag{Name: "rounds", Value: 5, Usage: "how often each subject is measured"},
			&cli.DurationFlag{Name: "duration", Value: time.Second, Usage: "`TIME` that each round measures"},
			&cli.DurationFlag{Name: "warmup", Value: 300 * time.Millisecond, Usage: "`TIME` before it that does not count"},
			&cli.IntFlag{Name: "connections", Usage: "connections at once (default: those of each scenario)"},
			&cli.StringFlag{Name: "weights", Usage: "`WEIGHTS` of the real servers, one each (default: 1,1; for schedulers 3,2,1)"},
			&cli.StringFlag{Name: "real-servers", Usage: "`NUMBERS` of real servers in checks (default: 1000,5000)"},
			&cli.StringFlag{Name: "scheduler", Usage: "`NAME` of a scheduler of IPVS (default: wrr; for schedulers each of them)"},
			&cli.StringFlag{Name: "forward", Value: "masq", Usage: "`METHOD` of IPVS: masq, gate or ipip"},
			&cli.StringFlag{Name: "topology", Usage: "loopback, routed or bridged (default: as the scenario needs)"},
			&cli.BoolFlag{Name: "ipv6", Usage: "measure IPv6"},
			&cli.IntFlag{Name: "mtu", Usage: "`BYTES` of all links (default: the kernel's)"},
			&cli.DurationFlag{Name: "delay", Usage: "`TIME` that clients' packets are delayed by; needs sch_netem"},
			&cli.Float64Flag{Name: "loss", Usage: "`SHARE` of clients' packets that is lost, 0 to 1; needs sch_netem"},
			&cli.IntFlag{Name: "processors", Value: 1, Usage: "`NUMBER` of processors the director has for itself"},
			&cli.StringFlag{Name: "shunt", Usage: "`PATH` of the program shunt (default: beside this one)", TakesFile: true},
			&cli.StringFlag{Name: "baseline", Usage: "`PATH` of another shunt, such as the one before a change: its proxy is measured as shunt-baseline", TakesFile: true},
			&cli.StringFlag{Name: "out", Value: ".", Usage: "`FOLDER` of the report", TakesFile: true},
			&cli.StringFlag{Name: "pcap", Usage: "`FOLDER` to keep packets in (default: they are not kept)", TakesFile: true},
		},
		Action: measure,
	}
}

func measure(c *cli.Context) error {
	if c.Args().Present() {
		return fmt.Errorf("run takes no arguments, got %q", c.Args().First())
	}
	o, err := options(c)
	if err != nil {
		return err
	}
	if status, again, err := lab.Enter(); err != nil {
		return err
	} else if again {
		return exit(status)
	}
	// Before an hour of work, rather than behind it.
	if err := os.MkdirAll(c.String("out"), 0o755); err != nil {
		return fmt.Errorf("folder of the report: %w", err)
	}
	r, err := bench.New(o)
	if err != nil {
		return err
	}
	progress := report.NewProgress(os.Stderr, r.Steps())
	run, err := r.Run(c.Context, progress)
	progress.Close()
	if err2 := leave(c.App.Writer, run, c.String("out")); err == nil {
		err = err2
	}
	return err
}

func exit(status int) error {
	if status == 0 {
		return nil
	}
	return statusError(status)
}

func options(c *cli.Context) (bench.Options, error) {
	o := bench.Options{
		Scenarios: names(c, "scenario"), Faults: names(c, "fault"), Rounds: c.Int("rounds"), Duration: c.Duration("duration"), Warmup: c.Duration("warmup"),
		Connections: c.Int("connections"), Scheduler: c.String("scheduler"), Topology: lab.Topology(c.String("topology")),
		IPv6: c.Bool("ipv6"), MTU: c.Int("mtu"), Delay: c.Duration("delay"), Loss: c.Float64("loss"),
		DirectorProcessors: c.Int("processors"), Shunt: c.String("shunt"), Baseline: c.String("baseline"), Pcap: c.String("pcap"), Forward: c.String("forward"), Command: os.Args,
	}
	for _, name := range names(c, "subjects") {
		s, err := subject.Find(name)
		if err != nil {
			return o, err
		}
		o.Subjects = append(o.Subjects, s)
	}
	var err error
	if o.Weights, err = numbers("weights", c.String("weights")); err != nil {
		return o, err
	}
	if o.RealServers, err = numbers("real servers", c.String("real-servers")); err != nil {
		return o, err
	}
	if o.Shunt == "" {
		o.Shunt, err = beside("shunt")
	}
	return o, err
}

// names returns the values of a flag that may stand several times, and may
// have several names with commas each.
func names(c *cli.Context, flag string) []string {
	var all []string
	for _, name := range c.StringSlice(flag) {
		if name = strings.TrimSpace(name); name != "" && name != "all" {
			all = append(all, name)
		}
	}
	return all
}

func numbers(what, text string) ([]int, error) {
	var all []int
	if text == "" {
		return nil, nil
	}
	for word := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(word))
		if err != nil {
			return nil, fmt.Errorf("%s %q: want numbers with commas, such as 2,1", what, text)
		}
		all = append(all, n)
	}
	return all, nil
}

// beside returns the path of a program in the folder of this one.
func beside(name string) (string, error) {
	own, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("look for %s beside this program: %w", name, err)
	}
	return filepath.Join(filepath.Dir(own), name), nil
}
