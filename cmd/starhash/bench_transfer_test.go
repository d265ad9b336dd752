package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// Every role is a process, and what was confirmed is what the ledger holds.
func TestBenchTransfer(t *testing.T) {
	processes(t, "redis-server")
	dir := t.TempDir()
	out, errs, code := command(t, nil, "bench", "transfer", "--for", "2s", "--subscribers", "300", "--rate", "100", "--gateways", "2",
		"--keep", filepath.Join(dir, "kept"), "--json", "-")
	var r transferReport
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != 0 {
		t.Fatalf("exit code %d, %v\n%s%s", code, err, out, errs)
	}
	if r.Load.Confirmed != 200 || r.Transfers != 200 || r.Load.Lost+r.Load.Duplicated != 0 {
		t.Errorf("%d confirmed, %d transfers, %+v", r.Load.Confirmed, r.Transfers, r.Load)
	}
	names := map[string]bool{}
	for _, p := range r.Processes {
		names[p.Name] = p.CPU > 0 && p.Resident > 1
	}
	for _, name := range []string{"redis", "bank", "gateway-1", "gateway-2"} {
		if !names[name] {
			t.Errorf("%s used nothing: %+v", name, r.Processes)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "kept", "bank.db")); err != nil {
		t.Error(err)
	}
	if _, errs, code := command(t, nil, "bench", "transfer", "--fsync", "never"); code != exitUsage {
		t.Errorf("exit code %d, %s", code, errs)
	}
}
