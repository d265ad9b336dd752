package platform

import (
	"regexp"
	"strings"
	"testing"

	"starhash/smpp/smsc"
)

// prompted waits for a screen that the network brought by itself.
func (r *rig) prompted(phone string) smsc.USSDScreen {
	r.t.Helper()
	all, err := r.phones.Screens(r.t.Context(), phone, 0, patience)
	if err != nil || len(all) == 0 {
		r.t.Fatalf("no screen on %s: %v", phone, err)
	}
	return all[len(all)-1]
}

// owed is how many subscribers are owed an answer to a push.
func (r *rig) owed() (n int64) {
	r.t.Helper()
	for p := range 4 {
		n += r.redis.ZCard(r.t.Context(), key(p, "partial")).Val()
	}
	return n
}

func pushing(c *Config) { c.USSD.SMSPIN = PINPush }

// A transfer by SMS without a PIN asks for it on a screen; one that was written all
// the same is not used.
func TestPush(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"without a PIN": "SEND 5 0771000002", "with one": "SEND 5 0771000002 1357"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.gateway(1, pushing)
			r.sms(tendai, text)
			r.shows(r.prompted(tendai), "ask", "Send USD 5.00 to R*** S*** 263771000002", "PIN")
			r.nothingMoved()
			r.shows(r.dial(tendai, "1357"), "ask", "USD 5.00 sent")
			r.says(tendai, "done. USD 5.00 sent")
			r.money(9500, 5500, 500)
			if n := r.owed(); n != 0 {
				t.Errorf("%d answers are owed", n)
			}
		})
	}
}

// Whatever needs a PIN and has no push goes to the menus.
func TestPushOnlyTransfers(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.gateway(1, pushing)
	for _, text := range []string{"BAL 1357", "BAL", "PIN 1357 2468 2468", "AIRTIME 5 1357"} {
		r.sms(tendai, text)
		r.says(tendai, "Do not write your PIN in an SMS; nothing moved. Dial *700#")
	}
	r.sms(tendai, "HELP")
	r.says(tendai, "SEND")
	r.nothingMoved()
}

// Whoever cannot be shown the screen, or leaves it, hears that nothing moved.
func TestPushUnanswered(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.gateway(1, pushing)
	r.dial(tendai, "*700#") // in another session
	r.sms(tendai, "SEND 5 0771000002")
	r.says(tendai, "did not confirm your order on the screen; nothing moved")
	r.shows(r.dial(tendai, "2"), "ask", "Balance") // which goes on
	r.sms(rudo, "SEND 5 0771999999")
	r.says(rudo, "no account here")
	r.nothingMoved()
	if n := r.owed(); n != 0 {
		t.Errorf("%d answers are owed", n)
	}
}

// A wrong PIN on the pushed screen is the bank's answer, and the push is settled.
func TestPushWrongPIN(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.gateway(1, pushing)
	r.sms(tendai, "SEND 5 0771000002")
	r.prompted(tendai)
	r.shows(r.dial(tendai, "9999"), "ask", "Wrong PIN", "Tries left: 2")
	r.says(tendai, "Wrong PIN")
	r.nothingMoved()
	r.nothingMore(tendai)
}

func (r *rig) code(phone string) string {
	r.t.Helper()
	m := regexp.MustCompile(`reply YES (\d{6})\.`).FindStringSubmatch(r.says(phone, "Nothing has moved yet"))
	if m == nil {
		r.t.Fatal("no code")
	}
	return m[1]
}

func coding(c *Config) { c.USSD.SMSPIN = PINCode }

// A one-time code stands for the PIN, up to what the bank takes it for.
func TestCode(t *testing.T) {
	t.Parallel()
	r := newRig(t) // the bank takes codes up to 20.00
	r.gateway(1, coding)
	r.sms(tendai, "SEND 5 0771000002")
	code := r.code(tendai)
	wrong := "000000"
	if code == wrong {
		wrong = "000001"
	}
	r.sms(tendai, "YES")
	r.says(tendai, "not right; nothing moved. Tries left: 2")
	r.sms(tendai, "YES "+wrong)
	r.says(tendai, "Tries left: 1")
	r.nothingMoved()
	r.sms(tendai, "YES "+code)
	r.says(tendai, "done. USD 5.00 sent")
	r.money(9500, 5500, 500)
	// Once.
	r.sms(tendai, "YES  "+code)
	r.settled()
	r.money(9500, 5500, 500)

	// Three wrong ones end it, and the right one comes too late.
	r.sms(tendai, "SEND 6 0771000002")
	code = r.code(tendai)
	for _, want := range []string{"Tries left: 2", "Tries left: 1", "Too many wrong codes"} {
		r.sms(tendai, "YES "+strings.Repeat("9", len(want)%3+4)) // never six digits of the code twice the same text
		r.says(tendai, want)
	}
	r.sms(tendai, "YES "+code)
	r.says(tendai, "nothing to confirm")
	r.money(9500, 5500, 500)

	// Beyond the bank's limit it wants the PIN.
	r.sms(tendai, "SEND 21 0771000002")
	r.sms(tendai, "YES "+r.code(tendai))
	r.says(tendai, "needs your PIN; nothing moved")
	r.money(9500, 5500, 500)
	r.sms(tendai, "SEND 5 0771000002 1357")
	r.code(tendai)
	r.nothingMore(tendai)
}

// What a subscriber received is on the screen too, and comes by SMS in any case.
func TestNoticeOnTheScreen(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.gateway(1, func(c *Config) { c.USSD.Notices = true })
	r.sms(tendai, sendFive)
	r.shows(r.prompted(rudo), "notify", "received. USD 5.00 from T***")
	r.says(rudo, "received. USD 5.00 from T***")
	r.says(tendai, "USD 5.00 sent")
	r.shows(r.dial(rudo, "*700#"), "ask", "Send money") // the notice's session is over
}
