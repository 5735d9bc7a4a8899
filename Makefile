# make          builds bin/shunt
# make demo     shows what it does, on this machine, without root
# make test     runs everything CI runs, and installs what that needs
# make test-kernel  runs those of its tests that need a kernel with IPVS, in virtual machines
# make test-packages  installs, starts, upgrades and removes the packages under systemd
# make deb rpm  builds packages in bin/packages
# make install  puts shunt below PREFIX, and make uninstall removes it
# make soak     clients, faults and reloads all at once, for SOAK=10m
# make bench    measures shunt beside haproxy, nginx and no director at all
# make bench-kernel  measures IPVS, ldirectord and keepalived, in a virtual machine
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := build

# Go: the one in PATH if it is new enough, else one that need-go fetches.
GO_OLDEST  := 1.26
GO_VERSION := 1.26.8
GO_FETCHED := $(HOME)/.cache/shunt/go$(GO_VERSION)
ifeq ($(origin GO),undefined)
GO := $(shell v="$$(GOTOOLCHAIN=local go version 2>/dev/null | cut -d' ' -f3 || true)"; \
  printf '%s\n' go$(GO_OLDEST) "$$v" | sort -VC && echo go || echo $(GO_FETCHED)/bin/go)
endif
ifeq ($(GO),$(GO_FETCHED)/bin/go)
export PATH := $(GO_FETCHED)/bin:$(PATH)
export GOTOOLCHAIN := local
NEEDED_GO := $(GO)
endif

TAGS    := urfave_cli_no_docs
VERSION := $(shell sed -n 's/^const Number = "\(.*\)"/\1/p' internal/version/version.go)
LDFLAGS := -s -w

# Tools, at pinned versions, outside of the module.
TOOLS         := $(CURDIR)/bin/tools
GOLANGCI      := $(TOOLS)/golangci-lint-v2.15.0
MD2MAN        := $(TOOLS)/go-md2man-v2.0.7
NFPM          := $(TOOLS)/nfpm-v2.48.0
FUZZTIME      ?= 20s
SOAK          ?= 10m
PREFIX        ?= /usr/local

.PHONY: build
build: need-go
	CGO_ENABLED=0 $(GO) build -trimpath -tags $(TAGS) -ldflags '$(LDFLAGS)' -o bin/shunt ./cmd/shunt

.PHONY: demo
demo: build
	bin/shunt demo

# --- tests ----------------------------------------------------------------

.PHONY: test
test: need-go deps-programs fmt-check lint tidy-check test-unit test-root test-packages test-kernel

# Many tests wait, for timers, programs and each other, so that more packages are
# tested at once than there are processors. What counts memory says nothing about a
# program with the race detector in it.
.PHONY: test-unit
test-unit: deps-programs
	$(GO) test -race -timeout 40m -p $$((2 * $$(nproc))) ./...
	$(GO) test -run 'TestBigFiles$$' ./config
	$(GO) test -run 'AllocatesNothing$$|AllocateNothing$$|HoldLittle$$|Session$$' ./checks ./director/...

# Network namespaces need root: as somebody else, the packages that use them
# are tested once more with sudo. Under CI=true a test that cannot run fails.
ROOT_PACKAGES := ./bench/... ./checks ./cmd/... ./daemon/internal/neighbors ./internal/test/netlab ./internal/test/programs ./internal/host/returnpath ./proxy/...

.PHONY: test-root
test-root: deps-programs
ifneq ($(SUDO),)
	$(SUDO) env PATH="$$PATH" CI=$(CI) $(GO) test -timeout 40m -count=1 $(ROOT_PACKAGES)
endif

# Packages are built, and installed in a container on top of this system, where
# they run under a systemd of its own.
.PHONY: test-packages
test-packages: deps-packages $(NFPM)
	$(SUDO) env PATH="$$PATH" CI=$(CI) $(GO) test -tags packages -timeout 20m -count=1 ./packaging

# Tests that need a kernel with IPVS are in files with the tag kernel. They run on
# Debian's, in virtual machines, and they alone: the others of their packages need
# no such kernel, and a machine is emulated. Those of the machines themselves have
# the tag vm. The package that takes longest runs beside all others, in a machine
# that counts its time.
# Each check of ldirectord ends it where its module of Perl is missing.
PERL_MODULES   := libmail-pop3client-perl,libnet-imap-simple-perl,libnet-ldap-perl,libauthen-radius-perl,libnet-dns-perl,libdbd-mysql-perl,libdbd-pg-perl
VM_PACKAGES    := dash,ipvsadm,keepalived,ldirectord,libnet-inet6glue-perl,$(PERL_MODULES)
VMRUN           = $(TOOLS)/vmrun
KERNEL_FILES    = $$($(GO) list -tags kernel -f '{{range .TestGoFiles}}{{$$.Dir}}/{{.}} {{end}}{{range .XTestGoFiles}}{{$$.Dir}}/{{.}} {{end}}' ./... \
  | xargs grep -l '^//go:build.*kernel')

KERNEL_TEST = $(GO) test -tags kernel -short -exec $(VMRUN) -timeout 60m -count=1

.PHONY: test-kernel
test-kernel: deps-kernel vmrun kernel
	files=$(KERNEL_FILES); \
	packages=$$(dirname $$files | sort -u | grep -v /internal/test/differential$$); \
	tests=$$(sed -nE 's/^func ((Test|Example|Fuzz)\w*)\(.*/\1/p' $$files | sort -u | paste -sd '|'); \
	export CGO_ENABLED=0 VMRUN_PACKAGES=$(VM_PACKAGES) VMRUN_MEMORY=1024; failed=0; \
	VMRUN_COUNTED=true $(KERNEL_TEST) ./internal/test/differential & differential=$$!; \
	env -u VMRUN_PACKAGES -u VMRUN_MEMORY -u CGO_ENABLED $(GO) test -tags vm -timeout 30m -count=1 ./internal/test/kernelvm/... || failed=1; \
	$(KERNEL_TEST) -p 1 -parallel 2 -run "^($$tests)\$$" $$packages || failed=1; \
	wait $$differential || failed=1; exit $$failed

# A shell in such a machine, with bin/shunt and ipvsadm, for a look around.
.PHONY: shell-kernel
shell-kernel: build deps-kernel vmrun kernel
	$(VMRUN) -shell -packages bash,ncurses-base,busybox-static,ipvsadm,iproute2 -file bin/shunt=/usr/sbin/shunt \
	  /usr/bin/busybox sh -c 'busybox mkdir /opt; busybox --install -s /opt; PATH=$$PATH:/opt exec bash'

.PHONY: vmrun
vmrun: need-go
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o $(VMRUN) ./internal/test/kernelvm/vmrun

# The kernel is unpacked below ~/.cache/shunt and never installed.
.PHONY: kernel
kernel: vmrun
	@$(VMRUN) -fetch || { $(SUDO) apt-get update -qq && $(VMRUN) -fetch; }

.PHONY: lint
lint: need-go $(GOLANGCI)
	$(GOLANGCI) run ./...

.PHONY: fmt
fmt: $(GOLANGCI)
	$(GOLANGCI) fmt ./...

.PHONY: fmt-check
fmt-check: $(GOLANGCI)
	$(GOLANGCI) fmt --diff ./...

.PHONY: tidy-check
tidy-check:
	$(GO) mod tidy -diff

# Every fuzz target of every package, for FUZZTIME each. No input is made smaller by more
# than 20 attempts: the default is a minute, more than FUZZTIME.
.PHONY: fuzz
fuzz: need-go
	for pkg in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' "$$pkg" | grep '^Fuzz' || true); do \
	    echo "== $$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x "$$pkg"; \
	  done; \
	done

# Everything at once against one proxy, for SOAK: clients of all kinds, those that
# misbehave, real servers that fail, services that change.
.PHONY: soak
soak: need-go
	$(GO) test -count=1 -timeout 0 -run 'FaultSoak$$' -v ./proxy -soak=$(SOAK)

# --- benchmarks -----------------------------------------------------------

BENCH_OUT   ?= bin/bench
BENCH_FLAGS ?= --duration 500ms --warmup 200ms

# Everything that runs on this machine, side by side, in under ten minutes.
# BENCH_FLAGS has the options of shunt-bench run.
.PHONY: bench
bench: build build-bench deps
	$(SUDO) bin/shunt-bench run --out $(BENCH_OUT) $(BENCH_FLAGS)
	@echo; echo "$(BENCH_OUT)/report.html"

.PHONY: build-bench
build-bench: need-go
	CGO_ENABLED=0 $(GO) build -trimpath -tags $(TAGS) -ldflags '$(LDFLAGS)' -o bin/shunt-bench ./cmd/shunt-bench

# What needs IPVS, in a virtual machine. It is emulated: what is right and what
# is lost means something there, and time only as far as it is a timer's.
BENCH_KERNEL_OUT   ?= bin/bench-kernel
BENCH_KERNEL_FLAGS ?= --scenario schedulers,failover --subjects shunt-proxy,haproxy,shunt-ipvs,ldirectord,keepalived
BENCH_VM_PACKAGES  := dash,perl,ldirectord,libnet-inet6glue-perl,ipvsadm,keepalived,haproxy

.PHONY: bench-kernel
bench-kernel: build build-bench deps-kernel vmrun kernel
	$(VMRUN) -shell -memory 2048 -cpus 2 -limit 60m -packages $(BENCH_VM_PACKAGES) -load ip_vs,ipip,ip6_tunnel,veth,bridge \
	  -file bin/shunt=/usr/sbin/shunt -file bin/shunt-bench=/usr/sbin/shunt-bench \
	  -return /tmp/report=$(BENCH_KERNEL_OUT) /usr/sbin/shunt-bench run --out /tmp/report --pcap /tmp/report/packets $(BENCH_KERNEL_FLAGS)
	@echo; echo "$(BENCH_KERNEL_OUT)/report.html"

# Puts the last reports into BENCHMARKS.md.
.PHONY: benchmarks
benchmarks: build-bench
	bin/shunt-bench report --into BENCHMARKS.md --mark host $(BENCH_OUT)/report.json
	cp $(BENCH_OUT)/report.json bench/reports/host.json
	bin/shunt-bench report --into BENCHMARKS.md --mark checks bench/reports/checks.json
	bin/shunt-bench report --into BENCHMARKS.md --mark checks-kernel bench/reports/checks-kernel.json
	bin/shunt-bench report --into BENCHMARKS.md --mark kernel $(BENCH_KERNEL_OUT)/report.json

# Micro-benchmarks.
.PHONY: bench-go
bench-go: need-go
	$(GO) test -run '^$$' -bench . -benchmem ./...

# --- what people read ------------------------------------------------------

.PHONY: man
man: need-go $(MD2MAN)
	mkdir -p bin/man
	$(GO) run ./cmd/shunt man > bin/man/shunt.8
	{ printf '%% ldirectord.cf 5\n\n# NAME\n\nldirectord.cf - the configuration of shunt\n\n# DESCRIPTION\n'; sed 1d CONFIGURATION.md; } \
	  | $(MD2MAN) > bin/man/ldirectord.cf.5

# The terms of all that is linked, for the packages.
.PHONY: licenses
licenses: need-go
	$(GO) test ./cmd/shunt -run TestLicenses -update

# What has shells complete commands and options.
.PHONY: completions
completions: build
	mkdir -p bin/completions
	for s in bash zsh fish; do bin/shunt completion $$s > bin/completions/shunt.$$s; done

# --- installing ------------------------------------------------------------

SYSCONFDIR ?= /etc
UNITDIR    ?= $(PREFIX)/lib/systemd/system

# What is installed: mode, file and place. Files of SYSCONFDIR are the operator's:
# one that is there is left alone, and only one without changes is removed.
INSTALLED = \
  755:bin/shunt:$(PREFIX)/sbin/shunt \
  644:bin/man/shunt.8:$(PREFIX)/share/man/man8/shunt.8 \
  644:bin/man/ldirectord.cf.5:$(PREFIX)/share/man/man5/ldirectord.cf.5 \
  644:bin/shunt.service:$(UNITDIR)/shunt.service \
  644:bin/completions/shunt.bash:$(PREFIX)/share/bash-completion/completions/shunt \
  644:bin/completions/shunt.zsh:$(PREFIX)/share/zsh/site-functions/_shunt \
  644:bin/completions/shunt.fish:$(PREFIX)/share/fish/vendor_completions.d/shunt.fish \
  644:packaging/shunt.sysusers:$(PREFIX)/lib/sysusers.d/shunt.conf \
  644:packaging/shunt.tmpfiles:$(PREFIX)/lib/tmpfiles.d/shunt.conf \
  644:packaging/shunt.default:$(SYSCONFDIR)/default/shunt \
  644:packaging/shunt.logrotate:$(SYSCONFDIR)/logrotate.d/shunt \
  644:packaging/ldirectord.cf.template:$(PREFIX)/share/doc/shunt/ldirectord.cf \
  644:LICENSE:$(PREFIX)/share/doc/shunt/copyright \
  644:packaging/licenses.txt:$(PREFIX)/share/doc/shunt/licenses.txt \
  $(foreach f,$(DOCUMENTS),644:$(f):$(PREFIX)/share/doc/shunt/$(f))
DOCUMENTS = README.md CHANGELOG.md CONFIGURATION.md METRICS.md MIGRATION.md TROUBLESHOOTING.md SECURITY.md \
  contrib/prometheus/shunt.rules.yml contrib/grafana/shunt.json $(wildcard examples/README.md examples/*/*)

.PHONY: unit
unit:
	mkdir -p bin
	sed 's|@SBINDIR@|$(PREFIX)/sbin|' packaging/shunt.service.in > bin/shunt.service

.PHONY: install
install: build man completions unit
	@for f in $(INSTALLED); do IFS=: read -r mode file place <<< "$$f"; \
	  if [[ $$place == $(SYSCONFDIR)/* && -e "$(DESTDIR)$$place" ]]; then echo "$(DESTDIR)$$place is left as it is"; \
	  else echo "$(DESTDIR)$$place"; install -D -m $$mode "$$file" "$(DESTDIR)$$place"; fi; \
	done

.PHONY: uninstall
uninstall:
	@for f in $(INSTALLED); do IFS=: read -r mode file place <<< "$$f"; \
	  if [[ $$place == $(SYSCONFDIR)/* ]] && ! cmp -s "$$file" "$(DESTDIR)$$place"; then continue; fi; \
	  rm -f "$(DESTDIR)$$place"; \
	done
	@find "$(DESTDIR)$(PREFIX)/share/doc/shunt" -depth -type d -empty -delete 2>/dev/null || true

# Two packages: shunt, and shunt-ldirectord, which stands in place of ldirectord.
PACKAGED := bin/packages

.PHONY: deb rpm
deb rpm: build man completions $(NFPM)
	rm -rf $(PACKAGED)/stage
	$(MAKE) -s -o build -o man -o completions install DESTDIR=$(abspath $(PACKAGED))/stage PREFIX=/usr SYSCONFDIR=/etc UNITDIR=/usr/lib/systemd/system > /dev/null
	gzip -n9 $(PACKAGED)/stage/usr/share/man/man?/*
	for p in nfpm nfpm-ldirectord; do \
	  STAGE=$(PACKAGED)/stage VERSION=$(VERSION) ARCH=$$($(GO) env GOARCH) $(NFPM) package --config packaging/$$p.yaml --packager $@ --target $(PACKAGED)/; \
	done

# An image with shunt alone, not as root: see Containerfile.
BUILDAH ?= buildah

.PHONY: container
container: build
	rm -rf bin/container
	install -D bin/shunt bin/container/root/usr/sbin/shunt
	install -d bin/container/root/etc/ha.d bin/container/own/run/shunt bin/container/own/var/lib/shunt
	install -d -m 1777 bin/container/root/tmp
	echo 'shunt:x:65532:65532::/:/usr/sbin/nologin' > bin/container/root/etc/passwd
	echo 'shunt:x:65532:' > bin/container/root/etc/group
	$(BUILDAH) bud --format docker -t shunt:$(VERSION) -t shunt -f Containerfile bin/container

.PHONY: clean
clean:
	rm -rf bin

# --- what all of this needs ------------------------------------------------

SUDO := $(if $(filter 0,$(shell id -u)),,sudo)

.PHONY: need-go
need-go: $(NEEDED_GO)

$(GO_FETCHED)/bin/go:
	@SUDO=$(SUDO) internal/toolchain/fetch.sh $(GO_VERSION) $(GO_FETCHED)

# Packages of Debian that the tests use: a compiler for the race detector, real
# servers and clients; for a kernel of their own an emulator, too.
PACKAGES := gcc libc6-dev iproute2 nginx-light libnginx-mod-stream haproxy tshark curl perl python3 cpio

# Clients and servers that meet through shunt in internal/test/programs, and
# servers that the checks are tried on.
deps-programs: PACKAGES += postgresql redis-server redis-tools iperf3 openssh-server openssh-client unbound dnsperf bind9-dnsutils \
  nghttp2-client nghttp2-server ngtcp2-client ngtcp2-server python3-websockets python3-aiosmtpd swaks socat \
  mariadb-server slapd freeradius openssl prometheus \
  dovecot-imapd dovecot-pop3d postfix vsftpd kamailio inn2 ldap-utils apache2 squid \
  resource-agents libxml2-utils chromium tmux zsh fish

deps-packages: PACKAGES += systemd systemd-container rpm logrotate procps buildah

deps-kernel: PACKAGES += qemu-system-x86

# inn2 cannot be installed on a host without a domain unless INNCONF names one.
.PHONY: deps deps-kernel deps-packages deps-programs
deps deps-kernel deps-packages deps-programs:
	@missing=; for p in $(PACKAGES); do \
	  dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; \
	done; \
	if [ -n "$$missing" ]; then \
	  $(SUDO) apt-get update -qq && $(SUDO) env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 INNCONF=$(CURDIR)/internal/test/programs/testdata/inn.conf \
	    apt-get install -y -qq --no-install-recommends $$missing; \
	fi

$(GOLANGCI):
	mkdir -p $(TOOLS)
	GOBIN=$(TOOLS)/tmp $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
	mv $(TOOLS)/tmp/golangci-lint $@

$(NFPM):
	mkdir -p $(TOOLS)
	GOBIN=$(TOOLS)/tmp $(GO) install github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.48.0
	mv $(TOOLS)/tmp/nfpm $@

$(MD2MAN):
	mkdir -p $(TOOLS)
	GOBIN=$(TOOLS)/tmp $(GO) install github.com/cpuguy83/go-md2man/v2@v2.0.7
	mv $(TOOLS)/tmp/go-md2man $@
