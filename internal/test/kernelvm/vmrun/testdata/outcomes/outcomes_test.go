package outcomes

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"testing"
	"time"
)

func TestPass(t *testing.T) { t.Log(covered()) }

func TestFatal(t *testing.T) { t.Fatal("as it should") }

func TestPanic(*testing.T) { panic("as it should") }

func TestExit(*testing.T) { os.Exit(3) }

func TestHang(*testing.T) { time.Sleep(time.Hour) }

// TestIdle waits for longer than its machine may run, if that is one that waits.
func TestIdle(*testing.T) { time.Sleep(20 * time.Minute) }

func TestCrash(t *testing.T) {
	t.Error(os.WriteFile("/proc/sysrq-trigger", []byte("c"), 0))
}

// TestFlood writes 2 MiB, in lines of 64 bytes that are numbered.
func TestFlood(t *testing.T) {
	var b bytes.Buffer
	for i := range 2 << 20 / 64 {
		fmt.Fprintf(&b, "%063d\n", i)
	}
	if _, err := io.Copy(os.Stdout, &b); err != nil {
		t.Error(err)
	}
}
