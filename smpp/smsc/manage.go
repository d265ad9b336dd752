package smsc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"
)

// maxBody bounds a request's JSON: a raw PDU of 64 KiB in hexadecimal fits.
const maxBody = 256 << 10

// Timeouts of the management port. A waiting request is answered within maxWait.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 10 * time.Second
	writeTimeout  = maxWait + 10*time.Second
	idleTimeout   = 2 * time.Minute
)

// phonesPage is the number of phones an answer to GET /phones holds.
const phonesPage = 1000

// Health is the answer to GET /healthz.
type Health struct {
	Status string `json:"status"` // "ok"
	Binds  int    `json:"binds"`  // connections that are bound
	Queued int    `json:"queued"` // messages and receipts in the queues, due or not
	USSD   int    `json:"ussd"`   // open sessions
}

// Bind is a bound connection.
type Bind struct {
	SystemID  string    `json:"system_id"`
	Mode      string    `json:"mode"` // transmitter, receiver, transceiver
	Remote    string    `json:"remote"`
	Since     time.Time `json:"since"`
	InFlight  int       `json:"in_flight"` // deliver_sm and data_sm without an answer
	Submitted uint64    `json:"submitted"` // submit_sm and data_sm accepted
	Delivered uint64    `json:"delivered"` // deliver_sm and data_sm acked
}

// The other bodies of the management port.
type (
	failureBody struct {
		Error string `json:"error"`
	}
	phonesBody struct {
		Phones []Phone `json:"phones"`
	}
	inboxBody struct {
		Messages []InboxMessage `json:"messages"`
	}
	bindsBody struct {
		Binds []Bind `json:"binds"`
	}
	// phoneBody changes what it names.
	phoneBody struct {
		IMSI *string   `json:"imsi,omitempty"`
		Off  *bool     `json:"off,omitempty"`
		Slow *Duration `json:"slow,omitempty"`
	}
	alertBody struct {
		ESME string `json:"esme,omitempty"`
	}
	alertedBody struct {
		Alerted int `json:"alerted"`
	}
	unboundBody struct {
		Unbound int `json:"unbound"`
	}
	droppedBody struct {
		Dropped int `json:"dropped"`
	}
	rawBody struct {
		Hex Hex `json:"hex"`
	}
	wroteBody struct {
		Bytes int `json:"bytes"`
	}
	redeliverBody struct {
		ID   string   `json:"id"`
		Wait Duration `json:"wait,omitempty"`
	}
)

// httpError is an error with its HTTP status.
type httpError struct {
	status int
	error
}

// manage is the management port's handler.
func (s *SMSC) manage() http.Handler {
	mux := http.NewServeMux()
	for pattern, answer := range map[string]func(*http.Request) (any, error){
		"POST /mo":                     s.postMO,
		"GET /mo/{id}":                 s.getMO,
		"POST /redeliver":              s.postRedeliver,
		"GET /phones":                  s.getPhones,
		"PUT /phones/{msisdn}":         s.putPhone,
		"POST /phones/{msisdn}/on":     s.postOn,
		"GET /phones/{msisdn}/inbox":   s.getInbox,
		"POST /phones/{msisdn}/ussd":   s.postUSSD,
		"DELETE /phones/{msisdn}/ussd": s.deleteUSSD,
		"GET /phones/{msisdn}/ussd":    s.getUSSD,
		"GET /wire":                    s.getWire,
		"GET /news":                    s.getNews,
		"GET /gateway/steps":           s.getSteps,
		"GET /faults":                  s.getFaults,
		"PUT /faults":                  s.putFaults,
		"POST /drop":                   s.postDrop,
		"POST /unbind":                 s.postUnbind,
		"POST /outbind":                s.postOutbind,
		"POST /raw":                    s.postRaw,
		"GET /binds":                   s.getBinds,
		"GET /healthz":                 s.getHealth,
		"/": func(r *http.Request) (any, error) {
			return nil, httpError{http.StatusNotFound, fmt.Errorf("no %s %s here; the package documentation of smpp/smsc lists what there is", r.Method, r.URL.Path)}
		},
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
			v, err := answer(r)
			s.reply(w, v, err)
		})
	}
	mux.HandleFunc("GET /{$}", servePage)
	mux.HandleFunc("GET /page/{file}", servePage)
	// No page of others in a browser may steer the simulator of the one who looks at it.
	return http.NewCrossOriginProtection().Handler(mux)
}

func (s *SMSC) reply(w http.ResponseWriter, v any, err error) {
	status := http.StatusOK
	var known httpError
	var wrong mistake
	switch {
	case err == nil:
	case errors.As(err, &known):
		status = known.status
	case errors.As(err, &wrong):
		status = http.StatusBadRequest
	case errors.Is(err, errBusy):
		status = http.StatusServiceUnavailable
	default:
		status = http.StatusInternalServerError
		s.log.Error("management port", "err", err)
	}
	if err != nil {
		v = failureBody{Error: err.Error()}
	} else if r, ok := v.(MOResult); ok && !r.Done {
		status = http.StatusAccepted
	} else if sc, ok := v.(USSDScreen); ok && sc.Kind == "" {
		status = http.StatusAccepted
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(v); err != nil {
		s.log.Debug("management port: the answer was not read", "err", err)
	}
}

// read takes a request's JSON. Its errors name the key, never a value of text.
func read(r *http.Request, into any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if errors.Is(err, io.EOF) {
		err = errors.New("empty")
	} else if _, end := d.Token(); err == nil && end != io.EOF {
		err = errors.New("more than one JSON value")
	}
	if err != nil {
		return mistakef("body: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

// readOptional is read for requests that may have no body.
func readOptional(r *http.Request, into any) error {
	if r.ContentLength == 0 {
		return nil
	}
	return read(r, into)
}

// waiting bounds a request by the time it wants to wait.
func waiting(r *http.Request, wait, unset time.Duration) (context.Context, context.CancelFunc) {
	if wait == 0 {
		wait = unset
	}
	return context.WithTimeout(r.Context(), min(wait, maxWait))
}

func (s *SMSC) postMO(r *http.Request) (any, error) {
	var mo MO
	if err := read(r, &mo); err != nil {
		return nil, err
	}
	o, err := s.send(&mo)
	if err != nil {
		return nil, err
	}
	ctx, cancel := waiting(r, time.Duration(mo.Wait), defaultWait)
	defer cancel()
	return o.result(ctx), nil
}

func (s *SMSC) getMO(r *http.Request) (any, error) {
	o, err := s.message(r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	done, cancel := context.WithCancel(r.Context())
	cancel() // what is known now
	return o.result(done), nil
}

func (s *SMSC) postRedeliver(r *http.Request) (any, error) {
	var body redeliverBody
	if err := read(r, &body); err != nil {
		return nil, err
	}
	o, err := s.message(body.ID)
	if err != nil {
		return nil, err
	}
	if err := s.start(o); err != nil {
		return nil, err
	}
	ctx, cancel := waiting(r, time.Duration(body.Wait), defaultWait)
	defer cancel()
	return o.result(ctx), nil
}

func (s *SMSC) message(id string) (*outgoing, error) {
	o, ok := s.outbox.find(id)
	if !ok {
		return nil, httpError{http.StatusNotFound, fmt.Errorf("no message %q; the latest %d are kept", id, maxMOs)}
	}
	return o, nil
}

func (s *SMSC) getPhones(r *http.Request) (any, error) {
	return phonesBody{s.phones.list(msisdn(r.FormValue("after")), phonesPage)}, nil
}

func (s *SMSC) putPhone(r *http.Request) (any, error) {
	var body phoneBody
	if err := read(r, &body); err != nil {
		return nil, err
	}
	number := msisdn(r.PathValue("msisdn"))
	if !isNumber(number) {
		return nil, mistakef("msisdn: want 1 to 20 digits")
	}
	if body.IMSI != nil && *body.IMSI != "" && !isIMSI(*body.IMSI) {
		return nil, mistakef("imsi: want 6 to 15 digits")
	}
	if body.Slow != nil && *body.Slow > maxLatency {
		return nil, mistakef("slow: more than %v", maxLatency)
	}
	p, ok := s.phones.change(number, func(p *Phone) {
		if body.Slow != nil {
			p.Slow = *body.Slow
		}
		if body.IMSI != nil {
			p.IMSI = *body.IMSI
		}
		if body.Off != nil {
			p.Off = *body.Off
		}
	})
	if !ok {
		return nil, errBusy
	}
	if p.Off {
		s.lose(number)
	} else {
		s.release(number, time.Now())
	}
	return p, nil
}

func (s *SMSC) postOn(r *http.Request) (any, error) {
	var body alertBody
	if err := readOptional(r, &body); err != nil {
		return nil, err
	}
	number := msisdn(r.PathValue("msisdn"))
	if !isNumber(number) {
		return nil, mistakef("msisdn: want 1 to 20 digits")
	}
	if len(body.ESME) > 20 {
		return nil, mistakef("esme: at most 20 characters")
	}
	p, ok := s.phones.change(number, func(p *Phone) { p.Off = false })
	if !ok {
		return nil, errBusy
	}
	defer s.release(number, time.Now()) // the alert comes first
	return alertedBody{s.alert(p, body.ESME)}, nil
}

func (s *SMSC) getInbox(r *http.Request) (any, error) {
	ctx, after, cancel, err := polled(r)
	if err != nil {
		return nil, err
	}
	defer cancel()
	got := s.phones.inbox(ctx, r.PathValue("msisdn"), after)
	if got == nil {
		got = []InboxMessage{}
	}
	return inboxBody{got}, nil
}

func (s *SMSC) getFaults(*http.Request) (any, error) { return s.dice.get(), nil }

func (s *SMSC) putFaults(r *http.Request) (any, error) {
	var f Faults
	if err := read(r, &f); err != nil {
		return nil, err
	}
	if err := s.setFaults(f); err != nil {
		return nil, err
	}
	return s.dice.get(), nil
}

func (s *SMSC) postDrop(*http.Request) (any, error) { return droppedBody{s.drop()}, nil }

func (s *SMSC) postUnbind(*http.Request) (any, error) { return unboundBody{s.unbind()}, nil }

func (s *SMSC) postRaw(r *http.Request) (any, error) {
	var body rawBody
	if err := read(r, &body); err != nil {
		return nil, err
	}
	if len(body.Hex) == 0 {
		return nil, mistakef("hex: empty")
	}
	if !s.writeRaw(body.Hex) {
		return nil, httpError{http.StatusConflict, errors.New("no receiver is bound")}
	}
	return wroteBody{len(body.Hex)}, nil
}

func (s *SMSC) getBinds(*http.Request) (any, error) { return bindsBody{s.binds()}, nil }

func (s *SMSC) getHealth(*http.Request) (any, error) {
	h := Health{Status: "ok", Binds: len(s.binds()), USSD: s.ussd.count()}
	for _, a := range s.accounts {
		h.Queued += a.queue.len()
	}
	return h, nil
}

// httpServer is the management port with its limits; requests end with ctx.
func (s *SMSC) httpServer(ctx context.Context) *http.Server {
	return &http.Server{
		Handler:           s.manage(),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}
