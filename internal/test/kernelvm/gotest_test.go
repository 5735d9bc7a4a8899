package kernelvm_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/shunt-lb/shunt/internal/test/kernelvm"
)

func TestNewTest(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOCOVERDIR", "")
	for name, test := range map[string]struct {
		args  []string
		want  []string
		files []kernelvm.File
		limit time.Duration
	}{
		"nothing to do": {
			args: []string{"-test.v=true", "-test.run=^TestX$", "name"},
			want: []string{"-test.v=true", "-test.run=^TestX$", "name"},
		},
		"what go test adds": {
			args:  []string{"-test.paniconexit0", "-test.testlogfile=/somewhere/log", "-test.timeout=10m0s"},
			want:  []string{"-test.paniconexit0", "-test.timeout=10m0s"},
			limit: 10*time.Minute + 30*time.Second,
		},
		"no limit": {args: []string{"-test.timeout=0s"}, want: []string{"-test.timeout=0s"}},
		"profiles": {
			args: []string{"-test.coverprofile=/abs/c.out", "--test.cpuprofile=cpu.out"},
			want: []string{"-test.coverprofile=/back/0/c.out", "-test.cpuprofile=/back/1/cpu.out"},
			files: []kernelvm.File{
				{Host: "/abs/c.out", Guest: "/back/0/c.out"},
				{Host: filepath.Join(here, "cpu.out"), Guest: "/back/1/cpu.out"},
			},
		},
		"folders": {
			args: []string{"-test.trace=t.out", "-test.outputdir=/out", "-test.gocoverdir=/cov"},
			want: []string{"-test.trace=/back/0/t.out", "-test.outputdir=/back/1/out", "-test.gocoverdir=/back/2/cov"},
			files: []kernelvm.File{
				{Host: "/out/t.out", Guest: "/back/0/t.out"},
				{Host: "/out", Guest: "/back/1/out"},
				{Host: "/cov", Guest: "/back/2/cov"},
			},
		},
		"after two dashes": {args: []string{"--", "-test.trace=x"}, want: []string{"--", "-test.trace=x"}},
		"without a value":  {args: []string{"-test.trace", "x"}, want: []string{"-test.trace", "x"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := kernelvm.NewTest(append([]string{"/tmp/x.test"}, test.args...), nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(append([]string{"/test/x.test"}, test.want...), got.Args); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(test.files, got.Return); diff != "" {
				t.Error(diff)
			}
			if got.Limit != test.limit {
				t.Errorf("limit %v, want %v", got.Limit, test.limit)
			}
		})
	}
}

func TestNewTestRefusesABadTimeout(t *testing.T) {
	if _, err := kernelvm.NewTest([]string{"x.test", "-test.timeout=soon"}, nil); err == nil {
		t.Error("taken")
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("KERNELVM_SET", "a=b")
	t.Setenv("HOME", "/home/somebody")
	got := kernelvm.Environment([]string{"KERNELVM_SET", "KERNELVM_UNSET"})
	want := []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", "HOME=/root", "USER=root", "TMPDIR=/tmp",
		"LANG=C.UTF-8", "KERNELVM_SET=a=b",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
