package smsc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// maxAnswer bounds what a Client reads of an answer.
const maxAnswer = 64 << 20

// Client steers a simulator through its management port. Every call ends with its
// ctx; what the simulator refuses comes back as its own words.
type Client struct {
	BaseURL string       // "http://127.0.0.1:8080"
	HTTP    *http.Client // http.DefaultClient if nil
}

// SendMO sends a phone's message and waits for what becomes of its parts, at most
// mo.Wait. A result that is not Done goes on; MO asks again.
func (c *Client) SendMO(ctx context.Context, mo MO) (MOResult, error) {
	var r MOResult
	err := c.call(ctx, http.MethodPost, "/mo", mo, &r)
	return r, err
}

// MO says what became of a message so far.
func (c *Client) MO(ctx context.Context, id string) (MOResult, error) {
	var r MOResult
	err := c.call(ctx, http.MethodGet, "/mo/"+url.PathEscape(id), nil, &r)
	return r, err
}

// Redeliver sends the same PDUs again and waits as SendMO does, at most 30 s.
func (c *Client) Redeliver(ctx context.Context, id string) (MOResult, error) {
	var r MOResult
	err := c.call(ctx, http.MethodPost, "/redeliver", redeliverBody{ID: id}, &r)
	return r, err
}

// Inbox returns a phone's messages behind number after, at most 100; where there are
// none it waits for one, at most wait (and no longer than a minute).
func (c *Client) Inbox(ctx context.Context, msisdn string, after uint64, wait time.Duration) ([]InboxMessage, error) {
	var r inboxBody
	err := c.call(ctx, http.MethodGet, phonePath(msisdn)+"/inbox?"+poll(after, wait), nil, &r)
	return r.Messages, err
}

// Phones returns at most 1,000 phones behind the number after, in order.
func (c *Client) Phones(ctx context.Context, after string) ([]Phone, error) {
	var r phonesBody
	err := c.call(ctx, http.MethodGet, "/phones?"+url.Values{"after": {after}}.Encode(), nil, &r)
	return r.Phones, err
}

// SetIMSI gives a phone another SIM, or adds the phone.
func (c *Client) SetIMSI(ctx context.Context, msisdn, imsi string) error {
	return c.call(ctx, http.MethodPut, phonePath(msisdn), phoneBody{IMSI: &imsi}, nil)
}

// SetOff switches a phone off, so that messages for it wait, or on again, without an
// alert_notification.
func (c *Client) SetOff(ctx context.Context, msisdn string, off bool) error {
	return c.call(ctx, http.MethodPut, phonePath(msisdn), phoneBody{Off: &off}, nil)
}

// SwitchOn switches a phone on, tells the bound receivers by alert_notification that
// it is there, and returns how many were told.
func (c *Client) SwitchOn(ctx context.Context, msisdn string) (int, error) {
	var r alertedBody
	err := c.call(ctx, http.MethodPost, phonePath(msisdn)+"/on", nil, &r)
	return r.Alerted, err
}

// SetSlow makes every text of USSD take that long between a phone and its network.
func (c *Client) SetSlow(ctx context.Context, msisdn string, slow time.Duration) error {
	return c.call(ctx, http.MethodPut, phonePath(msisdn), phoneBody{Slow: new(Duration(slow))}, nil)
}

// Enter dials or answers a screen, and returns what the phone shows next: a screen of
// no kind where in.Wait ends before there is one.
func (c *Client) Enter(ctx context.Context, msisdn string, in USSD) (USSDScreen, error) {
	var sc USSDScreen
	err := c.call(ctx, http.MethodPost, phonePath(msisdn)+"/ussd", in, &sc)
	return sc, err
}

// HangUp ends a phone's USSD session.
func (c *Client) HangUp(ctx context.Context, msisdn string) error {
	return c.call(ctx, http.MethodDelete, phonePath(msisdn)+"/ussd", nil, nil)
}

// Screens returns what a phone showed behind number after, what an ESME began too;
// where there is nothing it waits, at most wait (and no longer than a minute).
func (c *Client) Screens(ctx context.Context, msisdn string, after uint64, wait time.Duration) ([]USSDScreen, error) {
	var r screensBody
	err := c.call(ctx, http.MethodGet, phonePath(msisdn)+"/ussd?"+poll(after, wait), nil, &r)
	return r.Screens, err
}

// Wire returns at most 500 PDUs behind number after, as Screens does. Nothing is kept
// from before the first call.
func (c *Client) Wire(ctx context.Context, after uint64, wait time.Duration) ([]WirePDU, error) {
	var r wireBody
	err := c.call(ctx, http.MethodGet, "/wire?"+poll(after, wait), nil, &r)
	return r.PDUs, err
}

// GatewaySteps returns what the gateway behind the simulator did, as its admin port's
// GET /steps tells it.
func (c *Client) GatewaySteps(ctx context.Context, after uint64, wait time.Duration) (json.RawMessage, error) {
	var r json.RawMessage
	err := c.call(ctx, http.MethodGet, "/gateway/steps?"+poll(after, wait), nil, &r)
	return r, err
}

func poll(after uint64, wait time.Duration) string {
	return url.Values{"after": {strconv.FormatUint(after, 10)}, "wait": {wait.String()}}.Encode()
}

// Faults returns what is left of the faults.
func (c *Client) Faults(ctx context.Context) (Faults, error) {
	var f Faults
	err := c.call(ctx, http.MethodGet, "/faults", nil, &f)
	return f, err
}

// SetFaults replaces all faults.
func (c *Client) SetFaults(ctx context.Context, f Faults) error {
	return c.call(ctx, http.MethodPut, "/faults", f, nil)
}

// Drop cuts every connection and returns how many there were.
func (c *Client) Drop(ctx context.Context) (int, error) {
	var r droppedBody
	err := c.call(ctx, http.MethodPost, "/drop", nil, &r)
	return r.Dropped, err
}

// Unbind sends unbind to every bound ESME and returns how many there are.
func (c *Client) Unbind(ctx context.Context) (int, error) {
	var r unboundBody
	err := c.call(ctx, http.MethodPost, "/unbind", nil, &r)
	return r.Unbound, err
}

// Outbind makes the simulator connect to an ESME that listens at address, name itself
// by its first account's system_id and password, and serve the bind that follows.
func (c *Client) Outbind(ctx context.Context, address string) error {
	return c.call(ctx, http.MethodPost, "/outbind", outbindBody{Address: address}, nil)
}

// Raw sends any bytes on the first bound receiver's connection.
func (c *Client) Raw(ctx context.Context, b []byte) error {
	return c.call(ctx, http.MethodPost, "/raw", rawBody{b}, nil)
}

// Binds returns the bound connections.
func (c *Client) Binds(ctx context.Context) ([]Bind, error) {
	var r bindsBody
	err := c.call(ctx, http.MethodGet, "/binds", nil, &r)
	return r.Binds, err
}

// Health says that the simulator is there, and how full its queues are.
func (c *Client) Health(ctx context.Context) (Health, error) {
	var h Health
	err := c.call(ctx, http.MethodGet, "/healthz", nil, &h)
	return h, err
}

func phonePath(msisdn string) string { return "/phones/" + url.PathEscape(msisdn) }

func (c *Client) call(ctx context.Context, method, path string, body, into any) error {
	var b []byte
	if body != nil {
		var err error
		if b, err = json.Marshal(body); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.BaseURL, "/")+path, bytes.NewReader(b))
	if err != nil {
		return err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	h := c.HTTP
	if h == nil {
		h = http.DefaultClient
	}
	resp, err := h.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		var f failureBody
		if json.Unmarshal(answer, &f) == nil && f.Error != "" {
			return errors.New("simulator: " + f.Error)
		}
		return fmt.Errorf("simulator: HTTP status %s", resp.Status)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
}
