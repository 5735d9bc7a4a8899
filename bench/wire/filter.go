package wire

import (
	"fmt"
	"slices"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// The offsets of the fields that the filter reads, in a frame without VLAN tag.
const (
	atType   = 12
	atIP     = 14
	atProto4 = atIP + 9
	atFrag4  = atIP + 6
	atProto6 = atIP + 6
	atPorts6 = atIP + 40
)

const (
	protoIP4 = 4
	protoTCP = 6
	protoUDP = 17
	protoIP6 = 41
)

// number is the protocol's in IP headers.
func (s Service) number() uint8 {
	if s.Protocol == "udp" {
		return protoUDP
	}
	return protoTCP
}

// ports are those that packets of the service have on one side.
func (s Service) ports() []uint16 {
	out := []uint16{s.Addr.Port()}
	for _, r := range s.Reals {
		if p := r.Addr.Port(); p != 0 && !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

// filter returns a program that keeps snap bytes of the service's packets: of its
// protocol with one of its ports, and tunnelled ones. Fragments other than the
// first have no ports and are not seen.
func (s Service) filter(snap int) ([]unix.SockFilter, error) {
	ports := s.ports()
	if len(ports) > 50 {
		return nil, fmt.Errorf("filter packets of %d ports: at most 50 can be", len(ports))
	}
	v4, v6 := s.filter4(ports), s.filter6(ports)
	prog := []bpf.Instruction{
		bpf.LoadAbsolute{Off: atType, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.ETH_P_IP, SkipTrue: 1},
		bpf.Jump{Skip: uint32(len(v4))},
	}
	prog = append(prog, v4...)
	prog = append(prog, bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.ETH_P_IPV6, SkipTrue: 1}, bpf.RetConstant{})
	prog = append(prog, v6...)
	return assemble(prog, uint32(snap))
}

func (s Service) filter4(ports []uint16) []bpf.Instruction {
	return append(proto(atProto4, s.number()), append([]bpf.Instruction{
		bpf.LoadAbsolute{Off: atFrag4, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: 0x1fff, SkipFalse: 1},
		bpf.RetConstant{},
		bpf.LoadMemShift{Off: atIP},
	}, either(ports, bpf.LoadIndirect{Off: atIP, Size: 2}, bpf.LoadIndirect{Off: atIP + 2, Size: 2})...)...)
}

func (s Service) filter6(ports []uint16) []bpf.Instruction {
	return append(proto(atProto6, s.number()),
		either(ports, bpf.LoadAbsolute{Off: atPorts6, Size: 2}, bpf.LoadAbsolute{Off: atPorts6 + 2, Size: 2})...)
}

// keep stands for the return of the snap length.
var keep = bpf.RetConstant{Val: 1}

// proto keeps tunnels, passes want on to what follows and rejects the rest.
func proto(at uint32, want uint8) []bpf.Instruction {
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: at, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(want), SkipTrue: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: protoIP4, SkipTrue: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: protoIP6, SkipTrue: 1},
		bpf.RetConstant{},
		keep,
	}
}

// either keeps packets that have one of the ports in one of two places.
func either(ports []uint16, places ...bpf.Instruction) []bpf.Instruction {
	var out []bpf.Instruction
	for _, place := range places {
		out = append(out, place)
		for _, p := range ports {
			out = append(out, bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(p), SkipFalse: 1}, keep)
		}
	}
	return append(out, bpf.RetConstant{})
}

func assemble(prog []bpf.Instruction, snap uint32) ([]unix.SockFilter, error) {
	for i, in := range prog {
		if in == keep {
			prog[i] = bpf.RetConstant{Val: snap}
		}
	}
	raw, err := bpf.Assemble(prog)
	if err != nil {
		return nil, fmt.Errorf("assemble the packet filter: %w", err)
	}
	out := make([]unix.SockFilter, len(raw))
	for i, in := range raw {
		out[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	return out, nil
}
