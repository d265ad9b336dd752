package ussd

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"starhash/configs/secret"
	"starhash/smpp"
)

// Reasons that inputs have; amounts and numbers have those of Readers.
const (
	reasonBadAmount  = "bad_amount"
	reasonBadNumber  = "bad_number"
	reasonBadPIN     = "bad_pin"
	reasonBadAccount = "bad_account"
	reasonBadBiller  = "bad_biller"
	reasonBadText    = "bad_text"
)

// maxTyped bounds what is looked at, in octets: a USSD string has 160 and no
// input that is right is longer.
const maxTyped = 512

// typed takes what the subscriber typed. over says that r is the result; else the
// state is at the screen that follows, or at the same one with a reason.
//
// The text may be a PIN. Only a value that was read as something else becomes part
// of the state.
func (t *turn) typed(typed []byte) (r Result, over bool) {
	text := plainDigits(typed[:min(len(typed), maxTyped)])
	defer clear(text)
	text = bytes.TrimSpace(text)
	sc := t.m.Screens[t.s.Screen]

	if r, over, done := t.key(sc, text); done {
		return r, over
	}
	switch {
	case t.s.Screen == screenResume:
		return t.resume(numbered(text))
	case sc == nil: // a verdict of several pages
		return t.wrong(reasonBadChoice)
	case sc.pin():
		if !pinForm(text) {
			return t.wrong(reasonBadPIN)
		}
		t.secret = &Secret{Field: sc.Input.As.name, PIN: secret.Copy(text)}
		return t.leave(sc.Input.Go.name)
	}
	if n := numbered(text); n > 0 {
		if n <= len(sc.Choices) {
			if c := sc.Choices[n-1]; c.When.holds(t.env, t.s.Values) {
				return t.choose(c)
			}
		} else if i := n - len(sc.Choices) - 1; i < len(t.s.Items) && sc.List != nil {
			return t.pick(sc.List, t.s.Items[i])
		}
	}
	if sc.Input == nil {
		return t.wrong(reasonBadChoice)
	}
	v, reason := t.read(sc.Input.Type.name, text)
	if reason != "" {
		if _, ok := t.w.reasons[reason]; !ok {
			reason = reasonNotNow
		}
		return t.wrong(reason)
	}
	t.s.Values = maps.Clone(t.s.Values)
	t.set(sc.Input.As.name, v)
	return t.leave(sc.Input.Go.name, sc.Input.As.name)
}

// key follows one of the keys. An amount is an amount before it is a key: 99 may
// be what somebody sends.
func (t *turn) key(sc *screen, text []byte) (r Result, over, done bool) {
	k := t.m.Keys
	is := func(key word) bool { return key.name != "" && string(text) == key.name }
	if !is(k.Back) && !is(k.Home) && !is(k.More) && !is(k.Quit) {
		return Result{}, false, false
	}
	if sc != nil && sc.Input != nil && sc.Input.Type.name == "amount" {
		if _, reason := t.read("amount", text); reason == "" {
			return Result{}, false, false
		}
	}
	switch {
	case is(k.Quit):
		return t.last(t.w.screen(screenGoodbye, t)), true, true
	case is(k.More):
		if t.s.Page+1 >= len(t.pages()) {
			return Result{}, false, false
		}
		t.s.Page++
	case is(k.Home):
		t.ahead.drop()
		t.start("")
	case t.s.Page > 0:
		t.s.Page--
	default:
		t.ahead.drop() // what comes behind was meant for a screen further on
		if !t.back() {
			t.s.Reason = ""
		}
	}
	return Result{}, false, true
}

// wrong stays where it is, with a reason in front.
func (t *turn) wrong(reason string) (Result, bool) {
	t.s.Reason, t.s.Page = reason, 0
	return Result{}, false
}

// resume takes the answer to "go on or start again".
func (t *turn) resume(n int) (Result, bool) {
	switch n {
	case 1:
		t.s = *t.s.Old
	case 2:
		t.start("")
	default:
		return t.wrong(reasonBadChoice)
	}
	return Result{}, false
}

func (t *turn) choose(c choice) (Result, bool) {
	names := slices.Sorted(maps.Keys(c.Set))
	t.s.Values = maps.Clone(t.s.Values)
	for _, name := range names {
		t.set(name, t.value(c.Set[name].name))
	}
	if t.start0(c.Go.name) {
		t.start("")
		return Result{}, false
	}
	return t.leave(c.Go.name, names...)
}

// start0 says whether a screen is where the dialogue begins: going there is going
// home.
func (t *turn) start0(screen string) bool {
	return slices.ContainsFunc(t.m.Start, func(r rule) bool { return r.Screen.name == screen })
}

func (t *turn) pick(l *list, item Item) (Result, bool) {
	t.s.Values = maps.Clone(t.s.Values)
	names := []string{l.As.name}
	if l.Label.name == "" {
		t.set(l.As.name, Value{Value: item.Value, Shown: item.Label})
	} else {
		names = append(names, l.Label.name)
		t.set(l.As.name, Value{Value: item.Value})
		t.set(l.Label.name, Value{Value: item.Label})
	}
	return t.leave(l.Go.name, names...)
}

// read reads an input of a type; none is a PIN.
func (t *turn) read(kind string, text []byte) (v Value, reason string) {
	switch kind {
	case "amount":
		v.Value, v.Shown, reason = t.m.readers.Amount(t.env.Language, text)
	case "msisdn":
		v.Value, v.Shown, reason = t.m.readers.Number(text)
	case "account":
		return readPrintable(text, reasonBadAccount)
	case "text":
		if bytes.IndexFunc(text, unicode.IsLetter) < 0 { // digits alone may be a PIN
			return v, reasonBadText
		}
		return readPrintable(text, reasonBadText)
	case "biller":
		return readBiller(text)
	}
	return v, reason
}

// maxText is the longest account, biller or text in characters; the bank's link
// has the same for accounts and billers.
const maxText = 20

// readPrintable reads 1 to 20 printable characters of GSM 03.38.
func readPrintable(text []byte, reason string) (Value, string) {
	if n := utf8.RuneCount(text); n == 0 || n > maxText || !utf8.Valid(text) {
		return Value{}, reason
	}
	s := string(text)
	_, ok := smpp.Septets(s)
	if !ok || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return Value{}, reason
	}
	return Value{Value: s}, ""
}

// readBiller reads 1 to 20 letters and digits, in capitals then.
func readBiller(text []byte) (Value, string) {
	if len(text) == 0 || len(text) > maxText {
		return Value{}, reasonBadBiller
	}
	for _, c := range text {
		if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return Value{}, reasonBadBiller
		}
	}
	return Value{Value: strings.ToUpper(string(text))}, ""
}

// pinForm says whether text is 4 to 6 digits.
func pinForm(text []byte) bool {
	return len(text) >= 4 && len(text) <= 6 && bytes.IndexFunc(text, func(r rune) bool { return r < '0' || r > '9' }) < 0
}

// plainDigits copies text with ASCII digits for Arabic-Indic and full width ones.
// It does not grow while it is written, so that the caller can zero it.
func plainDigits(text []byte) []byte {
	out := make([]byte, 0, len(text)+utf8.UTFMax)
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		switch {
		case r >= '٠' && r <= '٩':
			out = append(out, byte(r-'٠')+'0')
		case r >= '۰' && r <= '۹':
			out = append(out, byte(r-'۰')+'0')
		case r >= '０' && r <= '９':
			out = append(out, byte(r-'０')+'0')
		default:
			out = append(out, text[:size]...)
		}
		text = text[size:]
	}
	return out
}
