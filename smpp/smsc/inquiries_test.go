package smsc

import (
	"strings"
	"testing"

	"starhash/smpp"
)

var shortCode = smpp.Address{NPI: 1, Addr: code}

func (e *esme) query(id string, source smpp.Address) (*smpp.QueryResp, smpp.Status) {
	e.t.Helper()
	p := e.ask(smpp.QuerySM, &smpp.Query{MessageID: id, Source: source})
	if p.Command != smpp.QuerySMResp {
		e.t.Fatal(p.Command)
	}
	return p.Body.(*smpp.QueryResp), p.Status
}

func TestQuery(t *testing.T) {
	r := start(t, func(c *Config) {
		c.Phones[0].Off = true
		c.Accounts = []Account{{SystemID: "other", Password: secretOf("pw")}}
	})
	e := r.bound(smpp.BindTransmitter)
	waits := e.submit(mt("x"))
	there := e.submit(mt2("263771000002"))
	for _, tc := range []struct {
		id    string
		state smpp.MessageState
	}{{waits, smpp.StateEnroute}, {there, smpp.StateDelivered}, {e.submit(mt2(magic(333))), smpp.StateRejected}} {
		q, status := e.query(tc.id, shortCode)
		if status != smpp.StatusOK || q.State != tc.state || q.MessageID != tc.id || (q.FinalDate == "") != (tc.state == smpp.StateEnroute) {
			t.Errorf("%s: %+v %s", tc.state, q, status)
		}
	}
	if _, status := e.query("nonsense", shortCode); status != smpp.StatusInvMsgID {
		t.Error(status)
	}
	if _, status := e.query(waits, smpp.Address{Addr: "7002"}); status != smpp.StatusInvMsgID {
		t.Errorf("another source: %s", status)
	}
	other := r.connect()
	other.bind(smpp.BindTransceiver, "other", "pw")
	if _, status := other.query(waits, shortCode); status != smpp.StatusInvMsgID {
		t.Errorf("another account: %s", status)
	}
	if _, status := r.bound(smpp.BindReceiver).query(waits, shortCode); status != smpp.StatusInvBndSts {
		t.Errorf("a receiver: %s", status)
	}
}

func TestCancel(t *testing.T) {
	r := start(t, func(c *Config) { c.Phones[0].Off = true })
	e := r.bound(smpp.BindTransceiver)
	var ids []string
	for range 4 {
		ids = append(ids, e.submit(mtTo(alice)))
	}
	ussd := mtTo(alice)
	ussd.ServiceType = "USSD"
	ids = append(ids, e.submit(ussd))
	there := e.submit(mt2("263771000002"))
	// answer reads the cancel_sm_resp and the receipts, which may come in any order.
	answer := func(receipts int) smpp.Status {
		t.Helper()
		status := ^smpp.StatusOK // no status of the specification
		for range receipts + 1 {
			p := e.next()
			if p.Command == smpp.CancelSMResp {
				status = p.Status
				continue
			}
			m, ok := p.Body.(*smpp.Message)
			if !ok {
				t.Fatalf("%s came", p.Command)
			}
			e.ack(p, smpp.StatusOK)
			if !strings.Contains(text(t, m), "stat:DELETED") {
				t.Errorf("%q", text(t, m))
			}
		}
		return status
	}
	for _, tc := range []struct {
		what     string
		c        smpp.Cancel
		want     smpp.Status
		receipts int
	}{
		{"one", smpp.Cancel{MessageID: ids[0], Source: shortCode}, smpp.StatusOK, 1},
		{"it again", smpp.Cancel{MessageID: ids[0], Source: shortCode}, smpp.StatusCancelFail, 0},
		{"unknown", smpp.Cancel{MessageID: "?", Source: shortCode}, smpp.StatusInvMsgID, 0},
		{"delivered", smpp.Cancel{MessageID: there, Source: shortCode}, smpp.StatusCancelFail, 0},
		{"of a service_type", smpp.Cancel{ServiceType: "USSD", Source: shortCode, Dest: smpp.Address{Addr: alice}}, smpp.StatusOK, 1},
		{"all", smpp.Cancel{Source: shortCode, Dest: smpp.Address{Addr: alice}}, smpp.StatusOK, 3},
		{"none left", smpp.Cancel{Source: shortCode, Dest: smpp.Address{Addr: alice}}, smpp.StatusCancelFail, 0},
	} {
		e.send(smpp.CancelSM, &tc.c)
		if status := answer(tc.receipts); status != tc.want {
			t.Errorf("%s: %s", tc.what, status)
		}
	}
	if q, _ := e.query(ids[1], shortCode); q.State != smpp.StateDeleted {
		t.Errorf("%+v", q)
	}
}

// mt2 is mt to another number.
func mt2(number string) *smpp.Message {
	m := mt("x")
	m.Dest.Addr = number
	return m
}

func TestReplace(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *Config) { c.Phones[0].Off = true })
	e := r.bound(smpp.BindTransceiver)
	kept, brief, later := e.submit(mt("old")), e.submit(mt("brief")), mt("scheduled")
	later.ScheduleTime = "000000010000000R"
	scheduled := e.submit(later)
	there := e.submit(mt2("263771000002"))
	for _, tc := range []struct {
		what string
		r    smpp.Replace
		want smpp.Status
	}{
		{"the text", smpp.Replace{MessageID: kept, Payload: []byte("new")}, smpp.StatusOK},
		{"the validity", smpp.Replace{MessageID: brief, ValidityPeriod: soon, RegisteredDelivery: 1, Payload: []byte("x")}, smpp.StatusOK},
		{"a wrong validity", smpp.Replace{MessageID: kept, ValidityPeriod: "1"}, smpp.StatusInvExpiry},
		{"a wrong schedule", smpp.Replace{MessageID: kept, ScheduleTime: "1"}, smpp.StatusInvSched},
		{"delivered", smpp.Replace{MessageID: there}, smpp.StatusReplaceFail},
		{"unknown", smpp.Replace{MessageID: "?"}, smpp.StatusInvMsgID},
	} {
		tc.r.Source = shortCode
		if p := e.ask(smpp.ReplaceSM, &tc.r); p.Command != smpp.ReplaceSMResp || p.Status != tc.want {
			t.Errorf("%s: %s %s", tc.what, p.Command, p.Status)
		}
	}
	if p, m := e.message(); !strings.Contains(text(t, m), "stat:EXPIRED") {
		t.Errorf("%q", text(t, m))
	} else {
		e.ack(p, smpp.StatusOK)
	}
	if err := r.SetOff(t.Context(), alice, false); err != nil {
		t.Fatal(err)
	}
	// One that was scheduled is brought forward.
	if p := e.ask(smpp.ReplaceSM, &smpp.Replace{MessageID: scheduled, Source: shortCode, ScheduleTime: soon, Payload: []byte("brought forward")}); p.Status != smpp.StatusOK {
		t.Error(p.Status)
	}
	got := must(r.Inbox(t.Context(), alice, 1, patience))(t)
	if first := must(r.Inbox(t.Context(), alice, 0, 0))(t); first[0].Text != "new" || len(got) != 1 || got[0].Text != "brought forward" {
		t.Errorf("%+v %+v", first, got)
	}
}

func TestSubmitMulti(t *testing.T) {
	r := start(t)
	e := r.bound(smpp.BindTransceiver)
	m := &smpp.SubmitMultiple{Message: *mt("to all")}
	m.RegisteredDelivery = 1
	for _, number := range []string{alice, "263771000002", magic(88)} {
		m.Dests = append(m.Dests, smpp.Destination{Address: smpp.Address{TON: 1, NPI: 1, Addr: number}})
	}
	m.Dests = append(m.Dests, smpp.Destination{DistributionList: "friends"})
	p := e.ask(smpp.SubmitMulti, m)
	resp, ok := p.Body.(*smpp.SubmitMultipleResp)
	if !ok || p.Status != smpp.StatusOK || resp.MessageID == "" || len(resp.Unsuccessful) != 2 ||
		resp.Unsuccessful[0].Addr != magic(88) || resp.Unsuccessful[0].Status != smpp.StatusThrottled || resp.Unsuccessful[1].Status != smpp.StatusInvDLName {
		t.Fatalf("%s %+v", p.Status, p.Body)
	}
	for range 2 {
		p, rec := e.message()
		e.ack(p, smpp.StatusOK)
		if !strings.Contains(text(t, rec), "id:"+resp.MessageID+" ") {
			t.Errorf("%q, want %s", text(t, rec), resp.MessageID)
		}
	}
	for _, number := range []string{alice, "263771000002"} {
		if got := must(r.Inbox(t.Context(), number, 0, 0))(t); len(got) != 1 || got[0].Text != "to all" {
			t.Errorf("%+v", got)
		}
	}
	m.Dests = m.Dests[2:] // none that works
	if p := e.ask(smpp.SubmitMulti, m); p.Status != smpp.StatusThrottled {
		t.Error(p.Status)
	}
}
