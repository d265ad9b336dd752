package ussd

import (
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
