package bank

import (
	"database/sql"
	"errors"
	"strings"
	"unicode/utf8"

	"starhash/bank/ledger"
)

// customer is a row of customers.
type customer struct {
	msisdn   string
	imsi     string
	name     string
	account  ledger.AccountID
	blocked  bool
	pinSalt  []byte
	pinValue []byte
	pinWrong int
	spent    int64  // minor units, on spentOn
	spentOn  string // the bank's local day
	lookups  int    // payees' names asked for, on lookedOn
	lookedOn string
}

// ErrNoCustomer says that no customer has an MSISDN.
var ErrNoCustomer = errors.New("bank: no such customer")

func findCustomer(tx ledger.Tx, msisdn string) (*customer, error) {
	c := &customer{msisdn: msisdn}
	err := tx.QueryRow(`SELECT imsi, name, account, blocked, pin_salt, pin_value, pin_wrong, spent, spent_on, lookups, looked_on
		FROM customers WHERE msisdn = ?`, msisdn).
		Scan(&c.imsi, &c.name, &c.account, &c.blocked, &c.pinSalt, &c.pinValue, &c.pinWrong, &c.spent, &c.spentOn, &c.lookups, &c.lookedOn)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrNoCustomer
	}
	return c, err
}

// setWrong stores how many wrong PINs came since the last right one.
func (c *customer) setWrong(tx ledger.Tx, n int) error {
	c.pinWrong = n
	_, err := tx.Exec(`UPDATE customers SET pin_wrong = ? WHERE msisdn = ?`, n, c.msisdn)
	return err
}

// setPIN stores a new PIN's verification value, with no wrong ones counted.
func (c *customer) setPIN(tx ledger.Tx, salt, value []byte) error {
	_, err := tx.Exec(`UPDATE customers SET pin_salt = ?, pin_value = ?, pin_wrong = 0 WHERE msisdn = ?`, salt, value, c.msisdn)
	return err
}

// setSpent stores what the customer has sent on a day.
func (c *customer) setSpent(tx ledger.Tx, day string, amount int64) error {
	_, err := tx.Exec(`UPDATE customers SET spent = ?, spent_on = ? WHERE msisdn = ?`, amount, day, c.msisdn)
	return err
}

// setLookups stores how many names the customer has asked for on a day.
func (c *customer) setLookups(tx ledger.Tx, day string, n int) error {
	_, err := tx.Exec(`UPDATE customers SET lookups = ?, looked_on = ? WHERE msisdn = ?`, n, day, c.msisdn)
	return err
}

// maskName shows who is meant to somebody who knows, and little to others:
// "Tendai Moyo" is "T*** M***". The stars do not tell how long a name is.
func maskName(name string) string {
	words := strings.Fields(name)
	if len(words) > maxMasked {
		words = words[:maxMasked]
	}
	for i, w := range words {
		_, n := utf8.DecodeRuneInString(w)
		words[i] = w[:n] + "***"
	}
	return strings.Join(words, " ")
}

// maxMasked bounds the words of a masked name: a confirmation is one SMS.
const maxMasked = 3

// maskMSISDN is how a number stands in logs and statements: its last four digits.
func maskMSISDN(msisdn string) string {
	if len(msisdn) <= 4 {
		return msisdn
	}
	return msisdn[len(msisdn)-4:]
}
