package bank

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"starhash/bank/ledger"
	"starhash/bank/link"
)

// refuse is an answer that executes nothing and is not stored.
func refuse(code link.Code, format string, args ...any) *link.Error {
	return &link.Error{Code: code, Detail: fmt.Sprintf(format, args...), Authenticated: true}
}

const selectExchange = `SELECT hash, sealed FROM exchanges WHERE operator = ? AND serial = ?`

// storedReply reads a row of selectExchange: the bytes that were answered to
// the request of this hash, nil if the serial was not used yet, or
// ReplayedSerial if it was used for another request.
func storedReply(row *sql.Row, h link.Header, hash [32]byte) ([]byte, error) {
	var stored, sealed []byte
	err := row.Scan(&stored, &sealed)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, err
	case !bytes.Equal(stored, hash[:]):
		return nil, refuse(link.ReplayedSerial, "serial %s was used for another request", h.Serial)
	}
	return sealed, nil
}

// keepReply stores the sealed reply of a serial.
func keepReply(tx ledger.Tx, x *link.Exchange, id link.TxID, sealed []byte) error {
	_, err := tx.Exec(`INSERT INTO exchanges (operator, serial, hash, txid, sealed) VALUES (?, ?, ?, ?, ?)`,
		string(x.Header.Operator), x.Header.Serial[:], x.Hash[:], id[:], sealed)
	return err
}

// record is a row of transactions.
type record struct {
	msisdn string
	digest []byte // nil: voided before its request came
	reply  *link.Reply
}

// findRecord reads what became of a transaction; nil if the bank has not seen it.
func findRecord(tx ledger.Tx, op link.Operator, id link.TxID) (*record, error) {
	r := &record{reply: new(link.Reply)}
	var reply string
	err := tx.QueryRow(`SELECT msisdn, digest, reply FROM transactions WHERE operator = ? AND txid = ?`, string(op), id[:]).
		Scan(&r.msisdn, &r.digest, &reply)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return r, json.Unmarshal([]byte(reply), r.reply)
}

// keepRecord stores what became of a transaction, once and for all. digest is
// nil for one that is voided before its request came.
func keepRecord(tx ledger.Tx, op link.Operator, id link.TxID, msisdn string, kind link.Kind, digest []byte, p *link.Reply) error {
	reply, err := json.Marshal(p)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO transactions (operator, txid, msisdn, kind, digest, outcome, reply, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		string(op), id[:], msisdn, int(kind), digest, int(p.Outcome), string(reply), p.At.UnixMilli())
	return err
}

// keepOpening stores that a serial was opened, and for whom. It reports false
// if the serial was opened before.
func keepOpening(tx ledger.Tx, op link.Operator, o link.Opening, at, expires time.Time) (bool, error) {
	r, err := tx.Exec(`INSERT INTO openings (operator, serial, imsi, msisdn, imsi_source, opened, expires)
		VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (operator, serial) DO NOTHING`,
		string(op), o.Serial[:], o.Identity.IMSI, o.Identity.MSISDN, int(o.Identity.Source), at.UnixMilli(), expires.UnixMilli())
	if err != nil {
		return false, err
	}
	n, err := r.RowsAffected()
	return n == 1, err
}

// opened reads for whom a serial was opened.
func opened(tx ledger.Tx, h link.Header) (id link.Identity, err error) {
	err = tx.QueryRow(`SELECT imsi, msisdn, imsi_source FROM openings WHERE operator = ? AND serial = ?`,
		string(h.Operator), h.Serial[:]).Scan(&id.IMSI, &id.MSISDN, &id.Source)
	if errors.Is(err, sql.ErrNoRows) {
		err = refuse(link.UnknownSerial, "serial %s is not on record", h.Serial)
	}
	return id, err
}

// lastBoot is the largest boot number that a node has opened a serial with, 0
// if none: serials of a node are ordered by it, so that this reads one row.
func lastBoot(tx ledger.Tx, op link.Operator, node uint16) (uint32, error) {
	low := link.NewNumbers(op, node, 0).Serial()
	prefix := low[:4] // operator and node
	high := append(bytes.Clone(prefix), bytes.Repeat([]byte{0xFF}, len(low)-len(prefix))...)
	var last []byte
	err := tx.QueryRow(`SELECT serial FROM openings WHERE operator = ? AND serial BETWEEN ? AND ? ORDER BY serial DESC LIMIT 1`,
		string(op), prefix, high).Scan(&last)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil || len(last) != len(low) {
		return 0, err
	}
	return link.Serial(last).Boot(), nil
}
