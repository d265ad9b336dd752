package platform

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"starhash/smpp"
)

// Parts of a long message are acknowledged one by one, because many SMSCs send
// the next only then; so each is stored first, wrapped. The last one is
// acknowledged with the whole message. When the rest does not come in time the
// sender is told that nothing moved.

var (
	errIncomplete = errors.New("a part of a long message; the rest is awaited")
	errBadPart    = errors.New("a part with impossible numbers")
)

// partsKeep is how much longer than the deadline parts are kept, so that the
// gateway that looks for overdue ones finds them.
const partsKeep = time.Hour

// partEncoding is how many octets before a stored part say how it is encoded.
const partEncoding = 3

// assemble gives the user data of a message, whole, each part in the encoding that
// it came in; def is what data_coding 0 means at its SMSC. For a part whose others
// are missing it gives errIncomplete. It fills in.identity and in.parts.
func (g *Gateway) assemble(ctx context.Context, m *smpp.Message, def smpp.Alphabet, in *mo) (*smpp.UserData, error) {
	p := g.store.partition(in.msisdn)
	in.parts = key(p, "parts", "none")
	if v, ok := m.TLVs.Get(smpp.TagUserMessageReference); ok {
		in.identity = append([]byte("umr"), v...)
	}
	part, long, err := smpp.PartOf(m)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errBadPart, err)
	}
	encoding, err := smpp.EncodingOf(m, def)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errBadPart, err)
	}
	if !long {
		text, err := smpp.UserText(m)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errBadPart, err)
		}
		u := smpp.NewUserData(len(text))
		u.Add(encoding, text)
		return u, nil
	}
	in.identity = fmt.Appendf(nil, "parts %v %d", part.Kind, part.Ref)
	member := fmt.Sprintf("%s:%s:%v:%d:%d", in.msisdn, in.shortCode, part.Kind, part.Ref, part.Total)
	in.parts = key(p, "parts", member)
	plain := append([]byte{byte(encoding.Alphabet), byte(encoding.Locking), byte(encoding.Single)}, part.Text...)
	defer clear(plain)
	n := strconv.Itoa(int(part.Seq))
	wrapped, err := g.keyring.Wrap(plain, partPlace(member, n))
	if err != nil {
		return nil, err
	}
	today, yesterday, err := g.keyring.Digests([]byte("part"), []byte(member), []byte(n), plain)
	if err != nil {
		return nil, err
	}
	wait := g.cfg.Limits.PartsWait
	r, err := partScript.Run(ctx, g.store.redis, []string{in.parts, key(p, "partial")},
		n, part.Total, wrapped, today, yesterday, (wait + partsKeep).Milliseconds(), in.at.Add(wait).UnixMilli(), member).StringSlice()
	if err != nil {
		return nil, storeError(err)
	}
	if r[0] != "all" {
		return nil, errIncomplete // also a part that was delivered again
	}
	size := 0
	for _, w := range r[1:] {
		size += len(w)
	}
	user := smpp.NewUserData(size) // does not grow, so that no copy of it is left behind
	for i, w := range r[1:] {
		v, err := g.keyring.Unwrap([]byte(w), partPlace(member, strconv.Itoa(i+1)))
		if err != nil {
			user.Wipe()
			return nil, fmt.Errorf("%w: %w", errBadPart, err)
		}
		b := v.Reveal()
		user.Add(smpp.Encoding{Alphabet: smpp.Alphabet(b[0]), Locking: smpp.Language(b[1]), Single: smpp.Language(b[2])}, b[partEncoding:])
		v.Wipe()
	}
	return user, nil
}

func partPlace(member, n string) string { return "part " + member + ":" + n }

// overdue tells the senders of long messages that never became whole. It is safe
// on several gateways: whoever takes the member off the set tells, in one step.
func (g *Gateway) overdue(ctx context.Context, partition int) error {
	k := key(partition, "partial")
	now := strconv.FormatInt(time.Now().UnixMilli(), 10)
	members, err := g.store.redis.ZRangeByScore(ctx, k, &redis.ZRangeBy{Min: "-inf", Max: now, Count: 100}).Result()
	if err != nil {
		return storeError(err)
	}
	for _, member := range members {
		f := strings.Split(member, ":")
		if len(f) < 2 {
			continue
		}
		if f[0] == "push" {
			in := mo{msisdn: f[1], shortCode: g.cfg.ShortCode, parts: key(partition, "parts", "none")}
			if err := g.sayIfDue(ctx, &in, g.language(ctx, in.msisdn), TextPushUnanswered, Args{"code": g.cfg.ServiceCode}, member); err != nil {
				return err
			}
			continue
		}
		in := mo{msisdn: f[0], shortCode: f[1], parts: key(partition, "parts", member)}
		if err := g.sayIfDue(ctx, &in, g.language(ctx, in.msisdn), TextPartsMissing, nil, member); err != nil {
			return err
		}
	}
	return nil
}
