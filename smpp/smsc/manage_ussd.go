package smsc

import (
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

// The management port's view of USSD, of the wire and of the gateway behind it.

type (
	screensBody struct {
		Screens []USSDScreen `json:"screens"`
	}
	wireBody struct {
		PDUs []WirePDU `json:"pdus"`
	}
)

func (s *SMSC) postUSSD(r *http.Request) (any, error) {
	var in USSD
	if err := read(r, &in); err != nil {
		return nil, err
	}
	return s.Enter(r.Context(), r.PathValue("msisdn"), in)
}

func (s *SMSC) deleteUSSD(r *http.Request) (any, error) { return s.HangUp(r.PathValue("msisdn")) }

func (s *SMSC) getUSSD(r *http.Request) (any, error) {
	number := msisdn(r.PathValue("msisdn"))
	if !isNumber(number) {
		return nil, mistakef("msisdn: want 1 to 20 digits")
	}
	ctx, after, cancel, err := polled(r)
	if err != nil {
		return nil, err
	}
	defer cancel()
	got := s.ussd.screens(ctx, number, after)
	if got == nil {
		got = []USSDScreen{}
	}
	return screensBody{got}, nil
}

func (s *SMSC) getWire(r *http.Request) (any, error) {
	ctx, after, cancel, err := polled(r)
	if err != nil {
		return nil, err
	}
	defer cancel()
	got := s.tap.read(ctx, after)
	if got == nil {
		got = []WirePDU{}
	}
	return wireBody{got}, nil
}

// getSteps asks the gateway's admin port what it did; its answer is handed through.
func (s *SMSC) getSteps(r *http.Request) (any, error) {
	if s.cfg.GatewayAdmin == "" {
		return nil, httpError{http.StatusNotFound, errors.New("the key gateway_admin names no gateway")}
	}
	ctx, after, cancel, err := polled(r)
	if err != nil {
		return nil, err
	}
	cancel() // the gateway waits; the request's own end still counts
	deadline, _ := ctx.Deadline()
	wait := max(time.Until(deadline), 0)
	ctx, cancel = context.WithTimeout(r.Context(), maxWait+dialTime)
	defer cancel()
	return s.askSteps(ctx, after, wait)
}

// askSteps asks the gateway for steps; it waits for one that long.
func (s *SMSC) askSteps(ctx context.Context, after uint64, wait time.Duration) (json.RawMessage, error) {
	query := url.Values{"after": {strconv.FormatUint(after, 10)}, "wait": {wait.Round(time.Millisecond).String()}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(s.cfg.GatewayAdmin, "/")+"/steps?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := s.gateway.Do(req)
	if err != nil {
		return nil, httpError{http.StatusBadGateway, fmt.Errorf("the gateway is not reached: %w", err)}
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil || resp.StatusCode != http.StatusOK || !json.Valid(answer) {
		return nil, httpError{http.StatusBadGateway, fmt.Errorf("the gateway answers %s to GET /steps", resp.Status)}
	}
	return json.RawMessage(answer), nil
}

// polled reads the parameters after and wait of a request that waits for news.
func polled(r *http.Request) (ctx context.Context, after uint64, cancel context.CancelFunc, err error) {
	var wait Duration
	if v := r.FormValue("after"); v != "" {
		if after, err = strconv.ParseUint(v, 10, 64); err != nil {
			return nil, 0, nil, mistakef("after: %q is not a number", v)
		}
	}
	if v := r.FormValue("wait"); v != "" {
		if err := wait.UnmarshalText([]byte(v)); err != nil {
			return nil, 0, nil, mistakef("wait: %w", err)
		}
	}
	ctx, cancel = waiting(r, time.Duration(wait), 0)
	return ctx, after, cancel, nil
}
