package ussd

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"starhash/configs"
)

// shipped is a copy of the shipped menus, to be broken.
func shipped(t testing.TB) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	names, err := fs.Glob(configs.Menus, "*.yaml")
	if err != nil || len(names) < 5 {
		t.Fatalf("the shipped menus are %v: %v", names, err)
	}
	for _, name := range names {
		content, err := fs.ReadFile(configs.Menus, name)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = &fstest.MapFile{Data: content}
	}
	return files
}

func TestShippedMenus(t *testing.T) {
	if _, err := Load(configs.Menus, readers); err != nil {
		t.Fatal(err)
	}
}

func TestLoadRefuses(t *testing.T) {
	long := strings.Repeat("x", 150)
	tests := []struct {
		name, file, old, new string
		want                 string // in the error, behind file and line
	}{
		{"unknown screen", "menu.yaml", "go: send_to }", "go: send_too }", "send_too is neither a screen nor an action; want send_to, perhaps"},
		{"unknown start", "menu.yaml", "- { screen: main }", "- { screen: maine }", "maine is no screen; want main, perhaps"},
		{"unreachable screen", "menu.yaml", "  help: { end: true }", "  help: { end: true }\n  lost: { end: true }", "screens.lost: cannot be reached"},
		{"unreachable action", "menu.yaml", "  mini: { pins: [pin] }", "  mini: { pins: [pin] }\n  spare:", "actions.spare: cannot be reached"},
		{"unused query", "menu.yaml", "  billers:\n", "  billers:\n  spare:\n", "queries.spare: is not used"},
		{"unknown query", "menu.yaml", "query: recent", "query: recently", "recently is no query"},
		{"missing text", "sw.yaml", "  send_to:", "  sent_to:", "screens.send_to: is missing"},
		{"unused text", "sw.yaml", "  send_to:", "  sent_to:", "screens.sent_to: is no screen of menu.yaml"},
		{"missing choice", "fr.yaml", `  mini: "Relevé"`, "", "choices.mini: is missing"},
		{"missing reason", "pt.yaml", "  not_now:", "  not_then:", "reasons.not_now: is missing"},
		{"empty text", "en.yaml", `"Mobile banking"`, `" "`, "screens.main: is empty"},
		{"unknown placeholder", "fr.yaml", "A {payee_name} {payee}.", "A {name_of_payee} {payee}.", "has {name_of_payee}, which is not known there"},
		{"placeholder not yet known", "en.yaml", `"Mobile banking"`, `"Mobile banking {amount}"`, "screens.main: has {amount}, which is not known there"},
		{"placeholder not closed", "en.yaml", "{payee_name} {payee}. Type the amount", "{payee_name} {payee. Type the amount", "has a { without its }"},
		{"placeholder in a reason", "en.yaml", "That is your own number.", "{amount} is your own number.", "reasons.own_number: has {amount}"},
		{"circle", "menu.yaml", "  mini_pin:\n    input: { type: pin, as: pin, go: mini }", "  mini_pin:\n    input: { type: pin, as: pin, go: mini_pin }", "screens.mini_pin: leads in a circle"},
		{"input without a next", "menu.yaml", "{ type: msisdn, as: payee, go: send_amount }", "{ type: msisdn, as: payee }", "screens.send_to.input: leads nowhere: it has no go"},
		{"choice without a next", "menu.yaml", "{ text: mini, go: mini_pin }", "{ text: mini }", "mini leads nowhere: it has no go"},
		{"screen without anything", "menu.yaml", "  help: { end: true }", "  help: { pages: true }", "screens.help: leads nowhere"},
		{"end that asks", "menu.yaml", "    list: { query: recent", "    end: true\n    list: { query: recent", "is an end and asks for something"},
		{"list that may be empty", "menu.yaml", "as: ref, empty: no_recent, go", "as: ref, go", "does not say what is shown when there is nothing"},
		{"unknown type", "menu.yaml", "type: account", "type: acount", `has the type "acount"; want one of account, amount`},
		{"PIN to a screen", "menu.yaml", "{ type: pin, as: pin, go: balance }", "{ type: pin, as: pin, go: help }", "a PIN leads to help, which is neither a PIN nor an action"},
		{"PIN beside choices", "menu.yaml", "  balance_pin:\n", "  balance_pin:\n    choices: [{ text: help, go: help }]\n", "asks for a PIN beside choices"},
		{"PIN under another name", "menu.yaml", "{ type: pin, as: pin, go: balance }", "{ type: pin, as: secret, go: balance }", `is a PIN as "secret"`},
		{"value under a PIN's name", "menu.yaml", "{ type: text, as: name, go: favourite_add }", "{ type: text, as: new_pin, go: favourite_add }", "new_pin is the name of a PIN"},
		{"PINs of another action", "menu.yaml", "go: pin_again }", "go: pin_change }", "leads to pin_change with pin, new_pin"},
		{"action without its PIN", "menu.yaml", "{ text: balance, go: balance_pin }", "{ text: balance, go: balance }", "balance wants a PIN and none is asked here"},
		{"into the middle of PINs", "menu.yaml", "{ text: pin, go: pin_old }", "{ text: pin, go: pin_new }", "leads to pin_new, which follows another PIN"},
		{"value not set on every way", "menu.yaml", "{ text: own_number, set: { payee: msisdn }, go", "{ text: own_number, go", "actions.airtime.values: payee is not set on every way to airtime"},
		{"set from nothing", "menu.yaml", "set: { payee: msisdn }", "set: { payee: amount }", "amount is not set on every way to airtime_for"},
		{"name of the engine", "menu.yaml", "  help: { end: true }", "  help: { end: true }\n  resume: { end: true }", "screens.resume: is a screen of the engine"},
		{"screen and action", "menu.yaml", "  status: {", "  help: {", "is the name of a screen too"},
		{"too long with values", "sw.yaml", "Andika PIN kuthibitisha:", "Andika PIN yako kuthibitisha " + strings.Repeat("x", 60), "septets with the longest values; want at most 182"},
		{"too long with a reason", "en.yaml", "Not a mobile number.", "Not a mobile number. " + long, "septets with the longest values; want at most 182"},
		{"too long with a longer value", "menu.yaml", `"MMMMMMMM* MMMMMMMMMM*"`, `"` + long + `"`, "septets with the longest values; want at most 182"},
		{"escapes count twice", "en.yaml", "Mobile banking", strings.Repeat("[", 60), "screens.main: takes"},
		{"outside GSM 03.38", "fr.yaml", "Francais", "Français", "name: has characters outside GSM 03.38: ç"},
		{"outside GSM 03.38 in a key", "pt.yaml", "home: Inicio", "home: Início", "keys.home: has characters outside GSM 03.38: í"},
		{"key that is a choice", "menu.yaml", `quit: "99"`, `quit: "9"`, "keys.quit: is 9, which is also a choice"},
		{"key twice", "menu.yaml", `home: "00"`, `home: "0"`, "keys.home: is the same as back"},
		{"key that is a word", "menu.yaml", `quit: "99"`, `quit: "x"`, `keys.quit: is "x"`},
		{"unknown key in a footer", "menu.yaml", "footer: [back, home]", "footer: [back, house]", "house is no key to be named there"},
		{"unknown field", "menu.yaml", "    input: { type: text, as: name", "    imput: { type: text, as: name", "imput is no key of this place (screen)"},
		{"another form", "menu.yaml", "start:\n", "start: [x]\nstart2:\n", "has another form than is meant here"},
		{"no YAML", "sw.yaml", "name: Kiswahili", "name: [", "did not find expected"},
		{"alias", "sw.yaml", "name: Kiswahili", "name: &a Kiswahili", "uses an anchor or an alias"},
		{"twice", "en.yaml", "  main: ", "  blocked: x\n  main: ", "already defined"},
		{"condition in the last rule", "menu.yaml", "- { screen: main }", "- { when: registered, screen: main }", "its only rule without a condition in another place"},
		{"push of nothing", "menu.yaml", "  push_transfer: [amount", "  push_transfers: [amount", "push.push_transfers: is no screen; want push_transfer, perhaps"},
		{"below a verdict", "menu.yaml", "then: send_done", "then: send_to", "is a screen of another form than stands below a verdict"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files := shipped(t)
			content := string(files[tt.file].Data)
			if !strings.Contains(content, tt.old) {
				t.Fatalf("%s does not contain %q", tt.file, tt.old)
			}
			files[tt.file] = &fstest.MapFile{Data: []byte(strings.Replace(content, tt.old, tt.new, 1))}
			_, err := Load(files, readers)
			var wrong *configs.Error
			if !errors.As(err, &wrong) {
				t.Fatalf("got %v, want a *configs.Error", err)
			}
			found := false
			for _, p := range wrong.Problems {
				if p.Line == 0 {
					t.Errorf("without a line: %s", p)
				}
				found = found || strings.Contains(p.Problem.String(), tt.want)
			}
			if !found {
				t.Errorf("got %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestLoadMeansUCS2(t *testing.T) {
	files := shipped(t)
	content := strings.Replace(string(files["sw.yaml"].Data), "name: Kiswahili", "name: Қазақ\nalphabet: ucs2", 1)
	files["kk.yaml"] = &fstest.MapFile{Data: []byte(content)}
	_, err := Load(files, readers)
	if err == nil || !strings.Contains(err.Error(), "UCS2 characters with the longest values; want at most 80") {
		t.Errorf("got %v, want screens of more than 80 characters", err)
	}
	if err != nil && strings.Contains(err.Error(), "outside GSM") {
		t.Errorf("a language that is in UCS2 may not use its characters: %v", err)
	}
}

func TestLoadNeedsFiles(t *testing.T) {
	for _, name := range []string{"menu.yaml", "en.yaml"} {
		files := shipped(t)
		delete(files, name)
		if _, err := Load(files, readers); err == nil || !strings.Contains(err.Error(), name+" is missing") {
			t.Errorf("without %s: %v", name, err)
		}
	}
}

func FuzzLoad(f *testing.F) {
	files := shipped(f)
	f.Add(files["menu.yaml"].Data, files["en.yaml"].Data)
	f.Add([]byte("screens:\n  a:\n  b: { list: {} }\nstart: [{screen: b}]\nactions: {x: }"), []byte("name: x"))
	f.Add([]byte("screens: {a: {choices: [{}]}}\nstart: [{screen: a}]"), []byte("screens: {a: \"{\"}"))
	f.Fuzz(func(t *testing.T, menu, words []byte) {
		m, err := Load(fstest.MapFS{"menu.yaml": {Data: menu}, "en.yaml": {Data: words}}, readers)
		if err != nil {
			return
		}
		r := m.Begin(env(), []byte("*700*1*2*3#"))
		for range 10 {
			if r.Screen != nil && (r.Screen.Text == "" || !Fits(r.Screen.Text)) {
				t.Fatalf("screen %q", r.Screen.Text)
			}
			in := Input{Text: []byte("1")}
			if r.Query != nil {
				in = Input{Answer: &Answer{Items: []Item{{"a", "b"}}}}
			}
			if r.Intent != nil {
				in = Input{Verdict: &Verdict{Text: "done"}}
			}
			r = m.Step(env(), r.State, in)
		}
	})
}
