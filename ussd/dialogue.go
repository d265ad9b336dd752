package ussd

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"starhash/configs"
)

// Dialogues are dialogues as data: what is typed, and the screens that have to
// follow. docs/menus.md describes the files.
type Dialogues struct {
	file string
	f    dialogueFile
}

type dialogueFile struct {
	Language  string                    `yaml:"language"`
	Facts     []string                  `yaml:"facts"`
	Values    map[string]string         `yaml:"values"`
	Answers   map[string]dialogueAnswer `yaml:"answers"`  // by query
	Verdicts  map[string]string         `yaml:"verdicts"` // by action
	Dialogues []dialogue                `yaml:"dialogues"`
}

type dialogueAnswer struct {
	Values map[string]string `yaml:"values,omitempty"`
	Items  []dialogueItem    `yaml:"items,omitempty"`
	Reason string            `yaml:"reason,omitempty"`
}

type dialogueItem struct {
	Label string `yaml:"label"`
	Value string `yaml:"value"`
}

// dialogue begins with dial or push; facts and answers stand in for those of the
// file.
type dialogue struct {
	Name    word                      `yaml:"name"`
	Dial    string                    `yaml:"dial,omitempty"`
	Push    string                    `yaml:"push,omitempty"`
	With    map[string]string         `yaml:"with,omitempty"` // values of push
	Facts   *[]string                 `yaml:"facts,omitempty"`
	Answers map[string]dialogueAnswer `yaml:"answers,omitempty"`
	Steps   []dialogueStep            `yaml:"steps"`
}

// dialogueStep is what is typed, and what has to come of it. The first has what
// comes of dial or push.
type dialogueStep struct {
	Type   *word             `yaml:"type,omitempty"`
	Redial bool              `yaml:"redial,omitempty"` // the session was dropped, and is offered again
	PIN    string            `yaml:"pin,omitempty"`    // the field of the PIN that is taken
	Does   string            `yaml:"does,omitempty"`   // the action
	With   map[string]string `yaml:"with,omitempty"`   // its values
	Screen string            `yaml:"screen"`
	End    bool              `yaml:"end,omitempty"`
}

// ReadDialogues reads a file of dialogues. What is wrong with its form comes as a
// *configs.Error.
func ReadDialogues(file string, content []byte) (*Dialogues, error) {
	d := &Dialogues{file: file}
	dec := yaml.NewDecoder(strings.NewReader(string(content)))
	dec.KnownFields(true)
	if err := dec.Decode(&d.f); err != nil {
		l := &loader{}
		l.undecoded(file, err)
		return nil, &configs.Error{Problems: l.problems}
	}
	if len(d.f.Dialogues) == 0 {
		return nil, &configs.Error{Problems: []configs.Located{{File: file, Problem: configs.Problem{Key: "dialogues", Message: "is missing", Want: "a list of dialogues"}}}}
	}
	return d, nil
}

// Len is the number of dialogues.
func (d *Dialogues) Len() int { return len(d.f.Dialogues) }

// Try goes through the dialogues and says where the menus do something else, nil
// when they do not. States go through JSON from step to step, as they do in a
// gateway.
func (d *Dialogues) Try(m *Menus) (problems []configs.Located) {
	for _, dlg := range d.f.Dialogues {
		line := dlg.Name.line
		r, err := m.begin(d.f, dlg)
		for i, s := range dlg.Steps {
			what := "at the beginning"
			switch {
			case i > 0 && s.Type == nil && !s.Redial:
				err = errors.New("has no type")
			case r.Screen.End && i > 0 && !s.Redial:
				err = errors.New("has a step behind its end")
			}
			if s.Redial && err == nil {
				what = "after the redial"
				r, err = m.settle(d.f, dlg, m.Resume(d.f.env(dlg), stored(r.State)))
			}
			if s.Type != nil {
				what, line = fmt.Sprintf("after %q", s.Type.name), s.Type.line
			}
			if s.Type != nil && err == nil {
				r, err = m.settle(d.f, dlg, m.Step(d.f.env(dlg), stored(r.State), Input{Text: []byte(s.Type.name)}))
			}
			message := ""
			if err != nil {
				message = err.Error()
			} else {
				message = s.compare(r)
			}
			if message != "" {
				problems = append(problems, configs.Located{
					File: d.file, Line: line,
					Problem: configs.Problem{Key: fmt.Sprintf("%s, step %d, %s", dlg.Name.name, i+1, what), Message: message},
				})
				break // what comes behind is of another dialogue
			}
		}
	}
	return problems
}

// outcome is what a step came to, its queries and its verdict behind it.
type outcome struct {
	State  State
	Screen Screen
	pin    string
	intent *Intent
}

func (f dialogueFile) env(dlg dialogue) Env {
	e := Env{Language: f.Language, Facts: map[string]bool{}, Values: f.Values}
	facts := f.Facts
	if dlg.Facts != nil {
		facts = *dlg.Facts
	}
	for _, name := range facts {
		e.Facts[name] = true
	}
	return e
}

func (m *Menus) begin(f dialogueFile, dlg dialogue) (outcome, error) {
	if dlg.Push != "" {
		return m.settle(f, dlg, m.Push(f.env(dlg), dlg.Push, dlg.With))
	}
	return m.settle(f, dlg, m.Begin(f.env(dlg), []byte(dlg.Dial)))
}

// settle answers queries and intents until there is a screen.
func (m *Menus) settle(f dialogueFile, dlg dialogue, r Result) (o outcome, err error) {
	for range 2 * maxTrail {
		if r.Secret != nil {
			o.pin = r.Secret.Field
			r.Secret.PIN.Wipe()
		}
		in := Input{}
		switch {
		case r.Screen != nil:
			o.State, o.Screen = r.State, *r.Screen
			return o, nil
		case r.Query != nil:
			a, ok := dlg.Answers[r.Query.Name]
			if !ok {
				a, ok = f.Answers[r.Query.Name]
			}
			if !ok {
				return o, fmt.Errorf("asks the query %s, which has no answer here", r.Query.Name)
			}
			in.Answer = &Answer{Values: a.Values, Reason: a.Reason}
			for _, item := range a.Items {
				in.Answer.Items = append(in.Answer.Items, Item(item))
			}
		default:
			o.intent = r.Intent
			verdict, ok := f.Verdicts[r.Intent.Action]
			if !ok {
				return o, fmt.Errorf("does %s, which has no verdict here", r.Intent.Action)
			}
			in.Verdict = &Verdict{Text: verdict}
		}
		r = m.Step(f.env(dlg), r.State, in)
	}
	return o, errors.New("asks and asks")
}

// stored is a state as it comes back from where it was kept.
func stored(s State) (back State) {
	b, err := json.Marshal(s)
	if err == nil {
		err = json.Unmarshal(b, &back)
	}
	if err != nil {
		return State{}
	}
	return back
}

// compare says what is other than meant, "" when nothing is.
func (s dialogueStep) compare(r outcome) string {
	action, values := "", map[string]string(nil)
	if r.intent != nil {
		action, values = r.intent.Action, r.intent.Values
	}
	want := strings.TrimRight(s.Screen, "\n")
	switch {
	case r.pin != s.PIN:
		return fmt.Sprintf("takes the PIN %q; want %q", r.pin, s.PIN)
	case action != s.Does:
		return fmt.Sprintf("does %q; want %q", action, s.Does)
	case !maps.Equal(values, s.With):
		return fmt.Sprintf("does %s with %v; want %v", action, values, s.With)
	case r.Screen.Text != want:
		return "shows another screen (- is meant, + is shown)\n" + difference(want, r.Screen.Text)
	case r.Screen.End && !s.End:
		return "ends; want the dialogue to go on"
	case !r.Screen.End && s.End:
		return "goes on; want end: true"
	}
	return ""
}

// difference shows two texts line by line.
func difference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	var b strings.Builder
	for len(w) > 0 || len(g) > 0 {
		switch {
		case len(w) > 0 && len(g) > 0 && w[0] == g[0]:
			fmt.Fprintf(&b, "      %s\n", w[0])
			w, g = w[1:], g[1:]
		case len(w) > 0 && (len(g) == 0 || !slices.Contains(g, w[0])):
			fmt.Fprintf(&b, "    - %s\n", w[0])
			w = w[1:]
		case len(g) > 0:
			fmt.Fprintf(&b, "    + %s\n", g[0])
			g = g[1:]
		}
	}
	return strings.TrimRight(b.String(), "\n")
}
