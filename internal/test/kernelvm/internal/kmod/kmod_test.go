package kmod

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	for name, test := range map[string]struct {
		info string
		want Module
	}{
		"nothing":         {"", Module{}},
		"padding":         {"\x00\x00name=a\x00\x00\x00", Module{Name: "a"}},
		"no dependencies": {"name=a\x00depends=\x00", Module{Name: "a"}},
		"everything": {
			"alias=net-pf-16-proto-16-family-IPVS\x00depends=nf_conntrack,libcrc32c,nf-defrag-ipv6\x00" +
				"softdep=pre: crc32c crc-x post: later\x00alias=second\x00name=ip-vs\x00license=GPL",
			Module{
				Name:    "ip_vs",
				Depends: []string{"nf_conntrack", "libcrc32c", "nf_defrag_ipv6"},
				Soft:    []string{"crc32c", "crc-x"},
				Aliases: []string{"net-pf-16-proto-16-family-IPVS", "second"},
			},
		},
		"soft, after alone": {"name=a\x00softdep=post: b\x00", Module{Name: "a"}},
		"value with equals": {"alias=a=b\x00", Module{Aliases: []string{"a=b"}}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, parse([]byte(test.info))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// object returns an object file that has the given section .modinfo, or none.
func object(info string) []byte {
	names := "\x00.modinfo\x00.shstrtab\x00"
	const header, section = 64, 64
	h := elf.Header64{
		Type: uint16(elf.ET_REL), Machine: uint16(elf.EM_X86_64), Version: 1, Ehsize: header,
		Shoff: uint64(header + len(info) + len(names)), Shentsize: section, Shnum: 3, Shstrndx: 2,
	}
	copy(h.Ident[:], elf.ELFMAG)
	h.Ident[elf.EI_CLASS], h.Ident[elf.EI_DATA], h.Ident[elf.EI_VERSION] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), 1
	sections := []elf.Section64{
		{},
		{Name: 1, Type: uint32(elf.SHT_PROGBITS), Off: header, Size: uint64(len(info)), Addralign: 1},
		{Name: 10, Type: uint32(elf.SHT_STRTAB), Off: uint64(header + len(info)), Size: uint64(len(names)), Addralign: 1},
	}
	if info == "" {
		sections[1].Name = 0
	}
	var b bytes.Buffer
	for _, part := range []any{h, []byte(info + names), sections} {
		if err := binary.Write(&b, binary.LittleEndian, part); err != nil {
			panic(err)
		}
	}
	return b.Bytes()
}

func write(t *testing.T, file string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestScan(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "kernel/net/b.ko"), object("name=b\x00depends=a-a\x00"))
	write(t, filepath.Join(dir, "kernel/a-a.ko"), object("license=GPL\x00"))
	write(t, filepath.Join(dir, "kernel/README"), []byte("no module"))
	write(t, filepath.Join(dir, "modules.builtin"), []byte("kernel/fs/binfmt-script.ko\nkernel/x.ko\n"))
	got, err := Scan(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := Index{
		Modules: map[string]Module{
			"a_a": {Name: "a_a", File: "kernel/a-a.ko"},
			"b":   {Name: "b", File: "kernel/net/b.ko", Depends: []string{"a_a"}},
		},
		Builtin: []string{"binfmt_script", "x"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestScanRefuses(t *testing.T) {
	for name, content := range map[string][]byte{
		"text": []byte("no module"), "empty": nil, "no section": object(""), "cut off": object("name=a\x00")[:100],
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, "a.ko"), content)
			if x, err := Scan(dir); err == nil {
				t.Errorf("scanned as %v", x)
			}
		})
	}
}

// network is like a part of a real kernel.
func network() Index {
	x := Index{Modules: map[string]Module{}, Builtin: []string{"unix", "crc_t10dif"}}
	for _, m := range []Module{
		{Name: "ip_vs", Depends: []string{"nf_conntrack", "libcrc32c"}, Aliases: []string{"net-pf-16-proto-16-family-IPVS"}},
		{Name: "ip_vs_rr", Depends: []string{"ip_vs"}},
		{Name: "ip_vs_wrr", Depends: []string{"ip_vs"}},
		{Name: "nf_conntrack", Depends: []string{"nf_defrag_ipv4", "unix"}},
		{Name: "nf_defrag_ipv4"},
		{Name: "libcrc32c", Soft: []string{"crc32c", "absent"}},
		{Name: "crc32c_generic", Aliases: []string{"crc32c"}},
		{Name: "crc32c_intel", Aliases: []string{"crc32c", "cpu:type:x86*"}},
		{Name: "broken", Depends: []string{"absent"}},
	} {
		x.Modules[m.Name] = m
	}
	return x
}

func TestMatch(t *testing.T) {
	for _, test := range []struct {
		patterns, want []string
		err            string
	}{
		{patterns: []string{"ip_vs*"}, want: []string{"ip_vs", "ip_vs_rr", "ip_vs_wrr"}},
		{patterns: []string{"ip-vs-*", "ip_vs_rr"}, want: []string{"ip_vs_rr", "ip_vs_wrr"}},
		{patterns: []string{"unix"}},
		{patterns: nil},
		{patterns: []string{"ip_vs", "nothing*"}, err: "modules nothing*: no such module"},
		{patterns: []string{"["}, err: "modules [: syntax error in pattern"},
	} {
		got, err := network().Match(test.patterns...)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%v: %s", test.patterns, diff)
		}
		if text(err) != test.err {
			t.Errorf("%v: error %v, want %s", test.patterns, err, test.err)
		}
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestResolve(t *testing.T) {
	for _, test := range []struct {
		name string
		want []string
		err  error
	}{
		{name: "ip_vs", want: []string{"ip_vs"}},
		{name: "ip-vs-rr", want: []string{"ip_vs_rr"}},
		{name: "net-pf-16-proto-16-family-IPVS", want: []string{"ip_vs"}},
		{name: "crc32c", want: []string{"crc32c_generic", "crc32c_intel"}},
		{name: "cpu:type:x86,ven0000", want: []string{"crc32c_intel"}},
		{name: "unix"},
		{name: "nothing", err: ErrNotFound},
	} {
		got, err := network().Resolve(test.name)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
		if !errors.Is(err, test.err) {
			t.Errorf("%s: error %v, want %v", test.name, err, test.err)
		}
	}
}

func TestClosure(t *testing.T) {
	got, err := network().Closure("ip_vs_wrr", "ip_vs", "unix")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range got {
		names = append(names, m.Name)
	}
	want := []string{
		"nf_defrag_ipv4", "nf_conntrack", "crc32c_generic", "crc32c_intel", "libcrc32c", "ip_vs", "ip_vs_wrr",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
	if sub := network().Subset(got); len(sub.Modules) != len(want) || !slices.Contains(sub.Builtin, "unix") {
		t.Errorf("subset %v", sub)
	}
}

func TestClosureNamesWhatIsMissing(t *testing.T) {
	_, err := network().Closure("broken")
	if want := "broken needs absent: no such module"; text(err) != want || !errors.Is(err, ErrNotFound) {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestClosureOfACircleEnds(t *testing.T) {
	x := Index{Modules: map[string]Module{
		"a": {Name: "a", Depends: []string{"b"}}, "b": {Name: "b", Soft: []string{"a"}},
	}}
	got, err := x.Closure("a")
	if err != nil || len(got) != 2 {
		t.Errorf("closure %v, %v", got, err)
	}
}
