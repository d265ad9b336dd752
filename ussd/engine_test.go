package ussd

import (
	"encoding/json"
	"testing"

	"starhash/configs"
)

// readers read plain figures and full numbers; the platform has better ones.
var readers = PlainReaders("263", "USD")

func load(t testing.TB) *Menus {
	t.Helper()
	m, err := Load(configs.Menus, readers)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func env() Env {
	return Env{
		Language: "en",
		Facts:    map[string]bool{"registered": true, "favourites": true, "bills": true},
		Values:   map[string]string{"service_code": "*700#", "short_code": "7001", "msisdn": "263771000001"},
	}
}

func TestDirectDial(t *testing.T) {
	m, e := load(t), env()
	r := m.Begin(e, []byte("*700*1*0771000002*500*1234#"))
	if r.Query == nil || r.Query.Name != "payee" || r.Query.Args["number"] != "263771000002" {
		t.Fatalf("got %+v, want the query payee", r)
	}
	r = m.Step(e, r.State, Input{Answer: &Answer{Values: map[string]string{"payee_name": "T* MOYO"}}})
	if r.Screen == nil || r.Secret != nil {
		t.Fatalf("got %+v, want the PIN screen", r)
	}
	if want := "Send USD 500.00 to T* MOYO 263771000002. Type your PIN to confirm:\n0 Back 00 Home"; r.Screen.Text != want {
		t.Fatalf("got %q, want %q", r.Screen.Text, want)
	}
	r = m.Step(e, r.State, Input{Text: []byte("1234")})
	if r.Intent == nil || r.Intent.Action != "transfer" || r.Intent.Values["amount"] != "50000" || r.Intent.Values["payee"] != "263771000002" {
		t.Fatalf("got %+v, want the intent transfer", r)
	}
	if r.Secret == nil || r.Secret.Field != "pin" || string(r.Secret.PIN.Reveal()) != "1234" {
		t.Fatalf("got %+v, want the PIN beside it", r.Secret)
	}
	r = m.Step(e, r.State, Input{Verdict: &Verdict{Text: "R1 done."}})
	if want := "R1 done.\nWhat next?\n1 Save this number\n00 Home"; r.Screen == nil || r.Screen.Text != want {
		t.Fatalf("got %+v, want %q", r.Screen, want)
	}
	r = m.Step(e, r.State, Input{Text: []byte("99")})
	if r.Screen == nil || !r.Screen.End {
		t.Fatalf("got %+v, want the end", r)
	}
}

// TestOtherMenus checks states of menus that have been replaced since.
func TestOtherMenus(t *testing.T) {
	m, e := load(t), env()
	begun := m.Begin(e, []byte("*700#")).Screen.Text
	want := "The menu has changed; nothing moved.\n" + begun
	gone := State{Screen: "gone", Values: map[string]Value{"amount": {Value: "1"}}, Trail: []Visit{{Screen: "main"}}}
	if r := m.Step(e, gone, Input{Text: []byte("1")}); r.Screen == nil || r.Screen.Text != want {
		t.Errorf("a reply at a screen that is gone: %+v, want %q", r.Screen, want)
	}
	if r := m.Resume(e, gone); r.Screen == nil || r.Screen.Text != want {
		t.Errorf("a redial at a screen that is gone: %+v, want %q", r.Screen, want)
	}
	back := State{Screen: "send_pin", Trail: []Visit{{Screen: "gone"}}}
	if r := m.Step(e, back, Input{Text: []byte("0")}); r.Screen == nil || r.Screen.Text == "" {
		t.Errorf("back to a screen that is gone: %+v", r)
	}
	if r := m.Step(e, State{}, Input{Text: []byte("1")}); r.Screen == nil || r.Screen.Text != want {
		t.Errorf("a reply without a state: %+v, want %q", r.Screen, want)
	}
	if r := m.Resume(e, State{}); r.Screen == nil || r.Screen.Text != want {
		t.Errorf("a redial without a state: %+v", r.Screen)
	}
}

// TestWaiting checks what is typed while the bank is asked, and a verdict whose
// action is gone.
func TestWaiting(t *testing.T) {
	m, e := load(t), env()
	r := m.Begin(e, []byte("*700*2#"))
	r = m.Step(e, r.State, Input{Text: []byte("1234")})
	if r.Intent == nil {
		t.Fatalf("got %+v, want the intent", r)
	}
	if again := m.Step(e, r.State, Input{Text: []byte("1234")}); again.Intent != nil || again.Secret != nil || again.Screen == nil || !again.Screen.End {
		t.Errorf("a PIN typed again: %+v, want a last screen", again)
	}
	if again := m.Resume(e, r.State); again.Screen == nil || again.State.Screen != "main" {
		t.Errorf("a redial: %+v, want the menu", again)
	}
	r.State.Waiting = "gone"
	if v := m.Step(e, r.State, Input{Verdict: &Verdict{Text: "R1 done."}}); v.Screen == nil || v.Screen.Text != "R1 done." || !v.Screen.End {
		t.Errorf("the verdict of an action that is gone: %+v", v.Screen)
	}
}

// FuzzState gives Step states that no engine has stored.
func FuzzState(f *testing.F) {
	m := load(f)
	for name := range m.Screens {
		f.Add([]byte(`{"screen":"`+name+`","trail":[{"screen":"main"}]}`), []byte("1"))
	}
	f.Add([]byte(`{"screen":"resume"}`), []byte("1"))
	f.Add([]byte(`{"screen":"resume","old":{"screen":"resume","old":{"screen":"x"}}}`), []byte("1"))
	f.Add([]byte(`{"screen":"_verdict","page":-7,"text":"x"}`), []byte("98"))
	f.Add([]byte(`{"screen":"main","page":99999,"reason":"x","waiting":"payee"}`), []byte("0"))
	f.Add([]byte(`{"screen":"main","waiting":"languages"}`), []byte("0"))
	f.Fuzz(func(t *testing.T, state, typed []byte) {
		var s State
		if json.Unmarshal(state, &s) != nil {
			return
		}
		for _, r := range []Result{m.Step(env(), s, Input{Text: typed}), m.Resume(env(), s)} {
			for range 2 * maxTrail {
				if r.Query == nil {
					break
				}
				r = m.Step(env(), r.State, Input{Answer: &Answer{Reason: "not_now"}})
			}
			if r.Screen == nil && r.Intent == nil || r.Screen != nil && !Fits(r.Screen.Text) {
				t.Fatalf("got %+v", r)
			}
		}
	})
}
