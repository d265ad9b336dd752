package link

import (
	"errors"
	"fmt"

	"starhash/configs/secret"
)

// Code tells the failures of the link apart, on the wire and in metrics.
type Code byte

// The codes of an Error message.
const (
	// Malformed: not a message of this protocol, or one that breaks its rules.
	Malformed Code = 1
	// UnknownStaticKey: the bank has no such operator or static key. It cannot
	// be authenticated, so it is a hint to the operator, never a reason to
	// rotate a key.
	UnknownStaticKey Code = 2
	// UnknownEpoch: the epoch ended or the bank restarted; begin a new one.
	UnknownEpoch Code = 3
	// UnknownSerial: never opened, or the bank restarted since. Nothing was
	// executed under it.
	UnknownSerial Code = 4
	// ExpiredSerial: opened too long ago. Nothing was executed under it.
	ExpiredSerial Code = 5
	// ReplayedSerial: the serial was used for another request, or the same Open
	// message came before. An alarm.
	ReplayedSerial Code = 6
	// Mismatch: the authentication information is not that of the opening, or a
	// number is another operator's. An alarm.
	Mismatch Code = 7
	// BadSeal: it does not open under the key that its header names. An alarm.
	BadSeal Code = 8
	// Busy: the bank cannot take it now; nothing was executed, try again.
	Busy Code = 9
)

var codeNames = map[Code]string{
	Malformed: "malformed", UnknownStaticKey: "unknown static key", UnknownEpoch: "unknown epoch",
	UnknownSerial: "unknown serial", ExpiredSerial: "expired serial", ReplayedSerial: "replayed serial",
	Mismatch: "authentication mismatch", BadSeal: "bad seal", Busy: "busy",
}

func (c Code) String() string {
	if s, ok := codeNames[c]; ok {
		return s
	}
	return fmt.Sprintf("code %d", byte(c))
}

// Error is a refusal by either end.
type Error struct {
	Code Code
	// Detail is for the operator's log; it is not sent.
	Detail string
	// FromPeer says that the other end answered so, rather than that this end
	// found it.
	FromPeer bool
	// Authenticated says that the bank said so and nobody on the way: the
	// Error message carried a valid tag under the static key. Errors that an
	// end found by itself are authenticated too.
	Authenticated bool
}

func (e *Error) Error() string {
	s := "sealed link: " + e.Code.String()
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if !e.Authenticated {
		s += " (unauthenticated)"
	}
	return s
}

// CodeOf is the code of a link error anywhere in err's chain, or 0.
func CodeOf(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return 0
}

func refuse(c Code, format string, args ...any) *Error {
	return &Error{Code: c, Detail: fmt.Sprintf(format, args...), Authenticated: true}
}

func malformed(format string, args ...any) *Error { return refuse(Malformed, format, args...) }

// errorMessage is header ‖ code ‖ tag; the tag seals nothing under a key made
// of SK, the request and the answer, or is zero where the bank has no such SK.
func errorMessage(request []byte, code Code, sk secret.Value) []byte {
	h, err := ParseHeader(request)
	if err != nil {
		h = Header{Operator: "unknown", KeyID: "unknown"}
		sk = secret.Value{}
	}
	h.Type = TypeError
	msg := append(h.append(nil), byte(code))
	if sk.Empty() {
		return append(msg, make([]byte, tagLen)...)
	}
	return sealOnce(answerKey(sk, labelError, request, msg), msg, nil, msg)
}

// checkError returns the *Error that msg carries, or nil when msg is not one.
func checkError(request, msg []byte, sk secret.Value) error {
	h, err := ParseHeader(msg)
	if err != nil {
		return &Error{Code: Malformed, Detail: "answer: " + err.Error()}
	}
	if h.Type != TypeError {
		return nil
	}
	if len(msg) != headerLen+1+tagLen {
		return &Error{Code: Malformed, Detail: "error answer of a wrong size"}
	}
	e := &Error{Code: Code(msg[headerLen]), FromPeer: true}
	head := msg[:headerLen+1]
	_, err = openOnce(answerKey(sk, labelError, request, head), msg[headerLen+1:], head)
	e.Authenticated = err == nil
	if _, known := codeNames[e.Code]; !known {
		e.Code, e.Detail = Malformed, fmt.Sprintf("error answer with code %d", msg[headerLen])
	}
	return e
}
