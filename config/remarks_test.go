package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRemarks: what ldirectord takes and cannot work is accepted, with a
// warning that says why, and what is meant is taken.
func TestRemarks(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "program")
	if err := os.WriteFile(program, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	const section = "virtual=192.0.2.80:80\n    real=192.0.2.1:80 gate\n"
	for _, tt := range []struct{ text, warning string }{
		{"maintenancedir=" + dir + "\n", ""},
		{"maintenancedir=\"" + dir + "\"\n", "`maintenancedir` is read without its quotes"},
		{"maintenancedir='" + dir + "'\n", "`maintenancedir` is read without its quotes"},
		{"callback=\"" + program + "\"\n", ""},
		{"callback=\"" + dir + "/no\"\n", "there is no program " + dir + "/no"},
		{"callback=\"" + program + " -v\"\n", "it gets no arguments of yours"},
		{"callback=\"" + dir + "\"\n", "there is no program " + dir},
		{"fallbackcommand=" + program + " -v\n", ""},
		{"fallbackcommand=" + dir + "/no -v\n", "there is no program " + dir + "/no"},
		{"fallbackcommand=echo $PATH > /dev/null\n", ""},
		{section + "    fallbackcommand=\"" + program + " start\"\n", ""},
		{section + "    fallbackcommand=\"" + dir + "/no start\"\n", "there is no program " + dir + "/no"},
		{"emailalert=root\n", ""},
		{"emailalert=root, ops@example.test, Ops <ops@[192.0.2.1]>\n", ""},
		{"emailalert=ops@example.test; dev@example.test\n", "`ops@example.test; dev@example.test` is no mail address (write user@host, several with commas"},
		{"emailalert=ops@example.test dev@example.test\n", "is no mail address"},
		{"emailalert=a@b@c\n", "`a@b@c` is no mail address"},
		{"emailalert=ops@\n", "`ops@` is no mail address"},
		{"emailalert=@example.test\n", "`@example.test` is no mail address"},
		{"emailalertfrom=Shunt <lb1@example.test>\n", ""},
		{"emailalertfrom=the load balancer\n", "`the load balancer` is no mail address"},
		{section + "    virtualhost=www.example.test\n", ""},
		{section + "    virtualhost=www.example.test:8080\n", ""},
		{section + "    virtualhost=http://www.example.test\n", "`http://www.example.test` is no host name: a web server does not know it (write virtualhost=www.example.test;"},
		{section + "    virtualhost=\"https://www.example.test/index.html\"\n", "(write virtualhost=www.example.test;"},
		{section + "    virtualhost=www.example.test/check\n", "(write virtualhost=www.example.test;"},
		{section + "    scheduler=wrr\n", ""},
		{section + "    scheduler=wrr;\n", "`wrr;` is read as wrr (write scheduler=wrr)"},
		{section + "    scheduler=<lc>,\n", "`<lc>,` is read as lc"},
		{section + "    scheduler=\"sh\"\n", "is read as sh"},
		{"  checktimeout=3\n  virtual=192.0.2.80:80\n        real=192.0.2.1:80 gate\n  quiescent=yes\n", "`virtual` is indented (a section begins at the first column)"},
		{"    virtual=192.0.2.80:80\n\treal=192.0.2.1:80 gate\n", "no"},
		{"    virtual=192.0.2.80:80\n\t\treal=192.0.2.1:80 gate\n    virtual=192.0.2.81:80\n\t\treal=192.0.2.1:80 gate\n", "`virtual` is indented; also on line 3 (a"},
	} {
		c, err := parse(t, tt.text)
		switch {
		case tt.warning == "no":
			if err == nil || !strings.Contains(err.Error(), "is not indented more than `virtual` of line 1") {
				t.Errorf("%s: error is %v", tt.text, err)
			}
		case err != nil:
			t.Errorf("%s: %v", tt.text, err)
		case tt.warning == "" && len(c.Warnings) > 0 || !strings.Contains(c.Warnings.Error(), tt.warning):
			t.Errorf("%s: warnings are %v, want %q", tt.text, c.Warnings, tt.warning)
		}
	}
	c := mustParse(t, "  checktimeout=3\n  virtual=192.0.2.80:80\n        real=192.0.2.1:80 gate\n  quiescent=yes\n")
	if len(c.Virtuals) != 1 || len(c.Virtuals[0].Reals) != 1 || !c.Global.Quiescent || c.Virtuals[0].Origins["quiescent"].Note != "global" {
		t.Errorf("an indented file is read as %+v", c)
	}
}
