package files

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// TestManyThatHang: many files of a file system that does not answer take seconds
// in all, and not each. Other files are read meanwhile, and when the file system
// answers the time limit is Patience again.
func TestManyThatHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answer := make(chan struct{})
		began := time.Now()
		for i := range 100 {
			_, err := Try(t.Context(), fmt.Sprint("/dead/", i), func() (int, error) { <-answer; return 0, nil })
			if !errors.Is(err, ErrHangs) {
				t.Fatalf("the error is %v, want %v", err, ErrHangs)
			}
		}
		if took := time.Since(began); took > 4*Patience {
			t.Errorf("a hundred took %v, want at most %v", took, 4*Patience)
		}
		if n, err := Try(t.Context(), "/alive", func() (int, error) { time.Sleep(time.Millisecond); return 7, nil }); n != 7 || err != nil {
			t.Errorf("beside them %d, %v", n, err)
		}
		close(answer)
		synctest.Wait()
		slow := func() (int, error) { time.Sleep(Patience - time.Second); return 7, nil }
		if n, err := Try(context.Background(), "/slow", slow); n != 7 || err != nil {
			t.Errorf("after them %d, %v", n, err)
		}
	})
}
