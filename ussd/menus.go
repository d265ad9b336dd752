package ussd

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Menus are the screens, what leads from one to the other, and their texts. They
// do not change once they are loaded, and are safe for concurrent use.
type Menus struct {
	structure
	languages map[string]*words
	readers   Readers
}

// structure is menu.yaml.
type structure struct {
	Keys    keys               `yaml:"keys"`
	Footer  []word             `yaml:"footer"` // keys named under every screen
	Start   []rule             `yaml:"start"`
	Push    map[string][]word  `yaml:"push"`   // screens that the gateway may begin with, and the values it gives
	Values  map[string]string  `yaml:"values"` // longest values of Env.Values and of what queries give
	Queries map[string]*query  `yaml:"queries"`
	Actions map[string]*action `yaml:"actions"`
	Screens map[string]*screen `yaml:"screens"`
}

// keys are what is typed to move about.
type keys struct {
	Back word `yaml:"back"`
	Home word `yaml:"home"`
	More word `yaml:"more"`
	Quit word `yaml:"quit"`
}

// keyNames are the names of keys in the files.
var keyNames = []string{"back", "home", "more", "quit"}

// named is the key of that name.
func (k keys) named(name string) string {
	switch name {
	case "back":
		return k.Back.name
	case "home":
		return k.Home.name
	case "more":
		return k.More.name
	case "quit":
		return k.Quit.name
	}
	return ""
}

// rule says where a dialogue begins: at the first whose condition holds.
type rule struct {
	When   condition `yaml:"when"`
	Screen word      `yaml:"screen"`
}

// query is something the caller is asked for: arguments and the values they are
// taken from, and the values that the answer gives.
type query struct {
	Args  map[string]word `yaml:"args"`
	Gives []word          `yaml:"gives"`
}

// action is an Intent: its values, and whether it wants a PIN.
type action struct {
	Values map[string]word `yaml:"values"`
	PINs   []word          `yaml:"pins"` // that have to be typed just before
	Then   word            `yaml:"then"` // screen below the verdict; else it is the last
}

// screen is one screen. It has an end, or an input, a list, choices or several of
// those.
type screen struct {
	End     bool     `yaml:"end"`
	Query   word     `yaml:"query"` // to be answered before it is shown
	Input   *input   `yaml:"input"`
	List    *list    `yaml:"list"`
	Choices []choice `yaml:"choices"`
	Footer  *[]word  `yaml:"footer"` // in place of the common one
	Pages   bool     `yaml:"pages"`  // may take several
}

// input is something to be typed.
type input struct {
	Type word `yaml:"type"`
	As   word `yaml:"as"` // the value's name
	Go   word `yaml:"go"`
}

// list is a choice of what a query answers.
type list struct {
	Query word `yaml:"query"`
	As    word `yaml:"as"`    // name of the value that the chosen item stands for
	Label word `yaml:"label"` // name of a value that is its label; without one As shows as the label
	Empty word `yaml:"empty"` // reason in front of the screen before when there is nothing
	Go    word `yaml:"go"`
}

// languagesQuery is the one that the menus answer themselves.
const languagesQuery = "languages"

// choice is one line to choose. Its number is its place in the file, whether those
// before it are shown or not: what people dial directly stays the same.
type choice struct {
	Text word            `yaml:"text"`
	When condition       `yaml:"when"`
	Set  map[string]word `yaml:"set"` // value to the one it is a copy of
	Go   word            `yaml:"go"`
}

// pin says whether a screen asks for a PIN.
func (sc *screen) pin() bool { return sc.Input != nil && sc.Input.Type.name == "pin" }

// word is a name in a file, and its line.
type word struct {
	name string
	line int
}

func (w *word) UnmarshalYAML(n *yaml.Node) error {
	w.line = n.Line
	return n.Decode(&w.name)
}

// condition is true when all of it is. A name is true as a fact of Env, or as a
// value that the dialogue has.
type condition []term

type term struct {
	word
	not bool
}

func (c *condition) UnmarshalYAML(n *yaml.Node) error {
	nodes := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		nodes = n.Content
	}
	for _, n := range nodes {
		var t term
		if err := n.Decode(&t.word); err != nil {
			return err
		}
		t.name, t.not = strings.CutPrefix(t.name, "not ")
		*c = append(*c, t)
	}
	return nil
}

// UnmarshalYAML is needed because word's would be promoted to a term.
func (t *term) UnmarshalYAML(n *yaml.Node) error { return t.word.UnmarshalYAML(n) }

func (c condition) holds(env Env, values map[string]Value) bool {
	return !slices.ContainsFunc(c, func(t term) bool {
		return t.not == (env.Facts[t.name] || values[t.name].Value != "")
	})
}

// english is the language of last resort.
const english = "en"

// words are the texts of one language.
type words struct {
	name    string
	ucs2    bool // whether characters outside GSM 03.38 are meant
	keys    map[string]string
	screens map[string]text
	choices map[string]text
	reasons map[string]text
}

// text is a text taken apart.
type text []segment

// segment is what stands there, then a placeholder or "".
type segment struct{ literal, placeholder string }

// language is the language itself, or else English.
func (m *Menus) language(code string) *words {
	if w := m.languages[code]; w != nil {
		return w
	}
	return m.languages[english]
}

// numbered is the value of a number as people type it for a choice, 0 for anything
// else.
func numbered(text []byte) int {
	if len(text) == 0 || len(text) > 2 || text[0] == '0' {
		return 0
	}
	n := 0
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0
		}
		n = n*10 + int(c-'0')
	}
	return n
}
