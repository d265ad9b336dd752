package ussd

import (
	"strings"
	"testing"
	"testing/fstest"

	"pgregory.net/rapid"
)

// small are menus with what the shipped ones do not have: a list below choices and
// beside an input, other keys, a language outside GSM 03.38.
func small(t *testing.T) *Menus {
	t.Helper()
	const menu = `
keys: { back: "#", home: "##", more: "*", quit: "0" }
footer: [back]
start: [{ screen: home }]
queries: { things: }
actions: { take: { values: { thing: thing } } }
screens:
  home:
    footer: [quit]
    choices: [{ text: all, go: pick }]
  pick:
    input: { type: biller, as: thing, go: take }
    list: { query: things, as: thing, go: take }
    choices: [{ text: bye, go: bye }, { text: never, when: nothing, go: bye }]
  bye: { end: true }
`
	const words = `
keys: { back: B, home: H, more: M, quit: Q }
screens: { home: Home, pick: "Which, {kind}?", bye: Bye, resume: R, goodbye: G, waiting: W }
choices: { all: All, bye: Bye, never: Never, go_on: G, start_again: S }
reasons: { bad_choice: X, bad_amount: X, bad_number: X, bad_pin: X, bad_account: X, bad_biller: X, bad_text: X, menu_changed: X, not_now: X }
`
	kk := strings.NewReplacer("Home", "Үй", "Which", "Қайсы", "Bye", "Сау бол").Replace(words)
	m, err := Load(fstest.MapFS{
		"menu.yaml": {Data: []byte(menu + "values: { kind: MMMMMMMM }\n")},
		"en.yaml":   {Data: []byte("name: English\n" + words)},
		"kk.yaml":   {Data: []byte("name: Қазақ\nalphabet: ucs2\n" + kk)},
	}, readers)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestListBelowChoices(t *testing.T) {
	m := small(t)
	for language, want := range map[string][]string{
		"en": {"Which, kin?\n1 Bye\n3 A\n4 B\n# B"},
		"kk": {"Қайсы, kin?\n1 Сау бол\n3 A\n4 B\n# B"},
	} {
		e := Env{Language: language, Values: map[string]string{"kind": "kin"}}
		r := m.Begin(e, []byte("*700*1#"))
		r = m.Step(e, r.State, Input{Answer: &Answer{Items: []Item{{"A", "a"}, {"B", "b"}}}})
		if r.Screen == nil || r.Screen.Text != want[0] {
			t.Fatalf("got %+v, want %q", r.Screen, want[0])
		}
		for typed, thing := range map[string]string{"3": "a", "4": "b", "5": "5", "zesa": "ZESA"} {
			got := m.Step(e, r.State, Input{Text: []byte(typed)})
			if got.Intent == nil || got.Intent.Values["thing"] != thing {
				t.Errorf("%s: got %+v, want the thing %s", typed, got.Intent, thing)
			}
		}
		if r := m.Step(e, r.State, Input{Text: []byte("#")}); r.Screen == nil || r.State.Screen != "home" {
			t.Errorf("# led to %+v", r)
		}
		if r := m.Step(e, r.State, Input{Text: []byte("0")}); r.Screen == nil || r.Screen.Text != "G" || !r.Screen.End {
			t.Errorf("0 led to %+v", r)
		}
	}
}

func TestClean(t *testing.T) {
	tests := []struct{ in, gsm, ucs2 string }{
		{"T MOYO", "T MOYO", "T MOYO"},
		{"Éléonore Bâ", "Éléonore Ba", "Éléonore Bâ"},
		{"João 😀", "Joao ?", "João 😀"},
		{"a\x00b\x1bc\td\re", "a b c d e", "a b c d e"},
		{"two\nlines", "two\nlines", "two\nlines"},
		{"{x} €", "{x} €", "{x} €"},
		{"a\xffb", "a?b", "a\ufffdb"},
		{"жар", "???", "жар"},
	}
	for _, tt := range tests {
		if got := (&words{}).clean(tt.in); got != tt.gsm {
			t.Errorf("%q: got %q, want %q", tt.in, got, tt.gsm)
		}
		if got := (&words{ucs2: true}).clean(tt.in); got != tt.ucs2 {
			t.Errorf("%q in UCS2: got %q, want %q", tt.in, got, tt.ucs2)
		}
	}
}

// TestPaginate checks that nothing is lost, that whole lines stay whole where they
// fit, and that every page fits, full to the last septet where it can be.
func TestPaginate(t *testing.T) {
	line := strings.Repeat("x", 91)
	if got := paginate([]string{line, line[:90]}, "", "98 More", false); len(got) != 1 {
		t.Errorf("182 septets take %d pages", len(got))
	}
	got := paginate([]string{line, line}, "", "98 More", false)
	if len(got) != 2 || got[0] != line+"\n98 More" || got[1] != line {
		t.Errorf("183 septets are %q", got)
	}
	if got := paginate([]string{strings.Repeat("[", 91)}, "", "98 More", false); len(got) != 1 {
		t.Errorf("91 escapes take %d pages", len(got))
	}
	rapid.Check(t, func(t *rapid.T) {
		ucs2 := rapid.Bool().Draw(t, "ucs2")
		letters := rapid.SampledFrom([]rune("aé€[ "))
		if ucs2 {
			letters = rapid.SampledFrom([]rune("aж😀 "))
		}
		lines := rapid.SliceOfN(rapid.StringOfN(letters, 0, 300, -1), 1, 8).Draw(t, "lines")
		footer := rapid.SampledFrom([]string{"", "0 Back 00 Home"}).Draw(t, "footer")
		var all strings.Builder
		for _, l := range lines {
			all.WriteString(l)
		}
		pages := paginate(lines, footer, "98 More", ucs2)
		var shown strings.Builder
		for i, p := range pages {
			if n := width(p, ucs2); n > budget(ucs2) || !Fits(p) {
				t.Fatalf("page %d takes %d: %q", i, n, p)
			}
			tail := footer
			if i < len(pages)-1 {
				tail = strings.TrimSpace(footer + " 98 More")
			}
			text, ok := strings.CutSuffix(p, tail)
			if !ok {
				t.Fatalf("page %d has no keys: %q", i, p)
			}
			shown.WriteString(text)
		}
		bare := strings.NewReplacer(" ", "", "\n", "")
		if got, want := bare.Replace(shown.String()), bare.Replace(all.String()); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	})
}
