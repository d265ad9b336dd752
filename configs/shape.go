package configs

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"
	"time"

	"starhash/configs/secret"
)

var (
	secretType   = reflect.TypeFor[secret.Value]()
	durationType = reflect.TypeFor[time.Duration]()
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// entry is one key of a section.
type entry struct {
	name  string
	index []int // for FieldByIndex
	typ   reflect.Type
}

// fieldsOf lists the keys of a section in the order of the struct.
func fieldsOf(t reflect.Type) []entry {
	var fields []entry
	for i := range t.NumField() {
		sf := t.Field(i)
		name, squash := tag(sf)
		switch {
		case squash:
			for _, f := range fieldsOf(sf.Type) {
				fields = append(fields, entry{f.name, append([]int{i}, f.index...), f.typ})
			}
		case name != "-" && sf.IsExported():
			fields = append(fields, entry{name, []int{i}, sf.Type})
		}
	}
	return fields
}

// tag is the key in a field's mapstructure tag, and whether the tag puts the
// fields of a nested struct in the section around it.
func tag(sf reflect.StructField) (name string, squash bool) {
	name, options, _ := strings.Cut(sf.Tag.Get("mapstructure"), ",")
	return name, options == "squash"
}

// isText says whether values of t are written as text that t reads itself.
func isText(t reflect.Type) bool { return reflect.PointerTo(t).Implements(textType) }

// isSection says whether t is a section of keys.
func isSection(t reflect.Type) bool { return t.Kind() == reflect.Struct && !isText(t) }

// isSectionList says whether t is a list of sections.
func isSectionList(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && !isText(t) && isSection(t.Elem())
}

// checkShape says what in a configuration struct Load cannot fill.
func checkShape(t reflect.Type, key string) error {
	switch {
	case isText(t):
		return nil
	case t.Kind() == reflect.Struct:
		for _, f := range fieldsOf(t) {
			if f.name == "" || f.name != strings.ToLower(f.name) || strings.ContainsAny(f.name, ".[]") {
				return fmt.Errorf("configs: field %d of %s has no mapstructure tag in snake_case", f.index[0], t)
			}
			if err := checkShape(f.typ, join(key, f.name)); err != nil {
				return err
			}
		}
		return nil
	case t.Kind() == reflect.Slice:
		return checkShape(t.Elem(), key+"[]")
	case t.Kind() == reflect.String, t.Kind() == reflect.Bool,
		t.Kind() >= reflect.Int && t.Kind() <= reflect.Uint64,
		t.Kind() == reflect.Float32, t.Kind() == reflect.Float64:
		return nil
	}
	return fmt.Errorf("configs: %s: a %s cannot be configured", key, t)
}

// join is the key of name inside the section key.
func join(key, name string) string {
	if key == "" || name == "" || name[0] == '[' {
		return key + name
	}
	return key + "." + name
}

// element is the key of element i of the list key.
func element(key string, i int) string { return fmt.Sprintf("%s[%d]", key, i) }

// parent is the key of the section or list that holds key; "" at the top.
func parent(key string) string { return key[:max(0, strings.LastIndexAny(key, ".["))] }

// lastKey is the key without its sections.
func lastKey(key string) string { return key[strings.LastIndexByte(key, '.')+1:] }
