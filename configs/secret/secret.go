// Package secret holds bytes that nobody may read by accident: PINs, keys and
// passwords.
//
// A Value prints as [redacted] under every fmt verb, in JSON, YAML, text and
// slog. Its bytes leave through Reveal alone, so that a reader can find every
// place that looks at a secret by searching for that one word. Wipe zeroes the
// bytes where they lie; Go may have copied them before (a conversion to string
// does), so code that handles secrets keeps them in one []byte from the socket
// to Wipe.
package secret

import (
	"bytes"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"os"
)

// Redacted is what a Value prints as.
const Redacted = "[redacted]"

// maxFile bounds a secret read from a file; every secret of ours is far below.
const maxFile = 64 << 10

// Value is a secret. Its zero value is empty. Copies share the bytes, so that
// wiping one wipes all.
type Value struct{ b []byte }

// New makes a Value of b and owns b from then on.
func New(b []byte) Value { return Value{b: b} }

// Copy makes a Value of a copy of b; the caller still has to wipe b.
func Copy(b []byte) Value { return Value{b: bytes.Clone(b)} }

// ReadFile reads a secret from a file, without one trailing line end. An empty
// file is an error: an empty password is a mistake, not a choice.
func ReadFile(path string) (Value, error) {
	f, err := os.Open(path)
	if err != nil {
		return Value{}, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return Value{}, err
	}
	if len(b) > maxFile {
		clear(b)
		return Value{}, fmt.Errorf("%s: larger than %d bytes, not a secret", path, maxFile)
	}
	b = bytes.TrimSuffix(b, []byte("\n"))
	b = bytes.TrimSuffix(b, []byte("\r"))
	if len(b) == 0 {
		return Value{}, fmt.Errorf("%s: %w", path, errEmpty)
	}
	return Value{b: b}, nil
}

var errEmpty = errors.New("the file is empty")

// Reveal returns the bytes themselves, not a copy.
func (v Value) Reveal() []byte { return v.b }

// Len is the length in bytes.
func (v Value) Len() int { return len(v.b) }

// Empty says whether there is nothing to keep secret.
func (v Value) Empty() bool { return len(v.b) == 0 }

// Wipe zeroes the bytes, here and in every copy of the Value.
func (v Value) Wipe() { clear(v.b) }

// Equal compares in a time that does not depend on the contents.
func (v Value) Equal(w Value) bool { return subtle.ConstantTimeCompare(v.b, w.b) == 1 }

// Format implements fmt.Formatter, so that no verb reaches the bytes.
func (v Value) Format(f fmt.State, _ rune) { io.WriteString(f, Redacted) }

// String implements fmt.Stringer.
func (v Value) String() string { return Redacted }

// MarshalText implements encoding.TextMarshaler; JSON, YAML and slog use it.
func (v Value) MarshalText() ([]byte, error) { return []byte(Redacted), nil }

// UnmarshalText takes the secret from a configuration value.
func (v *Value) UnmarshalText(b []byte) error {
	v.b = bytes.Clone(b)
	return nil
}
