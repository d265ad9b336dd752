package smsc

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"starhash/configs"
)

// Every key of a configuration file reaches its field.
func TestConfigLoad(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "smsc.yaml")
	for name, text := range map[string]string{
		file:                         full,
		filepath.Join(dir, "secret"): "filed\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var got Config
	if err := configs.Load(file, &got); err != nil {
		t.Fatal(err)
	}
	want := Config{
		Listen: "127.0.0.1:1", HTTP: "127.0.0.1:2", SystemID: "one", Password: secretOf("pw"),
		Accounts: []Account{{SystemID: "two", PasswordFile: filepath.Join(dir, "secret"), Password: secretOf("filed"), Dialect: "plain"}},
		IMSITLV:  0x1502,
		Phones:   []Phone{{MSISDN: "263771000001", IMSI: "648011000000001"}, {MSISDN: "263771000002", Off: true, Slow: ms(2000)}},
		Seed:     7, Window: 8, MaxPDU: 9000, MaxTries: 10,
		MessageIDs: hexIDs, ReceiptIDs: decimalIDs, DefaultAlphabet: "latin1", Validity: 8 * time.Second,
		Faults: Faults{Throttle: 3, NoResp: Percent(2), DropOnAck: Always, Delay: ms(5), WriteOctets: 1,
			Latency: Latency{"pareto", ms(1), ms(2), ms(1000)}},
		RetryMin: 2 * time.Second, RetryMax: 3 * time.Second, ReceiptDelay: 4 * time.Second,
		Dialect: "plain", DialectsDir: filepath.Join(dir, "none"), ServiceCode: "*701#", GatewayAdmin: "http://127.0.0.1:3",
		USSDIdle: 8 * time.Second, USSDAnswer: 9 * time.Second, USSDMax: 10 * time.Second,
		ResponseTimeout: 5 * time.Second, BindTimeout: 6 * time.Second, EnquireLink: 7 * time.Second,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
}

const full = `
listen: 127.0.0.1:1
http: 127.0.0.1:2
system_id: one
password: pw
accounts:
  - { system_id: two, password_file: secret, dialect: plain }
imsi_tlv: 0x1502
phones:
  - { msisdn: "263771000001", imsi: "648011000000001" }
  - { msisdn: "263771000002", off: true, slow: 2s }
seed: 7
window: 8
max_pdu: 9000
max_tries: 10
retry_min: 2s
message_ids: hex
receipt_ids: decimal
default_alphabet: latin1
validity: 8s
faults:
  throttle: "3"
  no_resp: 2%
  drop_on_ack: "true"
  delay: 5ms
  write_octets: 1
  latency: { distribution: pareto, min: 1ms, median: 2ms, p99: 1s }
retry_max: 3s
receipt_delay: 4s
response_timeout: 5s
bind_timeout: 6s
enquire_link: 7s
dialect: plain
dialects_dir: none
service_code: "*701#"
ussd_idle: 8s
ussd_answer: 9s
ussd_max: 10s
gateway_admin: http://127.0.0.1:3
`

func TestConfigValidate(t *testing.T) {
	good := func() Config {
		c := Config{Password: secretOf(password)}
		c.SetDefaults()
		return c
	}
	c := good()
	if ps := c.Validate(); len(ps) > 0 {
		t.Fatal(ps)
	}
	for _, tc := range []struct {
		key    string
		change func(*Config)
	}{
		{"system_id", func(c *Config) { c.SystemID = "sixteen-letters!" }},
		{"password", func(c *Config) { c.Password = secretOf("") }},
		{"password", func(c *Config) { c.Password = secretOf(strings.Repeat("x", 65)) }},
		{"accounts[0].system_id", func(c *Config) { c.Accounts = []Account{{SystemID: "starhash", Password: secretOf("x")}} }},
		{"accounts[0].password", func(c *Config) { c.Accounts = []Account{{SystemID: "b"}} }},
		{"phones[0].msisdn", func(c *Config) { c.Phones = []Phone{{MSISDN: "+263"}} }},
		{"phones[0].imsi", func(c *Config) { c.Phones = []Phone{{MSISDN: "263", IMSI: "1"}} }},
		{"window", func(c *Config) { c.Window = -1 }},
		{"max_pdu", func(c *Config) { c.MaxPDU = 100 }},
		{"max_tries", func(c *Config) { c.MaxTries = -1 }},
		{"retry_min", func(c *Config) { c.RetryMin = 2 * time.Minute }},
		{"receipt_delay", func(c *Config) { c.ReceiptDelay = -1 }},
		{"response_timeout", func(c *Config) { c.ResponseTimeout = 1 }},
		{"bind_timeout", func(c *Config) { c.BindTimeout = 1 }},
		{"message_ids", func(c *Config) { c.MessageIDs, c.ReceiptIDs = "octal", "hex" }},
		{"receipt_ids", func(c *Config) { c.ReceiptIDs = "octal" }},
		{"default_alphabet", func(c *Config) { c.DefaultAlphabet = "utf-8" }},
		{"validity", func(c *Config) { c.Validity = 1 }},
		{"faults.latency", func(c *Config) { c.Faults.Latency = Latency{Median: ms(5), P99: 1} }},
		{"faults.bind_status", func(c *Config) { c.Faults.BindStatus = "FAIL" }},
		{"enquire_link", func(c *Config) { c.EnquireLink = 1 }},
		{"dialect", func(c *Config) { c.Dialect = "latin" }},
		{"dialects_dir", func(c *Config) { c.DialectsDir, c.Dialect = "testdata/dialects", "latin" }},
		{"accounts[0].dialect", func(c *Config) { c.Accounts = []Account{{SystemID: "b", Password: secretOf("x"), Dialect: "latin"}} }},
		{"service_code", func(c *Config) { c.ServiceCode = "700" }},
		{"gateway_admin", func(c *Config) { c.GatewayAdmin = "127.0.0.1:9090" }},
		{"ussd_idle", func(c *Config) { c.USSDIdle = 1 }},
		{"ussd_answer", func(c *Config) { c.USSDAnswer = 1 }},
		{"ussd_max", func(c *Config) { c.USSDMax = 1 }},
	} {
		c := good()
		tc.change(&c)
		if ps := c.Validate(); len(ps) != 1 || ps[0].Key != tc.key {
			t.Errorf("%s: %v", tc.key, ps)
		}
	}
}
