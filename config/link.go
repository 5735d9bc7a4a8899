package config

import (
	"fmt"
	"strings"
)

// maxLink is the length of the longest name of a link, as in the kernel's
// dev_valid_name.
const maxLink = 15

// readLink reads the name of a network link. Whether it exists is not asked: it
// may come later.
func readLink(f *field) (string, bool) {
	f.straighten()
	name, ok := f.raw()
	name = strings.Trim(name, `"`)
	switch {
	case !ok:
		return "", false
	case len(name) > maxLink:
		return "", f.fail(f.valAt, fmt.Sprintf("`%s` is no name of a link: it has more than %d characters", name, maxLink), "`ip link` lists the names")
	case name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/: \""):
		return "", f.fail(f.valAt, fmt.Sprintf("`%s` is no name of a link", name), "one name, as `ip link` lists it: eth0")
	}
	return name, true
}
