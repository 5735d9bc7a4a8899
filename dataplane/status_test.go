package dataplane_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/shunt-lb/shunt/dataplane"
)

// TestAddAddsEveryField sees also fields that have been added since.
func TestAddAddsEveryField(t *testing.T) {
	var c, d dataplane.Counters
	for i, of := range numbers(&c) {
		of.SetUint(uint64(i + 1))
		numbers(&d)[i].SetUint(100)
	}
	sum := c.Add(d)
	for i, of := range numbers(&sum) {
		if got, want := of.Uint(), uint64(i+101); got != want {
			t.Errorf("number %d is %d, want %d", i, got, want)
		}
	}
}

// numbers are all that c holds.
func numbers(c *dataplane.Counters) (all []reflect.Value) {
	for _, v := range reflect.ValueOf(c).Elem().Fields() {
		if v.Kind() != reflect.Array {
			all = append(all, v)
			continue
		}
		for i := range v.Len() {
			all = append(all, v.Index(i))
		}
	}
	return all
}

func TestRefusalsInJSON(t *testing.T) {
	want := dataplane.Refusals{dataplane.Unusable: 1, dataplane.Unreachable: 2, dataplane.Queued: 3, dataplane.Bound: 4, dataplane.Portless: 5}
	b, err := json.Marshal(want)
	if s := `{"bound":4,"ports":5,"queue":3,"unreachable":2,"unusable":1}`; string(b) != s || err != nil {
		t.Errorf("%s and %v, want %s", b, err, s)
	}
	var got dataplane.Refusals
	if err := json.Unmarshal(b, &got); got != want || err != nil {
		t.Errorf("%v and %v came back, want %v", got, err, want)
	}
	if got.Sum() != 15 {
		t.Errorf("the sum is %d, want 15", got.Sum())
	}
}
