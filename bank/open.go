package bank

import (
	"context"
	"errors"

	"starhash/bank/ledger"
	"starhash/bank/link"
)

// epoch answers an EpochRequest.
func (b *Bank) epoch(ctx context.Context, msg []byte) ([]byte, error) {
	op, node, err := b.link.Node(msg)
	if err != nil {
		return nil, err
	}
	var boot uint32
	err = b.store.read(ctx, func(tx ledger.Tx) (err error) {
		boot, err = lastBoot(tx, op, node)
		return err
	})
	if err != nil {
		return nil, err
	}
	return b.link.Epoch(msg, boot)
}

// join answers a Join.
func (b *Bank) join(_ context.Context, msg []byte) ([]byte, error) { return b.link.Join(msg) }

// open answers an Open: static decryption, the look at the customer, and the
// record of IMSI, MSISDN and serial. The dynamic keys come to life after the
// commit.
func (b *Bank) open(ctx context.Context, msg []byte) ([]byte, error) {
	batch, err := b.link.Open(msg)
	if err != nil {
		return nil, err
	}
	defer batch.Wipe()
	results := make([]link.OpenResult, len(batch.Entries))
	err = b.store.write(ctx, func(tx ledger.Tx) error {
		for i, o := range batch.Entries {
			var err error
			if results[i], err = b.openOne(tx, batch.Header.Operator, o); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i, r := range results {
		if o := batch.Entries[i]; o.Err != nil {
			b.logRefusal("opening", batch.Header.Operator, o.Serial, o.Err)
		} else if r != link.Opened {
			b.log.Info("opening refused", "operator", batch.Header.Operator, "serial", o.Serial.String(), "result", int(r), "msisdn", maskMSISDN(o.Identity.MSISDN))
		}
	}
	return b.link.Finish(batch, results)
}

func (b *Bank) openOne(tx ledger.Tx, op link.Operator, o link.Opening) (link.OpenResult, error) {
	if o.Err != nil {
		return link.OpenMalformed, nil
	}
	c, err := findCustomer(tx, o.Identity.MSISDN)
	switch {
	case errors.Is(err, ErrNoCustomer):
		return link.OpenNotCustomer, nil
	case err != nil:
		return 0, err
	case c.imsi != o.Identity.IMSI:
		return link.OpenSIMChanged, nil
	case c.blocked:
		return link.OpenBlocked, nil
	}
	now := b.now()
	fresh, err := keepOpening(tx, op, o, now, now.Add(keyLife))
	if err != nil {
		return 0, err
	}
	if !fresh {
		return link.OpenSerialUsed, nil
	}
	return link.Opened, nil
}
