package ledger

import (
	"database/sql"
	_ "embed" // schema.sql
	"errors"
	"fmt"
)

// Schema creates the ledger's tables in an empty database.
//
//go:embed schema.sql
var Schema string

// Tx is the caller's database transaction: a *sql.Tx, or a handle that keeps
// its statements prepared.
type Tx interface {
	Exec(query string, args ...any) (sql.Result, error)
	Query(query string, args ...any) (*sql.Rows, error)
	QueryRow(query string, args ...any) *sql.Row
}

// AccountID numbers an account.
type AccountID int64

// Account is one account. An internal one is the bank's own and may go below
// zero; a customer's may not.
type Account struct {
	ID       AccountID
	Name     string // unique; the ledger does not read it
	Internal bool
	Currency string // ISO 4217
	Balance  int64  // minor units
}

// ErrNoAccount says that there is no such account.
var ErrNoAccount = errors.New("ledger: no such account")

// Open makes an empty account. A name that is taken is an error.
func Open(tx Tx, name, currency string, internal bool) (AccountID, error) {
	if _, err := Exponent(currency); err != nil {
		return 0, err
	}
	r, err := tx.Exec(`INSERT INTO accounts (name, currency, internal) VALUES (?, ?, ?)`, name, currency, internal)
	if err != nil {
		return 0, fmt.Errorf("ledger: open account: %w", err)
	}
	id, err := r.LastInsertId()
	return AccountID(id), err
}

// Get reads an account, or says ErrNoAccount.
func Get(tx Tx, id AccountID) (Account, error) {
	return scanAccount(tx.QueryRow(`SELECT id, name, internal, currency, balance FROM accounts WHERE id = ?`, id))
}

// Find reads the account of a name, or says ErrNoAccount.
func Find(tx Tx, name string) (Account, error) {
	return scanAccount(tx.QueryRow(`SELECT id, name, internal, currency, balance FROM accounts WHERE name = ?`, name))
}

func scanAccount(row *sql.Row) (a Account, err error) {
	err = row.Scan(&a.ID, &a.Name, &a.Internal, &a.Currency, &a.Balance)
	if errors.Is(err, sql.ErrNoRows) {
		return a, ErrNoAccount
	}
	return a, err
}

// Internals lists the bank's own accounts by name.
func Internals(tx Tx) (all []Account, err error) {
	rows, err := tx.Query(`SELECT id, name, internal, currency, balance FROM accounts WHERE internal = 1 ORDER BY name`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var a Account
		if err := rows.Scan(&a.ID, &a.Name, &a.Internal, &a.Currency, &a.Balance); err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, rows.Err()
}

// Internal finds or opens the bank's own account for a purpose in a currency,
// "fees" in USD for one.
func Internal(tx Tx, purpose, currency string) (AccountID, error) {
	name := purpose + ":" + currency
	a, err := Find(tx, name)
	if errors.Is(err, ErrNoAccount) {
		return Open(tx, name, currency, true)
	}
	if err == nil && !a.Internal {
		return 0, fmt.Errorf("ledger: account %s is a customer's", name)
	}
	return a.ID, err
}
