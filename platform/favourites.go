package platform

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

// favourite is an entry of a subscriber's own number book.
type favourite struct {
	Number string `json:"number"` // MSISDN
	Name   string `json:"name"`   // as the subscriber typed it, or empty
}

// maxFavourites bounds a number book.
const maxFavourites = 20

var errFavourites = errors.New("the number book is full")

// Whom a subscriber pays is nobody's business: the book is a hash of keyed names
// to wrapped entries. Unlike the journal's bodies it has to be read next year, so
// it has the keyring's lasting key.
func (g *Gateway) favouritesKey(msisdn string) string {
	return key(g.store.partition(msisdn), "favourites", msisdn)
}

func favouritesPlace(msisdn string) string { return "favourites " + msisdn }

// favourites are the entries of a number book, by name.
func (g *Gateway) favourites(ctx context.Context, msisdn string) ([]favourite, error) {
	all, err := g.store.redis.HGetAll(ctx, g.favouritesKey(msisdn)).Result()
	if err != nil {
		return nil, storeError(err)
	}
	var out []favourite
	for _, wrapped := range all {
		plain, err := g.keyring.UnwrapLasting([]byte(wrapped), favouritesPlace(msisdn))
		if err != nil {
			g.log.Warn("an entry of a number book does not open", "error", err)
			continue
		}
		var f favourite
		err = json.Unmarshal(plain.Reveal(), &f)
		plain.Wipe()
		if err == nil {
			out = append(out, f)
		}
	}
	slices.SortFunc(out, func(a, b favourite) int {
		return strings.Compare(strings.ToLower(a.Name)+" "+a.Number, strings.ToLower(b.Name)+" "+b.Number)
	})
	return out, nil
}

func (g *Gateway) countFavourites(ctx context.Context, msisdn string) (int64, error) {
	n, err := g.store.redis.HLen(ctx, g.favouritesKey(msisdn)).Result()
	return n, storeError(err)
}

// addFavourite puts a number into the book, or gives it another name.
func (g *Gateway) addFavourite(ctx context.Context, msisdn string, f favourite) error {
	k, field := g.favouritesKey(msisdn), g.keyring.Name(msisdn, f.Number)
	n, err := g.countFavourites(ctx, msisdn)
	if err != nil {
		return err
	}
	if n >= maxFavourites {
		if there, err := g.store.redis.HExists(ctx, k, field).Result(); err != nil || !there {
			return errors.Join(errFavourites, storeError(err))
		}
	}
	plain, err := json.Marshal(f)
	if err != nil {
		return err
	}
	defer clear(plain)
	w, err := g.keyring.WrapLasting(plain, favouritesPlace(msisdn))
	if err != nil {
		return err
	}
	return storeError(g.store.redis.HSet(ctx, k, field, w).Err())
}

func (g *Gateway) removeFavourite(ctx context.Context, msisdn, number string) error {
	return storeError(g.store.redis.HDel(ctx, g.favouritesKey(msisdn), g.keyring.Name(msisdn, number)).Err())
}
