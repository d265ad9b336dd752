package platform

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"starhash/bank/link"
	"starhash/configs"
	"starhash/configs/secret"
	"starhash/smpp"
)

// Config is gateway.yaml.
type Config struct {
	SMPP struct {
		Binds []smpp.BindConfig `mapstructure:"binds"`
	} `mapstructure:"smpp"`
	// ShortCode is the number that subscribers write to and confirmations come from.
	ShortCode   string `mapstructure:"short_code"`
	ServiceCode string `mapstructure:"service_code"`
	Country     string `mapstructure:"country"`  // E.164 country code, for local numbers
	Currency    string `mapstructure:"currency"` // ISO 4217
	Timezone    string `mapstructure:"timezone"` // of the times in confirmations
	Language    string `mapstructure:"language"` // for those who are not subscribers
	Node        uint16 `mapstructure:"node"`     // differs between gateways of one operator
	Texts       string `mapstructure:"texts_dir"`

	Redis struct {
		URL        secret.Value `mapstructure:"url"`
		URLFile    string       `mapstructure:"url_file"`
		Partitions int          `mapstructure:"partitions"`
	} `mapstructure:"redis"`

	Bank BankConfig `mapstructure:"bank"`

	KEK struct {
		File string `mapstructure:"file"`
	} `mapstructure:"kek"`

	Admin struct {
		Listen string `mapstructure:"listen"`
		// Profile adds Go's profiles under /debug/pprof/: where time and memory
		// go, stacks and counts, nothing of what is worked on.
		Profile bool `mapstructure:"profile"`
	} `mapstructure:"admin"`

	USSD USSDConfig `mapstructure:"ussd"`

	Limits struct {
		// DedupeWindow is how long a message is recognised when it comes again.
		DedupeWindow time.Duration `mapstructure:"dedupe_window"`
		// PartsWait is how long the rest of a long message is waited for.
		PartsWait time.Duration `mapstructure:"parts_wait"`
		// QuestionWait is how long YES is waited for.
		QuestionWait time.Duration `mapstructure:"question_wait"`
		// Keep is how long a final transaction's record is kept.
		Keep time.Duration `mapstructure:"keep"`
		// ConfirmFor is how long a message to a subscriber is worth sending, and
		// PendingFor how long the word that a transaction is pending.
		ConfirmFor time.Duration `mapstructure:"confirm_for"`
		PendingFor time.Duration `mapstructure:"pending_for"`
		// ReceiptFor is how long a delivery receipt is waited for.
		ReceiptFor time.Duration `mapstructure:"receipt_for"`
		// Lease is how long a journal entry may lie still at one gateway before
		// another takes it over.
		Lease time.Duration `mapstructure:"lease"`
	} `mapstructure:"limits"`
}

// USSDConfig is how people are led through dialogues.
type USSDConfig struct {
	MenusDir    string `mapstructure:"menus_dir"`    // in place of the menus that are built in
	DialectsDir string `mapstructure:"dialects_dir"` // beside the dialects that are built in
	// Dialogue bounds a session, Step the wait for one answer: as the network does,
	// which is 180 s and 20 to 60 s mostly.
	Dialogue time.Duration `mapstructure:"dialogue"`
	Step     time.Duration `mapstructure:"step"`
	// Verdict is how long a screen waits for the bank, and has to be less than the
	// network waits for the gateway: 10 to 15 s mostly.
	Verdict time.Duration `mapstructure:"verdict"`
	// SMSPIN is whether an SMS may hold a PIN: allowed, push or code.
	SMSPIN string `mapstructure:"sms_pin"`
	// Notices shows what a subscriber received on the screen too, by a USSN request;
	// the SMS goes out in any case.
	Notices bool `mapstructure:"notices"`
	// Billers are those that the menu lists, with the bank's codes.
	Billers []Biller `mapstructure:"billers"`
}

// Biller is whom bills are paid to.
type Biller struct {
	Code string `mapstructure:"code"` // 1 to 20 letters and digits, as the bank's file has it
	Name string `mapstructure:"name"`
}

// BankConfig is the gateway's way to the bank.
type BankConfig struct {
	Name      string `mapstructure:"name"` // the bank column of the registry
	URL       string `mapstructure:"url"`
	Operator  string `mapstructure:"operator"`
	StaticKey struct {
		ID   string `mapstructure:"id"`
		File string `mapstructure:"file"`
	} `mapstructure:"static_key"`
	PINKey struct {
		File string `mapstructure:"file"` // the public half
	} `mapstructure:"pin_key"`
	TLS struct {
		CAFile     string `mapstructure:"ca_file"`
		CertFile   string `mapstructure:"cert_file"`
		KeyFile    string `mapstructure:"key_file"`
		ServerName string `mapstructure:"server_name"`
	} `mapstructure:"tls"`
	// Timeout bounds one exchange.
	Timeout time.Duration `mapstructure:"timeout"`
	// GiveUp is how long a transaction that never reached the bank is tried
	// before its sender is told that nothing moved. One that reached the bank is
	// never given up.
	GiveUp time.Duration `mapstructure:"give_up"`
	// PendingAfter is how long a sender waits for a verdict before being told
	// that it is pending.
	PendingAfter time.Duration `mapstructure:"pending_after"`
	// Fresh is the age up to which a transaction whose serial the bank does not
	// know is sent anew; an older one is inquired about, which voids it, and one
	// that was never sent is given up.
	Fresh time.Duration `mapstructure:"fresh"`
}

// SetDefaults fills what the file leaves out.
func (c *Config) SetDefaults() {
	set(&c.Timezone, "UTC")
	set(&c.Language, "en")
	set(&c.Node, 1)
	set(&c.Redis.Partitions, DefaultPartitions)
	set(&c.Bank.Name, "bank")
	set(&c.Bank.Timeout, 5*time.Second)
	set(&c.Bank.GiveUp, 20*time.Second)
	set(&c.Bank.PendingAfter, 15*time.Second)
	set(&c.Bank.Fresh, 2*time.Minute)
	set(&c.USSD.Dialogue, 180*time.Second)
	set(&c.USSD.Step, 60*time.Second)
	set(&c.USSD.Verdict, 8*time.Second)
	set(&c.USSD.SMSPIN, PINAllowed)
	set(&c.Limits.DedupeWindow, 24*time.Hour)
	set(&c.Limits.PartsWait, 5*time.Minute)
	set(&c.Limits.QuestionWait, 5*time.Minute)
	set(&c.Limits.Keep, 7*24*time.Hour)
	set(&c.Limits.Lease, 30*time.Second)
	set(&c.Limits.ConfirmFor, 24*time.Hour)
	set(&c.Limits.PendingFor, time.Hour)
	set(&c.Limits.ReceiptFor, 48*time.Hour)
}

func set[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// Validate says what is wrong with the configuration.
func (c *Config) Validate() []configs.Problem {
	var ps []configs.Problem
	bad := func(ok bool, key, message, want string) {
		if !ok {
			ps = append(ps, configs.Problem{Key: key, Message: message, Want: want})
		}
	}
	need := func(v, key, want string) { bad(v != "", key, "is missing", want) }

	bad(len(c.SMPP.Binds) > 0, "smpp.binds", "is empty", "at least one bind")
	names := map[string]bool{}
	for i, b := range c.SMPP.Binds {
		at := fmt.Sprintf("smpp.binds[%d].name", i)
		bad(b.Name == "" || !names[b.Name], at, fmt.Sprintf("%q is used twice", b.Name), "a name of its own")
		names[b.Name] = true
	}
	if set, err := OpenDialects(*c); err != nil {
		bad(false, "ussd.dialects_dir", err.Error(), "files as those of configs/dialects")
	} else {
		for i, b := range c.SMPP.Binds {
			b.SetDefaults()
			_, ok := set.Get(b.Dialect)
			bad(ok, fmt.Sprintf("smpp.binds[%d].dialect", i), fmt.Sprintf("is %q", b.Dialect), "one of "+strings.Join(set.Names(), ", "))
		}
	}
	bad(digits(c.ShortCode, 3, 15), "short_code", fmt.Sprintf("is %q", c.ShortCode), `3 to 15 digits, quoted, as "7001"`)
	bad(digits(c.Country, 1, 3), "country", fmt.Sprintf("is %q", c.Country), `an E.164 country code, quoted, as "263"`)
	bad(len(c.Currency) == 3, "currency", fmt.Sprintf("is %q", c.Currency), "an ISO 4217 code, as USD")
	if _, err := time.LoadLocation(c.Timezone); err != nil {
		bad(false, "timezone", fmt.Sprintf("%q is unknown", c.Timezone), "an IANA name, as Africa/Harare")
	}
	bad(!c.Redis.URL.Empty() || c.Redis.URLFile != "", "redis.url", "is missing", "redis://host:6379/0, or embedded")
	bad(c.Redis.Partitions >= 1 && c.Redis.Partitions <= maxPartitions, "redis.partitions",
		fmt.Sprintf("is %d", c.Redis.Partitions), fmt.Sprintf("1 to %d", maxPartitions))
	u, err := url.Parse(c.Bank.URL)
	bad(err == nil && u.Scheme == "https" && u.Host != "", "bank.url", fmt.Sprintf("is %q", c.Bank.URL), "https://host:port")
	for _, n := range []struct{ v, key string }{{c.Bank.Operator, "bank.operator"}, {c.Bank.StaticKey.ID, "bank.static_key.id"}} {
		if err := link.ValidName(n.v); err != nil {
			bad(false, n.key, err.Error(), "")
		}
	}
	need(c.Bank.StaticKey.File, "bank.static_key.file", "the file made by: starhash keys static")
	need(c.Bank.PINKey.File, "bank.pin_key.file", "the public file made by: starhash keys pin")
	need(c.Bank.TLS.CAFile, "bank.tls.ca_file", "the CA of the bank's certificate, PEM")
	need(c.Bank.TLS.CertFile, "bank.tls.cert_file", "the gateway's certificate, PEM")
	need(c.Bank.TLS.KeyFile, "bank.tls.key_file", "its private key, PEM")
	need(c.KEK.File, "kek.file", "the file made by: starhash keys kek")
	for _, d := range []struct {
		v        time.Duration
		key      string
		min, max time.Duration
	}{
		{c.Bank.Timeout, "bank.timeout", 100 * time.Millisecond, time.Minute},
		{c.Bank.GiveUp, "bank.give_up", time.Second, 10 * time.Minute},
		{c.Bank.PendingAfter, "bank.pending_after", time.Second, 10 * time.Minute},
		{c.Bank.Fresh, "bank.fresh", time.Second, time.Hour},
		{c.USSD.Dialogue, "ussd.dialogue", time.Second, time.Hour},
		{c.USSD.Step, "ussd.step", time.Second, time.Hour},
		{c.USSD.Verdict, "ussd.verdict", 100 * time.Millisecond, time.Minute},
		{c.Limits.DedupeWindow, "limits.dedupe_window", time.Minute, 24 * time.Hour},
		{c.Limits.PartsWait, "limits.parts_wait", time.Second, time.Hour},
		{c.Limits.QuestionWait, "limits.question_wait", 10 * time.Second, time.Hour},
		{c.Limits.Keep, "limits.keep", time.Minute, 366 * 24 * time.Hour},
		{c.Limits.Lease, "limits.lease", time.Second, time.Hour},
		// What is older than Retention does not open any more.
		{c.Limits.ConfirmFor, "limits.confirm_for", time.Minute, Retention - 2*time.Hour},
		{c.Limits.PendingFor, "limits.pending_for", time.Minute, Retention - 2*time.Hour},
		{c.Limits.ReceiptFor, "limits.receipt_for", time.Minute, 30 * 24 * time.Hour},
	} {
		bad(d.v >= d.min && d.v <= d.max, d.key, "is "+d.v.String(), fmt.Sprintf("%s to %s", d.min, d.max))
	}
	bad(slices.Contains([]string{PINAllowed, PINPush, PINCode}, c.USSD.SMSPIN), "ussd.sms_pin", fmt.Sprintf("is %q", c.USSD.SMSPIN),
		strings.Join([]string{PINAllowed, PINPush, PINCode}, ", "))
	for i, b := range c.USSD.Billers {
		bad(link.ValidBiller(b.Code), fmt.Sprintf("ussd.billers[%d].code", i), fmt.Sprintf("is %q", b.Code), "1 to 20 letters and digits, in capitals")
		bad(b.Name != "" && len(b.Name) <= link.MaxBiller, fmt.Sprintf("ussd.billers[%d].name", i), fmt.Sprintf("is %q", b.Name), "1 to 20 characters")
	}
	// A message that is recognised after its record is gone would be executed again.
	bad(c.Limits.Keep >= c.Limits.DedupeWindow, "limits.keep", "is "+c.Limits.Keep.String(),
		"at least limits.dedupe_window, "+c.Limits.DedupeWindow.String())
	bad(c.Bank.Name != "" && !strings.ContainsAny(c.Bank.Name, ",\n\""), "bank.name", "holds a comma, a quote or a line end", "a plain name")
	return ps
}
