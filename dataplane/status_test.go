package dataplane_test

import (
	"reflect"
	"testing"

	"github.com/shunt-lb/shunt/dataplane"
)

// TestAddAddsEveryField sees also fields that have been added since.
func TestAddAddsEveryField(t *testing.T) {
	var c, d dataplane.Counters
	each(reflect.TypeFor[dataplane.Counters](), func(i int, _ string) {
		reflect.ValueOf(&c).Elem().Field(i).SetUint(uint64(i + 1))
		reflect.ValueOf(&d).Elem().Field(i).SetUint(100)
	})
	sum := c.Add(d)
	each(reflect.TypeFor[dataplane.Counters](), func(i int, name string) {
		if got, want := reflect.ValueOf(sum).Field(i).Uint(), uint64(i+101); got != want {
			t.Errorf("%s is %d, want %d", name, got, want)
		}
	})
}
