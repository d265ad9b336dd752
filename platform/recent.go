package platform

import (
	"context"
	"errors"
)

// keptRecent is how many references of a subscriber's transactions are kept; the
// journal's script has the same.
const keptRecent = 20

// recent are the latest transactions of a subscriber, the newest first: all of
// them, or those without a verdict.
func (s *Store) recent(ctx context.Context, msisdn string, n int, pending bool) ([]*Transaction, error) {
	p := s.partition(msisdn)
	refs, err := s.redis.LRange(ctx, key(p, "recent", msisdn), 0, keptRecent-1).Result()
	if err != nil {
		return nil, storeError(err)
	}
	var out []*Transaction
	for _, ref := range refs {
		tx, err := s.transaction(ctx, p, ref)
		switch {
		case errors.Is(err, ErrNoTransaction):
			continue // older than limits.keep
		case err != nil:
			return nil, err
		case tx.MSISDN != msisdn || pending && tx.State.Final():
			continue
		}
		if out = append(out, tx); len(out) == n {
			break
		}
	}
	return out, nil
}
