package smpp

import (
	"strings"
	"testing"
	"time"

	"starhash/configs/secret"
)

func TestValidate(t *testing.T) {
	// The password of a file stands in Password once configs.Load has read it.
	good := BindConfig{Name: "smsc-1", Address: "127.0.0.1:2775", SystemID: "starhash",
		Password: secret.New([]byte("x")), PasswordFile: "y"}
	good.SetDefaults()
	if ps := good.Validate(); len(ps) > 0 {
		t.Fatalf("defaults: %v", ps)
	}
	for key, change := range map[string]func(*BindConfig){
		"name":             func(c *BindConfig) { c.Name = "" },
		"address":          func(c *BindConfig) { c.Address, c.SMSC = "127.0.0.1", "127.0.0.1" },
		"system_id":        func(c *BindConfig) { c.SystemID = "sixteen-letters-" },
		"system_type":      func(c *BindConfig) { c.SystemType = "a\nb" },
		"address_range":    func(c *BindConfig) { c.AddressRange = strings.Repeat("x", 41) },
		"password":         func(c *BindConfig) { c.Password = secret.New(make([]byte, 65)) },
		"bind":             func(c *BindConfig) { c.Bind = "transciever" },
		"window":           func(c *BindConfig) { c.Window = -1 },
		"sessions":         func(c *BindConfig) { c.Sessions = 17 },
		"throughput":       func(c *BindConfig) { c.Throughput = -1 },
		"overload":         func(c *BindConfig) { c.Overload = "silence" },
		"answer_within":    func(c *BindConfig) { c.AnswerWithin = time.Millisecond },
		"address_ton":      func(c *BindConfig) { c.AddressTON = 7 },
		"address_npi":      func(c *BindConfig) { c.AddressNPI = 19 },
		"inbound_queue":    func(c *BindConfig) { c.InboundQueue = 1e6 },
		"source_ton":       func(c *BindConfig) { c.SourceTON = 7 },
		"source_npi":       func(c *BindConfig) { c.SourceNPI = 19 },
		"enquire_link":     func(c *BindConfig) { c.EnquireLink = time.Millisecond },
		"response_timeout": func(c *BindConfig) { c.ResponseTimeout = -time.Second },
		"bind_timeout":     func(c *BindConfig) { c.BindTimeout = time.Hour },
		"write_timeout":    func(c *BindConfig) { c.WriteTimeout = 1 },
		"reconnect_min":    func(c *BindConfig) { c.ReconnectMin = 1 },
		"reconnect_max":    func(c *BindConfig) { c.ReconnectMax = c.ReconnectMin - 1 },
		"max_pdu":          func(c *BindConfig) { c.MaxPDU = 100 },
		"default_alphabet": func(c *BindConfig) { c.DefaultAlphabet = "utf-8" },
		"languages":        func(c *BindConfig) { c.DefaultAlphabet, c.Languages = "latin1", []string{"tr"} },
		"languages[1]":     func(c *BindConfig) { c.Languages = []string{"tr", "fr"} },
	} {
		c := good
		change(&c)
		if ps := c.Validate(); len(ps) != 1 || ps[0].Key != key {
			t.Errorf("%s: %v", key, ps)
		}
	}
}

func TestValidateOutbind(t *testing.T) {
	good := BindConfig{Name: "smsc-1", SystemID: "starhash", Password: secret.New([]byte("x")), Bind: Receiver,
		Outbind: OutbindConfig{Listen: "127.0.0.1:2776", SystemID: "SMSC", Password: secret.New([]byte("y"))}}
	good.SetDefaults()
	if ps := good.Validate(); len(ps) > 0 { // and no address: it does not dial
		t.Fatalf("%v", ps)
	}
	for key, change := range map[string]func(*BindConfig){
		"outbind.listen":    func(c *BindConfig) { c.Outbind.Listen = "2776" },
		"outbind.system_id": func(c *BindConfig) { c.Outbind.SystemID = "" },
		"outbind.password":  func(c *BindConfig) { c.Outbind.Password = secret.Value{} },
		"bind":              func(c *BindConfig) { c.Bind = Pair },
		"tls.enabled":       func(c *BindConfig) { c.TLS.Enabled = true },
		"sessions":          func(c *BindConfig) { c.Sessions = 17 },
	} {
		c := good
		change(&c)
		if ps := c.Validate(); len(ps) != 1 || ps[0].Key != key {
			t.Errorf("%s: %v", key, ps)
		}
	}
}

// The message names the right value where it can be guessed.
func TestValidateAlphabets(t *testing.T) {
	const anyLanguage = "a language with tables in 3GPP TS 23.038: tr, es, pt, bn, gu, hi, kn, ml, or, pa, ta, te, ur"
	for _, tc := range []struct{ alphabet, language, want string }{
		{"GSM", "tr", "gsm"},
		{"gsm7", "tr", "gsm"},
		{"ISO-8859-1", "", "latin1"},
		{"Latin-1", "", "latin1"},
		{"US-ASCII", "", "ascii"},
		{"IA5", "", "ascii"},
		{"utf-8", "", "gsm, latin1 or ascii"},
		{"gsm", "TR", "tr"},
		{"gsm", "pt-BR", "pt"},
		{"gsm", "Hindi", "hi"},
		{"gsm", "fr", anyLanguage},
		{"gsm", "", anyLanguage},
	} {
		c := BindConfig{DefaultAlphabet: tc.alphabet}
		if tc.language != "" || tc.alphabet == "gsm" {
			c.Languages = []string{tc.language}
		}
		if ps := c.validateAlphabets(); len(ps) != 1 || ps[0].Want != tc.want {
			t.Errorf("%q, %q: %v, want %s", tc.alphabet, tc.language, ps, tc.want)
		}
	}
	c := BindConfig{DefaultAlphabet: "gsm", Languages: []string{"pt", "ur"}}
	if a, want := c.Alphabets(), (Alphabets{AlphabetGSM, []Language{Portuguese, Urdu}}); !a.Equal(want) {
		t.Errorf("%v, want %v", a, want)
	}
	for code, name := range map[string]Language{"tr": Turkish, "ur": Urdu, "-": NoLanguage, "Language(200)": 200} {
		if name.String() != code {
			t.Errorf("%q, want %q", name, code)
		}
	}
}
