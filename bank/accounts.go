package bank

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"

	"starhash/bank/ledger"
	"starhash/configs/secret"
)

// Accounts administers the bank's accounts: what the accounts command does,
// also beside a running bank.
type Accounts struct {
	store    *store
	vault    *vault
	currency string
	now      func() time.Time
	own      bool // the store is ours to close
}

// OpenAccounts opens the accounts of a bank's database.
func OpenAccounts(cfg Config, log *slog.Logger) (*Accounts, error) {
	v, err := readVault(cfg)
	if err != nil {
		return nil, err
	}
	s, err := openStore(cfg.Database, log)
	if err != nil {
		return nil, err
	}
	return &Accounts{store: s, vault: v, currency: cfg.Currency, now: time.Now, own: true}, nil
}

// Close closes the database that OpenAccounts opened.
func (a *Accounts) Close() error {
	if !a.own {
		return nil
	}
	return a.store.close()
}

// AccountColumns is the first line of an accounts file.
const AccountColumns = "msisdn,imsi,name,pin,balance,currency"

// Imported counts what an import did.
type Imported struct {
	Created int // opened, with PIN and opening balance
	Updated int // there already: IMSI and name are those of the file now, PIN and balance stayed
}

// Import reads accounts from CSV with the columns of AccountColumns: all of
// them, or none and an error that joins one error a bad line. The balance is a
// decimal amount, an empty currency the configured one. An account that exists
// keeps its PIN, its currency and its money, so that a file can be imported
// again, and takes the file's IMSI and name: this is how a new SIM is registered.
func (a *Accounts) Import(ctx context.Context, r io.Reader) (Imported, error) {
	rows, err := a.parse(r)
	defer func() {
		for _, row := range rows {
			row.pin.Wipe()
		}
	}()
	if err != nil {
		return Imported{}, err
	}
	var done Imported
	err = a.store.write(ctx, func(tx ledger.Tx) error {
		done = Imported{}
		var problems []error
		for _, row := range rows {
			created, err := a.put(tx, row)
			switch {
			case err != nil:
				problems = append(problems, fmt.Errorf("line %d: %w", row.line, err))
			case created:
				done.Created++
			default:
				done.Updated++
			}
		}
		return errors.Join(problems...)
	})
	if err != nil {
		return Imported{}, err
	}
	return done, nil
}

type accountRow struct {
	line               int
	msisdn, imsi, name string
	pin                secret.Value
	balance            int64
	currency           string
}

func (a *Accounts) parse(r io.Reader) (rows []accountRow, err error) {
	c := csv.NewReader(r)
	c.TrimLeadingSpace = true
	head, err := c.Read()
	if err != nil {
		return nil, fmt.Errorf("accounts: first line: %w", err)
	}
	if got := strings.TrimPrefix(strings.Join(head, ","), "\ufeff"); got != AccountColumns {
		return nil, fmt.Errorf("accounts: the first line is %q, want %q", got, AccountColumns)
	}
	var problems []error
	seen := make(map[string]int)
	for {
		f, err := c.Read()
		if err == io.EOF {
			return rows, errors.Join(problems...)
		}
		if err != nil {
			return rows, errors.Join(append(problems, err)...) // csv's errors name the line
		}
		line, _ := c.FieldPos(0)
		row := accountRow{line: line, msisdn: f[0], imsi: f[1], name: strings.TrimSpace(f[2]), pin: secret.New([]byte(f[3])), currency: f[5]}
		if row.currency == "" {
			row.currency = a.currency
		}
		rows = append(rows, row)
		last := &rows[len(rows)-1]
		if err := last.check(f[4]); err != nil {
			problems = append(problems, fmt.Errorf("line %d: %w", line, err))
		}
		if first, ok := seen[row.msisdn]; ok {
			problems = append(problems, fmt.Errorf("line %d: MSISDN %s stands in line %d already", line, row.msisdn, first))
		}
		seen[row.msisdn] = line
	}
}

// check says what is wrong with a row, and reads its balance.
func (r *accountRow) check(balance string) (err error) {
	switch {
	case !isNumber(r.msisdn, 15):
		return fmt.Errorf("MSISDN %q: want up to 15 digits with the country code, no plus (ITU-T E.164)", r.msisdn)
	case !isNumber(r.imsi, 15):
		return fmt.Errorf("IMSI %q: want up to 15 digits (ITU-T E.212)", r.imsi)
	case r.name == "" || len(r.name) > 100:
		return errors.New("name: want 1 to 100 bytes")
	}
	if err := checkPIN(r.pin); err != nil {
		return err
	}
	r.balance, err = ledger.ParseAmount(balance, r.currency)
	return err
}

func isNumber(s string, max int) bool {
	return s != "" && len(s) <= max && strings.Trim(s, "0123456789") == ""
}

// put opens an account, or updates one that is there.
func (a *Accounts) put(tx ledger.Tx, row accountRow) (created bool, err error) {
	c, err := findCustomer(tx, row.msisdn)
	if err == nil {
		account, err := ledger.Get(tx, c.account)
		if err != nil {
			return false, err
		}
		if account.Currency != row.currency {
			return false, fmt.Errorf("account %s is in %s, not %s", row.msisdn, account.Currency, row.currency)
		}
		_, err = tx.Exec(`UPDATE customers SET imsi = ?, name = ? WHERE msisdn = ?`, row.imsi, row.name, row.msisdn)
		return false, err
	}
	if !errors.Is(err, ErrNoCustomer) {
		return false, err
	}
	id, err := ledger.Open(tx, row.msisdn, row.currency, false)
	if err != nil {
		return false, err
	}
	salt, value := a.vault.enrol(row.msisdn, row.pin)
	if _, err := tx.Exec(`INSERT INTO customers (msisdn, imsi, name, account, pin_salt, pin_value) VALUES (?, ?, ?, ?, ?, ?)`,
		row.msisdn, row.imsi, row.name, id, salt, value); err != nil {
		return false, err
	}
	if row.balance == 0 {
		return true, nil
	}
	opening, err := ledger.Internal(tx, "opening", row.currency)
	if err != nil {
		return false, err
	}
	return true, ledger.Post(tx, ledger.Entry{
		Ref: "opening/" + row.msisdn, Kind: entryOpening, At: a.now(),
		Postings: []ledger.Posting{
			{Account: opening, Amount: -row.balance, Other: id},
			{Account: id, Amount: row.balance, Other: opening},
		},
	})
}

// Shown is an account as its administrator sees it.
type Shown struct {
	MSISDN, IMSI, Name string
	Currency           string
	Balance            int64 // minor units
	Blocked            bool
	WrongPINs          int // since the last right one
	Lines              []ledger.Line
}

// Show reads an account and its last lines.
func (a *Accounts) Show(ctx context.Context, msisdn string) (s Shown, err error) {
	err = a.store.read(ctx, func(tx ledger.Tx) error {
		c, err := findCustomer(tx, msisdn)
		if err != nil {
			return err
		}
		account, err := ledger.Get(tx, c.account)
		if err != nil {
			return err
		}
		s = Shown{MSISDN: msisdn, IMSI: c.imsi, Name: c.name, Currency: account.Currency, Balance: account.Balance, Blocked: c.blocked, WrongPINs: c.pinWrong}
		s.Lines, err = ledger.Statement(tx, c.account, statementLines)
		return err
	})
	return s, err
}

// Own lists the bank's own accounts: "opening", "fees", "airtime" and
// "biller:CODE", each with its currency behind a colon. The last two are what the
// bank owes the operator and the billers.
func (a *Accounts) Own(ctx context.Context) (own []ledger.Account, err error) {
	err = a.store.read(ctx, func(tx ledger.Tx) error {
		own, err = ledger.Internals(tx)
		return err
	})
	return own, err
}

// Total sums the ledger up and verifies it; see ledger.Totals.
func (a *Accounts) Total(ctx context.Context) (totals []ledger.Total, err error) {
	err = a.store.read(ctx, func(tx ledger.Tx) error {
		totals, err = ledger.Totals(tx)
		return err
	})
	return totals, err
}

// SetBlocked blocks an account, or lets it be used again. A blocked customer
// neither opens serials nor sends nor receives.
func (a *Accounts) SetBlocked(ctx context.Context, msisdn string, blocked bool) error {
	return a.store.write(ctx, func(tx ledger.Tx) error {
		if _, err := findCustomer(tx, msisdn); err != nil {
			return err
		}
		_, err := tx.Exec(`UPDATE customers SET blocked = ? WHERE msisdn = ?`, blocked, msisdn)
		return err
	})
}

// ResetPIN gives an account a new PIN and unlocks it. The caller wipes pin.
func (a *Accounts) ResetPIN(ctx context.Context, msisdn string, pin secret.Value) error {
	if err := checkStrength(pin); err != nil {
		return err
	}
	return a.store.write(ctx, func(tx ledger.Tx) error {
		c, err := findCustomer(tx, msisdn)
		if err != nil {
			return err
		}
		salt, value := a.vault.enrol(msisdn, pin)
		return c.setPIN(tx, salt, value)
	})
}

// Generate writes an accounts file of n invented customers for trials: numbers
// from first on, IMSIs from firstIMSI on, PIN 1234, and some money. The same
// arguments write the same file.
func Generate(w io.Writer, n int, first, firstIMSI uint64, currency string) error {
	exp, err := ledger.Exponent(currency)
	if err != nil {
		return err
	}
	unit := int64(1)
	for range exp {
		unit *= 10
	}
	out := csv.NewWriter(w)
	if err := out.Write(strings.Split(AccountColumns, ",")); err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(first, firstIMSI))
	for i := range uint64(max(n, 0)) {
		name := givenNames[random.IntN(len(givenNames))] + " " + familyNames[random.IntN(len(familyNames))]
		balance := (50 + random.Int64N(950)) * unit
		if err := out.Write([]string{fmt.Sprint(first + i), fmt.Sprintf("%015d", firstIMSI+i), name, "1234", ledger.FormatAmount(balance, currency), currency}); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

var (
	givenNames  = []string{"Tendai", "Rudo", "Farai", "Chipo", "Amina", "Juma", "Wanjiru", "Otieno", "João", "Maria", "Moussa", "Awa"}
	familyNames = []string{"Moyo", "Ncube", "Sibanda", "Mwangi", "Odhiambo", "Hassan", "Machava", "Diallo", "Traoré", "Kamara"}
)
