package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"starhash/smpp/load"
)

func TestBenchUSSD(t *testing.T) {
	bench := func(args ...string) (out, errs string, code int) {
		t.Helper()
		var o, e bytes.Buffer
		code = run(t.Context(), append([]string{"bench", "ussd"}, args...), strings.NewReader(""), &o, &e)
		return o.String(), e.String(), code
	}
	out, errs, code := bench("--esme", "self", "--sessions", "500", "--binds", "2", "--json", "-")
	var r load.USSDReport
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != 0 {
		t.Fatalf("exit code %d, %v\n%s%s", code, err, out, errs)
	}
	if r.Steps != 2500 || r.Binds != 2 || r.Sessions != 500 || len(r.Each) != 5 || r.Each[4].Time.Count != 500 || r.StepTime.P99 <= 0 {
		t.Errorf("%+v", r)
	}

	// The application repeats what is entered: these screens are others than expected.
	out, errs, code = bench("--esme", "self", "--sessions", "10", "--rate", "1000", "--expect", "*7", "--expect", "Enter your PIN", "*700#", "1", "end")
	if code != exitFailed || !strings.Contains(out, "10 with another screen; 10 sessions failed, 10 steps left out") || !strings.Contains(errs, "another way") {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}

	out, errs, code = bench("--esme", "self", "--sessions", "10", "--hang-up", "*700#")
	if code != 0 || !strings.Contains(out, "steps  10,") {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}

	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("pw\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		code int
		errs string
	}{
		"nobody binds":     {[]string{"--listen", "127.0.0.1:0", "--password-file", password, "--bind-wait", "50ms"}, exitFailed, "0 of 1 binds within 50ms"},
		"no password":      {[]string{"--listen", "127.0.0.1:0"}, exitUsage, "--password-file"},
		"no password file": {[]string{"--password-file", filepath.Join(t.TempDir(), "none")}, exitUsage, "--password-file"},
		"unknown ESME":     {[]string{"--esme", "kannel"}, exitUsage, `--esme "kannel": want self`},
		"no sessions":      {[]string{"--esme", "self", "--sessions", "-1"}, exitUsage, "-1 sessions: want 1 to"},
		"unknown dialect":  {[]string{"--esme", "self", "--dialect", "latin"}, exitFailed, "dialect"},
		"more screens":     {[]string{"--esme", "self", "--expect", "a", "--expect", "b", "*700#"}, exitUsage, "2 screens expected behind 1"},
	} {
		if out, errs, code := bench(c.args...); code != c.code || !strings.Contains(errs, c.errs) {
			t.Errorf("%s: exit code %d, want %d\n%s%s", name, code, c.code, out, errs)
		}
	}
}

// Redis, the bank and two gateways are processes, and each session gets its screen.
func TestBenchUSSDGateways(t *testing.T) {
	processes(t, "redis-server")
	out, errs, code := command(t, nil, "bench", "ussd", "--esme", "gateways", "--gateways", "2", "--sessions", "200", "--rate", "200", "--hang-up", "--json", "-", "*700#")
	var r ussdChainReport
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != 0 {
		t.Fatalf("exit code %d, %v\n%s%s", code, err, out, errs)
	}
	if r.Load.Steps != 200 || r.Load.Binds != 2 || len(r.Processes) != 4 || r.Processes[2].CPU+r.Processes[3].CPU <= 0 || r.Processes[2].Resident < 1 {
		t.Errorf("%+v %+v", r.Load, r.Processes)
	}
	if _, errs, code := command(t, nil, "bench", "ussd", "--esme", "gateways", "--fsync", "never"); code != exitUsage {
		t.Errorf("exit code %d, %s", code, errs)
	}
}
