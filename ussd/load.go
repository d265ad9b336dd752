package ussd

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"starhash/configs"
)

// structureFile is the one of what leads where; the others are one a language.
const structureFile = "menu.yaml"

// Load reads menu.yaml and every other .yaml file of fsys, each the texts of the
// language that it is named by, and checks that nobody can get lost in them and
// that every screen fits. What is wrong comes as a *configs.Error, all of it, with
// file, line and what would be right.
func Load(fsys fs.FS, readers Readers) (*Menus, error) {
	files, err := fs.Glob(fsys, "*.yaml")
	if err != nil {
		return nil, err
	}
	for _, needed := range []string{structureFile, english + ".yaml"} {
		if !slices.Contains(files, needed) {
			return nil, errors.New("menus: " + needed + " is missing")
		}
	}
	l := &loader{lines: map[string]map[string]int{}}
	m := &Menus{languages: map[string]*words{}, readers: readers}
	if l.read(fsys, structureFile, &m.structure) {
		l.tidy(m)
	}
	structured := len(l.problems) == 0
	for _, file := range files {
		if file == structureFile {
			continue
		}
		var f wordsFile
		if l.read(fsys, file, &f) {
			m.languages[strings.TrimSuffix(file, ".yaml")] = l.words(file, f)
		}
	}
	if structured {
		c := &checker{loader: l, m: m}
		c.check()
	}
	if len(l.problems) > 0 {
		slices.SortStableFunc(l.problems, func(a, b configs.Located) int {
			return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.String(), b.String()))
		})
		return nil, &configs.Error{Problems: slices.Compact(l.problems)}
	}
	return m, nil
}

// loader keeps what is wrong, and where everything stands.
type loader struct {
	problems []configs.Located
	lines    map[string]map[string]int // file, then dotted key, to line
}

func (l *loader) report(file string, line int, key, message, want string) {
	l.problems = append(l.problems, configs.Located{
		Problem: configs.Problem{Key: key, Message: message, Want: want}, File: file, Line: line,
	})
}

// at reports what is wrong with a key of a file.
func (l *loader) at(file, key, message, want string) {
	line, k := 0, key
	for line == 0 && k != "" { // of a missing key, where it would stand
		line = l.lines[file][k]
		k = k[:max(strings.LastIndexByte(k, '.'), 0)]
	}
	l.report(file, line, key, message, want)
}

var yamlLine = regexp.MustCompile(`^(?:yaml: )?line (\d+): (.*)$`)

// maxFile bounds a file in octets, so that one that is no menu does no harm.
const maxFile = 1 << 20

// read decodes a file into a struct.
func (l *loader) read(fsys fs.FS, file string, into any) bool {
	content, err := fs.ReadFile(fsys, file)
	if err == nil && len(content) > maxFile {
		err = fmt.Errorf("has %d octets: no menu is so large", len(content))
	}
	if err != nil {
		l.report(file, 0, "", err.Error(), "")
		return false
	}
	var root yaml.Node
	if err = yaml.Unmarshal(content, &root); err == nil {
		l.lines[file] = map[string]int{}
		if n := aliased(&root); n != nil {
			l.report(file, n.Line, "", "uses an anchor or an alias", "the words themselves")
			return false
		}
		keyLines(&root, "", l.lines[file])
		dec := yaml.NewDecoder(strings.NewReader(string(content)))
		dec.KnownFields(true)
		err = dec.Decode(into)
	}
	if err == nil {
		return true
	}
	l.undecoded(file, err)
	return false
}

// undecoded reports what the decoder says.
func (l *loader) undecoded(file string, err error) {
	var typed *yaml.TypeError
	messages := []string{err.Error()}
	if errors.As(err, &typed) {
		messages = typed.Errors
	}
	for _, msg := range messages {
		line := 0
		if at := yamlLine.FindStringSubmatch(msg); at != nil {
			line, _ = strconv.Atoi(at[1])
			msg = at[2]
		}
		l.report(file, line, "", plainYAML(msg), "")
	}
}

var (
	unknownField = regexp.MustCompile(`^field (\S+) not found in type ussd\.(\w+)$`)
	wrongType    = regexp.MustCompile(`^cannot unmarshal (\S+)(.*) into .*$`)
)

// plainYAML says what the decoder says without the types of this program.
func plainYAML(msg string) string {
	if f := unknownField.FindStringSubmatch(msg); f != nil {
		return fmt.Sprintf("%s is no key of this place (%s)", f[1], strings.TrimSuffix(f[2], "File"))
	}
	if f := wrongType.FindStringSubmatch(msg); f != nil {
		return "has another form than is meant here:" + f[2]
	}
	return msg
}

// aliased is the first node that stands for another one or is stood for.
func aliased(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		return n
	}
	for _, c := range n.Content {
		if found := aliased(c); found != nil {
			return found
		}
	}
	return nil
}

// keyLines notes the line of every key of mappings.
func keyLines(n *yaml.Node, key string, lines map[string]int) {
	if n.Kind == yaml.DocumentNode && len(n.Content) > 0 {
		n = n.Content[0]
	}
	if n.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name := strings.TrimPrefix(key+"."+n.Content[i].Value, ".")
		lines[name] = n.Content[i].Line
		keyLines(n.Content[i+1], name, lines)
	}
}

// tidy replaces what is written as nothing, and gives the keys their defaults.
func (l *loader) tidy(m *Menus) {
	for name, sc := range m.Screens {
		if sc == nil {
			l.at(structureFile, "screens."+name, "is empty", "end, input, list or choices")
			delete(m.Screens, name)
		}
	}
	for name, a := range m.Actions {
		if a == nil {
			m.Actions[name] = &action{}
		}
	}
	for name, q := range m.Queries {
		if q == nil {
			m.Queries[name] = &query{}
		}
	}
	for _, k := range []struct {
		key *word
		def string
	}{{&m.Keys.Back, "0"}, {&m.Keys.Home, "00"}, {&m.Keys.More, "98"}, {&m.Keys.Quit, "99"}} {
		if k.key.line == 0 {
			k.key.name = k.def
		}
	}
}

// wordsFile is the form of a language's file.
type wordsFile struct {
	Name     string            `yaml:"name"`
	Alphabet string            `yaml:"alphabet"` // gsm, which is meant when nothing is said, or ucs2
	Keys     map[string]string `yaml:"keys"`
	Screens  map[string]string `yaml:"screens"`
	Choices  map[string]string `yaml:"choices"`
	Reasons  map[string]string `yaml:"reasons"`
}

// words takes the texts of a file apart.
func (l *loader) words(file string, f wordsFile) *words {
	w := &words{name: f.Name, keys: f.Keys, ucs2: f.Alphabet == "ucs2"}
	if f.Alphabet != "" && f.Alphabet != "gsm" && f.Alphabet != "ucs2" {
		l.at(file, "alphabet", "is "+f.Alphabet, "gsm or ucs2")
	}
	apart := func(section string, texts map[string]string) map[string]text {
		all := map[string]text{}
		for name, s := range texts {
			key := section + "." + name
			if strings.TrimSpace(s) == "" {
				l.at(file, key, "is empty", `text "in quotes"`)
			}
			var ok bool
			if all[name], ok = parseText(s); !ok {
				l.at(file, key, "has a { without its }", "")
			}
		}
		return all
	}
	w.screens, w.choices, w.reasons = apart("screens", f.Screens), apart("choices", f.Choices), apart("reasons", f.Reasons)
	return w
}

// parseText takes a text apart into what stands there and the placeholders.
func parseText(s string) (x text, ok bool) {
	for s != "" {
		literal, tail, opened := strings.Cut(s, "{")
		placeholder, rest, closed := strings.Cut(tail, "}")
		if opened && !closed {
			return x, false
		}
		x = append(x, segment{literal, placeholder})
		s = rest
	}
	return x, true
}

// languageItems are the languages to choose from, in the order of their codes.
func (m *Menus) languageItems() (items []Item) {
	for _, code := range m.Languages() {
		items = append(items, Item{Label: m.languages[code].name, Value: code})
	}
	return items
}

// Languages lists the codes of the languages in alphabetical order.
func (m *Menus) Languages() []string {
	codes := make([]string, 0, len(m.languages))
	for code := range m.languages {
		codes = append(codes, code)
	}
	slices.Sort(codes)
	return codes
}
