package ledger

import (
	"errors"
	"fmt"
	"time"
)

// Posting is one account's side of an entry.
type Posting struct {
	Account AccountID
	Amount  int64     // minor units; negative takes money out of the account
	Other   AccountID // the account on the other side, for statements
}

// Entry is one movement of money: postings that sum to zero.
type Entry struct {
	Ref      string // unique; the caller's name of the movement
	Kind     string // for statements; the ledger does not read it
	At       time.Time
	Postings []Posting // at most one an account
}

// What Post refuses; nothing is written then.
var (
	ErrFunds      = errors.New("ledger: insufficient funds")
	ErrPosted     = errors.New("ledger: this reference is posted already")
	ErrUnbalanced = errors.New("ledger: postings do not sum to zero")
	ErrCurrency   = errors.New("ledger: accounts of different currencies")
	ErrAmount     = errors.New("ledger: an amount is zero or too large")
)

// Post writes an entry and moves the balances. After an error that is not one
// of the above, the database's own, the caller rolls its transaction, or a
// savepoint set before the call, back.
func Post(tx Tx, e Entry) error {
	if len(e.Postings) < 2 {
		return ErrUnbalanced
	}
	var sum int64
	for _, p := range e.Postings {
		if p.Amount == 0 || p.Amount > MaxAmount || p.Amount < -MaxAmount {
			return ErrAmount
		}
		sum += p.Amount // cannot overflow unless an entry had 9,000 postings
	}
	if sum != 0 || len(e.Postings) > maxPostings {
		return ErrUnbalanced
	}

	var taken bool
	if err := tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM entries WHERE ref = ?)`, e.Ref).Scan(&taken); err != nil {
		return err
	}
	if taken {
		return ErrPosted
	}

	// Everything is checked before anything is written.
	balances := make([]int64, len(e.Postings))
	currency := ""
	for i, p := range e.Postings {
		a, err := Get(tx, p.Account)
		if err != nil {
			return err
		}
		if i == 0 {
			currency = a.Currency
		}
		balances[i] = a.Balance + p.Amount
		switch {
		case a.Currency != currency:
			return ErrCurrency
		case balances[i] > maxBalance || balances[i] < -maxBalance:
			return ErrAmount
		case !a.Internal && balances[i] < 0:
			return ErrFunds
		}
	}

	r, err := tx.Exec(`INSERT INTO entries (ref, kind, at) VALUES (?, ?, ?)`, e.Ref, e.Kind, e.At.UnixMilli())
	if err != nil {
		return fmt.Errorf("ledger: entry: %w", err)
	}
	id, err := r.LastInsertId()
	if err != nil {
		return err
	}
	for i, p := range e.Postings {
		// The key (account, entry) refuses an account that stands in the entry
		// twice, whose first balance would be lost here.
		if _, err := tx.Exec(`INSERT INTO postings (account, entry, amount, balance, other) VALUES (?, ?, ?, ?, ?)`,
			p.Account, id, p.Amount, balances[i], p.Other); err != nil {
			return fmt.Errorf("ledger: posting: %w", err)
		}
		if _, err := tx.Exec(`UPDATE accounts SET balance = ? WHERE id = ?`, balances[i], p.Account); err != nil {
			return fmt.Errorf("ledger: balance: %w", err)
		}
	}
	return nil
}

const (
	maxPostings = 16
	// maxBalance keeps a balance far from the ends of an int64, so that no sum
	// of a balance and an amount wraps.
	maxBalance = 4_000_000_000_000_000_000
)

// Line is one line of a statement: what one entry did to the account.
type Line struct {
	At      time.Time
	Kind    string
	Amount  int64 // minor units; negative is money out
	Balance int64 // after it
	Other   Account
}

// Statement is the last n lines of an account, the newest first.
func Statement(tx Tx, id AccountID, n int) ([]Line, error) {
	rows, err := tx.Query(`
		SELECT e.at, e.kind, p.amount, p.balance, o.id, o.name, o.internal, o.currency, o.balance
		FROM postings p JOIN entries e ON e.id = p.entry JOIN accounts o ON o.id = p.other
		WHERE p.account = ? ORDER BY p.entry DESC LIMIT ?`, id, n)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var lines []Line
	for rows.Next() {
		var l Line
		var at int64
		if err := rows.Scan(&at, &l.Kind, &l.Amount, &l.Balance,
			&l.Other.ID, &l.Other.Name, &l.Other.Internal, &l.Other.Currency, &l.Other.Balance); err != nil {
			return nil, err
		}
		l.At = time.UnixMilli(at).UTC()
		lines = append(lines, l)
	}
	return lines, rows.Err()
}
