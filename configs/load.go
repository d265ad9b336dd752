package configs

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"
	"go.yaml.in/yaml/v3"

	"starhash/configs/secret"
)

// envPrefix begins the environment variable of every key.
const envPrefix = "STARHASH_"

// maxFile bounds a configuration file, in bytes.
const maxFile = 1 << 20

// Located is a Problem and where its value came from.
type Located struct {
	Problem
	File string // as given to Load
	Line int    // in File; 0 when no line is to blame
	Env  string // the environment variable that set the value; "" when the file did
}

// String is "gateway.yaml:12: smpp.binds[0].window: is 0; want 1 to 10000".
func (l Located) String() string {
	switch {
	case l.Env != "":
		return l.Env + ": " + l.Problem.String()
	case l.Line > 0:
		return fmt.Sprintf("%s:%d: %s", l.File, l.Line, l.Problem)
	}
	return l.File + ": " + l.Problem.String()
}

// Error is all that is wrong with a configuration, in the order of its lines.
type Error struct{ Problems []Located }

// Error is one line a problem.
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Load reads the configuration file at path, and the environment over it, into
// the struct that into points to. Problems with the configuration come as an
// *Error, all of them; any other error is a mistake in the struct.
func Load(path string, into any) error {
	target := reflect.ValueOf(into)
	if target.Kind() != reflect.Pointer || target.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("configs: Load into %T, want a pointer to a struct", into)
	}
	target = target.Elem()
	if err := checkShape(target.Type(), ""); err != nil {
		return err
	}

	l := &loader{file: path, at: map[string]place{}, bad: map[string]bool{}}
	settings := map[string]any{}
	if root := l.read(); root != nil {
		settings = l.section(root, target.Type(), "")
	}
	v := viper.New()
	l.environment(v, target.Type(), "", settings, false)
	if err := v.MergeConfigMap(settings); err != nil {
		return fmt.Errorf("configs: %w", err)
	}

	setDefaults(target)
	makeLists(target, settings)
	err := v.Unmarshal(into, viper.DecodeHook(mapstructure.ComposeDecodeHookFunc(
		mapstructure.StringToTimeDurationHookFunc(),
		mapstructure.TextUnmarshallerHookFunc(),
	)))
	if err != nil {
		// Every value was checked against its field before. The error itself
		// may quote a secret.
		name := ""
		if de := (*mapstructure.DecodeError)(nil); errors.As(err, &de) {
			name = de.Name()
		}
		return fmt.Errorf("configs: %s: %q does not decode", path, name)
	}

	l.files(target, "", filepath.Dir(path))
	for _, p := range l.validate(target, "") {
		l.report(p.Key, p.Message, p.Want)
	}
	return l.err()
}

// loader collects what one Load finds.
type loader struct {
	file     string
	problems []Located
	at       map[string]place // key to where its value was written
	bad      map[string]bool  // keys already reported
}

// place is a line of the file, or an environment variable.
type place struct {
	line int
	env  string
}

// report records a problem of a key at the place of the key or, failing that,
// of the nearest section around it.
func (l *loader) report(key, message, want string) {
	var at place
	for k, ok := key, false; ; k = parent(k) {
		if at, ok = l.at[k]; ok || k == "" {
			break
		}
	}
	l.reportAt(at, key, message, want)
}

func (l *loader) reportAt(at place, key, message, want string) {
	l.bad[key] = true
	p := Located{
		Problem: Problem{Key: key, Message: message, Want: want},
		File:    l.file, Line: at.line, Env: at.env,
	}
	if !slices.Contains(l.problems, p) {
		l.problems = append(l.problems, p)
	}
}

// err is the problems found, sorted.
func (l *loader) err() error {
	if len(l.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(l.problems, func(a, b Located) int {
		return cmp.Or(cmp.Compare(a.Env, b.Env), cmp.Compare(a.Line, b.Line))
	})
	return &Error{Problems: l.problems}
}

// read parses the file; nil when there is nothing to decode.
func (l *loader) read() *yaml.Node {
	f, err := os.Open(l.file)
	if err != nil {
		var pe *os.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		l.report("", err.Error(), "")
		return nil
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		l.report("", "cannot be read: "+err.Error(), "")
		return nil
	case len(text) > maxFile:
		l.report("", "is too large", fmt.Sprintf("at most %d bytes", maxFile))
		return nil
	}

	dec := yaml.NewDecoder(bytes.NewReader(text))
	var doc, next yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF): // an empty file
		return nil
	case err != nil:
		l.syntax(err)
		return nil
	}
	switch err := dec.Decode(&next); {
	case errors.Is(err, io.EOF):
	case err != nil:
		l.syntax(err)
	default:
		l.reportAt(place{line: next.Line}, "", "a second YAML document begins here", "one document")
	}
	return doc.Content[0]
}

// syntax reports an error of the YAML parser, which carries its line in the
// text: "yaml: line 3: could not find expected ':'".
func (l *loader) syntax(err error) {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	var line int
	if n, _ := fmt.Sscanf(message, "line %d: ", &line); n == 1 {
		_, message, _ = strings.Cut(message, ": ")
	}
	l.reportAt(place{line: line}, "", "not YAML: "+message, "")
}

// setDefaults calls SetDefaults of v and of the structs inside it, inner first.
func setDefaults(v reflect.Value) {
	for _, f := range fieldsOf(v.Type()) {
		if isSection(f.typ) {
			setDefaults(v.FieldByIndex(f.index))
		}
	}
	if d, ok := v.Addr().Interface().(interface{ SetDefaults() }); ok {
		d.SetDefaults()
	}
}

// makeLists gives every list of sections as many elements as the file does,
// with their defaults, because the decoder fills elements where they lie.
func makeLists(v reflect.Value, settings map[string]any) {
	for _, f := range fieldsOf(v.Type()) {
		switch field := v.FieldByIndex(f.index); value := settings[f.name].(type) {
		case map[string]any:
			makeLists(field, value)
		case []any:
			if !isSectionList(f.typ) {
				continue
			}
			field.Set(reflect.MakeSlice(f.typ, len(value), len(value)))
			for i := range value {
				setDefaults(field.Index(i))
				if element, ok := value[i].(map[string]any); ok {
					makeLists(field.Index(i), element)
				}
			}
		}
	}
}

// files makes paths relative to dir and reads the secrets that lie in files.
func (l *loader) files(v reflect.Value, key, dir string) {
	fields := fieldsOf(v.Type())
	for _, f := range fields {
		if field := v.FieldByIndex(f.index); field.Kind() == reflect.String && isPath(f.name) {
			field.SetString(resolve(dir, field.String()))
		}
	}
	for _, f := range fields {
		field, name := v.FieldByIndex(f.index), join(key, f.name)
		switch {
		case isSection(f.typ):
			l.files(field, name, dir)
		case isSectionList(f.typ):
			for i := range field.Len() {
				l.files(field.Index(i), element(name, i), dir)
			}
		case f.typ == secretType:
			i := slices.IndexFunc(fields, func(g entry) bool {
				return g.name == f.name+"_file" && g.typ.Kind() == reflect.String
			})
			if i >= 0 {
				l.secretFile(field, name, v.FieldByIndex(fields[i].index).String())
			}
		}
	}
}

// secretFile reads the secret at key from the file named beside it, if one is.
func (l *loader) secretFile(field reflect.Value, key, path string) {
	if path == "" {
		return
	}
	if _, set := l.at[key]; set { // a default gives way
		l.report(key+"_file", "is set, and so is "+lastKey(key), "one of the two")
		return
	}
	s, err := secret.ReadFile(path)
	if err != nil {
		l.report(key+"_file", err.Error(), "")
		l.bad[key] = true // what is said of an empty secret would only repeat it
		return
	}
	field.Set(reflect.ValueOf(s))
}

// isPath says whether the values of a key are paths.
func isPath(name string) bool {
	return name == "file" || name == "database" || strings.HasSuffix(name, "_file") || strings.HasSuffix(name, "_dir")
}

// resolve makes a relative path relative to dir.
func resolve(dir, path string) string {
	if path == "" || path == ":memory:" || strings.HasPrefix(path, "file:") || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// validate returns what Validate says of v and of the structs inside it, with
// whole keys. A key already reported holds what it should not, so nothing more
// is said about it.
func (l *loader) validate(v reflect.Value, key string) (problems []Problem) {
	if d, ok := v.Addr().Interface().(interface{ Validate() []Problem }); ok {
		for _, p := range d.Validate() {
			p.Key = join(key, p.Key)
			if !l.isBad(p.Key) {
				problems = append(problems, p)
			}
		}
	}
	for _, f := range fieldsOf(v.Type()) {
		field, name := v.FieldByIndex(f.index), join(key, f.name)
		switch {
		case isSection(f.typ):
			problems = append(problems, l.validate(field, name)...)
		case isSectionList(f.typ):
			for i := range field.Len() {
				problems = append(problems, l.validate(field.Index(i), element(name, i))...)
			}
		}
	}
	return problems
}

// isBad says whether a key or a section around it was reported.
func (l *loader) isBad(key string) bool {
	for ; ; key = parent(key) {
		if l.bad[key] {
			return true
		}
		if key == "" {
			return false
		}
	}
}
