package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"starhash/smpp"
	"starhash/smpp/load"
)

func TestBenchSMPP(t *testing.T) {
	file := filepath.Join(t.TempDir(), "report.json")
	bench := func(args ...string) (out, errs string, code int) {
		t.Helper()
		var o, e bytes.Buffer
		code = run(t.Context(), append([]string{"bench", "smpp"}, args...), strings.NewReader(""), &o, &e)
		return o.String(), e.String(), code
	}

	out, errs, code := bench("--esme", "self", "--messages", "2000", "--sessions", "2", "--confirm", "--json", "-")
	var r load.Report
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != 0 {
		t.Fatalf("exit code %d, %v\n%s%s", code, err, out, errs)
	}
	if r.Acked != 2000 || r.Confirmed != 2000 || r.Sessions != 2 || r.Seed == 0 {
		t.Errorf("%+v", r)
	}

	out, errs, code = bench("--esme", "self", "--rate", "1000", "--for", "500ms", "--json", file)
	if code != 0 || !strings.Contains(out, "acknowledged  500,") || !strings.Contains(out, "due to acknowledged") {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}

	for name, c := range map[string]struct {
		args []string
		code int
		errs string
	}{
		"nobody binds":     {[]string{"--listen", "127.0.0.1:0", "--wait", "50ms"}, exitFailed, "0 of 1 within 50ms"},
		"unknown ESME":     {[]string{"--esme", "kannel"}, exitUsage, `--esme "kannel": want bound or self`},
		"wrong window":     {[]string{"--window", "0"}, exitUsage, "window 0: want 1 to"},
		"unknown brace":    {[]string{"--esme", "self", "--text", "PAY {pin}"}, exitUsage, "{pin} is no placeholder"},
		"no password file": {[]string{"--password-file", filepath.Join(t.TempDir(), "none")}, exitUsage, "--password-file"},
		"half of TLS":      {[]string{"--tls-cert", "none.pem"}, exitUsage, "--tls-cert and --tls-key"},
	} {
		if out, errs, code := bench(c.args...); code != c.code || !strings.Contains(errs, c.errs) {
			t.Errorf("%s: exit code %d, want %d\n%s%s", name, code, c.code, out, errs)
		}
	}
}

// A gateway that acknowledges and forgets is an exit code that a script sees.
func TestBenchFindsLoss(t *testing.T) {
	addr := freeAddr(t)
	ctx, stop := context.WithCancel(t.Context())
	e := smpp.NewESME(smpp.BindConfig{Name: "forgetful", Address: addr, SystemID: "x", ReconnectMin: 10 * time.Millisecond}, slog.New(slog.DiscardHandler), forgetful{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		e.Run(ctx)
	}()
	var out, errs bytes.Buffer
	code := run(t.Context(), []string{"bench", "smpp", "--listen", addr, "--messages", "10", "--confirm", "--drain", "200ms"}, strings.NewReader(""), &out, &errs)
	stop()
	<-ended
	if code != exitFailed || !strings.Contains(out.String(), "10 acknowledged, never confirmed") || !strings.Contains(errs.String(), "messages were lost") {
		t.Errorf("exit code %d\n%s%s", code, out.String(), errs.String())
	}
}

type forgetful struct{}

func (forgetful) Deliver(_ context.Context, d *smpp.Delivery)            { d.Ack(smpp.StatusOK) }
func (forgetful) Alert(context.Context, string, *smpp.AlertNotification) {}
