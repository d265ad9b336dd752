package smsc

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"starhash/smpp"
)

// Wrong requests: the answer names what is wrong.
func TestManageRefuses(t *testing.T) {
	r := start(t)
	for _, tc := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"POST", "/mo", `{"from":"263771000001","to":"7001","txt":"x"}`, 400, `unknown field "txt"`},
		{"POST", "/mo", ``, 400, "empty"},
		{"POST", "/mo", `{`, 400, "unexpected EOF"},
		{"POST", "/mo", `{} {}`, 400, "more than one JSON value"},
		{"POST", "/mo", `{}}`, 400, "more than one JSON value"},
		{"POST", "/mo", `{"from":"x"}`, 400, "from: want an MSISDN"},
		{"POST", "/mo", `{"from":"1","to":""}`, 400, "to: want"},
		{"POST", "/mo", `{"from":"1","to":"123456789012345678901"}`, 400, "to: want"},
		{"POST", "/mo", `{"from":"1","to":"2","imsi":"12"}`, 400, "imsi: want"},
		{"POST", "/mo", `{"from":"1","to":"2","text":"x","hex":"00"}`, 400, "hex: not beside text"},
		{"POST", "/mo", `{"from":"1","to":"2","service_type":"toolong"}`, 400, "service_type"},
		{"POST", "/mo", `{"from":"1","to":"2","command":"submit_sm"}`, 400, "command"},
		{"POST", "/mo", `{"from":"1","to":"2","coding":"utf8"}`, 400, "coding"},
		{"POST", "/mo", `{"from":"1","to":"2","text":"Привет","coding":"gsm"}`, 400, "outside of GSM 03.38"},
		{"POST", "/mo", `{"from":"1","to":"2","text":"Привет","coding":"latin1"}`, 400, "outside of Latin-1"},
		{"POST", "/mo", `{"from":"1","to":"2","split":"half"}`, 400, "split"},
		{"POST", "/mo", `{"from":"1","to":"2","part_size":-1}`, 400, "part_size"},
		{"POST", "/mo", `{"from":"1","to":"2","text":"€€","part_size":1}`, 400, "do not hold one character"},
		{"POST", "/mo", `{"from":"1","to":"2","text":"` + strings.Repeat("x", 300) + `","part_size":1}`, 400, "at most 255"},
		{"POST", "/mo", `{"from":"1","to":"2","text":"` + strings.Repeat("x", maxText+1) + `"}`, 400, "text"},
		{"POST", "/mo", `{"from":"1","to":"2","text":"x","order":[2]}`, 400, "there is no part 2"},
		{"POST", "/mo", `{"from":"1","to":"2","wait":"soon"}`, 400, "not a duration"},
		{"POST", "/mo", `{"from":"1","to":"2","tlvs":[{"tag":"0xFFFFF","hex":""}]}`, 400, "not a TLV tag"},
		{"POST", "/mo", `{"from":"1","to":"2","tlvs":[{"tag":1,"hex":"1"}]}`, 400, "hexadecimal"},
		{"POST", "/mo", `{"from":"1","to":"2","text":"` + strings.Repeat("x", maxBody) + `"}`, 400, "too large"},
		{"GET", "/mo/mo-7", ``, 404, `no message "mo-7"`},
		{"POST", "/redeliver", `{"id":"mo-7"}`, 404, `no message "mo-7"`},
		{"PUT", "/phones/alice", `{"imsi":"648011000000001"}`, 400, "msisdn"},
		{"PUT", "/phones/263771000001", `{"imsi":"six"}`, 400, "imsi"},
		{"POST", "/phones/alice/on", ``, 400, "msisdn"},
		{"POST", "/phones/263771000001/on", `{"esme":"123456789012345678901"}`, 400, "esme"},
		{"GET", "/phones/263771000001/inbox?after=-1", ``, 400, "after"},
		{"GET", "/phones/263771000001/inbox?wait=-1s", ``, 400, "negative"},
		{"PUT", "/faults", `{"throttle":-2}`, 400, "neither a number"},
		{"PUT", "/faults", `{"throttle":"yes"}`, 400, "neither a number"},
		{"PUT", "/faults", `{"submit_status":"ESME_ROK"}`, 400, "submit_status"},
		{"PUT", "/faults", `{"bind_status":"FAIL"}`, 400, "bind_status"},
		{"PUT", "/faults", `{"receipt_state":"LOST"}`, 400, "receipt_state"},
		{"PUT", "/faults", `{"dely":"1s"}`, 400, `unknown field "dely"`},
		{"PUT", "/faults", `{"throttle":"120%"}`, 400, "not between"},
		{"PUT", "/faults", `{"write_octets":-1}`, 400, "negative"},
		{"PUT", "/faults", `{"glue":"1h"}`, 400, "more than"},
		{"PUT", "/faults", `{"latency":{"p99":"1s"}}`, 400, "latency: want a median"},
		{"PUT", "/faults", `{"latency":{"mean":"1s"}}`, 400, `unknown field "mean"`},
		{"PUT", "/phones/263771000001", `{"on":true}`, 400, `unknown field "on"`},
		{"POST", "/outbind", `{"address":"host"}`, 400, "want host:port"},
		{"POST", "/outbind", `{"address":"127.0.0.1:1","system_id":"sixteen-letters!"}`, 400, "at most 15"},
		{"POST", "/raw", `{"hex":"zz"}`, 400, "hexadecimal"},
		{"POST", "/raw", `{"hex":""}`, 400, "hex: empty"},
		{"POST", "/raw", `{"hex":"00"}`, 409, "no receiver is bound"},
		{"GET", "/nothing", ``, 404, "no GET /nothing here"},
		{"DELETE", "/faults", ``, 404, "no DELETE /faults here"},
	} {
		req, err := http.NewRequestWithContext(t.Context(), tc.method, r.BaseURL+tc.path, strings.NewReader(tc.body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := r.Client.HTTP.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		var f failureBody
		if err := json.Unmarshal(body, &f); err != nil || resp.StatusCode != tc.status || !strings.Contains(f.Error, tc.want) {
			t.Errorf("%s %s %.60s: %d %s, want %d %q", tc.method, tc.path, tc.body, resp.StatusCode, body, tc.status, tc.want)
		}
	}
}

// A page of another origin cannot steer the simulator through its reader's browser.
func TestManageCrossOrigin(t *testing.T) {
	r := start(t)
	req := must(http.NewRequestWithContext(t.Context(), "POST", r.BaseURL+"/drop", nil))(t)
	req.Header.Set("Origin", "https://elsewhere.example")
	resp := must(r.Client.HTTP.Do(req))(t)
	resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Error(resp.Status)
	}
}

// What PUT /faults takes is what GET /faults gives, with the seed.
func TestFaultsJSON(t *testing.T) {
	r := start(t)
	all := map[string]any{"delay": "200ms", "submit_status": "ESME_RSYSERR", "bind_status": "ESME_RBINDFAIL", "receipt_state": "UNDELIV",
		"stop_reading": true, "write_octets": 1.0, "glue": "1ms", "late_by": "3s", "throughput": 100.0,
		"latency":         map[string]any{"distribution": "uniform", "min": "1ms", "median": "2ms"},
		"receipt_latency": map[string]any{"median": "20ms", "p99": "1s"}, "seed": 9.0}
	of := reflect.TypeFor[Faults]()
	for i := range of.NumField() { // every kind of count
		if f := of.Field(i); f.Type == reflect.TypeFor[Count]() {
			key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			all[key] = []any{true, 3.0, "2.5%", "0%"}[i%4]
			if f.Tag.Get("mapstructure") != key {
				t.Errorf("%s is %s in a file", key, f.Tag.Get("mapstructure"))
			}
		}
	}
	for _, want := range []map[string]any{all, {"seed": 9.0}} {
		body := must(json.Marshal(want))(t)
		for _, method := range []string{"PUT", "GET"} {
			req := must(http.NewRequestWithContext(t.Context(), method, r.BaseURL+"/faults", bytes.NewReader(body)))(t)
			resp := must(r.Client.HTTP.Do(req))(t)
			var got map[string]any
			err := json.NewDecoder(resp.Body).Decode(&got)
			resp.Body.Close()
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %v, %v, want %v", method, err, got, want)
			}
		}
	}
	if f := must(r.Faults(t.Context()))(t); f != (Faults{Seed: 9}) {
		t.Errorf("%+v", f)
	}
	var f Faults
	if err := json.Unmarshal([]byte(`{"throttle":false,"drop_after_mo":null}`), &f); err != nil || f != (Faults{}) {
		t.Errorf("%+v %v", f, err)
	}
}

// A client's call ends with its context, also while the simulator waits.
func TestClientContext(t *testing.T) {
	r := start(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := r.Inbox(ctx, alice, 0, time.Minute); err == nil {
		t.Error("no error")
	}
	if _, err := r.SendMO(ctx, MO{From: alice, To: code, Text: "x"}); err == nil {
		t.Error("no error")
	}
}

// No text of a message, no password and no TLV reaches the log, at any level.
func TestNothingLogged(t *testing.T) {
	r := start(t)
	e := r.connect()
	e.bind(smpp.BindTransceiver, systemID, "gue55")
	if p := e.bind(smpp.BindTransceiver, systemID, password); p.Status != smpp.StatusOK {
		t.Fatal(p.Status)
	}
	const pin = "48151"
	tlv := []TLV{{0x1400, Hex(pin)}}
	s := r.mo(MO{Text: "SEND 5 0771000002 " + pin, TLVs: tlv})
	for _, status := range []smpp.Status{smpp.StatusThrottled, smpp.StatusPermAppErr} {
		p, _ := e.message()
		e.ack(p, status)
	}
	s.result()
	m := mt("your code is " + pin)
	m.RegisteredDelivery = 1
	e.submit(m)
	p, _ := e.message()
	e.ack(p, smpp.StatusPermAppErr)
	bad := mt("\xF0\x00\x03" + pin)
	bad.ESMClass = smpp.ESMClassUDHI
	e.ask(smpp.SubmitSM, bad)
	r.SendMO(t.Context(), MO{From: alice, To: code, Text: pin + "Привет", Coding: "gsm"})
	e.nc.Close()
	r.stop()
	for _, secret := range []string{pin, "3438313531", "gue55", password} {
		if strings.Contains(r.log.String(), secret) {
			t.Errorf("%q was logged:\n%s", secret, r.log)
		}
	}
}

func TestListen(t *testing.T) {
	good := Config{Listen: "127.0.0.1:0", HTTP: "127.0.0.1:0", SystemID: systemID}
	file := filepath.Join(t.TempDir(), "password")
	good.PasswordFile = file
	s := New(good, discard())
	if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), systemID) {
		t.Errorf("no password file: %v", err)
	}
	if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	taken := good
	taken.HTTP = s.HTTPAddr()
	if err := New(taken, discard()).Listen(); err == nil {
		t.Error("a port that is taken")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Run(ctx); err != nil {
		t.Error(err)
	}
}
