package ussd

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// checker finds what is wrong with menus that could be read.
type checker struct {
	*loader
	m *Menus

	known map[string]map[string]bool // screen or action to the values that are set on every way to it
	then  map[string]bool            // screens that stand below a verdict
}

// inputTypes are the types of inputs, each with its longest value as it is shown.
var inputTypes = map[string]string{
	"amount":  "USD 10,000,000,000,000.00",
	"msisdn":  "+263771000001000",
	"account": strings.Repeat("€", maxText), // two septets each
	"biller":  strings.Repeat("M", maxText),
	"text":    strings.Repeat("€", maxText),
	"pin":     "",
}

// longestLabel is the longest label of an item that screens are measured with. A
// longer one is shown too, over more pages.
var longestLabel = strings.Repeat("M", 32)

var pinFields = []string{"pin", "new_pin", "new_pin_again"}

func (c *checker) check() {
	c.then = map[string]bool{}
	before := len(c.problems)
	c.names()
	if len(c.problems) == before { // ways are followed where there are no wrong turnings
		c.ways()
	}
	c.texts()
}

// one reports on a word of the structure, at its line if it has one.
func (c *checker) one(w word, key, message, want string) {
	if w.line > 0 {
		c.report(structureFile, w.line, key, message, want)
		return
	}
	c.at(structureFile, key, message, want)
}

// names checks that everything that is named is there.
func (c *checker) names() {
	c.keyNames()
	s := &c.m.structure
	if len(s.Start) == 0 {
		c.at(structureFile, "start", "is missing", `a list that ends with "- { screen: … }"`)
	}
	for i, r := range s.Start {
		c.screen(r.Screen, "start", "screen")
		if last := i == len(s.Start)-1; last != (len(r.When) == 0) {
			c.one(r.Screen, "start", "has its only rule without a condition in another place than the last", "one, and last")
		}
	}
	for name := range s.Push {
		if s.Screens[name] == nil {
			c.at(structureFile, "push."+name, "is no screen", c.near(name, s.Screens))
		}
	}
	c.footer(s.Footer, "footer")
	for name, a := range s.Actions {
		key := "actions." + name
		if s.Screens[name] != nil {
			c.at(structureFile, key, "is the name of a screen too", "another name for one of them")
		}
		for _, p := range a.PINs {
			if !slices.Contains(pinFields, p.name) {
				c.one(p, key+".pins", "has "+p.name, "of "+strings.Join(pinFields, ", "))
			}
		}
		if a.Then.name != "" {
			c.screen(a.Then, key, "then")
			c.then[a.Then.name] = true
			if sc := s.Screens[a.Then.name]; sc != nil && (len(sc.Choices) == 0 || sc.Input != nil || sc.List != nil || sc.Query.name != "") {
				c.one(a.Then, key+".then", "is a screen of another form than stands below a verdict", "one with choices alone")
			}
		}
	}
	for name, sc := range s.Screens {
		c.form(name, sc)
	}
}

// keyNames checks that no key is a choice.
func (c *checker) keyNames() {
	k, seen := c.m.Keys, map[string]string{}
	highest := 0
	for _, sc := range c.m.Screens {
		n := len(sc.Choices)
		if sc.List != nil {
			n += maxItems
		}
		highest = max(highest, n)
	}
	for _, name := range keyNames {
		typed, key := k.named(name), "keys."+name
		switch other, again := seen[typed]; {
		case typed == "" || len(typed) > 3 || strings.Trim(typed, "0123456789*#") != "":
			c.at(structureFile, key, fmt.Sprintf("is %q", typed), `1 to 3 digits, * or #, in quotes: "99"`)
		case again:
			c.at(structureFile, key, "is the same as "+other, "another")
		case numbered([]byte(typed)) > 0 && numbered([]byte(typed)) <= highest:
			c.at(structureFile, key, fmt.Sprintf("is %s, which is also a choice", typed), fmt.Sprintf("0, 00 or more than %d", highest))
		}
		seen[typed] = name
	}
}

// screen checks that a word names a screen.
func (c *checker) screen(w word, key, field string) {
	switch {
	case w.name == "":
		c.one(w, key, "has no "+field, "the name of a screen")
	case c.m.Screens[w.name] == nil:
		c.one(w, key+"."+field, w.name+" is no screen", c.near(w.name, c.m.Screens))
	}
}

// target checks that a word names a screen or an action.
func (c *checker) target(w word, key string) {
	switch {
	case w.name == "":
		c.at(structureFile, key, "leads nowhere: it has no go", "go: and the name of a screen or an action")
	case c.m.Screens[w.name] == nil && c.m.Actions[w.name] == nil:
		c.one(w, key+".go", w.name+" is neither a screen nor an action", c.near(w.name, c.m.Screens))
	}
}

// near says which screen may have been meant.
func (c *checker) near(name string, screens map[string]*screen) string {
	best, least := "", 4
	for _, s := range slices.Sorted(maps.Keys(screens)) {
		if d := distance(name, s); d < least {
			best, least = s, d
		}
	}
	if best == "" {
		return "one of the section screens"
	}
	return best + ", perhaps"
}

// distance is how many letters two names differ in (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}

func (c *checker) footer(names []word, key string) {
	for _, n := range names {
		if !slices.Contains(keyNames, n.name) || n.name == "more" {
			c.one(n, key, n.name+" is no key to be named there", "of back, home, quit; more is named where there is more")
		}
	}
}

// form checks one screen by itself.
func (c *checker) form(name string, sc *screen) {
	key := "screens." + name
	if name == screenResume || name == screenGoodbye || name == screenWaiting || name == screenVerdict {
		c.at(structureFile, key, "is a screen of the engine", "another name")
	}
	switch asks := sc.Input != nil || sc.List != nil || len(sc.Choices) > 0; {
	case sc.End && asks:
		c.at(structureFile, key, "is an end and asks for something", "one of the two")
	case !sc.End && !asks:
		c.at(structureFile, key, "leads nowhere", "end: true, or an input, a list or choices")
	}
	if sc.Footer != nil {
		c.footer(*sc.Footer, key+".footer")
	}
	if q := sc.Query.name; q != "" && c.m.Queries[q] == nil {
		c.one(sc.Query, key+".query", q+" is no query", "one of the section queries")
	}
	if in := sc.Input; in != nil {
		c.input(key+".input", sc)
	}
	if l := sc.List; l != nil {
		key := key + ".list"
		switch {
		case l.Query.name == "":
			c.at(structureFile, key, "has no query", "query: and one of the section queries")
		case c.m.Queries[l.Query.name] == nil && l.Query.name != languagesQuery:
			c.one(l.Query, key, l.Query.name+" is no query", "one of the section queries, or languages")
		}
		c.value(l.As, key, "as")
		c.target(l.Go, key)
		if l.Empty.name == "" && l.Query.name != languagesQuery && sc.Input == nil && len(sc.Choices) == 0 {
			c.at(structureFile, key, "does not say what is shown when there is nothing", "empty: and one of the reasons")
		}
	}
	for _, ch := range sc.Choices {
		key := key + ".choices"
		if ch.Text.name == "" {
			c.one(ch.Go, key, "has one without text", "text: and one of the choices of the language files")
		}
		if ch.Go.name == "" {
			c.one(ch.Text, key, ch.Text.name+" leads nowhere: it has no go", "go: and the name of a screen or an action")
		} else {
			c.target(ch.Go, key)
		}
		for v := range ch.Set {
			c.value(word{v, ch.Text.line}, key, "set")
		}
	}
}

// value checks the name of a value that is no PIN.
func (c *checker) value(w word, key, field string) {
	switch {
	case w.name == "":
		c.at(structureFile, key, "has no "+field, field+": and a name for the value")
	case slices.Contains(pinFields, w.name):
		c.one(w, key+"."+field, w.name+" is the name of a PIN", "another")
	}
}

func (c *checker) input(key string, sc *screen) {
	in := sc.Input
	if _, ok := inputTypes[in.Type.name]; !ok {
		c.one(in.Type, key, fmt.Sprintf("has the type %q", in.Type.name), "one of "+strings.Join(slices.Sorted(maps.Keys(inputTypes)), ", "))
	}
	c.target(in.Go, key)
	if !sc.pin() {
		c.value(in.As, key, "as")
		return
	}
	if !slices.Contains(pinFields, in.As.name) {
		c.one(in.As, key, fmt.Sprintf("is a PIN as %q", in.As.name), "as: one of "+strings.Join(pinFields, ", "))
	}
	if len(sc.Choices) > 0 || sc.List != nil {
		c.at(structureFile, key, "asks for a PIN beside choices", "the PIN on a screen of its own")
	}
	if next := c.m.Screens[in.Go.name]; next != nil && !next.pin() {
		c.one(in.Go, key+".go", "a PIN leads to "+in.Go.name+", which is neither a PIN nor an action", "an action, or the next PIN")
	}
}

// way is what leads from one screen to a screen or an action.
type way struct {
	to  word
	set []string
	pin bool
}

// ways are those of a screen.
func (sc *screen) ways() (ways []way) {
	if in := sc.Input; in != nil {
		w := way{to: in.Go, pin: sc.pin()}
		if !w.pin {
			w.set = []string{in.As.name}
		}
		ways = append(ways, w)
	}
	if l := sc.List; l != nil {
		ways = append(ways, way{to: l.Go, set: []string{l.As.name, l.Label.name}})
	}
	for _, ch := range sc.Choices {
		ways = append(ways, way{to: ch.Go, set: slices.Collect(maps.Keys(ch.Set))})
	}
	return ways
}

// ways follows every way from where dialogues begin.
func (c *checker) ways() {
	s := &c.m.structure
	c.known = map[string]map[string]bool{}
	var todo []string
	arrive := func(name string, known map[string]bool) {
		old, been := c.known[name]
		merged := maps.Clone(known)
		if been {
			maps.DeleteFunc(merged, func(v string, _ bool) bool { return !old[v] })
			if len(merged) == len(old) {
				return
			}
		}
		c.known[name] = merged
		todo = append(todo, name)
	}
	for _, r := range s.Start {
		arrive(r.Screen.name, map[string]bool{})
	}
	for name, values := range s.Push {
		known := map[string]bool{}
		for _, v := range values {
			known[v.name] = true
		}
		arrive(name, known)
	}
	for len(todo) > 0 {
		name := todo[0]
		todo = todo[1:]
		if a := s.Actions[name]; a != nil {
			if a.Then.name != "" {
				arrive(a.Then.name, c.known[name])
			}
			continue
		}
		sc, known := s.Screens[name], maps.Clone(c.known[name])
		if q := s.Queries[sc.Query.name]; q != nil {
			for _, g := range q.Gives {
				known[g.name] = true
			}
			c.known[name] = maps.Clone(known)
		}
		for _, w := range sc.ways() {
			out := maps.Clone(known)
			for _, v := range w.set {
				if v != "" {
					out[v] = true
				}
			}
			arrive(w.to.name, out)
		}
	}
	c.unreachable()
	c.endless()
	c.pins()
	c.sources()
}

func (c *checker) unreachable() {
	s := &c.m.structure
	used := map[string]bool{}
	for name, sc := range s.Screens {
		if c.known[name] == nil {
			c.at(structureFile, "screens."+name, "cannot be reached: nothing leads to it", "a go: that names it, or no such screen")
		}
		used[sc.Query.name] = true
		if sc.List != nil {
			used[sc.List.Query.name] = true
		}
	}
	for name := range s.Actions {
		if c.known[name] == nil {
			c.at(structureFile, "actions."+name, "cannot be reached: nothing leads to it", "a go: that names it, or no such action")
		}
	}
	for name := range s.Queries {
		if !used[name] {
			c.at(structureFile, "queries."+name, "is not used", "a screen or a list that asks it, or no such query")
		}
	}
}

// endless finds screens from which no answer leads to an end.
func (c *checker) endless() {
	ends := map[string]bool{}
	for name := range c.m.Actions {
		ends[name] = true
	}
	for name, sc := range c.m.Screens {
		ends[name] = sc.End
	}
	for again := true; again; {
		again = false
		for name, sc := range c.m.Screens {
			if !ends[name] && slices.ContainsFunc(sc.ways(), func(w way) bool { return ends[w.to.name] }) {
				ends[name], again = true, true
			}
		}
	}
	for name := range c.m.Screens {
		if !ends[name] {
			c.at(structureFile, "screens."+name, "leads in a circle: no answer there comes to an end", "a way to an action or to a screen with end: true")
		}
	}
}

// pins checks that each action gets the PINs it wants, and that nothing comes
// between them.
func (c *checker) pins() {
	s := &c.m.structure
	follows := map[string]bool{} // PIN screens behind a PIN
	for name, sc := range s.Screens {
		for _, w := range sc.ways() {
			if w.pin {
				follows[w.to.name] = true
			}
			if a := s.Actions[w.to.name]; a != nil && len(a.PINs) > 0 && !w.pin {
				c.one(w.to, "screens."+name, w.to.name+" wants a PIN and none is asked here", "a screen with an input of the type pin before it")
			}
		}
	}
	for name, sc := range s.Screens {
		if !sc.pin() {
			continue
		}
		if follows[name] {
			for other, from := range s.Screens {
				if !from.pin() && slices.ContainsFunc(from.ways(), func(w way) bool { return w.to.name == name }) {
					c.at(structureFile, "screens."+other, "leads to "+name+", which follows another PIN", "the first of the PIN screens")
				}
			}
			continue
		}
		var typed []string
		at, seen := name, map[string]bool{}
		for s.Screens[at] != nil && !seen[at] {
			seen[at] = true
			typed = append(typed, s.Screens[at].Input.As.name)
			at = s.Screens[at].Input.Go.name
		}
		a := s.Actions[at]
		if a == nil {
			continue // a circle
		}
		var wanted []string
		for _, p := range a.PINs {
			wanted = append(wanted, p.name)
		}
		if !slices.Equal(typed, wanted) {
			c.at(structureFile, "screens."+name, fmt.Sprintf("leads to %s with %s", at, strings.Join(typed, ", ")), "pins: ["+strings.Join(typed, ", ")+"] there, or other screens here")
		}
	}
}

// sources checks that every value that is used is set on every way there.
func (c *checker) sources() {
	s := &c.m.structure
	use := func(w word, place, key string) {
		if c.known[place] != nil && !c.known[place][w.name] && !c.ofEnv(w.name) {
			c.one(w, key, w.name+" is not set on every way to "+place, "a value that is, or another way")
		}
	}
	for name, a := range s.Actions {
		for _, v := range a.Values {
			use(v, name, "actions."+name+".values")
		}
	}
	for name, sc := range s.Screens {
		for _, q := range []string{sc.Query.name, sc.listQuery()} {
			if s.Queries[q] == nil {
				continue
			}
			for _, v := range s.Queries[q].Args {
				use(v, name, "queries."+q+".args")
			}
		}
		for i, ch := range sc.Choices {
			for _, v := range ch.Set {
				use(v, name, "screens."+name+".choices["+strconv.Itoa(i)+"].set")
			}
		}
	}
}

func (sc *screen) listQuery() string {
	if sc.List == nil {
		return ""
	}
	return sc.List.Query.name
}

// ofEnv says whether a value is one that the gateway always gives.
func (c *checker) ofEnv(name string) bool {
	if _, declared := c.m.Values[name]; !declared {
		return false
	}
	for _, q := range c.m.Queries {
		if slices.ContainsFunc(q.Gives, func(g word) bool { return g.name == name }) {
			return false
		}
	}
	return true
}
