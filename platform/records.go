package platform

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrNoTransaction means that no transaction has this reference: it was never
// given out, or its record has been removed after limits.keep.
var ErrNoTransaction = errors.New("no such transaction")

// Transaction looks a reference up, as a person may have typed it.
func (s *Store) Transaction(ctx context.Context, reference string) (*Transaction, error) {
	ref, partition, ok := referencePartition(reference)
	if !ok || partition >= s.partitions {
		return nil, ErrNoTransaction
	}
	return s.transaction(ctx, partition, ref)
}

func (s *Store) transaction(ctx context.Context, partition int, ref string) (*Transaction, error) {
	m, err := s.redis.HGetAll(ctx, key(partition, "tx", ref)).Result()
	if err != nil {
		return nil, storeError(err)
	}
	return parseTransaction(ref, m)
}

// Trace tells one transaction's way, line by line, without anything of what it
// was about beyond its kind and order of magnitude.
func (t *Transaction) Trace() []string {
	at := func(t time.Time) string {
		if t.IsZero() {
			return "-"
		}
		return t.UTC().Format("2006-01-02T15:04:05.000Z")
	}
	lines := []string{
		fmt.Sprintf("reference   %s", t.Reference),
		fmt.Sprintf("transaction %s", t.ID),
		fmt.Sprintf("subscriber  …%s, IMSI from the %s", lastDigits(t.MSISDN), t.Source),
		fmt.Sprintf("kind        %s, amount %s", t.Kind, t.Class),
		fmt.Sprintf("bind        %s, to %s", t.Bind, t.ShortCode),
		fmt.Sprintf("accepted    %s  journaled, then acknowledged to the SMSC", at(t.Accepted)),
	}
	if t.Serial != "" {
		lines = append(lines, fmt.Sprintf("sent        %s  under serial %s, %d sending(s) that may have reached the bank", at(t.SentAt), t.Serial, t.Attempts))
	}
	lines = append(lines, fmt.Sprintf("state       %s", t.State))
	if t.State.Final() {
		lines = append(lines, fmt.Sprintf("final       %s  %s", at(t.FinalAt), t.Outcome))
	}
	if t.Confirmed != "" {
		lines = append(lines, fmt.Sprintf("confirmed   %s", t.Confirmed))
	}
	return lines
}
