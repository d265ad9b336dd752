package bank

import (
	"context"
	"errors"
	"io"
	"net/http"
	"runtime/debug"
	"sync"

	"starhash/bank/link"
)

// maxInFlight bounds the requests that are read or worked on at once, at up to
// link.MaxMessage bytes each; past it the answer is HTTP 503.
const maxInFlight = 512

// linkHandler serves the sealed link. Every answer of the protocol, errors too,
// is 200 with a link message; another status is no verdict of the bank's.
func (b *Bank) linkHandler() http.Handler {
	slots := make(chan struct{}, maxInFlight)
	mux := http.NewServeMux()
	for path, answer := range map[string]func(context.Context, []byte) ([]byte, error){
		link.PathEpoch:    b.epoch,
		link.PathJoin:     b.join,
		link.PathOpen:     b.open,
		link.PathTransact: b.transact,
	} {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			select {
			case slots <- struct{}{}:
				defer func() { <-slots }()
				b.answer(w, r, answer)
			default:
				http.Error(w, "too many requests under way", http.StatusServiceUnavailable)
			}
		})
	}
	mux.HandleFunc("POST "+link.PathBundle, func(w http.ResponseWriter, r *http.Request) { b.bundle(w, r, slots) })
	return mux
}

// bundle answers several Transact messages, each as if it had come alone. They are
// worked on at the same time, and so end in the same commit.
func (b *Bank) bundle(w http.ResponseWriter, r *http.Request, slots chan struct{}) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, link.MaxMessage))
	if err != nil {
		refuseBody(w, err)
		return
	}
	msgs, err := link.ReadBundle(body)
	if err != nil || len(msgs) == 0 {
		http.Error(w, "not a bundle of messages of the sealed link", http.StatusBadRequest)
		return
	}
	answers := make([][]byte, len(msgs))
	var all sync.WaitGroup
	for i, msg := range msgs {
		select {
		case slots <- struct{}{}:
		default:
			continue // too many under way: no verdict about this one
		}
		all.Go(func() {
			defer func() { <-slots }()
			var status int
			if answers[i], status = b.verdict(r, msg, b.transact); status != http.StatusOK {
				answers[i] = nil
			}
		})
	}
	all.Wait()
	var out []byte
	for _, a := range answers {
		out = link.AppendBundle(out, a)
	}
	w.Header().Set("Content-Type", link.ContentType)
	w.Write(out)
}

// refuseBody answers a request whose body cannot be read.
func refuseBody(w http.ResponseWriter, err error) {
	status := http.StatusBadRequest
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		status = http.StatusRequestEntityTooLarge
	}
	http.Error(w, http.StatusText(status), status)
}

// answer reads a message and writes what handle says to it.
func (b *Bank) answer(w http.ResponseWriter, r *http.Request, handle func(context.Context, []byte) ([]byte, error)) {
	msg, err := io.ReadAll(http.MaxBytesReader(w, r.Body, link.MaxMessage))
	if err != nil {
		refuseBody(w, err)
		return
	}
	out, status := b.verdict(r, msg, handle)
	if status != http.StatusOK {
		http.Error(w, statusTexts[status], status)
		return
	}
	w.Header().Set("Content-Type", link.ContentType)
	w.Write(out)
}

// statusTexts say what an answer that is not of the protocol means.
var statusTexts = map[int]string{
	http.StatusBadRequest:          "not a message of the sealed link",
	http.StatusForbidden:           "this certificate does not speak for this operator",
	http.StatusInternalServerError: "internal error",
}

// verdict is what handle says to a message that came in r, with the HTTP status;
// where that is not 200 it is no verdict of the bank's.
func (b *Bank) verdict(r *http.Request, msg []byte, handle func(context.Context, []byte) ([]byte, error)) (out []byte, status int) {
	defer func() {
		if p := recover(); p != nil {
			b.log.Error("a request panicked", "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
			out, status = nil, http.StatusInternalServerError
		}
	}()
	h, err := link.ParseHeader(msg)
	if err != nil {
		return nil, http.StatusBadRequest
	}
	if !b.mayUse(r, h.Operator) {
		b.log.Error("alarm", "what", "certificate of another operator", "operator", h.Operator, "serial", h.Serial.String(), "peer", r.RemoteAddr)
		return nil, http.StatusForbidden
	}
	out, err = handle(r.Context(), msg)
	switch {
	case err == nil:
	case link.CodeOf(err) != 0, errors.Is(err, errBusy), errors.Is(err, errClosed):
		b.logRefusal(r.URL.Path, h.Operator, h.Serial, err)
		out = b.link.Refuse(msg, err) // Busy for what is not the link's own
	default:
		// The database failed: whether anything was written is for the disk to
		// say, so the gateway gets no verdict and asks again.
		b.log.Error("request failed", "path", r.URL.Path, "operator", h.Operator, "serial", h.Serial.String(), "error", err)
		return nil, http.StatusInternalServerError
	}
	return out, http.StatusOK
}

// mayUse says whether the client's certificate may speak for an operator. The
// TLS configuration has verified the certificate itself; an operator without a
// client_cn takes any of our authority, and is still held to its static key.
func (b *Bank) mayUse(r *http.Request, op link.Operator) bool {
	want := b.clientCN[op]
	return want == "" || (r.TLS != nil && len(r.TLS.PeerCertificates) > 0 && r.TLS.PeerCertificates[0].Subject.CommonName == want)
}

// logRefusal logs a refusal: loudly where it can only come from an attack, a SIM
// change on the way or a defect, quietly where it is everyday life. The error's
// text names serials and keys' ids, never contents.
func (b *Bank) logRefusal(what string, op link.Operator, s link.Serial, err error) {
	switch link.CodeOf(err) {
	case link.Mismatch, link.BadSeal, link.ReplayedSerial:
		b.log.Error("alarm", "what", what, "operator", op, "serial", s.String(), "error", err)
	default:
		b.log.Info("refused", "what", what, "operator", op, "serial", s.String(), "error", err)
	}
}
