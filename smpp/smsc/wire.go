package smsc

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// The types of the management port's JSON that are more than plain values.

// Duration is a time span that JSON writes as "1.5s".
type Duration time.Duration

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil {
		return fmt.Errorf("%q is not a duration such as 200ms or 5s", b)
	}
	if v < 0 {
		return fmt.Errorf("%q is negative", b)
	}
	*d = Duration(v)
	return nil
}

// Count says how many of the next operations a fault hits. JSON has it as a
// number, or as true (Always) and false (0).
type Count int

// Always is a Count without end.
const Always Count = -1

// MarshalJSON implements json.Marshaler.
func (c Count) MarshalJSON() ([]byte, error) {
	if c == Always {
		return []byte("true"), nil
	}
	return strconv.AppendInt(nil, int64(c), 10), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (c *Count) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case "true":
		*c = Always
		return nil
	case "false", "null":
		*c = 0
		return nil
	}
	n, err := strconv.ParseUint(string(b), 10, 31)
	if err != nil {
		return fmt.Errorf("%s is neither a number of times nor true or false", b)
	}
	*c = Count(n)
	return nil
}

// take uses up one of the count and says whether there was one.
func (c *Count) take() bool {
	switch {
	case *c == Always:
		return true
	case *c > 0:
		*c--
		return true
	}
	return false
}

// Tag is a TLV's tag (§5.3.2). JSON has it as "0x0501"; a number is read too.
type Tag uint16

// MarshalJSON implements json.Marshaler.
func (t Tag) MarshalJSON() ([]byte, error) { return fmt.Appendf(nil, `"0x%04X"`, uint16(t)), nil }

// UnmarshalJSON implements json.Unmarshaler.
func (t *Tag) UnmarshalJSON(b []byte) error {
	text := string(b)
	if len(b) > 0 && b[0] == '"' {
		if err := json.Unmarshal(b, &text); err != nil {
			return err
		}
	}
	n, err := strconv.ParseUint(text, 0, 16)
	if err != nil {
		return fmt.Errorf(`%s is not a TLV tag such as "0x0501"`, b)
	}
	*t = Tag(n)
	return nil
}

// Hex is bytes that JSON has as hexadecimal digits.
type Hex []byte

// MarshalText implements encoding.TextMarshaler.
func (h Hex) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h), nil }

// UnmarshalText implements encoding.TextUnmarshaler. Its errors do not repeat the
// digits: they may hold a PIN.
func (h *Hex) UnmarshalText(b []byte) error {
	v, err := hex.AppendDecode(nil, b)
	if err != nil {
		return errors.New("not an even number of hexadecimal digits")
	}
	*h = v
	return nil
}

// TLV is an optional parameter as the management port has it.
type TLV struct {
	Tag   Tag `json:"tag"`
	Value Hex `json:"hex"`
}
