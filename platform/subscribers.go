package platform

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Subscriber is a row of the operator's registry: which SIM has which number.
type Subscriber struct {
	MSISDN   string // digits, international, without plus: ITU-T E.164, at most 15
	IMSI     string // digits: ITU-T E.212, at most 15
	Bank     string
	Language string // "en", "fr", …: a file of configs/texts
	Status   SubscriberStatus
	// Quiet is set by STOP: no notices of money received; answers to the
	// subscriber's own messages still come.
	Quiet bool
}

// SubscriberStatus says whether a subscriber may bank.
type SubscriberStatus string

// The statuses of a subscriber.
const (
	Active  SubscriberStatus = "active"
	Blocked SubscriberStatus = "blocked"
)

// ErrUnknownSubscriber means that the registry has no such MSISDN.
var ErrUnknownSubscriber = errors.New("no such subscriber")

// Subscriber looks a number up.
func (s *Store) Subscriber(ctx context.Context, msisdn string) (Subscriber, error) {
	m, err := s.redis.HGetAll(ctx, s.subscriberKey(msisdn)).Result()
	if err != nil {
		return Subscriber{}, storeError(err)
	}
	if len(m) == 0 {
		return Subscriber{}, ErrUnknownSubscriber
	}
	return Subscriber{MSISDN: msisdn, IMSI: m["imsi"], Bank: m["bank"], Language: m["language"],
		Status: SubscriberStatus(m["status"]), Quiet: m["quiet"] == "1"}, nil
}

func (s *Store) subscriberKey(msisdn string) string {
	return key(s.partition(msisdn), "subscriber", msisdn)
}

// PutSubscribers writes rows of the registry, new or changed, in one pipeline.
func (s *Store) PutSubscribers(ctx context.Context, rows []Subscriber) error {
	_, err := s.redis.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, r := range rows {
			p.HSet(ctx, s.subscriberKey(r.MSISDN), "imsi", r.IMSI, "bank", r.Bank, "language", r.Language, "status", string(r.Status))
		}
		return nil
	})
	return storeError(err)
}

// setSubscriber changes one field of a subscriber that exists.
func (s *Store) setSubscriber(ctx context.Context, msisdn, field, value string) error {
	k := s.subscriberKey(msisdn)
	n, err := s.redis.Exists(ctx, k).Result()
	if err != nil {
		return storeError(err)
	}
	if n == 0 {
		return ErrUnknownSubscriber
	}
	return storeError(s.redis.HSet(ctx, k, field, value).Err())
}

// SetStatus blocks or unblocks a subscriber.
func (s *Store) SetStatus(ctx context.Context, msisdn string, st SubscriberStatus) error {
	return s.setSubscriber(ctx, msisdn, "status", string(st))
}

// subscriberColumns is the header of a subscribers CSV file.
const subscriberColumns = "msisdn,imsi,bank,language,status"

// ReadSubscribers reads a CSV file with the header msisdn,imsi,bank,language,status
// and hands the rows on in batches. bank is the one that this gateway speaks to.
// Nothing is handed on from a file with a
// faulty row ahead of it in the same batch; the error names the line.
func ReadSubscribers(r io.Reader, bank string, languages []string, put func([]Subscriber) error) (n int, err error) {
	c := csv.NewReader(r)
	c.FieldsPerRecord, c.ReuseRecord, c.TrimLeadingSpace = 5, true, true
	head, err := c.Read()
	if err != nil || strings.Join(head, ",") != subscriberColumns {
		return 0, fmt.Errorf("line 1: want the header %s", subscriberColumns)
	}
	const batch = 1000
	var rows []Subscriber
	for {
		f, err := c.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return n, err // a *csv.ParseError, which names the line
		}
		line, _ := c.FieldPos(0)
		row := Subscriber{MSISDN: strings.TrimPrefix(f[0], "+"), IMSI: f[1], Bank: f[2], Language: f[3], Status: SubscriberStatus(f[4])}
		if err := row.valid(bank, languages); err != nil {
			return n, fmt.Errorf("line %d: %w", line, err)
		}
		if rows = append(rows, row); len(rows) == batch {
			if err := put(rows); err != nil {
				return n, err
			}
			n, rows = n+len(rows), rows[:0]
		}
	}
	if len(rows) > 0 {
		if err := put(rows); err != nil {
			return n, err
		}
	}
	return n + len(rows), nil
}

func (r Subscriber) valid(bank string, languages []string) error {
	if !digits(r.MSISDN, 5, 15) || r.MSISDN[0] == '0' {
		return fmt.Errorf("msisdn %q: want the international number, 5 to 15 digits", r.MSISDN)
	}
	if !digits(r.IMSI, 6, 15) {
		return fmt.Errorf("imsi %q: want 6 to 15 digits", r.IMSI)
	}
	if r.Bank != bank {
		return fmt.Errorf("bank %q: this gateway speaks to %q", r.Bank, bank)
	}
	if !slices.Contains(languages, r.Language) {
		return fmt.Errorf("language %q: want one of %s", r.Language, strings.Join(languages, ", "))
	}
	if r.Status != Active && r.Status != Blocked {
		return fmt.Errorf("status %q: want %s or %s", r.Status, Active, Blocked)
	}
	return nil
}

func digits(s string, min, max int) bool {
	return len(s) >= min && len(s) <= max && strings.Trim(s, "0123456789") == ""
}

// GenerateSubscribers writes n rows for trying things out: numbers that count up
// from country + 771000001, IMSIs from 648010000000001, one in four of each
// language.
func GenerateSubscribers(w io.Writer, n int, country, bank string, languages []string) error {
	if _, err := fmt.Fprintln(w, subscriberColumns); err != nil {
		return err
	}
	for i := 1; i <= n; i++ {
		if _, err := fmt.Fprintf(w, "%s77%07d,64801%010d,%s,%s,%s\n",
			country, 1000000+i, i, bank, languages[(i-1)%len(languages)], Active); err != nil {
			return err
		}
	}
	return nil
}
