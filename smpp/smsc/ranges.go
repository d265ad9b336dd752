package smsc

import (
	"fmt"
	"regexp"
	"strings"
)

// addressRange is what an ESME or an account serves (§5.2.7): "" everything, digits
// all addresses that begin with them, anything else a regular expression (appendix C
// of the specification has UNIX's; these are Go's, which agree on its examples).
type addressRange struct {
	prefix string
	expr   *regexp.Regexp // in place of prefix
}

func parseRange(s string) (addressRange, error) {
	if digits := strings.TrimPrefix(strings.TrimSuffix(s, "*"), "^"); s == "" || isNumber(digits) {
		return addressRange{prefix: digits}, nil
	}
	expr, err := regexp.Compile(s)
	if err != nil {
		return addressRange{}, fmt.Errorf("%q is neither digits nor a regular expression", s)
	}
	return addressRange{expr: expr}, nil
}

// everything says whether no address is outside.
func (r addressRange) everything() bool { return r.prefix == "" && r.expr == nil }

func (r addressRange) has(address string) bool {
	if r.expr != nil {
		return r.expr.MatchString(address)
	}
	return strings.HasPrefix(msisdn(address), r.prefix)
}

// takes says whether a delivery may go to an ESME of that range. Receipts go to any:
// their destination is the address that the account submitted from.
func (r addressRange) takes(d *delivery) bool { return !d.mo || r.has(d.message.Dest.Addr) }
