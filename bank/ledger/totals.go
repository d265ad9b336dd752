package ledger

import "fmt"

// Total is the ledger of one currency, summed up. All sums are minor units.
type Total struct {
	Currency  string
	Customers int   // customers' accounts
	Held      int64 // what the customers have
	Internal  int64 // what the internal accounts have; -Held when all is well
	Postings  int64 // number of postings
	Sum       int64 // of all postings; 0 when all is well
}

// Totals sums the ledger up, currency by currency, and verifies it: the
// postings of every entry sum to zero, and every balance is the sum of its
// account's postings. What does not hold is the error; the totals are returned
// with it. It reads the whole history.
func Totals(tx Tx) ([]Total, error) {
	rows, err := tx.Query(`
		SELECT a.currency, SUM(a.internal = 0), SUM(IIF(a.internal = 0, a.balance, 0)), SUM(IIF(a.internal = 1, a.balance, 0)),
			(SELECT COUNT(*) FROM postings p JOIN accounts b ON b.id = p.account WHERE b.currency = a.currency),
			(SELECT COALESCE(SUM(p.amount), 0) FROM postings p JOIN accounts b ON b.id = p.account WHERE b.currency = a.currency)
		FROM accounts a GROUP BY a.currency ORDER BY a.currency`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var totals []Total
	for rows.Next() {
		var t Total
		if err := rows.Scan(&t.Currency, &t.Customers, &t.Held, &t.Internal, &t.Postings, &t.Sum); err != nil {
			return nil, err
		}
		totals = append(totals, t)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}

	checks := []struct{ what, query string }{
		{"entries whose postings do not sum to zero", `SELECT COUNT(*) FROM (SELECT 1 FROM postings GROUP BY entry HAVING SUM(amount) <> 0)`},
		{"entries without postings", `SELECT COUNT(*) FROM entries WHERE id NOT IN (SELECT entry FROM postings)`},
		{"accounts whose balance is not the sum of their postings", `SELECT COUNT(*) FROM accounts a
			WHERE balance <> (SELECT COALESCE(SUM(amount), 0) FROM postings WHERE account = a.id)`},
		{"customers below zero", `SELECT COUNT(*) FROM accounts WHERE internal = 0 AND balance < 0`},
	}
	for _, c := range checks {
		var n int64
		if err := tx.QueryRow(c.query).Scan(&n); err != nil {
			return totals, err
		}
		if n != 0 {
			return totals, fmt.Errorf("ledger: %d %s", n, c.what)
		}
	}
	for _, t := range totals {
		if t.Sum != 0 || t.Held+t.Internal != 0 {
			return totals, fmt.Errorf("ledger: %s is out of balance by %s", t.Currency, FormatAmount(t.Held+t.Internal, t.Currency))
		}
	}
	return totals, nil
}
