package bank

import (
	"errors"
	"strings"
	"testing"

	"starhash/bank/link"
)

func TestImport(t *testing.T) {
	for _, tc := range []struct {
		name, file string
		want       []string // of the error; none is success
	}{
		{"good", AccountColumns + "\n263770000001,648010000000011,Amina,4826,12.50,USD\n", nil},
		{"with a byte order mark", "\ufeff" + AccountColumns + "\n263770000001,648010000000011,Amina,4826,12.50,\n", nil},
		{"no header", "263770000001,648010000000011,Amina,4826,12.50,USD\n", []string{"first line", AccountColumns}},
		{"empty", "", []string{"first line"}},
		{"all that is wrong", AccountColumns + `
+263770000001,648010000000011,Amina,4826,12.50,USD
263770000002,,Amina,4826,12.50,USD
263770000003,648010000000011,,4826,12.50,USD
263770000004,648010000000011,Amina,48,12.50,USD
263770000005,648010000000011,Amina,4826,12.505,USD
263770000006,648010000000011,Amina,4826,12.50,XYZ
263770000007,648010000000011,Amina,4826,1,USD
263770000007,648010000000011,Amina,4826,1,USD
`, []string{"line 2: MSISDN", "line 3: IMSI", "line 4: name", "line 5: a PIN", "line 6: amount", "line 7: currency", "line 9: MSISDN 263770000007 stands in line 8"}},
		{"a line too short", AccountColumns + "\n263770000001,648010000000011\n", []string{"line 2", "wrong number of fields"}},
		{"another currency than it has", AccountColumns + "\n263770000001,648010000000011,Amina,4826,1,USD\n" + tendai + ",648010000000001,Tendai Moyo,1357,1,KES\n",
			[]string{"line 3", "is in USD, not KES"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, nil)
			got, err := w.Accounts().Import(t.Context(), strings.NewReader(tc.file))
			if len(tc.want) == 0 {
				if err != nil || got != (Imported{Created: 1}) || w.balanceOf("263770000001") != 1250 {
					t.Errorf("%+v, %v", got, err)
				}
				w.balanced()
				return
			}
			if err == nil {
				t.Fatalf("imported %+v", got)
			}
			for _, s := range tc.want {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("the error lacks %q:\n%v", s, err)
				}
			}
			if strings.Contains(err.Error(), "48\n") {
				t.Errorf("the error repeats a PIN:\n%v", err)
			}
			// All or nothing.
			if _, err := w.Accounts().Show(t.Context(), "263770000001"); !errors.Is(err, ErrNoCustomer) {
				t.Errorf("a part was imported: %v", err)
			}
			w.balanced()
		})
	}
}

// A file can be imported again: money and PINs stay, a new SIM is registered.
func TestImportAgain(t *testing.T) {
	w := newWorld(t, nil)
	g := w.gateway()
	g.want(g.transfer(tendai, rudo, 500), link.Done)
	g.want(g.pinChange(tendai, "1357", "2580"), link.Done)
	got, err := w.Accounts().Import(t.Context(), strings.NewReader(strings.ReplaceAll(people, "648010000000001,Tendai Moyo", "648010000000099,Tendai Dube")))
	if err != nil || got != (Imported{Updated: 4}) {
		t.Fatalf("%+v, %v", got, err)
	}
	w.wantBalances(9500, 5500, 0)
	if o := g.tryOpen(identity(tendai))[0]; o.Result != link.OpenSIMChanged {
		t.Errorf("the old SIM: %d", o.Result)
	}
	s, err := w.Accounts().Show(t.Context(), tendai)
	if err != nil || s.IMSI != "648010000000099" || s.Name != "Tendai Dube" || len(s.Lines) != 2 {
		t.Errorf("%+v, %v", s, err)
	}
}

// The accounts command works beside a running bank, on its database.
func TestAccountsBesideTheBank(t *testing.T) {
	w := newWorld(t, nil)
	g := w.gateway()
	a, err := OpenAccounts(w.config(), quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if err := a.SetBlocked(t.Context(), farai, true); err != nil {
		t.Fatal(err)
	}
	g.want(g.transfer(tendai, farai, 1), link.UnknownPayee)
	if err := a.ResetPIN(t.Context(), tendai, secretOf("1111")); err == nil {
		t.Error("a weak PIN was set")
	}
	if err := a.ResetPIN(t.Context(), tendai, secretOf("2580")); err != nil {
		t.Fatal(err)
	}
	g.want(g.request(link.KindBalance, tendai, "2580"), link.Done)
	for _, err := range []error{
		a.SetBlocked(t.Context(), "263779999999", true),
		a.ResetPIN(t.Context(), "263779999999", secretOf("2580")),
	} {
		if !errors.Is(err, ErrNoCustomer) {
			t.Errorf("nobody's account: %v", err)
		}
	}
	totals, err := a.Total(t.Context())
	if err != nil || len(totals) != 2 || totals[0].Currency != "KES" || totals[0].Held != 100000 || totals[1].Held != 15000 || totals[1].Customers != 3 {
		t.Errorf("%+v, %v", totals, err)
	}
}

func TestGenerate(t *testing.T) {
	for _, currency := range []string{"USD", "UGX"} {
		var file, again strings.Builder
		if err := Generate(&file, 50, 263771100000, 648010000100000, currency); err != nil {
			t.Fatal(err)
		}
		if err := Generate(&again, 50, 263771100000, 648010000100000, currency); err != nil || again.String() != file.String() {
			t.Errorf("another file the second time, %v", err)
		}
		w := newWorld(t, nil)
		if got, err := w.Accounts().Import(t.Context(), strings.NewReader(file.String())); err != nil || got.Created != 50 {
			t.Errorf("%+v, %v", got, err)
		}
		w.balanced()
	}
	if err := Generate(&strings.Builder{}, 1, 1, 1, "XYZ"); err == nil {
		t.Error("generated in a currency that does not exist")
	}
}

// FuzzParseAccounts: whatever a file holds, no panic, and what is accepted has
// the form of an account.
func FuzzParseAccounts(f *testing.F) {
	f.Add(people)
	f.Add(AccountColumns + "\n\"263770000001\",648010000000011,\"A\nB\",4826,1.5,\n")
	f.Fuzz(func(t *testing.T, file string) {
		a := &Accounts{currency: "USD"}
		rows, err := a.parse(strings.NewReader(file))
		if err != nil {
			return
		}
		for _, r := range rows {
			if !isNumber(r.msisdn, 15) || !isNumber(r.imsi, 15) || r.name == "" || r.balance < 0 || checkPIN(r.pin) != nil {
				t.Errorf("accepted %+v", r)
			}
		}
	})
}
