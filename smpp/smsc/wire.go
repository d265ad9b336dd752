package smsc

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// The types of the management port's JSON that are more than plain values.

// Duration is a time span that JSON writes as "1.5s".
type Duration time.Duration

// String is the span as JSON has it.
func (d Duration) String() string { return time.Duration(d).String() }

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

// Count says how many of the next cases a fault hits, or which part of them. JSON has
// it as a number, as true (Always) and false (0), or as "2%" (Percent).
type Count int

// Always is a Count without end.
const Always Count = -1

// firstRate is a Count of none of the cases; one less is a millionth of them.
const firstRate Count = -2

const million = 1_000_000

// Percent is a Count that hits that part of the cases, drawn from Faults.Seed; it is
// rounded to a millionth, and lies between 0 and 100.
func Percent(p float64) Count {
	return firstRate - Count(math.Round(min(max(p, 0), 100)*million/100))
}

// rate is the part of the cases, in millionths, where the Count is one.
func (c Count) rate() (millionths int, ok bool) { return int(firstRate - c), c <= firstRate }

// String is the Count as a configuration has it.
func (c Count) String() string {
	if c == Always {
		return "true"
	}
	if n, ok := c.rate(); ok {
		return strconv.FormatFloat(float64(n)*100/million, 'f', -1, 64) + "%"
	}
	return strconv.Itoa(int(c))
}

// MarshalJSON implements json.Marshaler.
func (c Count) MarshalJSON() ([]byte, error) {
	if _, ok := c.rate(); ok {
		return strconv.AppendQuote(nil, c.String()), nil
	}
	return []byte(c.String()), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (c *Count) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*c = 0
		return nil
	}
	text := string(b)
	if b[0] == '"' {
		if err := json.Unmarshal(b, &text); err != nil {
			return err
		}
	}
	return c.UnmarshalText([]byte(text))
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *Count) UnmarshalText(b []byte) error {
	text := string(b)
	switch text {
	case "true":
		*c = Always
		return nil
	case "false":
		*c = 0
		return nil
	}
	if percent, ok := strings.CutSuffix(text, "%"); ok {
		p, err := strconv.ParseFloat(percent, 64)
		if err != nil || !(p >= 0 && p <= 100) {
			return fmt.Errorf("%s is not between 0%% and 100%%", text)
		}
		*c = Percent(p)
		return nil
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return fmt.Errorf("%s is neither a number of times nor true, false or a percentage", text)
	}
	*c = Count(n)
	return nil
}

// take uses up one of the count and says whether there was one. Only a rate draws.
func (c *Count) take(r *rand.Rand) bool {
	n, rate := c.rate()
	switch {
	case *c == Always:
		return true
	case rate:
		return r.IntN(million) < n
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
