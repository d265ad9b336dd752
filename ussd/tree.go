package ussd

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Summary says in one line what the menus hold.
func (m *Menus) Summary() string {
	return fmt.Sprintf("%d screens, %d actions, in %s", len(m.Screens), len(m.Actions), strings.Join(m.Languages(), ", "))
}

// Tree draws what leads where, from where dialogues begin, with the texts of a
// language. A screen that stands further up already is named and not drawn again.
func (m *Menus) Tree(language string) string {
	d := drawing{m: m, t: m.turn(Env{Language: language}, State{}), drawn: map[string]bool{}}
	for _, r := range m.Start {
		d.screen("", "", r.Screen.name)
	}
	for _, name := range slices.Sorted(maps.Keys(m.structure.Push)) {
		d.screen("", "pushed: ", name)
	}
	return d.b.String()
}

type drawing struct {
	m     *Menus
	t     *turn
	b     strings.Builder
	drawn map[string]bool
}

// screen draws a screen and what it leads to.
func (d *drawing) screen(indent, how, name string) {
	sc := d.m.Screens[name]
	if sc == nil {
		a := d.m.Actions[name]
		fmt.Fprintf(&d.b, "%s%s=> %s\n", indent, how, name)
		if a != nil && a.Then.name != "" {
			d.screen(indent+"  ", "then ", a.Then.name)
		}
		return
	}
	if d.drawn[name] {
		fmt.Fprintf(&d.b, "%s%s-> %s\n", indent, how, name)
		return
	}
	d.drawn[name] = true
	fmt.Fprintf(&d.b, "%s%s%s %q\n", indent, how, name, d.plain(d.t.w.screens[name]))
	indent += "  "
	for i, ch := range sc.Choices {
		d.screen(indent, fmt.Sprintf("%d %s%s: ", i+1, d.plain(d.t.w.choices[ch.Text.name]), ch.When), ch.Go.name)
	}
	if sc.List != nil {
		d.screen(indent, "one of "+sc.List.Query.name+": ", sc.List.Go.name)
	}
	if sc.Input != nil {
		d.screen(indent, "<"+sc.Input.Type.name+"> ", sc.Input.Go.name)
	}
}

// plain is a text with its placeholders as they are written.
func (d *drawing) plain(x text) string {
	var b strings.Builder
	for _, s := range x {
		b.WriteString(s.literal)
		if s.placeholder != "" {
			b.WriteString("{" + s.placeholder + "}")
		}
	}
	return b.String()
}

// String is " (if a, not b)", or nothing.
func (c condition) String() string {
	if len(c) == 0 {
		return ""
	}
	var terms []string
	for _, t := range c {
		if t.not {
			terms = append(terms, "not "+t.name)
		} else {
			terms = append(terms, t.name)
		}
	}
	return " (if " + strings.Join(terms, ", ") + ")"
}
