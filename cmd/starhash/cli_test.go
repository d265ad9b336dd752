package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What is wrong with a file or a call is said with its place, and exit code 2.
func TestWrongUse(t *testing.T) {
	processes(t)
	dir := t.TempDir()
	good, err := os.ReadFile("../../configs/gateway.yaml")
	if err != nil {
		t.Fatal(err)
	}
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	change := func(from, to string) string {
		if !strings.Contains(string(good), from) {
			t.Fatalf("gateway.yaml holds no %q", from)
		}
		return strings.Replace(string(good), from, to, 1)
	}
	typo := file("typo.yaml", change("      window:", "      windw:"))
	value := file("value.yaml", change(`country: "263"`, `country: "Zimbabwe"`))
	vendor := file("vendor.yaml", change("dialect: plain", "dialect: comvers"))
	before, _, _ := strings.Cut(string(good), "window:")
	unknownKey := fmt.Sprintf(`typo\.yaml:%d: smpp\.binds\[0\]\.windw: unknown key; did you mean "window"\?`, 1+strings.Count(before, "\n"))
	for _, c := range []struct {
		name string
		args []string
		code int
		errs string
	}{
		{"unknown key, check", []string{"check", "-c", typo}, 2, unknownKey},
		{"unknown key, gateway", []string{"gateway", "-c", typo}, 2, unknownKey},
		{"unknown key, subscribers", []string{"subscribers", "show", "263771000001", "-c", typo}, 2, unknownKey},
		{"wrong value", []string{"check", "-c", value}, 2, `value\.yaml:\d+: country: .*E\.164 country code`},
		{"unknown dialect", []string{"check", "-c", vendor}, 2, `vendor\.yaml:12: smpp\.binds\[0\]\.dialect: is "comvers"; want one of 6d, comverse,`},
		{"missing file, check", []string{"check", "-c", filepath.Join(dir, "none.yaml")}, 2, `none\.yaml`},
		{"missing file, gateway", []string{"gateway", "-c", filepath.Join(dir, "none.yaml")}, 2, `none\.yaml`},
		{"unknown command", []string{"gatway"}, 2, `unknown command "gatway"(?s:.*)gateway`},
		{"unknown flag", []string{"gateway", "--confg", "x"}, 2, `unknown flag: --confg`},
		{"missing argument", []string{"trace"}, 2, `accepts 1 arg`},
		{"wrong log level", []string{"gateway", "--log-level", "loud"}, 2, `--log-level "loud": want debug, info, warn or error`},
		{"unknown fault", []string{"smsc", "-c", "../../configs/smsc.yaml", "--fault", "throtle=1"}, 2, `--fault throtle=1: unknown field "throtle"`},
		{"half a latency", []string{"smsc", "-c", "../../configs/smsc.yaml", "--fault", "latency.p99=1s"}, 2, `faults\.latency: want a median`},
		{"good files", []string{"check", "-c", "../../configs/gateway.yaml"}, 0, `^$`},
		{"good bank file", []string{"check", "-c", "../../configs/bank.yaml"}, 0, `^$`},
		{"good SMSC file", []string{"check", "-c", "../../configs/smsc.yaml"}, 0, `^$`},
	} {
		out, errs, code := command(t, nil, c.args...)
		if code != c.code || !regexp.MustCompile(c.errs).MatchString(errs) {
			t.Errorf("%s: exit code %d, %q, want %d, %q", c.name, code, errs, c.code, c.errs)
		}
		if c.code != 0 && out != "" {
			t.Errorf("%s: complains on standard output too: %q", c.name, out)
		}
	}
	// A variable is named in place of a line.
	_, errs, code := command(t, []string{"STARHASH_SMPP_BINDS_0_WINDOW=many"}, "check", "-c", "../../configs/gateway.yaml")
	if code != 2 || !strings.Contains(errs, "STARHASH_SMPP_BINDS_0_WINDOW") {
		t.Errorf("a wrong variable: exit code %d, %q", code, errs)
	}
}

// Keys are written once and can be read by their owner alone.
func TestKeysAreNotOverwritten(t *testing.T) {
	processes(t)
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, c := range []struct {
		args   []string
		secret []string
	}{
		{[]string{"keys", "static", "--out", at("static.key")}, []string{"static.key"}},
		{[]string{"keys", "kek", "--out", at("gateway.kek")}, []string{"gateway.kek"}},
		{[]string{"keys", "pin", "--out", at("pin.key"), "--public", at("pin.pub")}, []string{"pin.key", "pin-verify.key"}},
		{[]string{"keys", "all", "--dir", at("all")}, []string{"all/static.key", "all/gateway.kek", "all/pin.key", "all/pin-verify.key", "all/bank-key.pem", "all/gateway-key.pem"}},
	} {
		out, errs, code := command(t, nil, c.args...)
		if code != 0 {
			t.Fatalf("%v: exit code %d: %s", c.args, code, errs)
		}
		before := map[string]string{}
		for _, name := range c.secret {
			info, err := os.Stat(at(name))
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Fatalf("%s: %v %v", name, info, err)
			}
			text, err := os.ReadFile(at(name))
			if err != nil {
				t.Fatal(err)
			}
			before[name] = string(text)
			for _, word := range strings.Fields(before[name]) {
				if len(word) >= 64 && strings.Contains(out+errs, word) {
					t.Errorf("%v shows the key", c.args)
				}
			}
		}
		if _, errs, code := command(t, nil, c.args...); code != 1 || !regexp.MustCompile(`exists|is there already`).MatchString(errs) {
			t.Errorf("%v again: exit code %d, %q", c.args, code, errs)
		}
		for name, text := range before {
			if now, err := os.ReadFile(at(name)); err != nil || string(now) != text {
				t.Errorf("%s changed: %v", name, err)
			}
		}
	}
	if out, errs, code := command(t, nil, "keys", "all", "--dir", at("all"), "--if-missing"); code != 0 || !strings.Contains(out, "there already") {
		t.Errorf("--if-missing: exit code %d, %q %q", code, out, errs)
	}
}

// The commands of an operator's day, beside running roles.
func TestCommands(t *testing.T) {
	r := newRig(t)
	r.start()

	// phone sms is a whole transfer on the screen.
	url := "http://" + r.smscHTTP
	sms := func(text string) string {
		t.Helper()
		out, errs, code := command(t, nil, "phone", "sms", "--smsc", url, "--from", tendai.msisdn, "--to", shortCode, text)
		if code != 0 {
			t.Fatalf("phone sms: exit code %d\n%s%s", code, out, errs)
		}
		return out
	}
	out := sms("SEND 417.29 0771000002 4826")
	m := regexp.MustCompile(`part 1 of 1: acked ESME_ROK\nfrom 7001, 1 part\(s\):\n([0-9A-Z]{8}) done\. USD 417\.29 sent to C\*+ N\*+`).FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("phone sms prints\n%s", out)
	}

	// trace finds it as a person may type it, and shows nothing of what it was about.
	for _, ref := range []string{m[1], strings.ToLower(m[1]), " " + m[1] + " "} {
		trace := r.ok("gateway", "trace", ref)
		for _, want := range []string{"reference   " + m[1], "subscriber  …0001", "kind        transfer, amount 5 digits", "state       done", "confirmed   "} {
			if !strings.Contains(trace, want) {
				t.Errorf("trace %q has no %q:\n%s", ref, want, trace)
			}
		}
		// Word by word where it is short: the SMSC's message ids and the serial may hold any few digits.
		for _, never := range []string{`\b4826\b`, `\b417\b`, `\b41729\b`, `771000002`, tendai.msisdn, tendai.imsi, `Moyo`, `Ncube`} {
			if regexp.MustCompile(never).MatchString(trace) {
				t.Errorf("trace shows %s:\n%s", never, trace)
			}
		}
	}
	for _, ref := range []string{"ZZZZZZZZ", "0", "4826"} {
		if _, errs, code := r.cli("gateway", "trace", ref); code != 1 || !strings.Contains(errs, "no such transaction") {
			t.Errorf("trace %s: exit code %d, %q", ref, code, errs)
		}
	}

	// accounts, while the bank runs.
	total := r.ok("bank", "accounts", "total")
	if !regexp.MustCompile(`^USD  customers 3 holding 1550\.00, internal accounts -1550\.00, \d+ postings summing to 0\.00\n$`).MatchString(total) {
		t.Errorf("accounts total prints %q", total)
	}
	show := r.ok("bank", "accounts", "show", tendai.msisdn)
	if !regexp.MustCompile(`(?m)^balance +USD 582\.71$`).MatchString(show) || strings.Contains(show, "4826") {
		t.Errorf("accounts show prints\n%s", show)
	}
	if _, errs, code := r.cli("bank", "accounts", "show", "263779999999"); code != 1 || !strings.Contains(errs, "263779999999") {
		t.Errorf("accounts show of nobody: exit code %d, %q", code, errs)
	}

	// subscribers, while the gateway runs: a block holds from the next message on.
	r.ok("gateway", "subscribers", "block", tendai.msisdn)
	if show := r.ok("gateway", "subscribers", "show", tendai.msisdn); !strings.Contains(show, "status   blocked") {
		t.Errorf("subscribers show prints\n%s", show)
	}
	if out := sms("SEND 1 0771000002 4826"); !strings.Contains(out, "Your account is blocked; nothing moved") {
		t.Errorf("blocked, phone sms prints\n%s", out)
	}
	r.ok("gateway", "subscribers", "unblock", tendai.msisdn)
	if out := sms("BAL 4826"); !strings.Contains(out, "done. Balance USD 582.71.") {
		t.Errorf("unblocked, phone sms prints\n%s", out)
	}
	for _, args := range [][]string{{"show"}, {"block"}, {"unblock"}} {
		if _, errs, code := r.cli("gateway", "subscribers", args[0], "263779999999"); code != 1 || !strings.Contains(errs, "no such subscriber") {
			t.Errorf("subscribers %s of nobody: exit code %d, %q", args[0], code, errs)
		}
	}

	// A faulty file says where, and a faulty accounts file leaves all as it was.
	for _, c := range []struct{ role, command, text, errs string }{
		{"gateway", "subscribers", "msisdn,imsi,bank,language,status\n263771000009,648010000000009,bank,xx,active\n", `line 2: language "xx": want one of`},
		{"bank", "accounts", "msisdn,imsi,name,pin,balance,currency\n263771000009,648010000000009,A B,4826,1.00,USD\n263771000010,648010000000010,C D,48,1.00,USD\n", `line 3`},
	} {
		_, errs, code := r.cli(c.role, c.command, "import", r.write("faulty.csv", c.text))
		if code != 1 || !strings.Contains(errs, c.errs) || strings.Contains(errs, "4826") {
			t.Errorf("%s import: exit code %d, %q", c.command, code, errs)
		}
	}
	if now := r.ok("bank", "accounts", "total"); now != total {
		t.Errorf("a refused import changed the accounts: %s", now)
	}

	// health, as a container's health check uses it.
	r.ok("", "health", "http://"+r.gatewayAdmin+"/readyz")
	r.gateway.stop(t)
	if _, _, code := r.cli("", "health", "http://"+r.gatewayAdmin+"/readyz"); code != 1 {
		t.Errorf("health of a gateway that has ended: exit code %d", code)
	}
}
