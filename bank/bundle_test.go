package bank

import (
	"bytes"
	"net/http"
	"testing"

	"starhash/bank/link"
)

// The messages of a bundle are answered as if each had come alone, whatever its
// neighbours are, and what is executed is executed once.
func TestBundle(t *testing.T) {
	w := newWorld(t, nil)
	w.run()
	p := testPKI()
	c := w.client(&p.gateway, nil)
	g := w.gateway()
	type sealed struct {
		k   *link.DynamicKeys
		msg []byte
	}
	seal := func(q *link.Request) sealed {
		k := g.open(q.Identity.MSISDN)
		return sealed{k, k.SealRequest(q)}
	}
	transfer, balance := seal(g.transfer(tendai, rudo, 500)), seal(g.request(link.KindBalance, tendai, pinOf[tendai]))
	flipped := seal(g.transfer(tendai, rudo, 700))
	flipped.msg[len(flipped.msg)-1] ^= 1
	msgs := [][]byte{transfer.msg, flipped.msg, []byte("no message"), balance.msg, transfer.msg}
	var body []byte
	for _, m := range msgs {
		body = link.AppendBundle(body, m)
	}
	out, err := link.Post(t.Context(), c, w.url(), link.PathBundle, body)
	if err != nil {
		t.Fatal(err)
	}
	answers, err := link.ReadBundle(out)
	if err != nil || len(answers) != len(msgs) {
		t.Fatalf("%d answers, %v", len(answers), err)
	}
	for i, s := range map[int]sealed{0: transfer, 3: balance} {
		if r, err := s.k.OpenReply(s.msg, answers[i], g.end.StaticKey); err != nil || r.Outcome != link.Done {
			t.Errorf("message %d: %+v, %v", i, r, err)
		}
	}
	_, err = flipped.k.OpenReply(flipped.msg, answers[1], g.end.StaticKey)
	wantCode(t, err, link.BadSeal)
	if len(answers[2]) != 0 {
		t.Errorf("what is no message is answered with %d bytes, want no verdict", len(answers[2]))
	}
	if !bytes.Equal(answers[0], answers[4]) {
		t.Error("the same message twice has two answers")
	}
	w.wantBalances(9500, 5500, 0)
	w.wantAlarms(1)
}

func TestNotABundle(t *testing.T) {
	w := newWorld(t, nil)
	w.run()
	p := testPKI()
	c := w.client(&p.gateway, nil)
	for name, tc := range map[string]struct {
		body []byte
		want int
	}{
		"nothing":    {nil, http.StatusBadRequest},
		"cut":        {[]byte{0, 0, 0, 9, 1}, http.StatusBadRequest},
		"too large":  {make([]byte, link.MaxMessage+1), http.StatusRequestEntityTooLarge},
		"129 of one": {bytes.Repeat([]byte{0, 0, 0, 1, 9}, link.MaxBundle+1), http.StatusBadRequest},
	} {
		r, err := c.Post(w.url()+link.PathBundle, link.ContentType, bytes.NewReader(tc.body))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		r.Body.Close()
		if r.StatusCode != tc.want {
			t.Errorf("%s: %d, want %d", name, r.StatusCode, tc.want)
		}
	}
}
