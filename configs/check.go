package configs

import (
	"encoding"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/viper"
	"go.yaml.in/yaml/v3"
)

// section checks a mapping against the struct t and returns what of it can be
// decoded.
func (l *loader) section(n *yaml.Node, t reflect.Type, key string) map[string]any {
	settings := map[string]any{}
	n = follow(n)
	if isNull(n) {
		return settings
	}
	if n.Kind != yaml.MappingNode {
		l.report(key, "is "+kindOf(n), "a section of keys")
		return settings
	}
	fields := fieldsOf(t)
	seen := map[string]int{} // key to its line
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, value := n.Content[i], n.Content[i+1]
		name, at := join(key, k.Value), place{line: k.Line}
		if k.Kind != yaml.ScalarNode || k.ShortTag() == "!!merge" {
			l.reportAt(at, key, "has a key that is no plain word", "")
			continue
		}
		if first, again := seen[k.Value]; again {
			l.reportAt(at, name, fmt.Sprintf("is already set in line %d", first), "one of the two")
			continue
		}
		seen[k.Value] = k.Line
		f, ok := fieldNamed(fields, k.Value)
		if !ok {
			l.reportAt(at, name, unknownKey(k.Value, fields), "")
			continue
		}
		l.at[name] = at
		if v := l.value(value, f.typ, name); v != nil {
			settings[f.name] = v
		}
	}
	return settings
}

// value checks one value against the type t; nil means leave the default.
func (l *loader) value(n *yaml.Node, t reflect.Type, key string) any {
	n = follow(n)
	switch {
	case isSection(t):
		return l.section(n, t, key)
	case t.Kind() == reflect.Slice && !isText(t):
		if isNull(n) {
			return nil
		}
		if n.Kind != yaml.SequenceNode {
			l.report(key, "is "+kindOf(n), `a list, one "- " an element`)
			return nil
		}
		list := make([]any, len(n.Content))
		for i, item := range n.Content {
			name := element(key, i)
			l.at[name] = place{line: item.Line}
			if list[i] = l.value(item, t.Elem(), name); list[i] == nil {
				list[i] = reflect.Zero(t.Elem()).Interface() // keeps the others in their places
			}
		}
		return list
	}
	if n.Kind != yaml.ScalarNode {
		l.report(key, "is "+kindOf(n), wanted(t))
		return nil
	}
	v, message, want := scalar(n, t)
	if message != "" {
		l.report(key, message, want)
		return nil
	}
	return v
}

// follow is the node an alias stands for.
func follow(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// kindOf names what n is, never what it holds.
func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a section of keys"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.ShortTag() {
	case "!!null":
		return "empty"
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "true or false"
	case "!!timestamp":
		return "a date"
	}
	return "text"
}

// wanted names the values of t.
func wanted(t reflect.Type) string {
	switch k := t.Kind(); {
	case t == durationType:
		return "a duration such as 500ms, 5s or 10m"
	case isText(t), k == reflect.String:
		return "text"
	case k == reflect.Bool:
		return "true or false"
	case k == reflect.Float32, k == reflect.Float64:
		return "a number"
	case k >= reflect.Uint && k <= reflect.Uint64:
		return fmt.Sprintf("a whole number, 0 to %d", ^uint64(0)>>(64-t.Bits()))
	}
	return fmt.Sprintf("a whole number, %d to %d", int64(-1)<<(t.Bits()-1), int64(1)<<(t.Bits()-1)-1)
}

// scalar reads a scalar as a t. message is empty when it can; it never holds
// the value of a secret.
func scalar(n *yaml.Node, t reflect.Type) (v any, message, want string) {
	text, tag := n.Value, n.ShortTag()
	shown := text
	if n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0 {
		shown = strconv.Quote(text)
	}
	switch k := t.Kind(); {
	case tag == "!!null":
		return nil, "is empty", wanted(t)

	case t == durationType:
		d, err := time.ParseDuration(text)
		if err != nil {
			return nil, "is " + shown, wanted(t)
		}
		return d, "", ""

	case isText(t), k == reflect.String:
		if changed := changedText(n); changed != "" {
			if t == secretType {
				return nil, "is " + changed + " to YAML", "it in quotes"
			}
			return nil, "is " + changed + " to YAML", fmt.Sprintf(`it in quotes: "%s"`, text)
		}
		if isText(t) {
			u := reflect.New(t).Interface().(encoding.TextUnmarshaler)
			if err := u.UnmarshalText([]byte(text)); err != nil {
				return nil, "is not right: " + err.Error(), ""
			}
		}
		return text, "", ""

	case k == reflect.Bool:
		if text != "true" && text != "false" || tag != "!!bool" {
			return nil, "is " + shown, wanted(t)
		}
		return text == "true", "", ""

	case k == reflect.Float32, k == reflect.Float64:
		f, err := strconv.ParseFloat(text, t.Bits())
		if err != nil || tag != "!!float" && tag != "!!int" {
			return nil, "is " + shown, wanted(t)
		}
		return f, "", ""

	case tag != "!!int", !plainInt(text):
		return nil, "is " + shown, wanted(t)

	case k >= reflect.Uint && k <= reflect.Uint64:
		u, err := strconv.ParseUint(text, 0, t.Bits())
		if err != nil {
			return nil, "is " + shown, wanted(t)
		}
		return u, "", ""

	default:
		i, err := strconv.ParseInt(text, 0, t.Bits())
		if err != nil {
			return nil, "is " + shown, wanted(t)
		}
		return i, "", ""
	}
}

// changedText names what YAML makes of a scalar that is meant as text and was
// not quoted; "" when it stays as it is. yes and no stay text in YAML 1.2 and
// are booleans in 1.1, so that nobody knows what the writer meant.
func changedText(n *yaml.Node) string {
	switch n.ShortTag() {
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "true or false"
	case "!!timestamp":
		return "a date"
	case "!!str":
		if n.Style != 0 {
			return ""
		}
		switch strings.ToLower(n.Value) {
		case "y", "n", "yes", "no", "on", "off":
			return "yes or no"
		}
		return ""
	}
	return "no text"
}

// plainInt says whether an integer is decimal without leading zeros, which
// YAML and Go read as octal, or hexadecimal with 0x.
func plainInt(text string) bool {
	digits := strings.TrimPrefix(text, "-")
	if hex, ok := strings.CutPrefix(digits, "0x"); ok {
		return hex != "" && strings.Trim(hex, "0123456789abcdefABCDEF") == ""
	}
	return digits != "" && strings.Trim(digits, "0123456789") == "" && (digits[0] != '0' || digits == "0")
}

// environment checks the variables that override keys of the struct t and
// hands them to viper. Viper knows no environment for what is inside a list,
// so these go into settings, which is what the file says.
func (l *loader) environment(v *viper.Viper, t reflect.Type, key string, settings map[string]any, inList bool) {
	for _, f := range fieldsOf(t) {
		name := join(key, f.name)
		switch {
		case isSection(f.typ):
			inner, ok := settings[f.name].(map[string]any)
			if !ok {
				inner = map[string]any{}
			}
			if l.environment(v, f.typ, name, inner, inList); inList && len(inner) > 0 {
				settings[f.name] = inner
			}
		case f.typ.Kind() == reflect.Slice && !isText(f.typ):
			list, _ := settings[f.name].([]any)
			if os.Getenv(envName(name)) != "" {
				l.reportAt(place{env: envName(name)}, name, "is a list", "the file's elements one by one, "+envName(name)+"_0 and so on")
			}
			l.missingElements(name, len(list))
			for i := range list {
				switch item := list[i].(type) {
				case map[string]any:
					l.environment(v, f.typ.Elem(), element(name, i), item, true)
				default:
					if value := l.variable(f.typ.Elem(), element(name, i)); value != nil {
						list[i] = value
					}
				}
			}
		default:
			value := l.variable(f.typ, name)
			if value != nil && inList {
				settings[f.name] = value
			} else if value != nil {
				v.BindEnv(name, envName(name)) // fails only without a key
			}
		}
	}
}

// variable is the value of the key's environment variable; nil when it is
// unset, empty or wrong.
func (l *loader) variable(t reflect.Type, key string) any {
	text := os.Getenv(envName(key))
	if text == "" {
		return nil
	}
	l.at[key] = place{env: envName(key)}
	n := &yaml.Node{Kind: yaml.ScalarNode, Value: text}
	if isText(t) || t.Kind() == reflect.String {
		n.Style = yaml.DoubleQuotedStyle // every variable is text
	}
	value, message, want := scalar(n, t)
	if message != "" {
		l.report(key, message, want)
		return nil
	}
	return value
}

// missingElements reports variables for elements that the list key lacks.
func (l *loader) missingElements(key string, have int) {
	prefix := envName(key) + "_"
	for _, pair := range os.Environ() {
		name, value, _ := strings.Cut(pair, "=")
		rest, ok := strings.CutPrefix(name, prefix)
		if !ok || value == "" {
			continue
		}
		digits, _, _ := strings.Cut(rest, "_")
		if i, err := strconv.Atoi(digits); err == nil && i >= have {
			l.reportAt(place{env: name}, element(key, i),
				fmt.Sprintf("the file has %d of these", have), "an element of the file")
		}
	}
}

// envName is the environment variable of a key.
func envName(key string) string {
	return envPrefix + strings.ToUpper(strings.NewReplacer(".", "_", "[", "_", "]", "").Replace(key))
}

func fieldNamed(fields []entry, name string) (entry, bool) {
	for _, f := range fields {
		if f.name == name {
			return f, true
		}
	}
	return entry{}, false
}

// unknownKey says which key may have been meant, or else which there are.
func unknownKey(name string, fields []entry) string {
	nearest, least := "", len(name)/3+2 // further off than this is another word
	known := make([]string, len(fields))
	for i, f := range fields {
		known[i] = f.name
		if d := distance(strings.ToLower(name), f.name); d < least {
			nearest, least = f.name, d
		}
	}
	if nearest == "" {
		return "unknown key; the keys here are " + strings.Join(known, ", ")
	}
	return fmt.Sprintf("unknown key; did you mean %q?", nearest)
}

// distance is the number of bytes to insert, delete, change or swap with their
// neighbour between a and b (optimal string alignment).
func distance(a, b string) int {
	var before, last []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row = last, row, make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
