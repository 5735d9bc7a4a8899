package main

import (
	"fmt"
	"net/netip"

	"github.com/urfave/cli/v2"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/host/realserver"
	"github.com/shunt-lb/shunt/internal/host/sysctl"
)

func realserverCommand() *cli.Command {
	flags := []cli.Flag{
		&cli.StringSliceFlag{Name: "vip", Usage: "`ADDRESS` of a virtual service; may be given several times"},
		&cli.StringFlag{Name: "forward", Value: "gate", Usage: "how the director reaches this machine: gate or ipip"},
		&cli.StringFlag{Name: "tunnel", Value: "ipip", Usage: "with ipip, how the director wraps packets: ipip, gre or gue, as tunneltype says there"},
		&cli.IntFlag{Name: "port", Usage: "UDP `PORT` of a tunnel of type gue, as tunnelport says on the director"},
		&cli.StringFlag{Name: "interface", Usage: "`LINK` that has the VIPs (default: lo; tunl0 and ip6tnl0 with ipip, gre0 and ip6gre0 with gre)"},
		// Not in /run/shunt, which systemd empties when a director on this
		// machine stops.
		&cli.StringFlag{Name: "note", Value: "/run/shunt-realserver.sysctl", Usage: "`FILE` that keeps what settings were before apply, for remove", TakesFile: true},
	}
	return &cli.Command{
		Name:            "realserver",
		Usage:           "prepare this machine to be a real server by direct routing or tunnelling",
		HideHelpCommand: true,
		Description: "The VIP comes on lo or on the tunnel link, ARP is kept from answering for it (arp_ignore,\n" +
			"arp_announce), and reverse path filtering from dropping what was tunnelled (rp_filter).\n" +
			"None of it survives a restart of the machine: let a unit run apply when the network is up.",
		Subcommands: []*cli.Command{
			{Name: "apply", Flags: flags, Action: realserverApply, Usage: "do what is missing, and say what was done"},
			{Name: "remove", Flags: flags, Action: realserverRemove, Usage: "take back what apply did"},
			{
				Name: "check", Flags: flags, Action: realserverCheck, Usage: "name what is missing, with the line to type, and change nothing",
				Description: "Exits with 0 if nothing is missing, 1 if something is.",
			},
		},
		Action: cli.ShowSubcommandHelp,
	}
}

// thisHost returns the machine that shunt runs on.
func thisHost(c *cli.Context) *realserver.Host {
	return &realserver.Host{Settings: sysctl.System, Note: realserver.Note(c.String("note"))}
}

func realserverOptions(c *cli.Context) (realserver.Options, error) {
	o := realserver.Options{Link: c.String("interface")}
	if err := noArguments(c); err != nil {
		return o, err
	}
	switch f := c.String("forward"); f {
	case "gate":
		o.Forward = dataplane.Gate
	case "ipip":
		o.Forward = dataplane.IPIP
	case "masq":
		o.Forward = dataplane.Masq
	default:
		return o, usage("forwarding method %q: want gate or ipip", f)
	}
	if err := tunnelOptions(c, &o.Tunnel); err != nil {
		return o, err
	}
	for _, text := range c.StringSlice("vip") {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return o, usage("--vip %s: want an address without a port", text)
		}
		o.VIPs = append(o.VIPs, a)
	}
	if len(o.VIPs) == 0 {
		return o, usage("name the address of the virtual service with --vip")
	}
	if err := o.Validate(); err != nil {
		return o, usage("%v", err)
	}
	return o, nil
}

func tunnelOptions(c *cli.Context, to *dataplane.Tunnel) error {
	switch t := c.String("tunnel"); t {
	case "ipip":
	case "gre":
		to.Type = dataplane.TunnelGRE
	case "gue":
		to.Type = dataplane.TunnelGUE
	default:
		return usage("tunnel type %q: want ipip, gre or gue", t)
	}
	port := c.Int("port")
	if c.IsSet("port") && (port < 1 || port > 65535) {
		return usage("--port %d: want 1 to 65535", port)
	}
	to.Port = uint16(port)
	return nil
}

func realserverCheck(c *cli.Context) error {
	o, err := realserverOptions(c)
	if err != nil {
		return err
	}
	steps, err := thisHost(c).Check(o)
	if err != nil {
		return err
	}
	for _, s := range steps {
		fmt.Fprintln(c.App.Writer, s)
	}
	if len(steps) > 0 {
		return cli.Exit("", exitFailure)
	}
	_, err = fmt.Fprintln(c.App.Writer, "nothing is missing")
	return err
}

func realserverApply(c *cli.Context) error {
	return realserverChange(c, thisHost(c).Apply)
}

func realserverRemove(c *cli.Context) error {
	return realserverChange(c, thisHost(c).Remove)
}

func realserverChange(c *cli.Context, change func(realserver.Options) ([]realserver.Step, error)) error {
	o, err := realserverOptions(c)
	if err != nil {
		return err
	}
	done, err := change(o)
	for _, s := range done {
		fmt.Fprintf(c.App.Writer, "%s\t# %s\n", s.Command(), s.What)
	}
	if err == nil && len(done) == 0 {
		fmt.Fprintln(c.App.Writer, "nothing to change")
	}
	return err
}
