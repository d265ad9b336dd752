package main

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"starhash/configs"
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
		})
		if !ok {
			t.FailNow()
		}
	}
	for _, e := range n.passed {
		t.Errorf("nobody expects %+v", e)
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
