package platform

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"time"

	"starhash/bank/link"
	"starhash/smpp/dialect"
	"starhash/ussd"
)

// dialogue is what Redis keeps of a USSD dialogue between two of its messages,
// wrapped. A subscriber has one. PINs are in it as capsules that the bank alone
// opens.
type dialogue struct {
	Session dialect.Session         `json:"session"`
	Bind    string                  `json:"bind"`
	State   ussd.State              `json:"state"`
	Order   link.TxID               `json:"order"` // of the transaction that it may lead to: capsules are bound to it
	PINs    map[string]link.Capsule `json:"pins,omitempty"`
	Began   time.Time               `json:"began"`
	Stepped time.Time               `json:"stepped"`
	Steps   int                     `json:"steps"`
	Dropped bool                    `json:"dropped,omitempty"` // the session is over, the dialogue is not
	Pushed  bool                    `json:"pushed,omitempty"`  // we began the session
	Last    last                    `json:"last"`
	IMSI    string                  `json:"imsi,omitempty"` // that the session began with, where the network says it

	version string
}

// last is the message that was answered last, to know it when it comes again, and
// the screen that answered it.
type last struct {
	Echo   []byte `json:"echo,omitempty"` // and not what was typed, which may be a PIN
	Screen string `json:"screen,omitempty"`
	End    bool   `json:"end,omitempty"`
}

// live says whether the session can still be answered.
func (d *dialogue) live(now time.Time, cfg *USSDConfig) bool {
	return !d.Dropped && now.Sub(d.Began) < cfg.Dialogue && now.Sub(d.Stepped) < cfg.Step
}

// of says whether a message belongs to the dialogue's session. The first answer to a
// session that we began may bring the number that the network has for it.
func (d *dialogue) of(s dialect.Session) bool {
	return d.Session.Key == s.Key || d.Pushed && d.Steps <= 1
}

// forgetPINs is what a drop does: a PIN outlives its session never.
func (d *dialogue) forgetPINs() { d.PINs, d.Order = nil, link.TxID{} }

func dialoguePlace(msisdn string) string { return "dialogue " + msisdn }

func (g *Gateway) dialogueKey(msisdn string) string {
	return key(g.store.partition(msisdn), "dialogue", msisdn)
}

// loadDialogue reads a subscriber's dialogue; nil if there is none, or none that
// opens any more.
func (g *Gateway) loadDialogue(ctx context.Context, msisdn string) (*dialogue, error) {
	m, err := g.store.redis.HGetAll(ctx, g.dialogueKey(msisdn)).Result()
	if err != nil {
		return nil, storeError(err)
	}
	if m["d"] == "" {
		return nil, nil
	}
	plain, err := g.keyring.Unwrap([]byte(m["d"]), dialoguePlace(msisdn))
	if err != nil {
		return nil, nil // its hour's key is gone, and so is its subscriber
	}
	defer plain.Wipe()
	d := &dialogue{version: m["v"]}
	if err := json.Unmarshal(plain.Reveal(), d); err != nil {
		g.log.Error("a dialogue is damaged", "error", err)
		return nil, nil
	}
	return d, nil
}

// anyVersion stands for whatever dialogue there is.
const anyVersion = "*"

// saveDialogue stores a dialogue in place of the one with a version. It gives false
// when that is no longer there: another step was first, and this one has not
// happened.
func (g *Gateway) saveDialogue(ctx context.Context, msisdn, before string, d *dialogue) (bool, error) {
	plain, err := json.Marshal(d)
	if err != nil {
		return false, err
	}
	defer clear(plain)
	w, err := g.keyring.Wrap(plain, dialoguePlace(msisdn))
	if err != nil {
		return false, err
	}
	var v [8]byte
	rand.Read(v[:])
	d.version = hex.EncodeToString(v[:])
	// Beyond its session a dialogue is kept for the one that may go on with it.
	return g.putDialogue(ctx, msisdn, before, d.version, w, 2*g.cfg.USSD.Dialogue)
}

// endDialogue forgets a dialogue, if it is still that one.
func (g *Gateway) endDialogue(ctx context.Context, msisdn string, d *dialogue) (bool, error) {
	return g.putDialogue(ctx, msisdn, d.version, "", nil, 0)
}

func (g *Gateway) putDialogue(ctx context.Context, msisdn, before, after string, w []byte, keep time.Duration) (bool, error) {
	n, err := dialogueScript.Run(ctx, g.store.redis, []string{g.dialogueKey(msisdn)}, before, after, w, keep.Milliseconds()).Int()
	return n == 1, storeError(err)
}
