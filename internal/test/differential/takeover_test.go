//go:build kernel

package differential

// rough are events in which programs find what has happened while they did not
// run, and the tables that the other one left.
var rough = []event{
	{name: "start", happens: begin("1:2 2:1", "no"), table: "1:2 2:1"},
	{name: "one check fails", happens: fail(1), table: "2:1", quiescent: "1:0 2:1"},
	{name: "stop", happens: stop, table: "2:1", quiescent: "1:0 2:1"},
	{name: "one fails, one recovers meanwhile", happens: all(mend(1), fail(2)), table: "2:1", quiescent: "1:0 2:1"},
	{name: "start over the other's table", happens: succeed("1:2 2:1", "no"), table: "1:2", quiescent: "1:2 2:0"},
	{name: "all fail", happens: fail(1, 3), table: "F", quiescent: "1:0 2:0 F"},
	{name: "stop while all are down", happens: stop, table: "F", quiescent: "1:0 2:0 F"},
	{name: "start with one removed, one added", happens: succeed("2:1 3:3", "yes"), table: "F", quiescent: "2:0 3:0 F"},
	{name: "one recovers", happens: mend(2), table: "2:1", quiescent: "2:1 3:0"},
	{name: "stop, cleanstop=yes", happens: stop, table: "gone"},
}

// edits are what an editor does to servers that stay.
var edits = []event{
	{name: "start", happens: begin("1:2 2:1", "no"), table: "1:2 2:1"},
	{name: "one weight 0", happens: reload("1:0 2:1"), table: "1:0 2:1"},
	{name: "methods edited", happens: turn, table: "1:0 2:1"},
	{name: "one check fails", happens: fail(1), table: "2:1", quiescent: "1:0 2:1"},
	{name: "methods edited while it is down", happens: turn, table: "2:1", quiescent: "1:0 2:1"},
	{name: "recovers", happens: mend(1), table: "1:0 2:1"},
	{name: "stop, cleanstop=no", happens: stop, table: "1:0 2:1"},
	{name: "start with one removed, one added", happens: succeed("1:4 3:3", "yes"), table: "1:4 3:3"},
	{name: "stop, cleanstop=yes", happens: stop, table: "gone"},
}

// over are events of services that are found in the kernel.
var over = []event{
	{name: "table of somebody", happens: leave, table: "1:7 4:1"},
	{name: "start over that table", happens: begin("1:2 2:1", "yes"), table: "1:2", quiescent: "1:2 2:0"},
	{name: "stop, cleanstop=yes", happens: stop, table: "gone"},
}

// pair are two services that share their real servers.
var pair = []section{
	{
		quiescent: true,
		text: `virtual=10.0.0.100:80
	fallback=127.0.0.1:80
	checktype=connect
`,
		real:     "real=10.0.0.%N:80 %M %W",
		service:  "-A -t 10.0.0.100:80 -s wrr",
		dest:     "-a -t 10.0.0.100:80 -r 10.0.0.%N:80 %F",
		fallback: "-a -t 10.0.0.100:80 -r 127.0.0.1:80 -g -w 1",
	},
	{
		text: `virtual6=[fd00::101]:80
	fallback6=[fd00::9]:81 masq
	scheduler=wlc
	checktype=connect
`,
		real:     "real6=[fd00::%N]:80 %M %W",
		service:  "-A -t [fd00::101]:80 -s wlc",
		dest:     "-a -t [fd00::101]:80 -r [fd00::%N]:80 %F",
		fallback: "-a -t [fd00::101]:80 -r [fd00::9]:81 -m -w 1",
	},
}

// takeovers are the files that go through events of their own.
var takeovers = []file{
	{name: "takeover", fails: refuses, events: rough, sections: pair},
	{name: "takeover, readdquiescent=yes", fails: refuses, events: rough, global: "readdquiescent=yes\n", sections: pair},
	{name: "methods", fails: refuses, events: edits, sections: pair},
	{name: "checktype=off over a table", fails: refuses, events: over, sections: []section{
		{
			text: `virtual=10.0.0.100:80
	fallback=127.0.0.1
	checktype=off
`,
			real:     "real=10.0.0.%N:80 gate %W",
			service:  "-A -t 10.0.0.100:80 -s wrr",
			dest:     "-a -t 10.0.0.100:80 -r 10.0.0.%N:80 -g -w %W",
			fallback: "-a -t 10.0.0.100:80 -r 127.0.0.1:80 -g -w 1",
		},
		{
			quiescent: true,
			text: `virtual=10.0.0.101:80
	fallback=127.0.0.1
	checktype=off
`,
			real:     "real=10.0.0.%N:80 masq %W",
			service:  "-A -t 10.0.0.101:80 -s wrr",
			dest:     "-a -t 10.0.0.101:80 -r 10.0.0.%N:80 -m -w %W",
			fallback: "-a -t 10.0.0.101:80 -r 127.0.0.1:80 -g -w 1",
		},
	}},
}
