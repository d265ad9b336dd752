package smsc

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"starhash/configs"
	"starhash/configs/secret"
	"starhash/smpp"
	"starhash/smpp/dialect"
)

// Config is the simulator's configuration. SetDefaults fills what is zero.
type Config struct {
	Listen       string       `mapstructure:"listen"`        // SMPP, "127.0.0.1:2775"
	HTTP         string       `mapstructure:"http"`          // management port, "127.0.0.1:8080"
	SystemID     string       `mapstructure:"system_id"`     // of the first account, at most 15 characters
	Password     secret.Value `mapstructure:"password"`      // or PasswordFile
	PasswordFile string       `mapstructure:"password_file"` // holds it; read by Listen if Password is empty
	AddressRange string       `mapstructure:"address_range"` // of the first account; see Account
	Dialect      string       `mapstructure:"dialect"`       // of USSD, of the accounts that name none; plain
	DialectsDir  string       `mapstructure:"dialects_dir"`  // files of further dialects
	ServiceCode  string       `mapstructure:"service_code"`  // a code that is dialled; others are *digits#; *700#
	Accounts     []Account    `mapstructure:"accounts"`      // more ESMEs
	TLS          TLS          `mapstructure:"tls"`           // of the SMPP port; none if empty
	IMSITLV      uint16       `mapstructure:"imsi_tlv"`      // vendor TLV that carries a phone's IMSI; 0: none
	Phones       []Phone      `mapstructure:"phones"`        // known from the start, with their SIMs
	Seed         uint64       `mapstructure:"seed"`          // of message ids, references, jitter and faults; 0: another one each start
	Faults       Faults       `mapstructure:"faults"`        // from the start on; PUT /faults replaces them

	Window          int           `mapstructure:"window"`           // unanswered deliver_sm a connection, 1 to 10000; 10
	MaxPDU          int           `mapstructure:"max_pdu"`          // octets, 1024 to 1 MiB; 64 KiB + 1024
	MaxTries        int           `mapstructure:"max_tries"`        // times that a message is sent before it expires; 10
	RetryMin        time.Duration `mapstructure:"retry_min"`        // back-off before the second try, doubled for each further one; 1s
	RetryMax        time.Duration `mapstructure:"retry_max"`        // its upper bound; 1m
	MessageIDs      string        `mapstructure:"message_ids"`      // spelling in submit_sm_resp and receipted_message_id: decimal, hex or uuid; decimal
	ReceiptIDs      string        `mapstructure:"receipt_ids"`      // spelling in a receipt's text; as message_ids
	DefaultAlphabet string        `mapstructure:"default_alphabet"` // what data_coding 0 of a submitted message is: gsm, latin1 or ascii; gsm
	Validity        time.Duration `mapstructure:"validity"`         // of messages without a validity_period; 24h
	ReceiptDelay    time.Duration `mapstructure:"receipt_delay"`    // from submit_sm_resp to the receipt; 0: at once
	ResponseTimeout time.Duration `mapstructure:"response_timeout"` // for an ESME's response; 10s
	BindTimeout     time.Duration `mapstructure:"bind_timeout"`     // from connection to bind (session_init_timer, §7.2); 10s
	EnquireLink     time.Duration `mapstructure:"enquire_link"`     // silence after which an ESME is asked (§7.2); 30s
	USSDIdle        time.Duration `mapstructure:"ussd_idle"`        // for a person's answer to a screen; 60s
	USSDAnswer      time.Duration `mapstructure:"ussd_answer"`      // for an ESME's answer to a person; 15s
	USSDMax         time.Duration `mapstructure:"ussd_max"`         // for a USSD session; 180s
	GatewayAdmin    string        `mapstructure:"gateway_admin"`    // URL of a gateway's admin port, for GET /gateway/steps; none if empty
}

// Account is what an ESME binds with.
type Account struct {
	SystemID     string       `mapstructure:"system_id"`
	Password     secret.Value `mapstructure:"password"`
	PasswordFile string       `mapstructure:"password_file"`
	AddressRange string       `mapstructure:"address_range"` // what phones send to these addresses is for it: digits that they begin with, or a regular expression
	Dialect      string       `mapstructure:"dialect"`       // of USSD; the first account's if empty
}

// SetDefaults fills what is zero and has a default.
func (c *Config) SetDefaults() {
	setDefault(&c.Listen, "127.0.0.1:2775")
	setDefault(&c.HTTP, "127.0.0.1:8080")
	setDefault(&c.SystemID, "starhash")
	setDefault(&c.Window, 10)
	setDefault(&c.MaxPDU, 64<<10+1024) // a message_payload of 64 KiB and the rest of its PDU
	setDefault(&c.MaxTries, 10)
	setDefault(&c.RetryMin, time.Second)
	setDefault(&c.RetryMax, time.Minute)
	setDefault(&c.MessageIDs, decimalIDs)
	setDefault(&c.DefaultAlphabet, "gsm")
	setDefault(&c.Validity, 24*time.Hour)
	setDefault(&c.ResponseTimeout, 10*time.Second)
	setDefault(&c.BindTimeout, 10*time.Second)
	setDefault(&c.EnquireLink, 30*time.Second)
	setDefault(&c.Dialect, "plain")
	setDefault(&c.ServiceCode, "*700#")
	setDefault(&c.USSDIdle, time.Minute)
	setDefault(&c.USSDAnswer, 15*time.Second)
	setDefault(&c.USSDMax, 3*time.Minute)
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Validate says what is wrong, key by key.
func (c *Config) Validate() []configs.Problem {
	var ps []configs.Problem
	problem := func(key, message, want string) {
		ps = append(ps, configs.Problem{Key: key, Message: message, Want: want})
	}
	speaks, err := c.dialects()
	if err != nil {
		problem("dialects_dir", err.Error(), "files as those of configs/dialects")
		speaks = dialects()
	}
	seen := map[string]bool{}
	for i, a := range c.accounts() {
		at := ""
		if i > 0 {
			at = fmt.Sprintf("accounts[%d].", i-1)
		}
		if a.SystemID == "" || len(a.SystemID) > 15 {
			problem(at+"system_id", fmt.Sprintf("has %d characters", len(a.SystemID)), "1 to 15 characters")
		}
		if seen[a.SystemID] {
			problem(at+"system_id", "is there twice", "another system_id for each account")
		}
		seen[a.SystemID] = true
		if _, err := parseRange(a.AddressRange); err != nil {
			problem(at+"address_range", err.Error(), `digits, "7001", or a regular expression, "^70(01|02)$"`)
		}
		if _, ok := speaks.Get(a.Dialect); !ok && a.Dialect != "" && err == nil {
			problem(at+"dialect", fmt.Sprintf("is %q", a.Dialect), strings.Join(speaks.Names(), ", "))
		}
		switch {
		case a.Password.Empty() && a.PasswordFile == "":
			problem(at+"password", "is not there", "password or password_file")
		case a.Password.Len() > 64: // as the codec; ESMEs break the 8 of §5.2.2
			problem(at+"password", "is too long", "at most 64 octets (8 in SMPP 3.4)")
		}
	}
	if (c.TLS.CertFile == "") != (c.TLS.KeyFile == "") {
		problem("tls", "has one of cert_file and key_file", "both, or neither")
	}
	if c.TLS.ClientCAFile != "" && c.TLS.CertFile == "" {
		problem("tls.client_ca_file", "is there without cert_file", "cert_file and key_file too")
	}
	for i, p := range c.Phones {
		at := fmt.Sprintf("phones[%d].", i)
		if !isNumber(p.MSISDN) {
			problem(at+"msisdn", "is not a number", `1 to 20 digits, in quotes: "263771000001"`)
		}
		if p.IMSI != "" && !isIMSI(p.IMSI) {
			problem(at+"imsi", "is not an IMSI", `6 to 15 digits, in quotes: "648011000000001"`)
		}
	}
	for key, spelling := range map[string]string{"message_ids": c.MessageIDs, "receipt_ids": c.receiptIDs()} {
		if spelling != decimalIDs && spelling != hexIDs && spelling != uuidIDs {
			problem(key, fmt.Sprintf("is %q", spelling), "decimal, hex or uuid")
		}
	}
	if _, ok := smpp.DefaultAlphabet(c.DefaultAlphabet); !ok {
		problem("default_alphabet", fmt.Sprintf("is %q", c.DefaultAlphabet), "gsm, latin1 or ascii")
	}
	between := func(key string, v, low, high int) {
		if v < low || v > high {
			problem(key, fmt.Sprintf("is %d", v), fmt.Sprintf("%d to %d", low, high))
		}
	}
	between("window", c.Window, 1, 10_000)
	between("max_pdu", c.MaxPDU, 1024, 1<<20)
	between("max_tries", c.MaxTries, 1, 1000)
	span := func(key string, v, low, high time.Duration) {
		if v < low || v > high {
			problem(key, fmt.Sprintf("is %v", v), fmt.Sprintf("%v to %v", low, high))
		}
	}
	if err := c.Faults.check(); err != nil {
		key, message, _ := strings.Cut(err.Error(), ": ")
		problem("faults."+key, message, "")
	}
	span("retry_min", c.RetryMin, time.Millisecond, c.RetryMax)
	span("retry_max", c.RetryMax, time.Millisecond, 24*time.Hour)
	span("receipt_delay", c.ReceiptDelay, 0, 24*time.Hour)
	span("validity", c.Validity, time.Second, 30*24*time.Hour)
	span("response_timeout", c.ResponseTimeout, 10*time.Millisecond, time.Hour)
	span("bind_timeout", c.BindTimeout, 10*time.Millisecond, time.Hour)
	span("enquire_link", c.EnquireLink, 10*time.Millisecond, time.Hour)
	span("ussd_idle", c.USSDIdle, 10*time.Millisecond, time.Hour)
	span("ussd_answer", c.USSDAnswer, 10*time.Millisecond, time.Hour)
	span("ussd_max", c.USSDMax, 10*time.Millisecond, time.Hour)
	if !isDialled(c.ServiceCode) {
		problem("service_code", fmt.Sprintf("is %q", c.ServiceCode), `a code in quotes, "*700#"`)
	}
	if u, err := url.Parse(c.GatewayAdmin); c.GatewayAdmin != "" && (err != nil || u.Scheme != "http" || u.Host == "") {
		problem("gateway_admin", "is no URL", "http://127.0.0.1:9090")
	}
	return ps
}

func (c *Config) receiptIDs() string { return cmp.Or(c.ReceiptIDs, c.MessageIDs) }

// accounts are all accounts, the first one first.
func (c *Config) accounts() []Account {
	all := slices.Concat([]Account{{c.SystemID, c.Password, c.PasswordFile, c.AddressRange, c.Dialect}}, c.Accounts)
	for i := range all {
		all[i].Dialect = cmp.Or(all[i].Dialect, c.Dialect)
	}
	return all
}

// dialects are those that an account may name.
func (c *Config) dialects() (*dialect.Set, error) {
	if c.DialectsDir == "" {
		return dialects(), nil
	}
	return dialect.Load(configs.Dialects, os.DirFS(c.DialectsDir))
}

// dialects are those that come with Starhash.
var dialects = sync.OnceValue(func() *dialect.Set {
	set, err := dialect.Load(configs.Dialects)
	if err != nil {
		panic(err) // part of the program, and a test loads them
	}
	return set
})

// password returns an account's password, from its file where nobody has read that
// yet (configs.Load does).
func (a *Account) password() (secret.Value, error) {
	switch {
	case !a.Password.Empty():
		return a.Password, nil
	case a.PasswordFile == "":
		return secret.Value{}, errors.New("no password")
	}
	return secret.ReadFile(a.PasswordFile)
}
