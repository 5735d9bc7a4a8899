package config

// proxyVersions are the words of proxyprotocol, each at its version.
var proxyVersions = []string{"no", "v1", "v2"}

var proxyProtocol = bind("`no`, `v1` or `v2`", func(f *field) (int, bool) {
	w, ok := f.oneOf(proxyVersions, "")
	for version, known := range proxyVersions {
		if w == known {
			return version, ok
		}
	}
	return 0, false
}, func(version int) string { return proxyVersions[version] })(func(t target) *int { return &t.s.ProxyProtocol })
