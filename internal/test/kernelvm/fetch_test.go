package kernelvm

import "testing"

func TestKeep(t *testing.T) {
	for name, want := range map[string]string{
		"./boot/vmlinuz-6.1.0-56-cloud-amd64":                    "vmlinuz",
		"./boot/System.map-6.1.0-56-cloud-amd64":                 "",
		"./lib/modules/6.1.0/kernel/net/netfilter/ipvs/ip_vs.ko": "modules/kernel/net/netfilter/ipvs/ip_vs.ko",
		"./usr/lib/modules/6.1.0/kernel/lib/libcrc32c.ko":        "modules/kernel/lib/libcrc32c.ko",
		"./lib/modules/6.1.0/kernel/drivers/net/veth.ko":         "modules/kernel/drivers/net/veth.ko",
		"./lib/modules/6.1.0/kernel/drivers/ata/ahci.ko":         "",
		"./lib/modules/6.1.0/modules.builtin":                    "modules/modules.builtin",
		"./lib/modules/6.1.0/modules.order":                      "",
		"./usr/share/doc/linux-image/copyright":                  "",
		"./lib/modules/6.1.0/kernel/net/../../../../../etc/x":    "",
	} {
		if got, ok := keep(name); got != want || ok != (want != "") {
			t.Errorf("keep(%s) = %q, %t; want %q", name, got, ok, want)
		}
	}
}

func TestWhatAptSays(t *testing.T) {
	depends := "linux-image-cloud-amd64\n  Depends: linux-image-6.1.0-56-cloud-amd64\n"
	if got := kernelPackage.FindStringSubmatch(depends); len(got) < 2 || got[1] != "linux-image-6.1.0-56-cloud-amd64" {
		t.Errorf("package %q", got)
	}
	if got := kernelPackage.FindStringSubmatch("  Depends: linux-base\n"); got != nil {
		t.Errorf("package %q", got)
	}
	uri := "'http://mirror.example/x_amd64.deb' linux-image-6.1.0-56-cloud-amd64_6.1.192-2_amd64.deb 26713492 SHA256:e7\n"
	if got := packageFile.FindStringSubmatch(uri); len(got) < 2 || got[1] != "6.1.0-56-cloud-amd64_6.1.192-2" {
		t.Errorf("version %q", got)
	}
	uri = "'http://mirror.example/b.deb' busybox-static_1%3a1.35.0-4+deb12u1+b1_amd64.deb 928188 MD5Sum:f6\n"
	if got := anyPackage.FindStringSubmatch(uri); len(got) < 3 || got[2] != "busybox-static" {
		t.Errorf("package %q", got)
	}
}
