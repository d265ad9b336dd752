package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"starhash/configs"
	"starhash/configs/secret"
	"starhash/smpp"
	"starhash/smpp/dialect"
)

// A whole transfer in every dialect: the SMSCs are node-smpp's, with what they say and
// want to hear written down by hand in ussd.cjs. One gateway is bound to all of them.
func TestEveryDialect(t *testing.T) {
	processes(t, "redis-server", "node", "npm")
	set, err := dialect.Load(configs.Dialects)
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t)
	callers := map[string]person{}
	people := []person{amina}
	for i, name := range set.Names() {
		p := person{fmt.Sprintf("2637710001%02d", i), fmt.Sprintf("6480100001000%02d", i), "Caller " + name, "en", "100.00"}
		callers[name] = p
		people = append(people, p)
	}
	r.people(people...)
	r.startBank()
	n := startNode(r, "ussd.cjs")
	r.bindEveryDialect(set.Names(), n.await("listening").Port)
	r.set("gateway", "STARHASH_USSD_SMS_PIN=push")
	r.startGateway()
	for range set.Names() {
		n.await("bound")
	}
	cents := 5000
	for i, name := range set.Names() {
		ok := t.Run(name, func(sub *testing.T) {
			n.t, r.t = sub, sub
			defer func() { n.t, r.t = t, t }()
			amount := 100*(i+1) + 7
			cents += amount
			c := caller{n, systemID(name), callers[name]}
			c.transfer(decimal(amount))
			r.moved(c.person, decimal(10000-amount), amina, decimal(cents))
			c.hangUp()
			r.moved(c.person, decimal(10000-amount), amina, decimal(cents))
			cents += 322
			c.hangUpAfterPIN()
			r.moved(c.person, decimal(10000-amount-322), amina, decimal(cents))
			cents += 211
			c.pushed()
			r.moved(c.person, decimal(10000-amount-322-211), amina, decimal(cents))
		})
		if !ok {
			t.FailNow()
		}
	}
	for _, e := range n.passed {
		if e.Event != "lost" { // a screen that crossed an abort
			t.Errorf("nobody expects %+v", e)
		}
	}
}

func decimal(cents int) string { return fmt.Sprintf("%d.%02d", cents/100, cents%100) }

// systemID is what the gateway binds as to the SMSC of a dialect: at most 15 characters.
func systemID(name string) string {
	if name == "huawei-service-type" {
		return "huawei-by-type"
	}
	return name
}

// bindEveryDialect writes the gateway's file with a bind for each.
func (r *rig) bindEveryDialect(names []string, port int) {
	file, err := os.ReadFile(r.config("gateway"))
	if err != nil {
		r.t.Fatal(err)
	}
	text := string(file)
	begin, end := strings.Index(text, "    - name: smsc-1"), strings.Index(text, "short_code:")
	var binds strings.Builder
	for _, name := range names {
		fmt.Fprintf(&binds, "    - { name: %q, smsc: node, address: \"127.0.0.1:%d\", system_id: %s, password: change-me, dialect: %s, request_receipts: true }\n",
			name, port, strconv.Quote(systemID(name)), strconv.Quote(name))
	}
	r.set("gateway", "STARHASH_SMPP_BINDS_0_ADDRESS=127.0.0.1:"+strconv.Itoa(port)) // over the rig's own
	r.write("configs/gateway.yaml", text[:begin]+binds.String()+"\n"+text[end:])
}

// caller is a phone behind the SMSC of a dialect.
type caller struct {
	n      *node
	smsc   string
	person person
}

// dial and reply return the next screen, which has to match.
func (c caller) dial(text, want string) event  { return c.enter("dial", text, want) }
func (c caller) reply(text, want string) event { return c.enter("reply", text, want) }

func (c caller) enter(do, text, want string) event {
	c.n.t.Helper()
	c.n.order(order{Do: do, From: c.person.msisdn, IMSI: c.person.imsi, Dialect: c.smsc, Text: text})
	e := c.n.await("screen")
	if e.To != c.person.msisdn || !regexp.MustCompile(want).MatchString(e.Text) {
		c.n.t.Fatalf("%s %q shows %+v, want %s", do, text, e, want)
	}
	return e
}

// transfer walks the menus to a transfer and reads its verdict, on the screen and by SMS.
func (c caller) transfer(amount string) {
	t := c.n.t
	t.Helper()
	quoted := regexp.QuoteMeta(amount)
	c.dial("*700#", `^Mobile banking\n1 Send money\n`)
	c.reply("1", `^Send money\. Type the number`)
	c.reply("0771000003", `^To A\*+ J\*+ .*0003\. Type the amount`)
	c.reply(amount, `^Send USD `+quoted+` to A\*+ J\*+ .*Type your PIN`)
	verdict := `done\. USD ` + quoted + ` sent to A\*+ J\*+ \.\.\.0003`
	if e := c.reply("4826", verdict); e.Last {
		t.Fatalf("the dialogue ends with the verdict: %+v", e)
	}
	if e := c.reply("99", `^Goodbye`); !e.Last {
		t.Fatalf("99 does not end it: %+v", e)
	}
	sms := c.n.await("sms")
	if sms.To != c.person.msisdn || !regexp.MustCompile(verdict).MatchString(sms.Text) {
		t.Fatalf("the SMS is %+v, want %s", sms, verdict)
	}
}

// hangUp dials as far as the PIN and hangs up there: whoever dials again is asked
// whether to go on, and an SMSC that has no abort has only the new session to say it.
func (c caller) hangUp() {
	c.n.t.Helper()
	c.dial("*700*1*0771000003*5#", `^Send USD 5\.00 to .*Type your PIN`)
	c.n.order(order{Do: "abort", From: c.person.msisdn})
	c.dial("*700#", `1 Go on\n2 Start again`)
	if e := c.reply("99", `^Goodbye`); !e.Last {
		c.n.t.Fatalf("99 does not end it: %+v", e)
	}
}

// hangUpAfterPIN gives an order and is gone before its verdict, which comes by SMS.
func (c caller) hangUpAfterPIN() {
	c.n.t.Helper()
	c.dial("*700*1*0771000003*3.22#", `^Send USD 3\.22 to .*Type your PIN`)
	c.n.order(order{Do: "reply", From: c.person.msisdn, Text: "4826"})
	c.n.order(order{Do: "abort", From: c.person.msisdn})
	if sms := c.n.await("sms"); sms.To != c.person.msisdn || !strings.Contains(sms.Text, "done. USD 3.22 sent") {
		c.n.t.Fatalf("the SMS is %+v", sms)
	}
	if c.smsc == "comverse-umr" || c.smsc == "no-session" {
		c.n.await("lost") // without an abort the gateway shows the verdict to nobody, before we dial
	}
	c.dial("*700#", `^Mobile banking\n1 Send money\n`) // nothing to go on with
	c.reply("99", `^Goodbye`)
}

// pushed sends an order by SMS without its PIN, which the gateway asks for on a screen.
func (c caller) pushed() {
	c.n.t.Helper()
	c.n.order(order{Do: "sms", From: c.person.msisdn, To: shortCode, Dialect: c.smsc, Text: "SEND 2.11 0771000003"})
	if e := c.n.await("screen"); e.To != c.person.msisdn || e.Last || !regexp.MustCompile(`^Send USD 2\.11 to A.*, as you asked by SMS\. Type your PIN`).MatchString(e.Text) {
		c.n.t.Fatalf("the push shows %+v", e)
	}
	e := c.reply("4826", `done\. USD 2\.11 sent to A`)
	if !e.Last {
		c.reply("99", `^Goodbye`)
	}
	if sms := c.n.await("sms"); sms.To != c.person.msisdn || !strings.Contains(sms.Text, "done. USD 2.11 sent") {
		c.n.t.Fatalf("the SMS is %+v", sms)
	}
}

// Sessions that the ESME begins, in every dialect: a question, its answer and a last
// screen; and a notice that the phone acknowledges.
func TestEveryDialectPushed(t *testing.T) {
	processes(t, "node", "npm")
	set, err := dialect.Load(configs.Dialects)
	if err != nil {
		t.Fatal(err)
	}
	n := startNode(&rig{t: t, dir: t.TempDir()}, "ussd.cjs")
	port := n.await("listening").Port
	to, code := smpp.Address{TON: 1, NPI: 1, Addr: tendai.msisdn}, smpp.Address{NPI: 1, Addr: "700"}
	for _, name := range set.Names() {
		ok := t.Run(name, func(sub *testing.T) {
			n.t = sub
			defer func() { n.t = t }()
			d, _ := set.Get(name)
			heard := &listener{dialect: d, messages: make(chan dialect.Message, 10)}
			esme := smpp.NewESME(smpp.BindConfig{
				Name: name, Address: "127.0.0.1:" + strconv.Itoa(port), SystemID: systemID(name), Password: secret.New([]byte("change-me")),
			}, slog.New(slog.DiscardHandler), heard)
			ctx, cancel := context.WithCancel(sub.Context())
			ended := make(chan struct{})
			go func() { defer close(ended); esme.Run(ctx) }()
			defer func() { cancel(); <-ended }()
			n.await("bound")
			if err := esme.AwaitBound(sub.Context()); err != nil {
				sub.Fatal(err)
			}
			say := func(kind dialect.Kind, session dialect.Session, last bool, text string) event {
				sub.Helper()
				m := dialect.Message{Kind: kind, Subscriber: to, Code: code, Session: session, Text: []byte(text), Last: last, NetworkInitiated: true}
				command, sm, err := d.Submit(m)
				if err == nil {
					_, err = esme.Send(ctx, command, sm)
				}
				if err != nil {
					sub.Fatal(err)
				}
				e := n.await("screen")
				if e.Text != text || e.To != tendai.msisdn {
					sub.Fatalf("the phone shows %+v, want %q", e, text)
				}
				return e
			}
			hear := func(kind dialect.Kind, key, text string) dialect.Message {
				sub.Helper()
				select {
				case m := <-heard.messages:
					if m.Kind != kind || m.Session.Key != key || string(m.Text) != text || m.Subscriber != to {
						sub.Fatalf("heard %v of session %q, want %s of %q", m, m.Session.Key, kind, key)
					}
					return m
				case <-time.After(patience):
					sub.Fatalf("no %s", kind)
				}
				return dialect.Message{}
			}
			asked := d.NewSession(301, to)
			say(dialect.Ask, asked, false, "Send USD 5.00 to A***? 1 yes 2 no")
			n.order(order{Do: "reply", From: tendai.msisdn, IMSI: tendai.imsi, Text: "1"})
			m := hear(dialect.Reply, asked.Key, "1")
			if e := say(dialect.End, m.Session, false, "Done. [é]"); !e.Last {
				sub.Errorf("the session is not over: %+v", e)
			}
			told := d.NewSession(302, to)
			say(dialect.Notify, told, true, "You have got USD 5.00")
			hear(dialect.Acknowledge, told.Key, "")
		})
		if !ok {
			t.FailNow()
		}
	}
}

// listener is an ESME that tells what it hears.
type listener struct {
	dialect  *dialect.Dialect
	messages chan dialect.Message
}

// Deliver implements smpp.Handler.
func (l *listener) Deliver(_ context.Context, d *smpp.Delivery) {
	m, err := l.dialect.Delivered(d.Message)
	d.Ack(smpp.StatusOK)
	if err != nil {
		m.Reason = err.Error()
	}
	l.messages <- m
}

// Alert implements smpp.Handler.
func (l *listener) Alert(context.Context, string, *smpp.AlertNotification) {}
