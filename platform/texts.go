package platform

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"starhash/configs"
	"starhash/smpp"
)

// English is the language of last resort: its words are understood in every
// language, and its texts are used for a language that is not known.
const English = "en"

// Args are the values of a text's placeholders.
type Args map[string]string

// Texts holds what subscribers write and read, by language. It does not change
// once it is loaded: a reload makes another.
type Texts struct{ languages map[string]*language }

// language is one file.
type language struct {
	name         string
	codes        []string // folded words that LANG takes for it
	decimalComma bool
	ignore       map[string]bool
	words        map[string]Kind // folded
	forms        map[Kind]string
	texts        map[TextKey][]segment
}

// segment is a piece of a text: what stands there, then a placeholder or "".
type segment struct{ literal, placeholder string }

// LoadTexts reads every .yaml file of fsys, one a language and named by its
// code, and checks that each has every command and every text, that the texts
// say all they should and fit one SMS, and that no word means two things. What
// is wrong comes as a *configs.Error, all of it.
func LoadTexts(fsys fs.FS) (*Texts, error) {
	files, err := fs.Glob(fsys, "*.yaml")
	if err != nil {
		return nil, err
	}
	if !slices.Contains(files, English+".yaml") {
		return nil, errors.New("texts: en.yaml is missing")
	}
	files = slices.DeleteFunc(files, func(file string) bool { return file == English+".yaml" })
	files = slices.Insert(files, 0, English+".yaml") // first: the others are checked against it
	t := &Texts{languages: map[string]*language{}}
	all := &configs.Error{}
	for _, file := range files {
		text, err := fs.ReadFile(fsys, file)
		if err != nil {
			return nil, err
		}
		r := &textReader{file: file, english: t.languages[English], wordLines: map[string]int{}}
		t.languages[strings.TrimSuffix(file, ".yaml")] = r.read(text)
		slices.SortFunc(r.problems, func(a, b configs.Located) int {
			return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.String(), b.String()))
		})
		all.Problems = append(all.Problems, r.problems...)
	}
	if len(all.Problems) > 0 {
		return nil, all
	}
	return t, nil
}

// Languages lists the codes of the languages in alphabetical order.
func (t *Texts) Languages() []string { return slices.Sorted(maps.Keys(t.languages)) }

// Name is what a language calls itself, in the characters of an SMS.
func (t *Texts) Name(lang string) string { return t.language(lang).name }

// language is the language itself, or else English.
func (t *Texts) language(lang string) *language {
	if l := t.languages[lang]; l != nil {
		return l
	}
	return t.languages[English]
}

// Format writes a text in a language. Letters of the values that GSM 03.38 does
// not have lose their accents, which keeps the SMS in one part; a value that is
// missing shows as "?".
func (t *Texts) Format(lang string, key TextKey, args Args) string {
	return format(t.language(lang).texts[key], args)
}

func format(text []segment, args Args) string {
	var b strings.Builder
	for _, s := range text {
		b.WriteString(s.literal)
		if s.placeholder == "" {
			continue
		}
		value, ok := args[s.placeholder]
		if !ok {
			value = "?"
		}
		b.WriteString(plain(value))
	}
	return b.String()
}

// plain takes the accents off the letters of s that GSM 03.38 does not have.
func plain(s string) string {
	if _, ok := smpp.Septets(s); ok {
		return s
	}
	return strings.Map(func(r rune) rune {
		if _, ok := smpp.Septets(string(r)); ok {
			return r
		}
		return unaccent(r)
	}, s)
}

// Form is how a command is written in a language.
func (t *Texts) Form(lang string, kind Kind) string { return t.language(lang).forms[kind] }

// Declined is the verdict on a transaction that was declined for a reason.
func (t *Texts) Declined(lang, ref string, reason TextKey, args Args) string {
	return t.Format(lang, TextDeclined, Args{"ref": ref, "reason": t.Format(lang, reason, args)})
}

// Statement is a mini-statement: the header, and as many lines, from the first,
// as fit one SMS with it.
func (t *Texts) Statement(lang string, header Args, lines []Args) string {
	if len(lines) == 0 {
		return t.Format(lang, TextMiniNone, header)
	}
	text := t.Format(lang, TextMiniHeader, header)
	for _, args := range lines {
		more := text + "\n" + strings.TrimRight(t.Format(lang, TextMiniLine, args), " ")
		if !fitsSMS(more) {
			break
		}
		text = more
	}
	return text
}

// fitsSMS says whether a text is one short message of GSM 03.38.
func fitsSMS(text string) bool {
	n, ok := smpp.Septets(text)
	return ok && n <= smpp.SeptetsAlone
}

// textReader reads one file and keeps what is wrong with it.
type textReader struct {
	file      string
	english   *language // nil while English itself is read
	problems  []configs.Located
	wordLines map[string]int // folded word to the line of its command
}

func (r *textReader) report(line int, key, message, want string) {
	r.problems = append(r.problems, configs.Located{
		Problem: configs.Problem{Key: key, Message: message, Want: want}, File: r.file, Line: line,
	})
}

// languageFile is the form of a file.
type languageFile struct {
	Language struct {
		Name         string   `yaml:"name"`
		Codes        []string `yaml:"codes"`
		DecimalComma bool     `yaml:"decimal_comma"`
	} `yaml:"language"`
	Ignore   []string             `yaml:"ignore"`
	Commands map[string]yaml.Node `yaml:"commands"`
	Texts    map[string]yaml.Node `yaml:"texts"`
}

func (r *textReader) read(text []byte) *language {
	l := &language{
		ignore: map[string]bool{}, words: map[string]Kind{},
		forms: map[Kind]string{}, texts: map[TextKey][]segment{},
	}
	var f languageFile
	dec := yaml.NewDecoder(strings.NewReader(string(text)))
	dec.KnownFields(true)
	if err := dec.Decode(&f); err != nil {
		r.report(0, "", err.Error(), "") // has the line in its words
		return l
	}
	l.name, l.decimalComma = f.Language.Name, f.Language.DecimalComma
	if n, ok := smpp.Septets(l.name); !ok || n == 0 {
		r.report(0, "language.name", fmt.Sprintf("is %q", l.name), "the language's own name in GSM 03.38")
	}
	for _, code := range f.Language.Codes {
		l.codes = append(l.codes, fold(code))
	}
	for _, word := range f.Ignore {
		l.ignore[fold(word)] = true
	}
	r.commands(l, f.Commands)
	r.texts(l, f.Texts)
	return l
}

// commands reads the words and the form of every command.
func (r *textReader) commands(l *language, commands map[string]yaml.Node) {
	for name, node := range commands {
		key := "commands." + name
		kind, ok := kindNamed(name)
		if !ok {
			r.report(node.Line, key, "is no command", "one of "+strings.Join(kindNames[1:], ", "))
			continue
		}
		var c struct {
			Words []string `yaml:"words"`
			Form  string   `yaml:"form"`
		}
		if err := node.Decode(&c); err != nil {
			r.report(node.Line, key, err.Error(), "{ words: [...], form: ... }")
			continue
		}
		if len(c.Words) == 0 {
			r.report(node.Line, key, "has no words", "at least one")
			continue
		}
		for _, word := range c.Words {
			folded := fold(word)
			if folded == "" || strings.Trim(folded, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
				r.report(node.Line, key, fmt.Sprintf("%q is not a word", word), "letters only")
			}
			if line, again := r.wordLines[folded]; again {
				r.report(node.Line, key, fmt.Sprintf("%s is taken in line %d", word, line), "a word for one command")
			}
			if r.english != nil && r.english.words[folded] != 0 && r.english.words[folded] != kind {
				r.report(node.Line, key, fmt.Sprintf("%s is the English word for %s", word, r.english.words[folded]), "another")
			}
			r.wordLines[folded] = node.Line
			l.words[folded] = kind
		}
		first, _, _ := strings.Cut(c.Form, " ")
		if fold(first) != fold(c.Words[0]) {
			r.report(node.Line, key, "the form begins with "+first, c.Words[0])
		}
		l.forms[kind] = c.Form
	}
	for kind := KindTransfer; kind <= KindHelp; kind++ {
		if _, ok := commands[kind.String()]; !ok {
			r.report(0, "commands."+kind.String(), "is missing", "")
		}
	}
}

// texts reads and measures the texts. Reasons come before what holds them.
func (r *textReader) texts(l *language, nodes map[string]yaml.Node) {
	values := maps.Clone(longest)
	for _, form := range l.forms {
		values["form"] = longer(values["form"], form)
	}
	for name, node := range nodes {
		key := TextKey(name)
		if _, ok := placeholders[key]; !ok {
			r.report(node.Line, "texts."+name, "is no text of ours", "")
			continue
		}
		if node.Kind != yaml.ScalarNode || node.ShortTag() != "!!str" || node.Value == "" {
			r.report(node.Line, "texts."+name, "is no text", `text "in quotes"`)
			continue
		}
		l.texts[key] = r.segments(node, key)
	}
	for _, reason := range append(slices.Collect(maps.Values(reasons)), TextBankUnreachable) {
		values["reason"] = longer(values["reason"], format(l.texts[reason], values))
	}
	for key := range placeholders {
		node, ok := nodes[string(key)]
		if !ok {
			r.report(0, "texts."+string(key), "is missing", "")
			continue
		}
		text := format(l.texts[key], values)
		switch n, ok := smpp.Septets(text); {
		case !ok:
			r.report(node.Line, "texts."+string(key), fmt.Sprintf("has characters outside GSM 03.38: %s", outside(text)), "them without accents")
		case n > smpp.SeptetsAlone:
			r.report(node.Line, "texts."+string(key), fmt.Sprintf("takes %d septets with the longest values", n), "at most 160")
		}
	}
}

// segments takes a text apart and checks its placeholders.
func (r *textReader) segments(node yaml.Node, key TextKey) (segments []segment) {
	name, known := "texts."+string(key), placeholders[key]
	var used []string
	for rest := node.Value; rest != ""; {
		literal, tail, ok := strings.Cut(rest, "{")
		placeholder, after, closed := strings.Cut(tail, "}")
		if ok && !closed {
			r.report(node.Line, name, "has a { without its }", "")
		} else if ok && !slices.Contains(known, placeholder) {
			r.report(node.Line, name, "has the unknown {"+placeholder+"}", "of "+braced(known))
		}
		used = append(used, placeholder)
		segments = append(segments, segment{literal, placeholder})
		rest = after
	}
	for _, p := range known {
		if !slices.Contains(used, p) {
			r.report(node.Line, name, "does not say {"+p+"}", "all of "+braced(known))
		}
	}
	return segments
}

func braced(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return "{" + strings.Join(names, "}, {") + "}"
}

// outside lists the characters of s that GSM 03.38 does not have.
func outside(s string) string {
	return strings.Map(func(r rune) rune {
		if _, ok := smpp.Septets(string(r)); ok {
			return -1
		}
		return r
	}, s)
}

// longer is whichever of two texts takes more septets.
func longer(a, b string) string {
	n, _ := smpp.Septets(a)
	if m, _ := smpp.Septets(b); m > n {
		return b
	}
	return a
}
