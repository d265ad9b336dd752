package ussd

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "write what the shipped menus show into testdata/dialogues")

// TestDialogues goes through every dialogue of testdata, each in every language
// that has a file.
func TestDialogues(t *testing.T) {
	m := load(t)
	for _, code := range m.Languages() {
		file := filepath.Join("testdata", "dialogues", code+".yaml")
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if *update {
			content = rewrite(t, m, content)
			if err := os.WriteFile(file, content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		d, err := ReadDialogues(file, content)
		if err != nil {
			t.Fatal(err)
		}
		if d.f.Language != code {
			t.Errorf("%s is in %s", file, d.f.Language)
		}
		for _, p := range d.Try(m) {
			t.Error(p)
		}
	}
}

// TestDocumentedDialogue goes through the example of docs/menus.md.
func TestDocumentedDialogue(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "menus.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, example, ok := strings.Cut(string(page), "```yaml\nlanguage: en")
	example, _, closed := strings.Cut(example, "```")
	if !ok || !closed {
		t.Fatal("docs/menus.md has no example")
	}
	d, err := ReadDialogues("docs/menus.md", []byte("language: en"+example))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range d.Try(load(t)) {
		t.Error(p)
	}
}

// rewrite fills in what the menus do; the head of comments stays.
func rewrite(t *testing.T, m *Menus, content []byte) []byte {
	t.Helper()
	d, err := ReadDialogues("", content)
	if err != nil {
		t.Fatal(err)
	}
	for _, dlg := range d.f.Dialogues {
		r, err := m.begin(d.f, dlg)
		for i := range dlg.Steps {
			s := &dlg.Steps[i]
			if s.Redial {
				r, err = m.settle(d.f, dlg, m.Resume(d.f.env(dlg), stored(r.State)))
			}
			if s.Type != nil {
				r, err = m.settle(d.f, dlg, m.Step(d.f.env(dlg), stored(r.State), Input{Text: []byte(s.Type.name)}))
			}
			if err != nil {
				t.Fatalf("%s, step %d: %v", dlg.Name.name, i+1, err)
			}
			s.PIN, s.Does, s.With = r.pin, "", nil
			if r.intent != nil {
				s.Does, s.With = r.intent.Action, r.intent.Values
			}
			s.Screen, s.End = r.Screen.Text+"\n", r.Screen.End
		}
	}
	var b bytes.Buffer
	for line := range strings.Lines(string(content)) {
		if !strings.HasPrefix(line, "#") {
			break
		}
		b.WriteString(line)
	}
	b.WriteString("\n")
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(d.f); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// MarshalYAML writes a word as the file has it; typed text in quotes.
func (w word) MarshalYAML() (any, error) {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: w.name}
	if w.name == "" || strings.Trim(w.name, "0123456789*#.") == "" {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n, nil
}

func TestDialoguesSayWhatIsOther(t *testing.T) {
	const file = `language: en
facts: [registered]
verdicts: { balance: "R1 done." }
dialogues:
  - name: balance
    dial: "*700*2#"
    steps:
      - screen: |
          Balance. Type your PIN:
          0 Back
      - type: "1234"
        pin: pin
        does: balance
        screen: R1 done.
        end: true
`
	tests := []struct{ name, old, new, want string }{
		{"nothing", "", "", ""},
		{"another screen", "          0 Back\n", "          0 Zurueck\n", "- 0 Zurueck\n    + 0 Back"},
		{"another action", "does: balance", "does: mini", `f.yaml:11: balance, step 2, after "1234": does "balance"; want "mini"`},
		{"another PIN", "pin: pin", "pin: new_pin", `takes the PIN "pin"; want "new_pin"`},
		{"another value", "does: balance", "does: balance\n        with: { amount: '1' }", "does balance with map[]; want map[amount:1]"},
		{"no end", "        end: true\n", "", "ends; want the dialogue to go on"},
		{"no verdict", "{ balance: \"R1 done.\" }", "{}", "does balance, which has no verdict here"},
		{"no answer", "*700*2#", "*700*1*0771000002#", "asks the query payee, which has no answer here"},
	}
	m := load(t)
	for _, tt := range tests {
		d, err := ReadDialogues("f.yaml", []byte(strings.Replace(file, tt.old, tt.new, 1)))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, p := range d.Try(m) {
			got += p.String()
		}
		if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
	if _, err := ReadDialogues("f.yaml", []byte("dialogue: []")); err == nil || !strings.Contains(err.Error(), "f.yaml:1: dialogue is no key of this place") {
		t.Errorf("unknown key: %v", err)
	}
}

func FuzzDialogues(f *testing.F) {
	f.Add([]byte("language: en\ndialogues:\n  - name: x\n    dial: \"*700*2#\"\n    steps:\n      - screen: x\n      - type: \"1\"\n        screen: y\n      - redial: true\n        screen: z\n"))
	f.Add([]byte("dialogues: [{push: main, steps: [{}, {type: }, {redial: true}]}]"))
	f.Add([]byte("answers: {payee: }\nfacts: [registered]\ndialogues: [{dial: '*1*1*0771000002', facts: , steps: [{screen: }]}]"))
	m := load(f)
	f.Fuzz(func(t *testing.T, content []byte) {
		if d, err := ReadDialogues("f.yaml", content); err == nil {
			for _, p := range d.Try(m) {
				if p.Message == "" {
					t.Fatal("a problem without words")
				}
			}
		}
	})
}
