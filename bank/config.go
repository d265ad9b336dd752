package bank

import (
	"fmt"
	"net"
	"strings"
	"unicode/utf8"

	"starhash/bank/ledger"
	"starhash/bank/link"
	"starhash/configs"
)

// Config is bank.yaml. Amounts are minor units of Currency.
type Config struct {
	Listen    string     `mapstructure:"listen"` // of the sealed link, HTTPS
	TLS       TLS        `mapstructure:"tls"`
	Database  string     `mapstructure:"database"` // a path, or ":memory:" to try things out
	Operators []Operator `mapstructure:"operators"`

	// PINKeyFile holds the private key that opens PIN capsules ("id hex");
	// PINVerifyKeyFile the key of the verification values, 64 hexadecimal
	// digits. They are two keys so that either can move to a token alone.
	PINKeyFile       string `mapstructure:"pin_key_file"`
	PINVerifyKeyFile string `mapstructure:"pin_verify_key_file"`
	PINTries         int    `mapstructure:"pin_tries"` // wrong ones until the PIN is locked

	// Currency is that of an imported account that names none.
	Currency string `mapstructure:"currency"`
	Fee      int64  `mapstructure:"fee"` // of a payment, flat, in the account's currency
	Limits   Limits `mapstructure:"limits"`

	Airtime bool     `mapstructure:"airtime"` // whether airtime is sold
	Billers []Biller `mapstructure:"billers"`

	Admin Admin `mapstructure:"admin"`
}

// TLS is the bank's certificate, and the authority of the gateways' ones.
type TLS struct {
	CertFile     string `mapstructure:"cert_file"`
	KeyFile      string `mapstructure:"key_file"`
	ClientCAFile string `mapstructure:"client_ca_file"`
}

// Operator is a mobile operator whose gateways may speak to this bank.
type Operator struct {
	Name       string      `mapstructure:"name"`
	StaticKeys []StaticKey `mapstructure:"static_keys"` // more than one during a rotation
	// ClientCN, if set, is the common name that the certificate of this
	// operator's gateways must have.
	ClientCN string `mapstructure:"client_cn"`
	// WithoutPIN is how much one transfer, airtime or bill may be without a PIN,
	// on this operator's word that a one-time code came back: a decimal amount
	// of Currency such as "20.00". Empty or 0 is nothing. The day's limit holds
	// as it does with a PIN.
	WithoutPIN string `mapstructure:"without_pin"`
}

// Biller is somebody whose bills are paid here.
type Biller struct {
	Code    string `mapstructure:"code"`    // 1 to 20 capital letters and digits; what a subscriber types
	Name    string `mapstructure:"name"`    // 1 to 20 characters; what a confirmation says
	Account string `mapstructure:"account"` // a regular expression (RE2) that matches the whole of an account
}

// StaticKey is a preset key of the sealed link, 64 hexadecimal digits in a file.
type StaticKey struct {
	ID   string `mapstructure:"id"`
	File string `mapstructure:"file"`
}

// Limits bound what a customer sends; 0 is no limit. A day is the bank's local
// one (the process' time zone).
type Limits struct {
	Single int64 `mapstructure:"single"`
	Daily  int64 `mapstructure:"daily"`
	// Lookups is how many payees' names are told to one customer a day; 0 is
	// none at all.
	Lookups int `mapstructure:"lookups"`
}

// Admin is the plain HTTP listener of /healthz and /readyz; empty is none.
type Admin struct {
	Listen string `mapstructure:"listen"`
	// Profile adds Go's profiles under /debug/pprof/: where time and memory go,
	// stacks and counts, nothing of what is worked on.
	Profile bool `mapstructure:"profile"`
}

// SetDefaults fills in what a file may leave out.
func (c *Config) SetDefaults() {
	c.Listen = "127.0.0.1:8443"
	c.Database = "bank.db"
	c.Currency = "USD"
	c.PINTries = 3
	c.Limits.Lookups = 20
}

// maxPINTries keeps the tries left in the reply's one byte, and a guesser from
// having as many as he likes.
const maxPINTries = 10

// maxLookups keeps a subscriber from making a directory of customers.
const maxLookups = 1000

// maxBillerName keeps a confirmation in one SMS, in characters.
const maxBillerName = 20

// Validate says all that is wrong.
func (c *Config) Validate() (problems []configs.Problem) {
	wrong := func(key, message, want string) {
		problems = append(problems, configs.Problem{Key: key, Message: message, Want: want})
	}
	needed := func(key, value, want string) {
		if value == "" {
			wrong(key, "is missing", want)
		}
	}
	address := func(key, value string) {
		if _, _, err := net.SplitHostPort(value); err != nil {
			wrong(key, fmt.Sprintf("is %q", value), "host:port, such as 127.0.0.1:8443")
		}
	}

	address("listen", c.Listen)
	if c.Admin.Listen != "" {
		address("admin.listen", c.Admin.Listen)
	}
	needed("tls.cert_file", c.TLS.CertFile, "the bank's certificate, PEM")
	needed("tls.key_file", c.TLS.KeyFile, "the certificate's private key, PEM")
	needed("tls.client_ca_file", c.TLS.ClientCAFile, "the authority of the gateways' certificates, PEM")
	needed("pin_key_file", c.PINKeyFile, "the key that opens PIN capsules")
	needed("pin_verify_key_file", c.PINVerifyKeyFile, "the key of the PIN verification values")
	if c.Database == "" || strings.HasPrefix(c.Database, "file:") {
		wrong("database", fmt.Sprintf("is %q", c.Database), `a path, or ":memory:"`)
	}
	if _, err := ledger.Exponent(c.Currency); err != nil {
		wrong("currency", fmt.Sprintf("is %q, which is not known here", c.Currency), "an ISO 4217 code such as USD or KES")
	}
	amount := func(key string, value int64) {
		if value < 0 || value > ledger.MaxAmount {
			wrong(key, fmt.Sprintf("is %d", value), fmt.Sprintf("minor units, 0 to %d", int64(ledger.MaxAmount)))
		}
	}
	amount("fee", c.Fee)
	amount("limits.single", c.Limits.Single)
	amount("limits.daily", c.Limits.Daily)
	if c.Limits.Lookups < 0 || c.Limits.Lookups > maxLookups {
		wrong("limits.lookups", fmt.Sprintf("is %d", c.Limits.Lookups), fmt.Sprintf("0 to %d names a day", maxLookups))
	}
	billers := map[string]bool{}
	for i, o := range c.Billers {
		key := fmt.Sprintf("billers[%d]", i)
		switch {
		case !link.ValidBiller(o.Code):
			wrong(key+".code", fmt.Sprintf("is %q", o.Code), fmt.Sprintf("1 to %d capital letters and digits, such as ZESA", link.MaxBiller))
		case billers[o.Code]:
			wrong(key+".code", fmt.Sprintf("is %q a second time", o.Code), "one entry a biller")
		}
		billers[o.Code] = true
		if n := utf8.RuneCountInString(o.Name); n < 1 || n > maxBillerName {
			wrong(key+".name", fmt.Sprintf("has %d characters", n), fmt.Sprintf("1 to %d", maxBillerName))
		}
		if o.Account == "" {
			wrong(key+".account", "is missing", "a regular expression such as [0-9]{11}")
		} else if _, err := wholly(o.Account); err != nil {
			wrong(key+".account", err.Error(), "a regular expression such as [0-9]{11}")
		}
	}
	if c.PINTries < 1 || c.PINTries > maxPINTries {
		wrong("pin_tries", fmt.Sprintf("is %d", c.PINTries), fmt.Sprintf("1 to %d", maxPINTries))
	}

	if len(c.Operators) == 0 {
		wrong("operators", "is empty", "at least one operator")
	}
	operators := map[string]bool{}
	for i, o := range c.Operators {
		key := fmt.Sprintf("operators[%d]", i)
		if err := link.ValidName(o.Name); err != nil {
			wrong(key+".name", err.Error(), "")
		} else if operators[o.Name] {
			wrong(key+".name", fmt.Sprintf("is %q a second time", o.Name), "one section an operator")
		}
		for other := range operators {
			if other != o.Name && link.Operator(o.Name).SameNumbers(link.Operator(other)) {
				wrong(key+".name", fmt.Sprintf("is %q, whose serial numbers begin like those of %q", o.Name, other), "another name for one of them")
			}
		}
		operators[o.Name] = true
		if limit, err := o.withoutPIN(c.Currency); err != nil {
			wrong(key+".without_pin", err.Error(), `an amount such as "20.00", in quotes; 0 is never`)
		} else if limit > 0 && c.Limits.Daily == 0 {
			// Else whoever has a gateway empties every account, payment by payment.
			wrong(key+".without_pin", "is without a limit a day", "limits.daily, which bounds it")
		}
		if len(o.StaticKeys) == 0 {
			wrong(key+".static_keys", "is empty", "at least one key")
		}
		ids := map[string]bool{}
		for j, k := range o.StaticKeys {
			key := fmt.Sprintf("%s.static_keys[%d]", key, j)
			if err := link.ValidName(k.ID); err != nil {
				wrong(key+".id", err.Error(), "")
			} else if ids[k.ID] {
				wrong(key+".id", fmt.Sprintf("is %q a second time", k.ID), "one entry a key")
			}
			ids[k.ID] = true
			needed(key+".file", k.File, "a static key's file")
		}
	}
	return problems
}
