package bank

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"

	"starhash/bank/link"
	"starhash/configs/secret"
)

// vault is where PINs exist at the bank: it opens capsules and makes
// verification values, and nothing else holds either key. A hardware token can
// take its place.
//
// A verification value is HMAC-SHA256(key, MSISDN ‖ 0 ‖ salt ‖ PIN). It is a
// keyed function and not a slow hash, because there are ten thousand PINs of
// four digits: no hash is slow enough for a thief of the database who can try
// them all, and a slow one costs the bank a core at every transaction. What
// guards the values is a key that is not in the database. The MSISDN keeps a
// value from being copied onto another customer's row; the salt hides that a
// customer went back to an old PIN.
type vault struct {
	capsules *link.PINKey
	verify   secret.Value
}

const saltLen = 16

// pins are what one request carries, opened. A capsule that did not open is an
// error to be raised where the PIN is needed, and not before: a transaction that
// comes again gets its recorded outcome without one.
type pins struct {
	current, next                 secret.Value
	differ                        bool // the new PIN was typed twice, in two ways
	currentErr, nextErr, againErr error
}

func (p pins) wipe() { p.current.Wipe(); p.next.Wipe() }

// open opens the capsules of a request. The caller wipes the result.
func (v *vault) open(q *link.Request) (p pins) {
	if q.Kind == link.KindInquire || q.Kind == link.KindLookup || q.Auth == link.AuthCode {
		return p // there is none
	}
	if q.Kind == link.KindPINChange {
		p.next, p.nextErr = v.capsules.Open(q.NewPIN, q.Identity.MSISDN, q.ID, link.PINNew)
		if len(q.NewPINAgain) > 0 {
			var again secret.Value
			again, p.againErr = v.capsules.Open(q.NewPINAgain, q.Identity.MSISDN, q.ID, link.PINAgain)
			p.differ = !again.Equal(p.next)
			again.Wipe()
		}
	}
	p.current, p.currentErr = v.capsules.Open(q.PIN, q.Identity.MSISDN, q.ID, link.PINCurrent)
	return p
}

// value is the verification value of a PIN.
func (v *vault) value(msisdn string, salt []byte, pin secret.Value) []byte {
	h := hmac.New(sha256.New, v.verify.Reveal())
	h.Write([]byte(msisdn))
	h.Write([]byte{0})
	h.Write(salt)
	h.Write(pin.Reveal())
	return h.Sum(nil)
}

// enrol makes the salt and the value to be stored for a PIN.
func (v *vault) enrol(msisdn string, pin secret.Value) (salt, value []byte) {
	salt = make([]byte, saltLen)
	rand.Read(salt)
	return salt, v.value(msisdn, salt, pin)
}

// matches compares in a time that does not depend on the PIN.
func (v *vault) matches(c *customer, pin secret.Value) bool {
	return hmac.Equal(v.value(c.msisdn, c.pinSalt, pin), c.pinValue)
}

var errPINForm = fmt.Errorf("a PIN has %d to %d digits", link.MinPIN, link.MaxPIN)

// checkPIN says whether a PIN has the form of one, without repeating it.
func checkPIN(pin secret.Value) error {
	d := pin.Reveal()
	if len(d) < link.MinPIN || len(d) > link.MaxPIN {
		return errPINForm
	}
	for _, c := range d {
		if c < '0' || c > '9' {
			return errPINForm
		}
	}
	return nil
}

var errWeakPIN = errors.New("a PIN of equal digits or of a run is too easy to guess")

// checkStrength refuses the PINs that a thief tries first: all digits equal, or
// a run up or down, over the end too (8901).
func checkStrength(pin secret.Value) error {
	if err := checkPIN(pin); err != nil {
		return err
	}
	d := pin.Reveal()
	step := (d[1] - d[0] + 10) % 10 // unsigned: wraps, and comes back by the 10
	for i := 2; i < len(d); i++ {
		if (d[i]-d[i-1]+10)%10 != step {
			return nil
		}
	}
	if step == 0 || step == 1 || step == 9 {
		return errWeakPIN
	}
	return nil
}
