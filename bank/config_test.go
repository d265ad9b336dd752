package bank

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"starhash/configs"
)

func TestValidate(t *testing.T) {
	good := func() Config {
		var c Config
		c.SetDefaults()
		c.TLS = TLS{"a", "b", "c"}
		c.PINKeyFile, c.PINVerifyKeyFile = "d", "e"
		c.Operators = []Operator{{Name: "op1", StaticKeys: []StaticKey{{ID: "sk1", File: "f"}, {ID: "sk2", File: "g"}}}}
		return c
	}
	for _, tc := range []struct {
		name   string
		change func(*Config)
		want   []string // keys
	}{
		{"good", func(*Config) {}, nil},
		{"in memory", func(c *Config) { c.Database = ":memory:" }, nil},
		{"empty", func(c *Config) { *c = Config{} }, []string{"listen", "tls.cert_file", "tls.key_file", "tls.client_ca_file",
			"pin_key_file", "pin_verify_key_file", "database", "currency", "pin_tries", "operators"}},
		{"addresses", func(c *Config) { c.Listen, c.Admin.Listen = "8443", "x" }, []string{"listen", "admin.listen"}},
		{"amounts", func(c *Config) { c.Fee, c.Limits.Single, c.Limits.Daily = -1, -1, 1<<60 }, []string{"fee", "limits.single", "limits.daily"}},
		{"URI", func(c *Config) { c.Database = "file:x?mode=ro" }, []string{"database"}},
		{"currency", func(c *Config) { c.Currency = "usd" }, []string{"currency"}},
		{"tries", func(c *Config) { c.PINTries = 256 }, []string{"pin_tries"}},
		{"lookups", func(c *Config) { c.Limits.Lookups = -1 }, []string{"limits.lookups"}},
		{"many lookups", func(c *Config) { c.Limits.Lookups = 1001 }, []string{"limits.lookups"}},
		{"without a PIN", func(c *Config) { c.Operators[0].WithoutPIN, c.Limits.Daily = "20.00", 5000 }, nil},
		{"without a PIN and without a limit", func(c *Config) { c.Operators[0].WithoutPIN = "20.00" }, []string{"operators[0].without_pin"}},
		{"never without a PIN", func(c *Config) { c.Operators[0].WithoutPIN = "0" }, nil},
		{"without a PIN, no amount", func(c *Config) { c.Operators[0].WithoutPIN = "20.001" }, []string{"operators[0].without_pin"}},
		{"without a PIN, less than nothing", func(c *Config) { c.Operators[0].WithoutPIN = "-1" }, []string{"operators[0].without_pin"}},
		{"billers", func(c *Config) { c.Billers = []Biller{{"ZESA", "ZESA", "[0-9]{11}"}, {"DSTV9", "é", "(?i)a|b"}} }, nil},
		{"bad billers", func(c *Config) {
			c.Billers = []Biller{{"zesa", "ZESA", "[0-9]{11}"}, {"A", "", "["}, {"A", strings.Repeat("x", 21), ""}, {"", "x", "a)(b"}}
		}, []string{"billers[0].code", "billers[1].name", "billers[1].account", "billers[2].code", "billers[2].name", "billers[2].account",
			"billers[3].code", "billers[3].account"}},
		{"operator", func(c *Config) {
			c.Operators = append(c.Operators, Operator{Name: "op1"}, Operator{Name: "operator-1"})
		},
			[]string{"operators[1].name", "operators[1].static_keys", "operators[2].name", "operators[2].static_keys"}},
		{"operators whose SHA-256 begins with the same two bytes", func(c *Config) {
			keys := []StaticKey{{ID: "k", File: "f"}}
			c.Operators = []Operator{{Name: "op290", StaticKeys: keys}, {Name: "op444", StaticKeys: keys}}
		},
			[]string{"operators[1].name"}},
		{"static keys", func(c *Config) {
			c.Operators[0].StaticKeys = []StaticKey{{ID: "k", File: "f"}, {ID: "k", File: "f"}, {ID: "", File: ""}}
		},
			[]string{"operators[0].static_keys[1].id", "operators[0].static_keys[2].id", "operators[0].static_keys[2].file"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := good()
			tc.change(&c)
			var got []string
			for _, p := range c.Validate() {
				got = append(got, p.Key)
			}
			slices.Sort(got)
			slices.Sort(tc.want)
			if !slices.Equal(got, tc.want) {
				t.Errorf("problems with %q, want %q", got, tc.want)
			}
		})
	}
}

// New says which file is wrong, and keeps keys out of what it says.
func TestNewSaysWhatIsWrong(t *testing.T) {
	w := newWorld(t, nil)
	w.Close()
	w.write("bad", []byte("0123456789abcdef"))
	for name, tc := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"static key":      {func(c *Config) { c.Operators[0].StaticKeys[0].File = w.path("bad") }, "static key sk1"},
		"no static key":   {func(c *Config) { c.Operators[0].StaticKeys[0].File = w.path("none") }, "static key sk1"},
		"PIN key":         {func(c *Config) { c.PINKeyFile = w.path("bad") }, "PIN key"},
		"PIN verify key":  {func(c *Config) { c.PINVerifyKeyFile = w.path("bad") }, "PIN verification key"},
		"certificate":     {func(c *Config) { c.TLS.CertFile = w.path("bad") }, "TLS certificate"},
		"authority":       {func(c *Config) { c.TLS.ClientCAFile = w.path("bad") }, "holds no certificate"},
		"database folder": {func(c *Config) { c.Database = w.dir }, "database"},
	} {
		cfg := w.config()
		tc.change(&cfg)
		b, err := New(cfg, quiet)
		if err == nil {
			b.Close()
			t.Errorf("%s: taken", name)
			continue
		}
		if !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "0123456789abcdef") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := os.Stat(w.path("none")); err == nil {
		t.Error("New made a key file")
	}
}

// The documented file loads, and paths are relative to it.
func TestLoad(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "bank.yaml")
	file := `
listen: 127.0.0.1:8443
tls: { cert_file: keys/bank.pem, key_file: keys/bank.key, client_ca_file: keys/ca.pem }
database: bank.db
operators:
  - name: op1
    client_cn: gateway-1
    without_pin: "20.00"
    static_keys:
      - { id: sk1, file: keys/static-sk1 }
pin_key_file: keys/pin
pin_verify_key_file: keys/pin-verify
pin_tries: 4
currency: KES
fee: 25
limits: { single: 100000, daily: 500000, lookups: 5 }
airtime: true
billers:
  - { code: KPLC, name: Kenya Power, account: "[0-9]{8}" }
admin: { listen: 127.0.0.1:9091 }
`
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	var c Config
	if err := configs.Load(path, &c); err != nil {
		t.Fatal(err)
	}
	if c.Database != filepath.Join(dir, "bank.db") || c.Operators[0].StaticKeys[0].File != filepath.Join(dir, "keys/static-sk1") ||
		c.PINTries != 4 || c.Limits.Daily != 500000 || c.Operators[0].ClientCN != "gateway-1" ||
		c.Operators[0].WithoutPIN != "20.00" || c.Limits.Lookups != 5 || !c.Airtime || c.Billers[0] != (Biller{"KPLC", "Kenya Power", "[0-9]{8}"}) {
		t.Errorf("%+v", c)
	}
}
