package link

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
)

// The bank's endpoints: POST, ContentType both ways, at most MaxMessage bytes.
// Every answer of the protocol, errors too, has status 200.
const (
	PathEpoch    = "/link/v1/epoch"
	PathJoin     = "/link/v1/join"
	PathOpen     = "/link/v1/open"
	PathTransact = "/link/v1/transact"
	PathBundle   = "/link/v1/bundle" // several Transact messages; a bank need not have it

	ContentType = "application/octet-stream"
)

// ErrNotSent says for certain that no byte of the message reached the bank: no
// connection could be made. Any other failure of Post leaves open whether the
// bank has it.
var ErrNotSent = errors.New("the bank cannot be reached; nothing was sent")

// StatusError is an answer that is not of the protocol: no verdict about the
// message.
type StatusError struct{ Status int }

func (e *StatusError) Error() string {
	return fmt.Sprintf("bank answered HTTP %d %s", e.Status, http.StatusText(e.Status))
}

// Post carries one message over HTTPS and returns the answer. ctx bounds it. It
// follows no redirect: the bank is where the configuration says, and nowhere else.
func Post(ctx context.Context, c *http.Client, baseURL, path string, msg []byte) ([]byte, error) {
	var connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, baseURL+path, bytes.NewReader(msg))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotSent, err)
	}
	req.Header.Set("Content-Type", ContentType)
	direct := *c
	direct.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := direct.Do(req)
	if err != nil {
		if !connected.Load() {
			return nil, fmt.Errorf("%w: %w", ErrNotSent, err)
		}
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, MaxMessage+1))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, &StatusError{resp.StatusCode}
	}
	if len(body) > MaxMessage {
		return nil, malformed("answer larger than %d bytes", MaxMessage)
	}
	return body, nil
}
