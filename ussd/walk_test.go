package ussd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// sentinel is a PIN that nothing else looks like: typed where a PIN is asked for, and
// dialled behind such a screen, it may turn up in Result.Secret alone.
const sentinel = "739164"

// hostile are things that people, phones and attackers type.
var hostile = []string{
	"", " ", "0", "00", "98", "99", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "50", "51", "97", "999",
	"0771000002", "500", "5.50", "-1", "1e9", "99999999999999999999", "1234", "123456", "1234567", "12 34", "١٢٣٤",
	"Mum", "A-17 00", "{payee}", "%s%d", "*700#", "#", "**", "\x00\x01\x1b", "\r\n", "\xff\xfe", "😀😀😀😀",
	"[[[[[[[[[[[[[[[[[[[[", "€€€€€€€€€€€€€€€€€€€€", "жжжжжжжжжж", "e\u0301\u0301\u0301", "\u202e1234",
	strings.Repeat("x", 200), strings.Repeat("9", 600), strings.Repeat("{", 100), strings.Repeat("😀", 300),
}

// walker takes a dialogue through random steps, and checks every one.
type walker struct {
	t   *rapid.T
	m   *Menus
	env Env
	pin bool // the sentinel has been typed
}

func (w *walker) text(label string) string { return rapid.SampledFrom(hostile).Draw(w.t, label) }

// answer is anything a query may be answered with.
func (w *walker) answer(q *Query) *Answer {
	switch rapid.IntRange(0, 9).Draw(w.t, "answer") {
	case 0:
		return nil
	case 1:
		return &Answer{Reason: rapid.SampledFrom([]string{"unknown_payee", "over_daily_limit", "no such reason"}).Draw(w.t, "reason")}
	case 2:
		return &Answer{Values: map[string]string{"payee_name": w.text("name")}}
	}
	a := &Answer{Values: map[string]string{"payee_name": "MMMMMMMM* MMMMMMMMMM*"}}
	label := rapid.SampledFrom([]string{longestLabel, "Mum", w.text("label"), strings.Repeat("word ", 60)}).Draw(w.t, "labels")
	for i := range rapid.IntRange(0, 60).Draw(w.t, "items") {
		a.Items = append(a.Items, Item{Label: label, Value: fmt.Sprint("2637710", 10000+i)})
	}
	return a
}

// check looks at a result, and answers until there is a screen.
func (w *walker) check(r Result) Result {
	for range 3 * maxTrail {
		w.look(r)
		in := Input{}
		switch {
		case r.Screen != nil:
			return r
		case r.Query != nil:
			in.Answer = w.answer(r.Query)
		default:
			in.Verdict = &Verdict{Text: rapid.SampledFrom([]string{
				"R1 done.", "", strings.Repeat("24 Nov -1,234.50 0002\n", 40), strings.Repeat("a word ", 100), strings.Repeat("é", 700), w.text("verdict"),
			}).Draw(w.t, "verdicts")}
		}
		r = w.step(r.State, in)
	}
	w.t.Fatal("queries without end")
	return r
}

// look checks one result by itself.
func (w *walker) look(r Result) {
	things := 0
	var seen strings.Builder
	state, err := json.Marshal(r.State)
	if err != nil {
		w.t.Fatal(err)
	}
	fmt.Fprintf(&seen, "%s %v %+v %#v", state, r.State, r.State, r.State)
	if r.Screen != nil {
		things++
		seen.WriteString(r.Screen.Text)
		if strings.TrimSpace(r.Screen.Text) == "" {
			w.t.Fatalf("an empty screen at %s", state)
		}
		if !Fits(r.Screen.Text) {
			w.t.Fatalf("a screen that does not fit: %q", r.Screen.Text)
		}
		if width(r.Screen.Text, false) == 0 {
			w.t.Fatalf("a screen outside GSM 03.38: %q", r.Screen.Text)
		}
	}
	if r.Query != nil {
		things++
		fmt.Fprint(&seen, *r.Query)
	}
	if r.Intent != nil {
		things++
		fmt.Fprint(&seen, *r.Intent)
	}
	if things != 1 {
		w.t.Fatalf("%d of Screen, Query and Intent", things)
	}
	if w.pin && strings.Contains(seen.String(), sentinel) {
		w.t.Fatalf("a PIN in %s", seen.String())
	}
}

// step steps twice from the same state, because a step depends on nothing else. A
// State that remembers what was dialled is used once.
func (w *walker) step(s State, in Input) Result {
	typed := bytes.Clone(in.Text)
	before := fmt.Sprintf("%+v", mustJSON(w.t, s))
	if s.ahead.Empty() {
		again := w.m.Step(w.env, s, in)
		a := mustJSON(w.t, again)
		w.m.Step(w.env, s, Input{Text: []byte(w.text("meanwhile"))}) // touches nothing of the other
		r := w.m.Step(w.env, s, in)
		if b := mustJSON(w.t, r); a != b || mustJSON(w.t, again) != a {
			w.t.Fatalf("the same step twice:\n%s\n%s", a, b)
		}
		if after := fmt.Sprintf("%+v", mustJSON(w.t, s)); after != before {
			w.t.Fatalf("a step changed the state it was given:\n%s\n%s", before, after)
		}
		if !bytes.Equal(typed, in.Text) {
			w.t.Fatal("a step changed what was typed")
		}
		return r
	}
	return w.m.Step(w.env, s, in)
}

func mustJSON(t *rapid.T, v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestWalks walks the shipped menus at random in every language.
func TestWalks(t *testing.T) {
	m := load(t)
	ended := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		w := &walker{t: t, m: m, env: env()}
		w.env.Language = rapid.SampledFrom(append(m.Languages(), "xx")).Draw(t, "language")
		for _, fact := range []string{"registered", "favourites", "blocked", "bills"} {
			w.env.Facts[fact] = rapid.IntRange(0, 9).Draw(t, fact) > 0 != (fact == "blocked")
		}
		var r Result
		switch rapid.IntRange(0, 2).Draw(t, "begin") {
		case 0:
			values := map[string]string{"amount": "500", "amount_shown": "USD 5.00", "payee": w.text("payee"), "payee_name": w.text("payee name")}
			r = m.Push(w.env, rapid.SampledFrom([]string{"push_transfer", "push_transfer", "main", "none"}).Draw(t, "push"), values)
		case 1:
			dialled := "*700"
			for range rapid.IntRange(0, 6).Draw(t, "parts") {
				dialled += "*" + w.text("part")
			}
			r = m.Begin(w.env, []byte(dialled+"#"))
		default:
			r = m.Begin(w.env, []byte("*700#"))
		}
		r = w.check(r)
		for range rapid.IntRange(0, 25).Draw(t, "steps") {
			switch kind := rapid.IntRange(0, 19).Draw(t, "kind"); {
			case kind == 0:
				r = w.check(m.Resume(w.env, r.State))
			case kind == 1: // Redis, or another gateway
				r.State = stored(r.State)
			default:
				text := w.text("typed")
				if sc := m.Screens[r.State.Screen]; sc != nil && sc.pin() && !r.State.Over && rapid.Bool().Draw(t, "PIN") {
					text, w.pin = sentinel, true
				}
				before := r.State.Screen
				r = w.step(r.State, Input{Text: []byte(text)})
				if text == sentinel && w.pin {
					if r.Secret == nil || string(r.Secret.PIN.Reveal()) != sentinel {
						t.Fatalf("the PIN typed at %s has not come out", before)
					}
				}
				r = w.check(r)
			}
		}
		// Quit ends it: at once, or after an amount that it is read as.
		for !r.Screen.End {
			at := r.State.Screen
			sc := m.Screens[at]
			r = w.check(w.step(r.State, Input{Text: []byte("99")}))
			if !r.Screen.End && (sc == nil || sc.Input == nil || sc.Input.Type.name != "amount") {
				t.Fatalf("99 at %s does not end it", at)
			}
		}
		ended[r.State.Screen]++
	})
	if len(ended) == 0 {
		t.Error("nothing was walked")
	}
}

// TestQuit sends 99 at every screen there is.
func TestQuit(t *testing.T) {
	m, e := load(t), env()
	for name, sc := range m.Screens {
		s := State{Screen: name, Listed: true, Asked: map[string]string{"payee": "number=\n"}}
		r := m.Step(e, s, Input{Text: []byte("99")})
		amount := sc.Input != nil && sc.Input.Type.name == "amount"
		if r.Screen == nil || r.Screen.End == amount {
			t.Errorf("99 at %s led to %+v", name, r.Screen)
		}
		if amount {
			if r = m.Step(e, r.State, Input{Text: []byte("99")}); r.Screen == nil || !r.Screen.End {
				t.Errorf("99 and 99 at %s led to %+v", name, r.Screen)
			}
		}
	}
}

// TestDialledPINs checks that what is dialled behind a PIN screen is nowhere, and
// what is dialled behind a query in no stored state.
func TestDialledPINs(t *testing.T) {
	m, e := load(t), env()
	for _, dialled := range []string{
		"*700*2*" + sentinel + "#", "*700*8*" + sentinel + "*" + sentinel + "#", "*700*1*0771000002*500*" + sentinel + "#",
		"*700*1*1*1*500*" + sentinel + "#", "*700*5*1*ACC*2*" + sentinel + "#", "*700*4*1*2*" + sentinel + "*1*2#",
	} {
		r := m.Begin(e, []byte(dialled))
		var kept []State
		for r.Screen == nil {
			kept = append(kept, r.State)
			if b, _ := json.Marshal(r.State); bytes.Contains(b, []byte(sentinel)) {
				t.Fatalf("%s: a PIN in %s", dialled, b)
			}
			if s := fmt.Sprintf("%v %+v %#v", r.State, r.State, r.State); strings.Contains(s, sentinel) {
				t.Fatalf("%s: a PIN in %s", dialled, s)
			}
			r = m.Step(e, r.State, Input{Answer: &Answer{Items: []Item{{"ZESA", "ZESA"}}}})
		}
		if sc := m.Screens[r.State.Screen]; sc == nil || !sc.pin() {
			t.Errorf("%s came to %s, want a PIN screen", dialled, r.State.Screen)
		}
		for _, s := range append(kept, r.State) {
			if bytes.Contains(s.ahead.Reveal(), []byte(sentinel)) {
				t.Errorf("%s: what was dialled behind the PIN screen has not been wiped", dialled)
			}
		}
	}
}

// TestNumbersStayOverPages checks that every item is shown once, under the number
// that chooses it, whatever page is shown.
func TestNumbersStayOverPages(t *testing.T) {
	m := load(t)
	rapid.Check(t, func(t *rapid.T) {
		e := env()
		e.Language = rapid.SampledFrom(m.Languages()).Draw(t, "language")
		var items []Item
		for i := range rapid.IntRange(1, 50).Draw(t, "items") {
			name := strings.Repeat("n", rapid.IntRange(1, 25).Draw(t, "length"))
			items = append(items, Item{Label: fmt.Sprintf("%s/%d/", name, i+1), Value: fmt.Sprint(1000 + i)})
		}
		r := m.Begin(e, []byte("*700*6#"))
		r = m.Step(e, r.State, Input{Answer: &Answer{Items: items}})
		shown := map[string]string{}
		var pages []State
		for {
			pages = append(pages, r.State)
			for line := range strings.Lines(r.Screen.Text) {
				number, label, _ := strings.Cut(strings.TrimSpace(line), " ")
				if strings.HasSuffix(label, "/") {
					if shown[number] != "" {
						t.Fatalf("%s is shown twice", number)
					}
					shown[number] = label
				}
			}
			if !strings.Contains(r.Screen.Text, "98 ") {
				break
			}
			r = m.Step(e, r.State, Input{Text: []byte("98")})
		}
		want := map[string]string{}
		for i, item := range items {
			want[fmt.Sprint(i+1)] = item.Label
		}
		if !maps.Equal(shown, want) {
			t.Fatalf("got %v, want %v", shown, want)
		}
		n := rapid.IntRange(1, len(items)).Draw(t, "chosen")
		r = m.Step(e, rapid.SampledFrom(pages).Draw(t, "page"), Input{Text: fmt.Append(nil, n)})
		if r.Intent == nil || r.Intent.Values["ref"] != items[n-1].Value {
			t.Fatalf("%d chose %+v", n, r.Intent)
		}
	})
}

func FuzzBegin(f *testing.F) {
	for _, s := range []string{"", "*700#", "*700*1*0771000002*500#", "*700*1*0771000002*500*1234#", "700", "*700**1#", "*7001*2#", "*700*10*", "*\x00*#", "*700*9*2#", "*700*7*1*0771000005*A#"} {
		f.Add([]byte(s))
	}
	m := load(f)
	f.Fuzz(func(t *testing.T, dialled []byte) {
		e := env()
		r := m.Begin(e, dialled)
		for range 2 * maxTrail {
			switch {
			case r.Screen != nil:
				if strings.TrimSpace(r.Screen.Text) == "" || !Fits(r.Screen.Text) {
					t.Fatalf("screen %q", r.Screen.Text)
				}
				if r.Secret != nil {
					t.Fatal("a PIN was taken from what was dialled")
				}
				return
			case r.Query != nil:
				r = m.Step(e, r.State, Input{Answer: &Answer{Items: []Item{{"a", "b"}}}})
			case r.Intent != nil:
				r = m.Step(e, r.State, Input{Verdict: &Verdict{Text: "done"}})
			}
		}
		t.Fatal("no screen")
	})
}

func BenchmarkStep(b *testing.B) {
	m, e := load(b), env()
	at := func(dialled string, answers ...*Answer) State {
		r := m.Begin(e, []byte(dialled))
		for _, a := range answers {
			r = m.Step(e, r.State, Input{Answer: a})
		}
		return r.State
	}
	var long []Item
	for i := range maxItems {
		long = append(long, Item{Label: longestLabel, Value: fmt.Sprint(i)})
	}
	name := &Answer{Values: map[string]string{"payee_name": "T* MOYO"}}
	for _, bb := range []struct {
		name  string
		state State
		typed string
	}{
		{"choice", at("*700#"), "4"},
		{"wrong", at("*700#"), "nonsense"},
		{"amount", at("*700*1*0771000002#", name), "500"},
		{"PIN", at("*700*1*0771000002*500#", name), "1234"},
		{"more of 50", at("*700*6#", &Answer{Items: long}), "98"},
	} {
		b.Run(bb.name, func(b *testing.B) {
			typed := []byte(bb.typed)
			b.ReportAllocs()
			for b.Loop() {
				m.Step(e, bb.state, Input{Text: typed})
			}
		})
	}
}
