package load

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strconv"
	"time"

	"starhash/configs/secret"
)

// Config is one load: who may bind, and what is sent to whom.
type Config struct {
	Listen   string       // host:port; port 0 takes a free one (127.0.0.1:2775)
	SystemID string       // that an ESME has to bind with; empty: any
	Password secret.Value // the same; empty: any
	TLS      *tls.Config  // nil: plain TCP

	// Sessions is how many sessions that take messages (transceivers and
	// receivers) have to be bound before the load begins (1). More may bind,
	// and all get their share.
	Sessions int
	BindWait time.Duration // how long to wait for them (60s)

	// Window is how many deliver_sm a session may leave unanswered (500). A
	// message that waits for a temporary error to pass is not among them.
	Window int
	// Rate is messages a second over all sessions; 0: as fast as the windows
	// allow. The schedule does not wait for an ESME that falls behind, and
	// latencies count from the scheduled time. Above 1,000 a second, the
	// messages of one millisecond are due together.
	Rate     float64
	For      time.Duration // no new message is due after it; 0: Messages alone ends the load
	Messages uint64        // so many messages; 0: For alone ends the load

	MSISDNs    uint64 // senders, taken in turn (10,000)
	MSISDNBase uint64 // the first one, at most 15 digits (263771000001)
	ShortCode  string // destination (7001)
	Text       string // see Placeholders (SEND {amount} {peer} 1234)

	// Confirm expects one submit_sm to the sender for every message that was
	// acknowledged. Where Text has {token} the confirmation has to repeat it, and
	// confirms just that message; else it confirms the sender's oldest one.
	Confirm bool

	RetryAfter time.Duration // pause after a temporary refusal (200ms)
	// Drain is how long answers and confirmations are waited for after the last
	// message was sent (10s).
	Drain time.Duration
	// Linger is how long further confirmations are looked out for after the
	// last one expected (500ms with Confirm): they would be duplicates.
	Linger time.Duration

	// DisconnectEvery cuts a session of the ESME's, chosen at random, after
	// half to one and a half times this, again and again; 0: never. What was
	// not acknowledged on it is sent again.
	DisconnectEvery time.Duration
	Seed            uint64 // of those choices
}

// SetDefaults fills in what is zero.
func (c *Config) SetDefaults() {
	setDefault(&c.Listen, "127.0.0.1:2775")
	setDefault(&c.Sessions, 1)
	setDefault(&c.BindWait, time.Minute)
	setDefault(&c.Window, 500)
	setDefault(&c.MSISDNs, 10_000)
	setDefault(&c.MSISDNBase, 263771000001)
	setDefault(&c.ShortCode, "7001")
	setDefault(&c.Text, "SEND {amount} {peer} 1234")
	setDefault(&c.RetryAfter, 200*time.Millisecond)
	setDefault(&c.Drain, 10*time.Second)
	if c.Confirm {
		setDefault(&c.Linger, 500*time.Millisecond)
	}
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Validate says what is wrong with c, after SetDefaults.
func (c *Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.For <= 0 && c.Messages == 0 {
		bad("neither a time nor a number of messages ends the load")
	}
	if c.For < 0 {
		bad("the load's time is %s", c.For)
	}
	if c.Rate < 0 || c.Rate > 1e7 {
		bad("rate %g: want 0 (flat out) to 10,000,000 messages a second", c.Rate)
	}
	if c.Sessions < 1 || c.Sessions > maxSessions {
		bad("%d sessions: want 1 to %d", c.Sessions, maxSessions)
	}
	if c.Window < 1 || c.Window > 100_000 {
		bad("window %d: want 1 to 100,000", c.Window)
	}
	first, last := strconv.FormatUint(c.MSISDNBase, 10), strconv.FormatUint(c.MSISDNBase+2*c.MSISDNs-1, 10)
	switch {
	case c.MSISDNs < 1 || c.MSISDNs > 50_000_000:
		bad("%d MSISDNs: want 1 to 50,000,000", c.MSISDNs)
	case len(first) != len(last) || len(first) > 15:
		bad("MSISDNs from %s, and as many peers above them, do not have one length of at most 15 digits", first)
	}
	if n := len(c.ShortCode); n < 1 || n > 20 {
		bad("short code %q: want 1 to 20 characters", c.ShortCode)
	}
	if c.DisconnectEvery < 0 || c.DisconnectEvery > 0 && c.DisconnectEvery < 10*time.Millisecond {
		bad("a disconnection every %s: want 10ms or more", c.DisconnectEvery)
	}
	if len(errs) == 0 {
		if _, err := newTemplate(c); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
