package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"starhash/configs"
	"starhash/configs/secret"
	"starhash/smpp"
	"starhash/smpp/dialect"
	"starhash/smpp/smsc"
)

// echoes is a USSD application of three screens: a menu, a PIN, a verdict.
type echoes struct {
	esme    *smpp.ESME
	dialect *dialect.Dialect
	t       *testing.T
}

func (e *echoes) Alert(context.Context, string, *smpp.AlertNotification) {}

func (e *echoes) Deliver(ctx context.Context, d *smpp.Delivery) {
	m, err := e.dialect.Delivered(d.Message)
	if err != nil {
		e.t.Error(err)
	}
	d.Ack(smpp.StatusOK)
	kind, text := dialect.Ask, ""
	switch typed := string(m.Text); {
	case m.Kind == dialect.Abort:
		return
	case m.Kind == dialect.Begin:
		text = "Welcome to a bank with a long name\n1 Send money"
	case typed == "1":
		text = "Enter your PIN"
	case typed == "4826":
		kind, text = dialect.End, "Done."
	case typed == "quit":
		kind = dialect.Release
	}
	if text == "" && kind == dialect.Ask {
		return // leaves the person alone
	}
	m.Kind, m.Text = kind, []byte(text)
	_, sm, err := e.dialect.Submit(m)
	if err == nil {
		_, err = e.esme.Submit(ctx, sm)
	}
	if err != nil && ctx.Err() == nil {
		e.t.Error(err)
	}
}

// ussdNetwork is a simulator and a bound application; it returns the simulator's
// management port.
func ussdNetwork(t *testing.T) string {
	all, err := dialect.Load(configs.Dialects)
	if err != nil {
		t.Fatal(err)
	}
	e := &echoes{t: t}
	e.dialect, _ = all.Get("plain")
	log := slog.New(slog.DiscardHandler)
	password := secret.New([]byte("pw"))
	s := smsc.New(smsc.Config{
		Listen: "127.0.0.1:0", HTTP: "127.0.0.1:0", SystemID: "app", Password: password,
		USSDAnswer: 300 * time.Millisecond,
	}, log)
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	e.esme = smpp.NewESME(smpp.BindConfig{Name: "app", Address: s.Addr(), SystemID: "app", Password: password}, log, e)
	ctx, stop := context.WithCancel(context.Background())
	var roles sync.WaitGroup
	roles.Go(func() { s.Run(ctx) })
	roles.Go(func() { e.esme.Run(ctx) })
	t.Cleanup(func() { stop(); roles.Wait() })
	bound, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := e.esme.AwaitBound(bound); err != nil {
		t.Fatal(err)
	}
	return "http://" + s.HTTPAddr()
}

// A dialogue in the terminal and in scripts: what is shown, and how it ends.
func TestPhoneUSSD(t *testing.T) {
	url := ussdNetwork(t)
	for _, tc := range []struct {
		name  string
		args  []string
		input string
		code  int
		out   string // what has to be there, in this order
		errs  string
	}{
		{"arguments", []string{"*700#", "1", "4826"}, "", 0, `Welcome to a bank with a long +│\n│ name .*\n│ 1 Send money(?s:.*)\n> 1\n(?s:.*)Enter your PIN(?s:.*)\n> \*\*\*\*\n(?s:.*)Done\.`, `^$`},
		{"flags", []string{"*700#", "--reply", "1", "--reply", "4826"}, "", 0, `Done\.`, `^$`},
		{"standard input", []string{"*700#"}, "1\n4826\n", 0, `Done\.`, `^$`},
		{"all of them", []string{"*700#", "1"}, "4826", 0, `Done\.`, `^$`},
		{"not to its end", []string{"*700#", "1"}, "", 1, `Enter your PIN`, `has hung up`},
		{"released", []string{"*700#", "quit"}, "", 1, `Session ended`, `the session was lost: the ESME released`},
		{"no answer", []string{"*700#", "silence"}, "", 1, `Connection problem or invalid`, `did not answer within`},
		{"nothing dialled", []string{"700"}, "", 1, `^$`, `no session is open`},
		{"no code", []string{}, "", 2, `^$`, `requires at least 1 arg`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var out, errs bytes.Buffer
			args := append([]string{"phone", "ussd", "--smsc", url}, tc.args...)
			code := run(t.Context(), args, strings.NewReader(tc.input), &out, &errs)
			if code != tc.code || !regexp.MustCompile(tc.out).Match(out.Bytes()) || !regexp.MustCompile(tc.errs).Match(errs.Bytes()) {
				t.Errorf("exit code %d, want %d; %q does not say %q, or\n%sis not %q", code, tc.code, errs.String(), tc.errs, out.String(), tc.out)
			}
			if strings.Contains(out.String()+errs.String(), "4826") {
				t.Errorf("the PIN is shown:\n%s%s", out.String(), errs.String())
			}
		})
	}
}

// A session that ends while the person thinks ends the dialogue, without a key.
func TestPhoneUSSDEndsMeanwhile(t *testing.T) {
	url := ussdNetwork(t)
	in, typing := io.Pipe()
	defer typing.Close()
	shown, screen := io.Pipe()
	done := make(chan string, 1)
	go func() {
		var errs bytes.Buffer
		code := run(t.Context(), []string{"phone", "ussd", "--smsc", url, "*700#"}, in, screen, &errs)
		screen.Close()
		done <- fmt.Sprint(code, errs.String())
	}()
	var out strings.Builder
	b := make([]byte, 4096)
	hungUp := false
	for {
		n, err := shown.Read(b)
		out.Write(b[:n])
		if err != nil {
			break
		}
		if !hungUp && strings.HasSuffix(out.String(), "> ") {
			hungUp = true
			if err := (&smsc.Client{BaseURL: url}).HangUp(t.Context(), "263771000001"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := <-done; !strings.HasPrefix(got, "1") || !strings.Contains(out.String(), "Session ended") {
		t.Errorf("%s\n%s", got, out.String())
	}
}

func TestWrap(t *testing.T) {
	for line, want := range map[string]string{
		"":                     "",
		"short":                "short",
		"two words":            "two|words",
		"verylongword":         "verylon|gword",
		"a bc defghij":         "a bc|defghij",
		"ééééééé ééé":          "ééééééé|ééé",
		"trailing carriage\r":  "trailin|g|carriag|e",
		"seven77 seven77":      "seven77|seven77",
		"1234567890 123456789": "1234567|890|1234567|89",
	} {
		if got := strings.Join(wrap(line, 7), "|"); got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}
