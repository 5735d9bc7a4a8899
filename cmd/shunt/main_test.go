package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// shuntBinary is the program under test, built as `make` builds it.
var shuntBinary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "shunt-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	shuntBinary = filepath.Join(dir, "shunt")
	// Where this host has IPVS, its table is no playground.
	os.Setenv("SHUNT_DATAPLANE", "proxy")
	code := 1
	if err := buildShunt(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		code = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

func buildShunt() error {
	cmd := exec.Command("go", "build", "-tags", "urfave_cli_no_docs", "-o", shuntBinary, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("build shunt: %w\n%s", err, out)
	}
	return nil
}
