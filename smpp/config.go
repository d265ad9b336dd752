package smpp

import (
	"fmt"
	"net"
	"time"

	"starhash/configs"
	"starhash/configs/secret"
)

// Mode says which sessions a bind opens: SMPP 3.4 §2.2.
type Mode string

const (
	Transceiver Mode = "transceiver"
	Transmitter Mode = "transmitter" // submits only
	Receiver    Mode = "receiver"    // takes messages only
	Pair        Mode = "pair"        // a transmitter and a receiver session
)

// BindConfig is one bind to one SMSC.
type BindConfig struct {
	Name         string       `mapstructure:"name"`          // in logs and to the Handler
	Address      string       `mapstructure:"address"`       // host:port of the SMSC
	SystemID     string       `mapstructure:"system_id"`     // at most 15 characters
	Password     secret.Value `mapstructure:"password"`      // at most 64 octets; SMPP 3.4 itself allows 8
	PasswordFile string       `mapstructure:"password_file"` // instead of Password, into which configs.Load reads it
	SystemType   string       `mapstructure:"system_type"`   // at most 12 characters
	Bind         Mode         `mapstructure:"bind"`          // transceiver
	Dialect      string       `mapstructure:"dialect"`       // USSD dialect; this package does not look at it

	// Sessions is how many connections there are of each role (1).
	Sessions int `mapstructure:"sessions"`
	// Window is how many requests of ours wait for their answer at a time on a
	// session (100); Submit blocks when all are full.
	Window int `mapstructure:"window"`
	// Throughput is how many requests a second the bind sends at most over all
	// its sessions; 0: as many as the SMSC takes. Where the SMSC says
	// ESME_RTHROTTLED or ESME_RMSGQFUL it falls, and comes back: pace.go.
	Throughput int `mapstructure:"throughput"`
	// InboundQueue is how many messages a session has taken and not yet
	// acknowledged (1000); the next one is refused with Overload's status.
	InboundQueue int `mapstructure:"inbound_queue"`
	// Overload names the status for messages that are too many, or that the
	// application has not answered within AnswerWithin: "throttled" for
	// ESME_RTHROTTLED, "temporary" for ESME_RX_T_APPN. Which of them an SMSC
	// takes for "later" depends on the SMSC.
	Overload string `mapstructure:"overload"`
	// AnswerWithin has to be less than the time in which the SMSC gives an
	// answer up (8s).
	AnswerWithin time.Duration `mapstructure:"answer_within"`

	TLS     TLSConfig     `mapstructure:"tls"`
	Outbind OutbindConfig `mapstructure:"outbind"`

	AddressTON   byte   `mapstructure:"address_ton"`   // of the bind
	AddressNPI   byte   `mapstructure:"address_npi"`   // of the bind
	AddressRange string `mapstructure:"address_range"` // of the bind, at most 40 characters; mostly empty
	SourceTON    byte   `mapstructure:"source_ton"`    // of submitted messages whose Source has TON and NPI 0
	SourceNPI    byte   `mapstructure:"source_npi"`

	// DefaultAlphabet is what data_coding 0 means at this SMSC: gsm, latin1 or
	// ascii (gsm).
	DefaultAlphabet string `mapstructure:"default_alphabet"`
	// Languages are those whose national tables the handsets there know, as
	// ISO 639-1 codes, the preferred first: tr, es, pt, bn, gu, hi, kn, ml, or,
	// pa, ta, te, ur (none). See Encode.
	Languages []string `mapstructure:"languages"`

	EnquireLink     time.Duration `mapstructure:"enquire_link"`     // silence after which we ask whether the SMSC is there (30s)
	ResponseTimeout time.Duration `mapstructure:"response_timeout"` // for every answer but the bind's; also the limit of a drain (10s)
	BindTimeout     time.Duration `mapstructure:"bind_timeout"`     // for connecting, and again for binding (10s)
	WriteTimeout    time.Duration `mapstructure:"write_timeout"`    // for a peer that does not read (10s)
	ReconnectMin    time.Duration `mapstructure:"reconnect_min"`    // first pause before connecting again (500ms)
	ReconnectMax    time.Duration `mapstructure:"reconnect_max"`    // longest pause (30s)

	MaxPDU          int    `mapstructure:"max_pdu"`          // octets of the longest PDU we read (73728)
	IMSITLV         uint16 `mapstructure:"imsi_tlv"`         // vendor TLV in which the SMSC sends the IMSI; 0: none
	RequestReceipts bool   `mapstructure:"request_receipts"` // ask for a delivery receipt of every submitted message

	// SMSC names whose message ids they are (Address, or Name with Outbind):
	// a receipt may come on any bind that names the same one.
	SMSC string `mapstructure:"smsc"`
	// ResponseIDs and ReceiptIDs are how message ids are spelled in
	// submit_sm_resp and in the text of receipts: text, decimal or hex (text).
	ResponseIDs string `mapstructure:"response_ids"`
	ReceiptIDs  string `mapstructure:"receipt_ids"`
	// Reaches are the first digits of the MSISDNs that the bind can deliver to
	// (none: it can to all).
	Reaches []string `mapstructure:"reaches"`
	// ValidityPeriod is the form of the validity_period that the SMSC reads:
	// relative, absolute or none (relative). See Validity.
	ValidityPeriod string `mapstructure:"validity_period"`
}

// SetDefaults fills in what is zero.
func (c *BindConfig) SetDefaults() {
	setDefault(&c.Bind, Transceiver)
	setDefault(&c.Dialect, "plain")
	setDefault(&c.Sessions, 1)
	setDefault(&c.Window, 100)
	setDefault(&c.Overload, "throttled")
	setDefault(&c.AnswerWithin, 8*time.Second)
	setDefault(&c.InboundQueue, 1000)
	setDefault(&c.DefaultAlphabet, "gsm")
	setDefault(&c.EnquireLink, 30*time.Second)
	setDefault(&c.ResponseTimeout, 10*time.Second)
	setDefault(&c.BindTimeout, 10*time.Second)
	setDefault(&c.WriteTimeout, 10*time.Second)
	setDefault(&c.ReconnectMin, 500*time.Millisecond)
	setDefault(&c.ReconnectMax, 30*time.Second)
	setDefault(&c.MaxPDU, DefaultMaxPDU)
	setDefault(&c.ResponseIDs, idText)
	setDefault(&c.ReceiptIDs, idText)
	setDefault(&c.ValidityPeriod, validityRelative)
	if c.Outbind.Listen == "" {
		setDefault(&c.SMSC, c.Address)
	}
	setDefault(&c.SMSC, c.Name)
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Validate says what is wrong with the configuration, keys relative to it.
func (c *BindConfig) Validate() []configs.Problem {
	var ps []configs.Problem
	bad := func(key, message, want string) {
		ps = append(ps, configs.Problem{Key: key, Message: message, Want: want})
	}
	if c.Name == "" {
		bad("name", "is missing", "a short name for logs, smsc-1 say")
	}
	where, address := "address", c.Address
	if c.Outbind.Listen != "" {
		where, address = "outbind.listen", c.Outbind.Listen
	}
	if _, port, err := net.SplitHostPort(address); err != nil || port == "" {
		bad(where, fmt.Sprintf("%q is not an address", address), "host:port, 127.0.0.1:2775 say")
	}
	text := func(key, s string, limit int) {
		for i := range len(s) {
			if s[i] < ' ' || s[i] > '~' {
				bad(key, "holds a character that is not printable ASCII", "")
				return
			}
		}
		if len(s) > limit {
			bad(key, fmt.Sprintf("has %d characters", len(s)), fmt.Sprintf("at most %d", limit))
		}
	}
	if c.SystemID == "" {
		bad("system_id", "is missing", "the name that the SMSC knows us by")
	}
	text("system_id", c.SystemID, 15)
	text("system_type", c.SystemType, 12)
	text("address_range", c.AddressRange, 40)
	if c.Password.Len() > 64 {
		bad("password", "is too long", "at most 64 octets (8 in SMPP 3.4)")
	}
	switch c.Bind {
	case Transceiver, Transmitter, Receiver, Pair:
	default:
		bad("bind", fmt.Sprintf("is %q", string(c.Bind)), "transceiver, transmitter, receiver or pair")
	}
	number := func(key string, n, low, high int) {
		if n < low || n > high {
			bad(key, fmt.Sprintf("is %d", n), fmt.Sprintf("%d to %d", low, high))
		}
	}
	number("sessions", c.Sessions, 1, 16)
	number("window", c.Window, 1, 10_000)
	number("throughput", c.Throughput, 0, 1_000_000)
	number("inbound_queue", c.InboundQueue, 1, 100_000)
	number("address_ton", int(c.AddressTON), 0, 6)
	number("address_npi", int(c.AddressNPI), 0, 18)
	number("source_ton", int(c.SourceTON), 0, 6)
	number("source_npi", int(c.SourceNPI), 0, 18)
	number("max_pdu", c.MaxPDU, 4096, 16<<20)
	ps = append(ps, c.validateAlphabets()...)
	span := func(key string, d, low, high time.Duration) {
		if d < low || d > high {
			bad(key, fmt.Sprintf("is %s", d), fmt.Sprintf("%s to %s", low, high))
		}
	}
	if c.Overload != "throttled" && c.Overload != "temporary" {
		bad("overload", fmt.Sprintf("is %q", c.Overload), "throttled (ESME_RTHROTTLED) or temporary (ESME_RX_T_APPN)")
	}
	span("answer_within", c.AnswerWithin, 100*time.Millisecond, 5*time.Minute)
	span("enquire_link", c.EnquireLink, time.Second, time.Hour)
	span("response_timeout", c.ResponseTimeout, 100*time.Millisecond, 5*time.Minute)
	span("bind_timeout", c.BindTimeout, 100*time.Millisecond, 5*time.Minute)
	span("write_timeout", c.WriteTimeout, 100*time.Millisecond, 5*time.Minute)
	span("reconnect_min", c.ReconnectMin, 10*time.Millisecond, time.Minute)
	span("reconnect_max", c.ReconnectMax, c.ReconnectMin, time.Hour)
	c.validateTLS(bad)
	c.validateOutbind(bad, text)
	c.validateOutbound(bad)
	return ps
}

func (c *BindConfig) validateTLS(bad func(key, message, want string)) {
	t := c.TLS
	if !t.Enabled {
		if t != (TLSConfig{}) {
			bad("tls.enabled", "is not set, but other keys of tls are", "true, or none of them")
		}
		return
	}
	if (t.CertFile == "") != (t.KeyFile == "") {
		bad("tls.cert_file", "and key_file go together", "both, or neither where the SMSC wants no certificate")
		return
	}
	if _, key, err := t.client(); err != nil {
		bad(key, err.Error(), "a file in PEM that we may read")
	}
}

func (c *BindConfig) validateOutbind(bad func(key, message, want string), text func(key, s string, limit int)) {
	o := &c.Outbind
	if o.Listen == "" {
		return
	}
	if c.Bind != Receiver && c.Bind != Transceiver {
		bad("bind", fmt.Sprintf("is %q with outbind", string(c.Bind)), "receiver or transceiver: an SMSC asks for no other by outbind")
	}
	if c.TLS.Enabled {
		bad("tls.enabled", "is true with outbind", "false: the SMSC's connection comes to us, in clear")
	}
	if o.SystemID == "" {
		bad("outbind.system_id", "is missing", "the name that the SMSC says outbind with")
	}
	text("outbind.system_id", o.SystemID, 15)
	if o.Password.Empty() && o.PasswordFile == "" {
		bad("outbind.password", "is missing", "the password that the SMSC says outbind with, or password_file")
	}
}

// overload is the status that Overload names.
func (c *BindConfig) overload() Status {
	if c.Overload == "temporary" {
		return StatusTempAppErr
	}
	return StatusThrottled
}
