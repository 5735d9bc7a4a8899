package programs_test

import (
	"bytes"
	"context"
	"io/fs"
	"log/slog"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/internal/alert"
	"github.com/shunt-lb/shunt/internal/test/process"
)

// Postfix takes a mail for those of its recipients whom it knows, and the log
// says whom it does not know.
func TestAlertThroughPostfix(t *testing.T) {
	dir := process.Folder(t, "")
	open, _ := postfixIn(t, dir)
	var log bytes.Buffer
	s := alert.New(slog.New(slog.NewTextHandler(&log, nil)))
	s.Send(alert.Mail{
		To:   []string{"root@mail.example.test", "On Call <postfix@mail.example.test>", "stranger@mail.example.test"},
		From: "shunt@lb1.example.test", Relay: open.addr.String(), Status: "running", Service: "shop", Comment: "ask the web team",
		Subject: "Deleted real server: 10.0.0.11:80 (10.0.0.100:80)", Reason: "refused", Held: 3,
	})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	s.Close(ctx)
	if said := log.String(); !strings.Contains(said, "550") || !strings.Contains(said, "recipient stranger@mail.example.test") || strings.Contains(said, "recipient root") {
		t.Errorf("the log says\n%s", said)
	}
	mail := queued(t, dir)
	for _, want := range []string{
		"sender: shunt@lb1.example.test\n", "recipient: root@mail.example.test\n", "recipient: postfix@mail.example.test\n",
		"Subject: [shop] Deleted real server: 10.0.0.11:80 (10.0.0.100:80)\n", "\nldirectord host: ", "\nLog-Message: [shop] Deleted real server: 10.0.0.11:80 (10.0.0.100:80)\n",
		"\nDaemon-Status: running\n", "\nService name: shop\n", "\nComment: ask the web team\n", "\nReason: refused\n", "\nHeld back: 3 alerts before this one (alertlimit)\n",
	} {
		if !strings.Contains(mail, want) {
			t.Errorf("no %q in\n%s", want, mail)
		}
	}
	if strings.Contains(mail, "recipient: stranger") {
		t.Errorf("a recipient that was refused is there:\n%s", mail)
	}
}

// queued returns the only mail in the queue of a Postfix, as postcat shows it.
func queued(t *testing.T, dir string) string {
	t.Helper()
	var mails []string
	err := filepath.WalkDir(filepath.Join(dir, "queue"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && slices.Contains([]string{"incoming", "active", "deferred"}, filepath.Base(filepath.Dir(path))) {
			mails = append(mails, path)
		}
		return err
	})
	if err != nil || len(mails) != 1 {
		t.Fatalf("mails %q, %v", mails, err)
	}
	text, err := exec.Command("postcat", "-c", dir, mails[0]).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
