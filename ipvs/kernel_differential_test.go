//go:build kernel

package ipvs

import (
	"testing"

	"pgregory.net/rapid"
)

// TestFakeIsAsTheKernel takes a fake and the kernel from one service to
// another and to yet another, by the same steps, and looks at both after each
// of them.
func TestFakeIsAsTheKernel(t *testing.T) {
	k := openTest(t)
	rapid.Check(t, func(t *rapid.T) {
		f := newFake()
		defer func() { _ = k.delService(web) }()
		var have *state
		for range 3 {
			want := states.Draw(t, "want")
			steps := diff(have, want)
			for i, s := range steps {
				errFake, errKernel := s.on(f, web), s.on(k, web)
				if errFake != nil || errKernel != nil {
					t.Fatalf("step %d of\n%s: the fake says %v, the kernel %v", i, script(steps), errFake, errKernel)
				}
				alike(t, f, k)
			}
			e, err := k.read(web)
			if err != nil {
				t.Fatal(err)
			}
			have = e.state()
		}
	})
}

// alike compares what both tables hold, the order of real servers included.
func alike(t *rapid.T, f *fake, k *kernel) {
	t.Helper()
	a, errFake := f.read(web)
	b, errKernel := k.read(web)
	if errFake != nil || errKernel != nil {
		t.Fatalf("the fake says %v, the kernel %v", errFake, errKernel)
	}
	if fake, kernel := saved(web, a), saved(web, b); fake != kernel {
		t.Fatalf("the fake holds:\n%sthe kernel:\n%s", fake, kernel)
	}
}
