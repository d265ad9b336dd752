package smpp

import (
	"fmt"
	"math/big"
	"strings"
	"time"
)

// Spellings of message ids (§5.2.23): real message centres answer in one base and
// write another into their receipts.
const (
	idText    = "text"    // as it stands
	idDecimal = "decimal" // a number: leading zeros mean nothing
	idHex     = "hex"     // a number: neither do they, nor does case
)

// ResponseID gives the message id of a submit_sm_resp in a form in which that
// of its receipt, by ReceiptID, is the same.
func (c *BindConfig) ResponseID(id string) string { return canonicalID(id, c.ResponseIDs) }

// ReceiptID is the form of ResponseID for the message that a receipt is about.
// receipted_message_id is spelled as in the submit_sm_resp (§5.3.2.12), unless
// the text has the same characters: then both are in the receipts' spelling.
func (c *BindConfig) ReceiptID(r Receipt) string {
	if r.ParameterID != "" && r.ParameterID != r.TextID {
		return canonicalID(r.ParameterID, c.ResponseIDs)
	}
	return canonicalID(r.MessageID, c.ReceiptIDs)
}

func canonicalID(id, spelling string) string {
	id = strings.TrimSpace(id)
	base := 0
	switch spelling {
	case idDecimal:
		base = 10
	case idHex:
		base = 16
	}
	digits := id
	if base == 16 {
		digits = strings.TrimPrefix(strings.ToLower(id), "0x")
	}
	if base == 0 || len(digits) > 64 || strings.ContainsAny(digits, "+-_") {
		return id
	}
	n, ok := new(big.Int).SetString(digits, base)
	if !ok {
		return id // not a number after all
	}
	return n.String()
}

// CanReach says whether the bind can deliver to an MSISDN.
func (c *BindConfig) CanReach(msisdn string) bool {
	for _, prefix := range c.Reaches {
		if strings.HasPrefix(msisdn, prefix) {
			return true
		}
	}
	return len(c.Reaches) == 0
}

// Validity is the validity_period (§5.2.16) of a message that is worth sending
// until then, in the form that the bind's SMSC reads. Less than a minute is
// asked for as a minute: SMSCs refuse what is shorter than their own steps.
func (c *BindConfig) Validity(until, now time.Time) string {
	d := max(until.Sub(now), time.Minute)
	switch c.ValidityPeriod {
	case validityNone:
		return ""
	case validityAbsolute:
		return now.Add(d).UTC().Format("060102150405") + "000+"
	}
	s := int((d + time.Second - 1) / time.Second)
	return fmt.Sprintf("0000%02d%02d%02d%02d000R", min(s/86400, 99), s/3600%24, s/60%60, s%60)
}

// Forms of validity_period: §7.1.1.
const (
	validityRelative = "relative"
	validityAbsolute = "absolute" // in UTC
	validityNone     = "none"     // left to the SMSC
)

func (c *BindConfig) validateOutbound(bad func(key, message, want string)) {
	for key, v := range map[string]string{"response_ids": c.ResponseIDs, "receipt_ids": c.ReceiptIDs} {
		if v != idText && v != idDecimal && v != idHex {
			bad(key, fmt.Sprintf("is %q", v), "text, decimal or hex")
		}
	}
	if v := c.ValidityPeriod; v != validityRelative && v != validityAbsolute && v != validityNone {
		bad("validity_period", fmt.Sprintf("is %q", v), "relative, absolute or none")
	}
	if strings.ContainsAny(c.SMSC, " {}:\n") && c.SMSC != c.Address {
		bad("smsc", "holds a blank, a brace or a colon", "a short name, the same for all binds whose receipts may come on each other")
	}
	for i, p := range c.Reaches {
		if p == "" || len(p) > 15 || strings.Trim(p, "0123456789") != "" || p[0] == '0' {
			bad(fmt.Sprintf("reaches[%d]", i), fmt.Sprintf("is %q", p), `the first digits of MSISDNs with their country code, without + or 00, quoted: "26377"`)
		}
	}
}
