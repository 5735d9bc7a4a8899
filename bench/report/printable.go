package report

import (
	"reflect"
	"strings"
	"unicode"
)

// printable returns a copy of x in which every text, however deep, has
// replacement characters for all that would move a terminal's cursor or has no
// place in XML.
func printable[T any](x T) T {
	return printableValue(reflect.ValueOf(&x).Elem()).Interface().(T)
}

func printableValue(v reflect.Value) reflect.Value {
	c := reflect.New(v.Type()).Elem()
	c.Set(v)
	switch v.Kind() {
	case reflect.String:
		c.SetString(strings.Map(printableRune, strings.ToValidUTF8(v.String(), "\uFFFD")))
	case reflect.Struct:
		for i := range v.NumField() {
			if c.Field(i).CanSet() {
				c.Field(i).Set(printableValue(v.Field(i)))
			}
		}
	case reflect.Slice:
		c.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
		for i := range v.Len() {
			c.Index(i).Set(printableValue(v.Index(i)))
		}
	case reflect.Map:
		c.Set(reflect.MakeMapWithSize(v.Type(), v.Len()))
		for key, value := range v.Seq2() {
			c.SetMapIndex(printableValue(key), printableValue(value))
		}
	}
	return c
}

func printableRune(r rune) rune {
	if !unicode.IsPrint(r) {
		return unicode.ReplacementChar
	}
	return r
}
