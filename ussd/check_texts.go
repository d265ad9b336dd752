package ussd

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"starhash/smpp"
)

// engineScreens and engineChoices have texts and no place in the structure.
var (
	engineScreens = []string{screenResume, screenGoodbye, screenWaiting}
	engineChoices = []string{"go_on", "start_again"}
	engineReasons = []string{
		reasonBadChoice, reasonBadAmount, reasonBadNumber, reasonBadPIN, reasonBadAccount, reasonBadBiller,
		reasonBadText, reasonChanged, reasonNotNow,
	}
)

// texts checks that every language has every text and no other, and that the
// screens fit.
func (c *checker) texts() {
	s := &c.m.structure
	screens := slices.Concat(engineScreens, slices.Collect(maps.Keys(s.Screens)))
	choices, reasons := slices.Clone(engineChoices), slices.Clone(engineReasons)
	for _, sc := range s.Screens {
		for _, ch := range sc.Choices {
			choices = append(choices, ch.Text.name)
		}
		if sc.List != nil && sc.List.Empty.name != "" {
			reasons = append(reasons, sc.List.Empty.name)
		}
	}
	// Queries may be answered with any reason that English has.
	first := c.m.languages[english]
	if first != nil {
		reasons = append(reasons, slices.Collect(maps.Keys(first.reasons))...)
	}
	longest := c.longest()
	for _, code := range c.m.Languages() {
		file, w := code+".yaml", c.m.languages[code]
		if w.name == "" {
			c.at(file, "name", "is missing", "the language's own name")
		}
		before := len(c.problems)
		c.section(file, "screens", "screen of "+structureFile, screens, slices.Collect(maps.Keys(w.screens)))
		c.section(file, "choices", "choice of "+structureFile, choices, slices.Collect(maps.Keys(w.choices)))
		c.section(file, "reasons", "reason that "+english+".yaml has", reasons, slices.Collect(maps.Keys(w.reasons)))
		c.section(file, "keys", "key", keyNames, slices.Collect(maps.Keys(w.keys)))
		c.alphabet(file, w)
		c.placeholders(file, w, longest)
		if len(c.problems) == before {
			c.budgets(file, code, w, longest)
		}
	}
}

// section checks that the texts of a section are those that are needed.
func (c *checker) section(file, section, what string, needed, have []string) {
	for _, name := range needed {
		if name != "" && !slices.Contains(have, name) {
			c.at(file, section+"."+name, "is missing", "its text")
		}
	}
	for _, name := range have {
		if !slices.Contains(needed, name) {
			c.at(file, section+"."+name, "is no "+what, "its name there, or no such text")
		}
	}
}

// all calls f with every text of a language.
func (w *words) all(f func(key string, x text)) {
	for name, s := range w.keys {
		f("keys."+name, text{{literal: s}})
	}
	for section, texts := range map[string]map[string]text{"screens": w.screens, "choices": w.choices, "reasons": w.reasons} {
		for name, x := range texts {
			f(section+"."+name, x)
		}
	}
}

func (c *checker) alphabet(file string, w *words) {
	if w.ucs2 {
		return
	}
	check := func(key, s string) {
		if out := outside(s); out != "" {
			c.at(file, key, "has characters outside GSM 03.38: "+out, "others, such as letters without accents")
		}
	}
	check("name", w.name)
	w.all(func(key string, x text) {
		var b strings.Builder
		for _, s := range x {
			b.WriteString(s.literal)
		}
		check(key, b.String())
	})
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

// placeholders checks that what stands between braces is known there.
func (c *checker) placeholders(file string, w *words, longest map[string]Value) {
	s := &c.m.structure
	check := func(key string, x text, known func(string) bool) {
		for _, seg := range x {
			p := seg.placeholder
			switch _, measured := longest[p]; {
			case p == "":
			case known != nil && !known(p) && !c.ofEnv(p):
				c.at(file, key, "has {"+p+"}, which is not known there", c.knownThere(known, longest))
			case !measured:
				c.at(file, key, "has {"+p+"}, whose longest value is not known", "it in the section values of "+structureFile)
			}
		}
	}
	everywhere := func(string) bool { return false }
	for name, x := range w.reasons {
		check("reasons."+name, x, everywhere)
	}
	for _, name := range engineScreens {
		check("screens."+name, w.screens[name], everywhere)
	}
	for _, name := range engineChoices {
		check("choices."+name, w.choices[name], everywhere)
	}
	for name, sc := range s.Screens {
		known := func(p string) bool { return c.known == nil || c.known[name][p] }
		check("screens."+name, w.screens[name], known)
		for _, ch := range sc.Choices {
			check("choices."+ch.Text.name, w.choices[ch.Text.name], known)
		}
	}
}

func (c *checker) knownThere(known func(string) bool, longest map[string]Value) string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(longest)) {
		if known(name) || c.ofEnv(name) {
			names = append(names, "{"+name+"}")
		}
	}
	return "of " + strings.Join(names, ", ")
}

// longest are the longest values there are, by name.
func (c *checker) longest() map[string]Value {
	all := map[string]Value{}
	longer := func(name, s string) {
		if name != "" && width(s, false) >= width(all[name].Value, false) {
			all[name] = Value{Value: s}
		}
	}
	for name, s := range c.m.Values {
		longer(name, s)
	}
	for _, sc := range c.m.Screens {
		if sc.Input != nil && !sc.pin() {
			longer(sc.Input.As.name, inputTypes[sc.Input.Type.name])
		}
		if sc.List != nil {
			longer(sc.List.As.name, longestLabel)
			longer(sc.List.Label.name, longestLabel)
		}
		for _, ch := range sc.Choices {
			for name, from := range ch.Set {
				longer(name, c.m.Values[from.name])
			}
		}
	}
	return all
}

// budgets measures every screen of a language with the longest values. A screen
// has to fit as it is, with the longest reason in front that it may have; one with
// pages: true, a list and what stands below a verdict may take several pages, and
// then each line has to fit one.
func (c *checker) budgets(file, code string, w *words, longest map[string]Value) {
	t := c.m.turn(Env{Language: code}, State{Values: longest, Trail: make([]Visit, 2)})
	reason := ""
	for key := range w.reasons {
		if r := w.reason(key, t); width(r, w.ucs2) > width(reason, w.ucs2) {
			reason = r
		}
	}
	more := c.m.Keys.More.name + " " + w.keys["more"]
	limit := budget(w.ucs2)
	fits := func(key string, lines []string, hint string) {
		if n := width(strings.Join(lines, "\n"), w.ucs2); n > limit {
			unit := "septets"
			if w.ucs2 {
				unit = "UCS2 characters"
			}
			c.at(file, key, fmt.Sprintf("takes %d %s with the longest values", n, unit), fmt.Sprintf("at most %d%s", limit, hint))
		}
	}
	for _, name := range engineScreens {
		lines := []string{w.screen(name, t)}
		if name == screenResume {
			lines = append(lines, w.reason(reasonBadChoice, t), "1 "+w.choices["go_on"].format(t), "2 "+w.choices["start_again"].format(t))
		}
		fits("screens."+name, lines, "")
	}
	for name, sc := range c.m.Screens {
		key := "screens." + name
		head, foot := w.screen(name, t), t.footer(sc)
		var options []string
		for i, ch := range sc.Choices {
			options = append(options, fmt.Sprintf("%d %s", i+1, w.choices[ch.Text.name].format(t)))
		}
		front := reason
		switch {
		case sc.End:
			front = ""
		case sc.pin():
			front = w.reason(reasonBadPIN, t)
		case sc.Input == nil && !sc.Pages:
			front = w.reason(reasonBadChoice, t)
		}
		if sc.List != nil {
			options = append(options, fmt.Sprintf("%d %s", len(options)+maxItems, w.clean(longestLabel)))
		}
		if sc.Pages || sc.List != nil || c.then[name] {
			for _, line := range append(options, strings.Split(head, "\n")...) {
				fits(key, []string{line, strings.TrimSpace(foot + " " + more)}, " a line, with the keys")
			}
			continue
		}
		hint := ", with the keys and the longest reason in front; or pages: true in " + structureFile
		if sc.Input != nil {
			hint = ", with the keys and the longest reason in front"
		}
		if sc.End {
			hint = ", or pages: true in " + structureFile
		}
		fits(key, slices.DeleteFunc(slices.Concat([]string{front, head}, options, []string{foot}), func(l string) bool { return l == "" }), hint)
	}
}
