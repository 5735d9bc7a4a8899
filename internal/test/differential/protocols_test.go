//go:build kernel

package differential

// protocols are the files of one protocol or address family each.
var protocols = []file{
	{name: "tcp", fails: sickens, events: ordinary(apart, succeed), sections: []section{
		{
			text: `virtual=10.0.0.100:80
	fallback=127.0.0.1:80 gate
	service=http
	scheduler=wrr
	request="index.html"
	receive="all is well"
`,
			real:     "real=10.0.0.%N:80 gate %W",
			service:  "-A -t 10.0.0.100:80 -s wrr",
			dest:     "-a -t 10.0.0.100:80 -r 10.0.0.%N:80 -g -w %W",
			fallback: "-a -t 10.0.0.100:80 -r 127.0.0.1:80 -g -w 1",
		},
		{
			quiescent: true,
			text: `virtual=10.0.0.101:80
	fallback=10.0.0.9:8888 masq
	scheduler=wlc
	checktype=negotiate
	virtualhost=www.example.org
	request="index.html"
	receive="^all is"
`,
			real:     "real=10.0.0.%N:80 masq %W",
			service:  "-A -t 10.0.0.101:80 -s wlc",
			dest:     "-a -t 10.0.0.101:80 -r 10.0.0.%N:80 -m -w %W",
			fallback: "-a -t 10.0.0.101:80 -r 10.0.0.9:8888 -m -w 1",
		},
		{
			text: `virtual=10.0.0.102:8080
	fallback=10.0.0.9:8080 ipip
	service=http
	scheduler=sh
	schedflags=sh-fallback,sh-port
	persistent=600
	netmask=255.255.255.0
	checktype=3
	checkport=80
	receive="well"
`,
			real:     "real=10.0.0.%N:8080 ipip %W",
			service:  "-A -t 10.0.0.102:8080 -s sh -p 600 -M 255.255.255.0 -b sh-fallback,sh-port",
			dest:     "-a -t 10.0.0.102:8080 -r 10.0.0.%N:8080 -i -w %W --tun-type ipip",
			fallback: "-a -t 10.0.0.102:8080 -r 10.0.0.9:8080 -i -w 1 --tun-type ipip",
		},
	}},
	{name: "marks", fails: refuses, events: ordinary(apart, begin), sections: []section{
		{
			quiescent: true,
			text: `virtual=5
	fallback=127.0.0.1 gate
	protocol=fwm
	service=http
	scheduler=wrr
	checktype=connect
	checkport=80
	persistent=300
`,
			real:     "real=10.0.0.%N gate %W",
			service:  "-A -f 5 -s wrr -p 300",
			dest:     "-a -f 5 -r 10.0.0.%N:0 -g -w %W",
			fallback: "-a -f 5 -r 127.0.0.1:0 -g -w 1",
		},
		{
			text: `virtual=6
	fallback=10.0.0.9:80 masq
	service=http
	scheduler=lc
	receive="well"
`,
			real:     "real=10.0.0.%N:80 masq %W",
			service:  "-A -f 6 -s lc",
			dest:     "-a -f 6 -r 10.0.0.%N:80 -m -w %W",
			fallback: "-a -f 6 -r 10.0.0.9:80 -m -w 1",
		},
		{
			text: `virtual=10.0.0.100:443
	fallback=127.0.0.1 gate
	service=none
	scheduler=nq
	checktype=connect
	checkport=80
`,
			real:     "real=10.0.0.%N:443 gate %W",
			service:  "-A -t 10.0.0.100:443 -s nq",
			dest:     "-a -t 10.0.0.100:443 -r 10.0.0.%N:443 -g -w %W",
			fallback: "-a -t 10.0.0.100:443 -r 127.0.0.1:443 -g -w 1",
		},
	}},
	{name: "udp", fails: vanishes, events: ordinary(apart, begin), sections: []section{
		{
			text: `virtual=10.0.0.100:53
	fallback=10.0.0.9:53 masq
	protocol=udp
	service=dns
	scheduler=rr
	checktype=ping
`,
			real:     "real=10.0.0.%N:53 masq %W",
			service:  "-A -u 10.0.0.100:53 -s rr",
			dest:     "-a -u 10.0.0.100:53 -r 10.0.0.%N:53 -m -w %W",
			fallback: "-a -u 10.0.0.100:53 -r 10.0.0.9:53 -m -w 1",
		},
		{
			quiescent: true,
			text: `virtual=10.0.0.100:514
	fallback=127.0.0.1:514 gate
	protocol=udp
	ops=yes
	scheduler=wrr
	checktype=connect
`,
			real:     "real=10.0.0.%N:514 gate %W",
			service:  "-A -u 10.0.0.100:514 -s wrr -o",
			dest:     "-a -u 10.0.0.100:514 -r 10.0.0.%N:514 -g -w %W",
			fallback: "-a -u 10.0.0.100:514 -r 127.0.0.1:514 -g -w 1",
		},
	}},
	{name: "IPv6", fails: refuses, events: ordinary(apart, succeed), sections: []section{
		{
			quiescent: true,
			text: `virtual6=[fd00::100]:80
	fallback6=[::1]:80 gate
	service=http
	scheduler=sed
	checktype=connect
`,
			real:     "real6=[fd00::%N]:80 gate %W",
			service:  "-A -t [fd00::100]:80 -s sed",
			dest:     "-a -t [fd00::100]:80 -r [fd00::%N]:80 -g -w %W",
			fallback: "-a -t [fd00::100]:80 -r [::1]:80 -g -w 1",
		},
		{
			text: `virtual6=[fd00::101]:80
	fallback6=[fd00::9]:80 masq
	service=http
	scheduler=wrr
	persistent=120
	netmask=64
	request="index.html"
	receive="all is well"
`,
			real:     "real6=[fd00::%N]:80 masq %W",
			service:  "-A -t [fd00::101]:80 -s wrr -p 120 -M 64",
			dest:     "-a -t [fd00::101]:80 -r [fd00::%N]:80 -m -w %W",
			fallback: "-a -t [fd00::101]:80 -r [fd00::9]:80 -m -w 1",
		},
	}},
	{name: "IPv6 marks", fails: refuses, events: ordinary(together, begin), sections: []section{
		{
			quiescent: true,
			text: `virtual6=7
	fallback6=[::1] gate
	service=http
	scheduler=wlc
	checktype=connect
	checkport=80
	persistent=300
	netmask=56
`,
			real:     "real6=[fd00::%N] gate %W",
			service:  "-A -f 7 -6 -s wlc -p 300 -M 56",
			dest:     "-a -f 7 -6 -r [fd00::%N]:0 -g -w %W",
			fallback: "-a -f 7 -6 -r [::1]:0 -g -w 1",
		},
		{
			text: `virtual6=[fd00::102]:53
	fallback6=[fd00::9]:53 ipip
	protocol=udp
	ops=yes
	scheduler=rr
	checktype=external
	checkcommand=%D/check
`,
			real:     "real6=[fd00::%N]:53 ipip %W",
			service:  "-A -u [fd00::102]:53 -s rr -o",
			dest:     "-a -u [fd00::102]:53 -r [fd00::%N]:53 -i -w %W --tun-type ipip",
			fallback: "-a -u [fd00::102]:53 -r [fd00::9]:53 -i -w 1 --tun-type ipip",
		},
		{
			text: `virtual6=8
	fallback6=[fd00::9]:8080 masq
	scheduler=lc
	checktype=connect
`,
			real:     "real6=[fd00::%N]:80 masq %W",
			service:  "-A -f 8 -6 -s lc",
			dest:     "-a -f 8 -6 -r [fd00::%N]:80 -m -w %W",
			fallback: "-a -f 8 -6 -r [fd00::9]:8080 -m -w 1",
		},
	}},
	{name: "schedulers", fails: refuses, events: ordinary(together, succeed), sections: []section{
		{
			quiescent: true,
			text: `virtual=10.0.0.100:80
	fallback=10.0.0.9:80 ipip
	scheduler=mh
	schedflags=mh-fallback,mh-port
	checktype=connect
`,
			real:     "real=10.0.0.%N:80 gate %W",
			service:  "-A -t 10.0.0.100:80 -s mh -b mh-fallback,mh-port",
			dest:     "-a -t 10.0.0.100:80 -r 10.0.0.%N:80 -g -w %W",
			fallback: "-a -t 10.0.0.100:80 -r 10.0.0.9:80 -i -w 1 --tun-type ipip",
		},
		{
			text: `virtual=10.0.0.101:3128
	fallback=127.0.0.1
	scheduler=lblcr
	checktype=connect
	checkport=80
`,
			real:     "real=10.0.0.%N:3128 gate %W",
			service:  "-A -t 10.0.0.101:3128 -s lblcr",
			dest:     "-a -t 10.0.0.101:3128 -r 10.0.0.%N:3128 -g -w %W",
			fallback: "-a -t 10.0.0.101:3128 -r 127.0.0.1:3128 -g -w 1",
		},
		{
			quiescent: true,
			text: `virtual=9
	fallback=10.0.0.9
	scheduler=fo
	schedflags=flag-1,flag-3
	checktype=connect
`,
			real:     "real=10.0.0.%N:80 masq %W",
			service:  "-A -f 9 -s fo -b flag-1,flag-3",
			dest:     "-a -f 9 -r 10.0.0.%N:80 -m -w %W",
			fallback: "-a -f 9 -r 10.0.0.9:0 -g -w 1",
		},
		{
			text: `virtual=10.0.0.102:53
	fallback=10.0.0.9:53
	scheduler=ovf
	checktype=external
	checkcommand="%D/check"
`,
			real:     "real=10.0.0.%N:53 ipip %W",
			service:  "-A -u 10.0.0.102:53 -s ovf",
			dest:     "-a -u 10.0.0.102:53 -r 10.0.0.%N:53 -i -w %W --tun-type ipip",
			fallback: "-a -u 10.0.0.102:53 -r 10.0.0.9:53 -g -w 1",
		},
	}},
}
