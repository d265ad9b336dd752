package smsc

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"starhash/configs/secret"
	"starhash/smpp"
)

const dialTime = 5 * time.Second

// outbindBody is the body of POST /outbind. Without system_id and password the
// simulator names itself by those of its first account.
type outbindBody struct {
	Address  string       `json:"address"` // host:port of an ESME that listens
	SystemID string       `json:"system_id,omitempty"`
	Password secret.Value `json:"password,omitzero"`
}

// outbind connects to an ESME, asks it to bind (§4.1.7) and serves the bind on that
// connection, in the clear.
func (s *SMSC) outbind(ctx context.Context, b outbindBody) error {
	if b.SystemID == "" {
		b.SystemID = s.accounts[0].SystemID
	}
	if b.Password.Empty() {
		b.Password = s.accounts[0].password
	}
	frame, err := smpp.Append(nil, smpp.PDU{Command: smpp.CommandOutbind, Sequence: 1,
		Body: &smpp.Outbind{SystemID: b.SystemID, Password: b.Password}})
	if err != nil {
		return mistake{err}
	}
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	nc, err := new(net.Dialer).DialContext(ctx, "tcp", b.Address)
	if err != nil {
		return httpError{http.StatusBadGateway, fmt.Errorf("the ESME is not reached: %w", err)}
	}
	c := newConn(s, nc)
	c.sequence = 1 // the outbind's
	c.out <- item{frame: frame}
	if !s.serve(c) {
		nc.Close()
		return errBusy
	}
	return nil
}

func (s *SMSC) postOutbind(r *http.Request) (any, error) {
	var body outbindBody
	if err := read(r, &body); err != nil {
		return nil, err
	}
	if _, _, err := net.SplitHostPort(body.Address); err != nil {
		return nil, mistakef("address: want host:port")
	}
	return struct{}{}, s.outbind(r.Context(), body)
}
