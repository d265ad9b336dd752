package ussd

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	"starhash/configs/secret"
)

// Screens, texts and reasons that the engine itself shows: every language has them.
const (
	screenResume  = "resume"   // go on or start again
	screenGoodbye = "goodbye"  // quit was typed
	screenWaiting = "waiting"  // something was typed while the bank is asked
	screenVerdict = "_verdict" // a verdict of several pages; has no text of its own

	reasonBadChoice = "bad_choice"
	reasonChanged   = "menu_changed" // the menus are others than those the state is of
	reasonNotNow    = "not_now"      // a query has no answer
)

// maxTrail bounds the way back.
const maxTrail = 16

// Begin begins the dialogue that dialled asks for: "*700#", or "*700*1*0771…#",
// whose parts behind the service code (service_code of env.Values, else the first
// part) are taken as if typed one after the other, up to the first PIN screen or
// wrong input. What is behind is dropped unread.
func (m *Menus) Begin(env Env, dialled []byte) Result {
	t := m.turn(env, State{})
	t.ahead = dialledParts(dialled, env.Values["service_code"])
	t.start("")
	return t.run()
}

// Resume offers to go on with a dialogue that was dropped, or to start again. It
// goes back to the first PIN screen where one was passed, because PINs are not
// kept, and begins anew where there is nothing to go on with: an order that was
// given is not repeated.
func (m *Menus) Resume(env Env, old State) Result {
	t := m.turn(env, State{})
	t.start("")
	if old.Old != nil { // dropped again before it was said what to do
		old = *old.Old
	}
	if old.Done || old.Waiting != "" || old.Text != "" {
		return t.run()
	}
	way := append(slices.Clip(old.Trail), Visit{Screen: old.Screen})
	for i, v := range way {
		sc := m.Screens[v.Screen]
		if sc == nil {
			t.s.Reason = reasonChanged
			return t.run()
		}
		if sc.pin() {
			way = way[:i+1]
			break
		}
	}
	last := len(way) - 1
	if way[last].Screen == t.s.Screen || m.Screens[way[last].Screen].End {
		return t.run()
	}
	old.Screen, old.Trail = way[last].Screen, way[:last]
	old.Page, old.Reason, old.Items, old.Listed, old.ahead = 0, "", nil, false, secret.Value{}
	t.s = State{Screen: screenResume, Old: &old}
	return t.show()
}

// Push begins a dialogue that the network did not: at a screen of the menus'
// section push, with the values that it says. A value x is shown as x_shown where
// there is one.
func (m *Menus) Push(env Env, screen string, values map[string]string) Result {
	t := m.turn(env, State{Screen: screen, Values: map[string]Value{}})
	names, ok := m.structure.Push[screen]
	if !ok {
		return t.last(t.w.reason(reasonNotNow, t))
	}
	for _, n := range names {
		t.s.Values[n.name] = Value{Value: values[n.name], Shown: values[n.name+"_shown"]}
	}
	return t.run()
}

// Step takes what happened to the dialogue at s. One that is over begins anew.
func (m *Menus) Step(env Env, s State, in Input) Result {
	t := m.turn(env, s)
	if kept := s.ahead.Reveal(); len(kept) > 0 {
		t.ahead = ahead{secret: s.ahead, rest: kept[1:], more: true}
	}
	t.s.ahead = secret.Value{}
	switch {
	case s.Over:
		t.start("")
	case m.Queries[s.Waiting] != nil || s.Waiting == languagesQuery:
		t.answer(in.Answer)
	case in.Verdict != nil:
		t.verdict(*in.Verdict)
	case s.Waiting != "":
		return t.last(t.w.screen(screenWaiting, t))
	case !t.known():
		t.start(reasonChanged)
	default:
		if r, over := t.typed(in.Text); over {
			return r
		}
	}
	return t.run()
}

// turn is one step while it is made. s is a copy whose maps and slices are those
// of the caller until they are changed.
type turn struct {
	m      *Menus
	env    Env
	w      *words
	s      State
	ahead  ahead
	secret *Secret
}

func (m *Menus) turn(env Env, s State) *turn {
	return &turn{m: m, env: env, w: m.language(env.Language), s: s}
}

// ahead is what was dialled and is not walked yet.
type ahead struct {
	secret secret.Value // what holds rest, to be wiped; empty while the caller has it
	rest   []byte
	more   bool
}

// dialledParts is what stands behind the service code.
func dialledParts(dialled []byte, code string) (a ahead) {
	dialled = bytes.TrimSpace(dialled)
	dialled = bytes.TrimSuffix(dialled, []byte("#"))
	code = string(bytes.TrimSuffix([]byte(code), []byte("#")))
	rest, ok := bytes.CutPrefix(dialled, []byte(code))
	if code == "" || !ok || len(rest) > 0 && rest[0] != '*' {
		rest = bytes.TrimPrefix(dialled, []byte("*"))
		if end := bytes.IndexByte(rest, '*'); end >= 0 {
			rest = rest[end:]
		} else {
			rest = nil
		}
	}
	if len(rest) == 0 {
		return ahead{}
	}
	return ahead{rest: rest[1:], more: true}
}

// next takes the next part.
func (a *ahead) next() []byte {
	part, rest, more := bytes.Cut(a.rest, []byte("*"))
	a.rest, a.more = rest, more
	return part
}

// keep makes a copy of what is left that outlives the caller's, with a '*' in
// front so that one empty part is not nothing.
func (a *ahead) keep() secret.Value {
	if !a.more {
		a.drop()
		return secret.Value{}
	}
	kept := append(append(make([]byte, 0, 1+len(a.rest)), '*'), a.rest...)
	a.drop()
	return secret.New(kept)
}

func (a *ahead) drop() {
	a.secret.Wipe()
	*a = ahead{}
}

// start begins at the first screen whose condition holds, and forgets the rest.
func (t *turn) start(reason string) {
	t.s = State{Reason: reason}
	for _, r := range t.m.Start {
		if r.When.holds(t.env, nil) {
			t.s.Screen = r.Screen.name
			return
		}
	}
}

// known says whether the state is at a screen of these menus: it may be of others,
// which have been replaced since.
func (t *turn) known() bool {
	switch t.s.Screen {
	case screenResume:
		return t.s.Old != nil
	case screenVerdict:
		return t.s.Text != ""
	}
	return t.m.Screens[t.s.Screen] != nil
}

// run goes on from where the state is to what the caller has to do.
func (t *turn) run() Result {
	for {
		if !t.known() {
			t.start(reasonChanged)
		}
		if q := t.query(); q != nil {
			t.s.ahead = t.ahead.keep()
			return Result{State: t.s, Query: q, Secret: t.secret}
		}
		sc := t.m.Screens[t.s.Screen]
		if !t.ahead.more || t.s.Reason != "" || sc == nil || sc.pin() || sc.End {
			t.ahead.drop()
			return t.show()
		}
		if r, over := t.typed(t.ahead.next()); over {
			t.ahead.drop()
			return r
		}
	}
}

// query is what the screen needs before it is shown. languages are answered here.
func (t *turn) query() *Query {
	sc := t.m.Screens[t.s.Screen]
	if sc == nil {
		return nil
	}
	if name := sc.Query.name; name != "" {
		args := t.args(name)
		if asked, ok := t.s.Asked[name]; !ok || asked != joined(args) {
			t.s.Waiting = name
			return &Query{Name: name, Args: args}
		}
	}
	if sc.List == nil || t.s.Listed {
		return nil
	}
	name := sc.List.Query.name
	if name == languagesQuery {
		t.s.Items, t.s.Listed = t.m.languageItems(), true
		return nil
	}
	t.s.Waiting = name
	return &Query{Name: name, Args: t.args(name)}
}

func (t *turn) args(query string) map[string]string {
	args := map[string]string{}
	for name, value := range t.m.Queries[query].Args {
		args[name] = t.value(value.name).Value
	}
	return args
}

// joined is arguments in one string, to tell whether they are the same.
func joined(args map[string]string) string {
	var b []byte
	for _, name := range slices.Sorted(maps.Keys(args)) {
		b = append(append(append(append(b, name...), '='), args[name]...), '\n')
	}
	return string(b)
}

// value is a value of the dialogue, or else one of the caller's.
func (t *turn) value(name string) Value {
	if v, ok := t.s.Values[name]; ok {
		return v
	}
	return Value{Value: t.env.Values[name]}
}

// answer takes the answer to the query that the state waits for.
func (t *turn) answer(a *Answer) {
	name, sc := t.s.Waiting, t.m.Screens[t.s.Screen]
	t.s.Waiting = ""
	switch {
	case sc == nil:
		t.start(reasonChanged)
	case a == nil:
		t.refuse(reasonNotNow)
	case a.Reason != "":
		t.refuse(a.Reason)
	case sc.List != nil && sc.List.Query.name == name:
		if len(a.Items) == 0 && len(sc.Choices) == 0 && sc.Input == nil {
			t.refuse(sc.List.Empty.name)
			return
		}
		t.s.Items, t.s.Listed = slices.Clone(a.Items[:min(len(a.Items), maxItems)]), true
	default:
		t.s.Values = maps.Clone(t.s.Values)
		for _, given := range t.m.Queries[name].Gives {
			t.set(given.name, Value{Value: a.Values[given.name]})
		}
		asked := maps.Clone(t.s.Asked)
		if asked == nil {
			asked = map[string]string{}
		}
		asked[name] = joined(t.args(name))
		t.s.Asked = asked
	}
}

// refuse goes back to the screen before with a reason in front; where there is
// none, the reason is all there is to show.
func (t *turn) refuse(reason string) {
	if _, ok := t.w.reasons[reason]; !ok {
		reason = reasonNotNow
	}
	t.ahead.drop()
	if !t.back() {
		t.s = State{Screen: screenVerdict, Text: t.w.reason(reason, t), Done: true}
		return
	}
	t.s.Reason = reason
}

// verdict shows what came of the intent.
func (t *turn) verdict(v Verdict) {
	a := t.m.Actions[t.s.Waiting]
	t.s.Waiting, t.s.Page, t.s.Trail, t.s.Done = "", 0, nil, true
	t.s.Text, t.s.Screen, t.s.Reason = strings.TrimSpace(t.w.clean(v.Text)), screenVerdict, ""
	if t.s.Text == "" {
		t.s.Text = t.w.screen(screenWaiting, t)
	}
	if a != nil && a.Then.name != "" && t.m.Screens[a.Then.name].shows(t) {
		t.s.Screen = a.Then.name
	}
}

// shows says whether a screen below a verdict has anything to choose.
func (sc *screen) shows(t *turn) bool {
	return slices.ContainsFunc(sc.Choices, func(c choice) bool { return c.When.holds(t.env, t.s.Values) })
}

// set sets a value; Values is the turn's own by then.
func (t *turn) set(name string, v Value) {
	if t.s.Values == nil {
		t.s.Values = map[string]Value{}
	}
	t.s.Values[name] = v
}

// leave goes from the screen to another, or gives the intent of an action.
func (t *turn) leave(target string, set ...string) (Result, bool) {
	trail := t.s.Trail
	if len(trail) >= maxTrail {
		trail = trail[1:]
	}
	t.s.Trail = append(slices.Clip(trail), Visit{Screen: t.s.Screen, Set: set})
	t.arrive(target)
	a := t.m.Actions[target]
	if a == nil {
		return Result{}, false
	}
	values := map[string]string{}
	for name, value := range a.Values {
		values[name] = t.value(value.name).Value
	}
	t.s.Waiting, t.s.Done = target, true
	return Result{State: t.s, Intent: &Intent{Action: target, Values: values}, Secret: t.secret}, true
}

// arrive is at a screen with nothing of the one before.
func (t *turn) arrive(screen string) {
	t.s.Screen, t.s.Page, t.s.Reason, t.s.Items, t.s.Listed, t.s.Text = screen, 0, "", nil, false, ""
}

// back goes to the screen before, and forgets what leaving it had set. Out of a row
// of PIN screens it goes to the first: PINs are not kept here, and whoever keeps them
// sealed them as one set, of which none can be sealed again.
func (t *turn) back() bool {
	if len(t.s.Trail) == 0 {
		return false
	}
	t.s.Values = maps.Clone(t.s.Values)
	for {
		last := len(t.s.Trail) - 1
		v := t.s.Trail[last]
		t.s.Trail = t.s.Trail[:last:last]
		for _, name := range v.Set {
			delete(t.s.Values, name)
		}
		if last == 0 || !t.asksPIN(v.Screen) || !t.asksPIN(t.s.Trail[last-1].Screen) {
			t.arrive(v.Screen)
			return true
		}
	}
}

func (t *turn) asksPIN(screen string) bool {
	sc := t.m.Screens[screen]
	return sc != nil && sc.pin()
}

// last is a last screen that says text.
func (t *turn) last(text string) Result {
	t.ahead.drop()
	t.s = State{Screen: screenVerdict, Text: text, Done: true}
	return t.show()
}
