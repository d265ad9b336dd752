package platform

import (
	"bytes"
	"fmt"
	"strings"

	"starhash/configs/secret"
)

// Kind is what a message asks for.
type Kind int

// The commands of the SMS grammar.
const (
	KindTransfer  Kind = iota + 1 // SEND amount payee PIN
	KindBalance                   // BAL PIN
	KindMini                      // MINI PIN: the last transactions
	KindPINChange                 // PIN old new new
	KindAirtime                   // AIRTIME amount [number] [PIN]
	KindBill                      // BILL biller account amount [PIN]
	KindStatus                    // STATUS reference
	KindLanguage                  // LANG code
	KindYes                       // YES [code]
	KindNo                        // NO
	KindStop                      // STOP: notices off
	KindStart                     // START: notices on
	KindHelp                      // HELP
)

// kindNames are the commands' names in the files of configs/texts.
var kindNames = []string{"", "transfer", "balance", "mini", "pin_change", "airtime", "bill",
	"status", "language", "yes", "no", "stop", "start", "help"}

// String is the command's name in the files of configs/texts.
func (k Kind) String() string {
	if k < KindTransfer || k > KindHelp {
		return fmt.Sprintf("command %d", int(k))
	}
	return kindNames[k]
}

func kindNamed(name string) (Kind, bool) {
	for k := KindTransfer; k <= KindHelp; k++ {
		if kindNames[k] == name {
			return k, true
		}
	}
	return 0, false
}

// Command is a message that was understood. Only what its Kind takes is set.
type Command struct {
	Kind      Kind
	Amount    int64        // minor units, above zero: Transfer, Airtime, Bill
	Payee     string       // MSISDN, international digits without plus: Transfer, Airtime if given
	PIN       secret.Value // 4 to 6 ASCII digits: Transfer, Balance, Mini, PINChange; Airtime, Bill if given
	NewPIN    secret.Value // PINChange
	Reference string       // 8 to 16 letters and digits, in capitals: Status
	Language  string       // code of a language of the Texts: Language
	Code      secret.Value // Yes, if given
	Biller    string       // Bill
	Account   string       // Bill: with the biller
}

// Wipe zeroes the secrets.
func (c Command) Wipe() {
	c.PIN.Wipe()
	c.NewPIN.Wipe()
	c.Code.Wipe()
}

// Refusal is the answer to a message that was not understood, or not well
// enough to move money. It holds nothing of the message.
type Refusal struct {
	Key  TextKey
	Args Args
}

// Bounds of a message. What is longer is no command.
const (
	maxText   = 1000 // bytes
	maxFields = 16
)

// Grammar reads messages. It is safe for concurrent use.
//
// People write amounts and numbers in many ways, and every way that can be read
// in one way only is taken. Where a message can be read in two ways it is
// refused: fields may be separated by blanks, and so may the parts of an amount
// or a number, so Parse tries every way to cut a message into an amount and a
// number, in both orders, and takes the result only if there is one.
type Grammar struct {
	texts   *Texts
	amounts amountRules
	numbers numberRules
}

// NewGrammar makes the grammar for subscribers of a country, given by its E.164
// code such as "263", whose accounts are in one currency (ISO 4217).
func NewGrammar(texts *Texts, country, currency string) (*Grammar, error) {
	amounts, err := newAmountRules(currency)
	if err != nil {
		return nil, err
	}
	numbers, err := newNumberRules(country)
	if err != nil {
		return nil, err
	}
	return &Grammar{texts: texts, amounts: amounts, numbers: numbers}, nil
}

// Parse reads one message, in UTF-8, of a subscriber whose language is lang.
// Exactly one of the results is of use: the Refusal if it is not nil. Words of
// the subscriber's language and of English are understood. The text is the
// caller's to wipe; Parse wipes its own copies, and no PIN is ever in a string.
func (g *Grammar) Parse(lang string, text []byte) (Command, *Refusal) {
	if len(text) > maxText {
		return Command{}, &Refusal{Key: TextUnknownCommand}
	}
	buf := normalize(text)
	defer clear(buf)
	p := &parser{g: g, own: g.texts.language(lang), english: g.texts.languages[English]}
	kind, fields, ok := p.keyword(split(buf))
	if !ok {
		return Command{}, &Refusal{Key: TextUnknownCommand}
	}
	p.kind = kind
	if kind < KindYes && len(fields) > maxFields {
		return Command{}, p.unclear()
	}
	switch kind {
	case KindTransfer:
		return p.transfer(p.meaningful(fields))
	case KindBalance, KindMini:
		return p.pinOnly(p.meaningful(fields))
	case KindPINChange:
		return p.pinChange(p.meaningful(fields))
	case KindAirtime:
		return p.airtime(p.meaningful(fields))
	case KindBill:
		return p.bill(p.meaningful(fields))
	case KindStatus:
		return p.status(p.meaningful(fields))
	case KindLanguage:
		return p.language(fields)
	case KindYes:
		return p.yes(p.meaningful(fields))
	}
	return Command{Kind: kind}, nil // the others take nothing: what follows is talk
}

// parser is one message on its way through the grammar.
type parser struct {
	g            *Grammar
	own, english *language
	kind         Kind
}

func (p *parser) word(b []byte) (Kind, bool) {
	if k, ok := p.own.words[string(b)]; ok {
		return k, true
	}
	k, ok := p.english.words[string(b)]
	return k, ok
}

func (p *parser) ignored(b []byte) bool {
	return p.own.ignore[string(b)] || p.english.ignore[string(b)]
}

// keyword finds the command's word: the first field, after words that say
// nothing, alone or with digits stuck to it as in SEND500.
func (p *parser) keyword(fields []field) (Kind, []field, bool) {
	for len(fields) > 0 {
		first := fields[0].text
		if k, ok := p.word(first); ok {
			return k, fields[1:], true
		}
		for i, c := range first {
			if c < '0' || c > '9' {
				continue
			}
			if k, ok := p.word(first[:i]); ok && k <= KindBill {
				return k, append([]field{{first[i:], true}}, fields[1:]...), true
			}
			break
		}
		if !p.ignored(first) {
			break
		}
		fields = fields[1:]
	}
	return 0, nil, false
}

// meaningful leaves out the words that say nothing. What stood before and
// behind one are not parts of the same number.
func (p *parser) meaningful(fields []field) (kept []field) {
	apart := true
	for _, f := range fields {
		if p.ignored(f.text) && !p.g.amounts.words[string(f.text)] {
			apart = true
			continue
		}
		kept = append(kept, field{f.text, f.apart || apart})
		apart = false
	}
	return kept
}

// refuse answers with a text that shows how to write the command.
func (p *parser) refuse(key TextKey) *Refusal {
	return &Refusal{Key: key, Args: Args{"form": p.own.forms[p.kind]}}
}

func (p *parser) unclear() *Refusal { return p.refuse(TextUnclear) }

// transfer reads an amount and a number, in either order, and the PIN behind. A
// command without one is the caller's to refuse.
func (p *parser) transfer(fields []field) (Command, *Refusal) {
	if len(fields) < 2 {
		return Command{}, p.unclear()
	}
	last := len(fields) - 1
	pin := fields[last].text
	whole := p.readings(fields, true)          // as if the PIN were missing
	defer clear(whole.found)                   // which may have read a PIN as a part of a number
	before := p.readings(fields[:last], false) // as if the last field were the PIN
	switch {
	case isPIN(pin) && len(before.found) == 1 && len(whole.found) == 0:
		payee, ok := p.g.numbers.dialable(before.found[0].payee)
		if !ok {
			return Command{}, &Refusal{Key: TextBadNumber}
		}
		return Command{Kind: KindTransfer, Amount: before.found[0].amount, Payee: payee, PIN: secret.Copy(pin)}, nil
	case len(before.found) > 1, len(whole.found) > 1, isPIN(pin) && len(before.found) == 1:
		return Command{}, p.unclear()
	case len(whole.found) == 1 && isPIN(pin):
		// A PIN may stand in what was read as a number; such a number is kept
		// nowhere and repeated to nobody.
		return Command{}, p.refuse(TextPINMissing)
	case len(whole.found) == 1:
		payee, ok := p.g.numbers.dialable(whole.found[0].payee)
		if !ok {
			return Command{}, &Refusal{Key: TextBadNumber}
		}
		return Command{Kind: KindTransfer, Amount: whole.found[0].amount, Payee: payee}, nil
	case len(before.found) == 1:
		return Command{}, p.refuse(TextPINMalformed)
	case isPIN(pin):
		return Command{}, p.blame(before)
	}
	return Command{}, p.blame(whole)
}

// blame answers when nothing could be read.
func (p *parser) blame(r readings) *Refusal {
	switch {
	case r.foreign:
		return &Refusal{Key: TextCurrencyMismatch}
	case r.number:
		return &Refusal{Key: TextBadAmount}
	case r.amount:
		return &Refusal{Key: TextBadNumber}
	}
	return p.unclear()
}

// readings are the ways to read fields as an amount and a number.
type readings struct {
	found          []reading
	amount, number bool // some cut has an amount, or a number, beside what is neither
	foreign        bool // some cut has a number beside an amount of another currency
}

type reading struct {
	amount int64
	payee  msisdn
}

// readings tries every cut, with the amount first and with the number first.
// The same result by two ways is one reading. endsInPIN says that the last field
// may be a PIN, and so no part of a number whose length is not known.
func (p *parser) readings(fields []field, endsInPIN bool) (r readings) {
	for cut := 1; cut < len(fields); cut++ {
		head, tail := fields[:cut], fields[cut:]
		r.try(p, head, tail, endsInPIN && len(tail) > 1)
		r.try(p, tail, head, false)
	}
	return r
}

func (r *readings) try(p *parser, amountFields, payeeFields []field, homeOnly bool) {
	amount, v := p.amount(amountFields)
	payee, foreign, ok := p.g.numbers.read(payeeFields)
	ok = ok && !(foreign && homeOnly)
	switch {
	case ok && v == amountRead:
		for _, known := range r.found {
			if known == (reading{amount, payee}) {
				return
			}
		}
		r.found = append(r.found, reading{amount, payee})
	case ok:
		r.number = true
		r.foreign = r.foreign || v == amountForeign
	case v == amountRead:
		r.amount = true
	}
}

// amount reads fields that stand together as one amount.
func (p *parser) amount(fields []field) (int64, verdict) {
	texts, ok := together(fields)
	if !ok {
		return 0, amountBad
	}
	return p.g.amounts.read(texts, p.own.decimalComma)
}

// pinOnly reads a PIN, or nothing.
func (p *parser) pinOnly(fields []field) (Command, *Refusal) {
	switch {
	case len(fields) == 0:
		return Command{Kind: p.kind}, nil
	case len(fields) > 1:
		return Command{}, p.unclear()
	case !isPIN(fields[0].text):
		return Command{}, p.refuse(TextPINMalformed)
	}
	return Command{Kind: p.kind, PIN: secret.Copy(fields[0].text)}, nil
}

// pinChange reads the old PIN, and the new one twice.
func (p *parser) pinChange(fields []field) (Command, *Refusal) {
	if len(fields) != 3 {
		return Command{}, p.unclear()
	}
	for _, f := range fields {
		if !isPIN(f.text) {
			return Command{}, p.refuse(TextPINMalformed)
		}
	}
	if !bytes.Equal(fields[1].text, fields[2].text) {
		return Command{}, p.refuse(TextPINsDiffer)
	}
	return Command{Kind: KindPINChange, PIN: secret.Copy(fields[0].text), NewPIN: secret.Copy(fields[1].text)}, nil
}

// airtime reads an amount, with or without a number, with or without a PIN.
func (p *parser) airtime(fields []field) (Command, *Refusal) {
	c := Command{Kind: KindAirtime}
	if n := len(fields); n > 1 && isPIN(fields[n-1].text) {
		c.PIN = secret.Copy(fields[n-1].text)
		fields = fields[:n-1]
	}
	amount, v := int64(0), amountBad
	if len(fields) > 0 {
		amount, v = p.amount(fields)
	}
	r := p.readings(fields, false)
	if v == amountRead {
		r.found = append(r.found, reading{amount: amount})
	}
	ok := true
	if len(r.found) == 1 && r.found[0].payee != (msisdn{}) {
		c.Payee, ok = p.g.numbers.dialable(r.found[0].payee)
	}
	if !ok || len(r.found) != 1 {
		c.Wipe()
		return Command{}, p.unclear()
	}
	c.Amount = r.found[0].amount
	return c, nil
}

// bill reads three fields, an amount without blanks last, and the PIN if there
// is a fourth: an account may have blanks as an amount may, so neither may here.
func (p *parser) bill(fields []field) (Command, *Refusal) {
	if len(fields) != 3 && !(len(fields) == 4 && isPIN(fields[3].text)) {
		return Command{}, p.unclear()
	}
	amount, v := p.amount(fields[2:3])
	switch {
	case v == amountForeign:
		return Command{}, &Refusal{Key: TextCurrencyMismatch}
	case v != amountRead:
		return Command{}, &Refusal{Key: TextBadAmount}
	}
	c := Command{Kind: KindBill, Biller: string(fields[0].text), Account: string(fields[1].text), Amount: amount}
	if len(fields) == 4 {
		c.PIN = secret.Copy(fields[3].text)
	}
	return c, nil
}

// status reads a reference. It is longer than a PIN, so that none is echoed.
func (p *parser) status(fields []field) (Command, *Refusal) {
	if len(fields) != 1 || len(fields[0].text) < 8 || len(fields[0].text) > 16 {
		return Command{}, p.unclear()
	}
	for _, c := range fields[0].text {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') {
			return Command{}, p.unclear()
		}
	}
	return Command{Kind: KindStatus, Reference: string(fields[0].text)}, nil
}

// language reads a language's code or name.
func (p *parser) language(fields []field) (Command, *Refusal) {
	known := p.g.texts.Languages()
	for _, f := range fields {
		for _, lang := range known {
			for _, code := range p.g.texts.languages[lang].codes {
				if code == string(f.text) {
					return Command{Kind: KindLanguage, Language: lang}, nil
				}
			}
		}
	}
	return Command{}, &Refusal{Key: TextLanguageUnknown, Args: Args{"languages": strings.Join(known, ", ")}}
}

// yes reads a code of 4 to 10 letters and digits, a digit among them, if there
// is one. YES with anything else is no clear yes.
func (p *parser) yes(fields []field) (Command, *Refusal) {
	if len(fields) == 0 {
		return Command{Kind: KindYes}, nil
	}
	code, digits := fields[0].text, 0
	for _, c := range code {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c < 'A' || c > 'Z':
			return Command{}, p.unclear()
		}
	}
	if len(fields) > 1 || digits == 0 || len(code) < 4 || len(code) > 10 {
		return Command{}, p.unclear()
	}
	return Command{Kind: KindYes, Code: secret.Copy(code)}, nil
}

// isPIN says whether a field can be a PIN.
func isPIN(b []byte) bool {
	if len(b) < 4 || len(b) > 6 {
		return false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
