package smsc

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"starhash/smpp"
)

const soon = "000000000000200R" // 0.2 s from now (§7.1.1)

// A phone that is off: its messages wait, and come in order with their receipts when it
// is on again, or expire.
func TestPhoneOff(t *testing.T) {
	r := start(t)
	e := r.bound(smpp.BindTransceiver)
	if err := r.SetOff(t.Context(), alice, true); err != nil {
		t.Fatal(err)
	}
	if all := must(r.Phones(t.Context(), ""))(t); !all[0].Off || all[0].IMSI != aliceIMSI {
		t.Errorf("%+v", all)
	}
	receipts := func(want ...string) {
		t.Helper()
		for _, state := range want {
			p, m := e.message()
			e.ack(p, smpp.StatusOK)
			if got := text(t, m); !strings.Contains(got, "stat:"+state) {
				t.Errorf("%q, want %s", got, state)
			}
		}
	}
	for _, words := range []string{"first", "second"} {
		m := mt(words)
		m.RegisteredDelivery = 1
		e.submit(m)
	}
	noted := mt("third")
	noted.RegisteredDelivery = 1 | registeredIntermediate
	e.submit(noted)
	p, m := e.message()
	e.ack(p, smpp.StatusOK)
	state, _ := m.TLVs.Get(smpp.TagMessageState)
	if m.ESMClass != smpp.ESMClassIntermediate || len(state) != 1 || state[0] != 1 || !strings.Contains(text(t, m), "stat:ENROUTE") {
		t.Errorf("%v %x", m, state)
	}
	brief := mt("brief")
	brief.RegisteredDelivery, brief.ValidityPeriod = 1, soon
	e.submit(brief)
	receipts("EXPIRED")
	if got := must(r.Inbox(t.Context(), alice, 0, 0))(t); len(got) > 0 {
		t.Fatalf("%+v", got)
	}
	if err := r.SetOff(t.Context(), alice, false); err != nil {
		t.Fatal(err)
	}
	receipts("DELIVRD", "DELIVRD", "DELIVRD")
	got := must(r.Inbox(t.Context(), alice, 0, 0))(t)
	if len(got) != 3 || got[0].Text != "first" || got[1].Text != "second" || got[2].Text != "third" {
		t.Errorf("%+v", got)
	}
	if all := must(r.Phones(t.Context(), ""))(t); all[0].Off || all[0].IMSI != aliceIMSI {
		t.Errorf("%+v", all)
	}
}

// POST /phones/N/on ends that a phone is off, and the alert comes before the messages.
func TestOnDelivers(t *testing.T) {
	r := start(t, func(c *Config) { c.Phones[0].Off = true })
	e := r.bound(smpp.BindTransceiver)
	m := mt("x")
	m.RegisteredDelivery = 1
	e.submit(m)
	must(r.SwitchOn(t.Context(), alice))(t)
	e.want(smpp.CommandAlert)
	e.message()
}

func TestScheduled(t *testing.T) {
	t.Parallel()
	r := start(t)
	e := r.bound(smpp.BindTransceiver)
	m := mt("x")
	m.RegisteredDelivery, m.ScheduleTime = 1, soon
	begin := time.Now()
	e.submit(m)
	if p, _ := e.message(); time.Since(begin) < 200*time.Millisecond {
		t.Errorf("%d after %v", p.Sequence, time.Since(begin))
	}
	// A phone that is off at that time, and never on again in the message's time.
	if err := r.SetOff(t.Context(), alice, true); err != nil {
		t.Fatal(err)
	}
	m.ValidityPeriod = "000000000000300R"
	e.submit(m)
	if _, rec := e.message(); !strings.Contains(text(t, rec), "stat:EXPIRED") {
		t.Errorf("%q", text(t, rec))
	}
}

func TestTimesRefused(t *testing.T) {
	r := start(t)
	e := r.bound(smpp.BindTransceiver)
	for _, tc := range []struct {
		schedule, validity string
		want               smpp.Status
	}{
		{"", "000000000000000R", smpp.StatusInvExpiry},
		{"", "200101000000000+", smpp.StatusInvExpiry}, // over
		{"", "2001010000", smpp.StatusInvExpiry},
		{"2001010x0000000+", "", smpp.StatusInvSched},
		{"201301000000000+", "", smpp.StatusInvSched},
		{"200101000000000Z", "", smpp.StatusInvSched},
		{"200101000000000+", "000000010000000R", smpp.StatusOK}, // at once
	} {
		m := mt("x")
		m.ScheduleTime, m.ValidityPeriod = tc.schedule, tc.validity
		if p := e.ask(smpp.SubmitSM, m); p.Status != tc.want {
			t.Errorf("%+v: %s", tc, p.Status)
		}
	}
}

func TestParseTime(t *testing.T) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	for s, want := range map[string]time.Time{
		"000000000130500R": now.Add(90*time.Second + 500*time.Millisecond),
		"000001020000000R": now.Add(26 * time.Hour),
		"010000000000000R": now.AddDate(1, 0, 0),
		"260131140000008+": now,                             // two hours ahead of UTC
		"260131100000408-": now.Add(400 * time.Millisecond), // two hours behind it
		"991231235959900+": time.Date(2099, 12, 31, 23, 59, 59, 9e8, time.UTC),
	} {
		if got, err := parseTime(s, now); err != nil || !got.Equal(want) {
			t.Errorf("%s: %v %v, want %v", s, got, err, want)
		}
	}
	if got := formatTime(now.Add(300 * time.Millisecond)); got != "260131120000300+" {
		t.Error(got)
	}
}

func FuzzParseTime(f *testing.F) {
	for _, s := range []string{soon, "260131140000008+", "200101000000000Z", "", "0000000000000000"} {
		f.Add(s)
	}
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		at, err := parseTime(s, now)
		if err != nil || s[15] == 'R' {
			return
		}
		again, err := parseTime(formatTime(at), now)
		if at.Year() >= 2000 && at.Year() < 2100 && (err != nil || !again.Equal(at)) {
			t.Errorf("%s is %v, then %v %v", s, at, again, err)
		}
	})
}

// replace_if_present_flag replaces what waits for the same phone under the same
// service_type.
func TestReplaceIfPresent(t *testing.T) {
	r := start(t, func(c *Config) { c.Phones[0].Off = true })
	e := r.bound(smpp.BindTransceiver)
	e.submit(mt("old"))
	m := mt("new")
	m.ReplaceIfPresent = 1
	e.submit(m)
	m.ServiceType = "USSD" // another
	e.submit(m)
	if err := r.SetOff(t.Context(), alice, false); err != nil {
		t.Fatal(err)
	}
	got := must(r.Inbox(t.Context(), alice, 0, 0))(t)
	if len(got) != 2 || got[0].Text != "new" || got[1].ServiceType != "USSD" {
		t.Errorf("%+v", got)
	}
}

// Message ids as the answer and the receipt spell them.
func TestMessageIDs(t *testing.T) {
	uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	for _, tc := range []struct{ ids, receipts string }{
		{"decimal", ""}, {"hex", ""}, {"hex", "decimal"}, {"decimal", "hex"}, {"uuid", ""},
	} {
		r := start(t, func(c *Config) { c.MessageIDs, c.ReceiptIDs = tc.ids, tc.receipts })
		e := r.bound(smpp.BindTransceiver)
		m := mt("x")
		m.RegisteredDelivery = 1
		id := e.submit(m)
		_, rec := e.message()
		tlv, _ := rec.TLVs.Get(smpp.TagReceiptedMessageID)
		if string(tlv) != id+"\x00" {
			t.Errorf("%+v: %q in the TLV, %q in the answer", tc, tlv, id)
		}
		in, _, _ := strings.Cut(strings.TrimPrefix(text(t, rec), "id:"), " ")
		if tc.ids == "uuid" {
			if !uuid.MatchString(id) || in != id {
				t.Errorf("%+v: %s, %s", tc, id, in)
			}
			continue
		}
		base := map[string]int{"decimal": 10, "hex": 16}
		a, err := strconv.ParseUint(id, base[tc.ids], 64)
		if tc.receipts == "" {
			tc.receipts = tc.ids
		}
		b, err2 := strconv.ParseUint(in, base[tc.receipts], 64)
		if err != nil || err2 != nil || a != b || a < 1<<20 {
			t.Errorf("%+v: %s, %s", tc, id, in)
		}
		if err := r.SetOff(t.Context(), alice, false); err != nil {
			t.Fatal(err)
		}
	}
}

// The store forgets final messages, never those that wait.
func TestStoreBounded(t *testing.T) {
	b := messageStore{byID: make(map[string]*entry)}
	waiting := &entry{id: "waits", index: 0}
	b.keep(waiting)
	for i := range maxRecords + 10 {
		b.keep(&entry{id: strconv.Itoa(i), index: -1})
	}
	if len(b.ids) != maxRecords || len(b.byID) != maxRecords || b.byID["waits"] == nil || b.byID["0"] != nil {
		t.Errorf("%d ids, %d messages", len(b.ids), len(b.byID))
	}
}
