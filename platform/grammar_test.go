package platform

import (
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"starhash/configs/secret"
)

func testGrammar(t testing.TB, country, currency string) *Grammar {
	t.Helper()
	g, err := NewGrammar(shippedTexts(t), country, currency)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func pin(s string) secret.Value { return secret.New([]byte(s)) }

// fiveHundred is the command of SEND 500 0771000002 1234 in Zimbabwe.
var fiveHundred = Command{Kind: KindTransfer, Amount: 50000, Payee: "263771000002", PIN: pin("1234")}

func amounting(minor int64) Command {
	c := fiveHundred
	c.Amount = minor
	return c
}

func TestParse(t *testing.T) {
	tests := []struct {
		name, lang, text string
		want             Command
	}{
		{"as the help says", "en", "SEND 500 0771000002 1234", fiveHundred},
		{"mixed case", "en", "sEnD 500 0771000002 1234", fiveHundred},
		{"doubled blanks", "en", "  SEND   500  0771000002  1234 ", fiveHundred},
		{"tabs, line ends and non-breaking blanks", "en", "SEND\t500\r\n0771000002\u00a01234\u202f", fiveHundred},
		{"shillings", "en", "SEND 500/= 0771000002 1234", fiveHundred},
		{"thousands with a comma", "en", "SEND 1,000 0771000002 1234", amounting(100000)},
		{"thousands with a blank, and decimals", "en", "SEND 1 000.50 0771000002 1234", amounting(100050)},
		{"thousands with a non-breaking blank", "fr", "ENVOYER 1\u202f000,50 0771000002 1234", amounting(100050)},
		{"currency stuck in front", "en", "SEND USD500 0771000002 1234", fiveHundred},
		{"currency in front", "en", "SEND USD 5 0771000002 1234", amounting(500)},
		{"currency behind", "en", "SEND 5usd 0771000002 1234", amounting(500)},
		{"currency's sign", "en", "SEND $5 0771000002 1234", amounting(500)},
		{"decimal comma where it is one", "pt", "ENVIAR 5,50 0771000002 1234", amounting(550)},
		{"number without trunk prefix", "en", "SEND 500 771000002 1234", fiveHundred},
		{"number with plus", "en", "SEND 500 +263771000002 1234", fiveHundred},
		{"number with 00", "en", "SEND 500 00263771000002 1234", fiveHundred},
		{"number with country code alone", "en", "SEND 500 263771000002 1234", fiveHundred},
		{"number with blanks", "en", "SEND 500 077 100 0002 1234", fiveHundred},
		{"number with dashes", "en", "SEND 500 0771-000-002 1234", fiveHundred},
		{"number in brackets", "en", "SEND 500 (077) 1000002 1234", fiveHundred},
		{"blanks in amount and number", "en", "SEND 1 000 0771 000 002 1234", amounting(100000)},
		{"number of another country", "en", "SEND 500 +27821234567 1234",
			Command{Kind: KindTransfer, Amount: 50000, Payee: "27821234567", PIN: pin("1234")}},
		{"number of another country, with blanks", "en", "SEND 500 +27 82 123 4567 1234",
			Command{Kind: KindTransfer, Amount: 50000, Payee: "27821234567", PIN: pin("1234")}},
		{"Arabic-Indic digits", "en", "SEND ٥٠٠ ٠٧٧١٠٠٠٠٠٢ ١٢٣٤", fiveHundred},
		{"Arabic decimal separator", "en", "SEND ١٢٫٥ ٠٧٧١٠٠٠٠٠٢ ١٢٣٤", amounting(1250)},
		{"Extended Arabic-Indic digits", "en", "SEND ۵۰۰ ۰۷۷۱۰۰۰۰۰۲ ۱۲۳۴", fiveHundred},
		{"marks of direction", "en", "\u200fSEND 500 \u202a0771000002\u202c 1234", fiveHundred},
		{"trailing full stop", "en", "SEND 500 0771000002 1234.", fiveHundred},
		{"commas between", "en", "SEND 500, 0771000002, 1234", fiveHundred},
		{"transposed", "en", "SEND 0771000002 500 1234", fiveHundred},
		{"transposed, with blanks", "en", "SEND 0771 000 002 1 000 1234", amounting(100000)},
		{"stars", "en", "SEND*500*0771000002*1234#", fiveHundred},
		{"hashes", "en", "send#500#0771000002#1234", fiveHundred},
		{"stars settle what blanks leave open", "en", "SEND*500*771 000 200*1234",
			Command{Kind: KindTransfer, Amount: 50000, Payee: "263771000200", PIN: pin("1234")}},
		{"filler words", "en", "Please SEND 500 TO 0771000002 PIN: 1234 thanks", fiveHundred},
		{"keyword and amount stuck together", "en", "send500 0771000002 1234", fiveHundred},
		{"quoted", "en", `"SEND 500 0771000002 1234"`, fiveHundred},
		{"six digits of PIN", "en", "SEND 500 0771000002 001234",
			Command{Kind: KindTransfer, Amount: 50000, Payee: "263771000002", PIN: pin("001234")}},
		{"amount that looks like a PIN", "en", "SEND 5000 0771000002 1234", amounting(500000)},

		{"Swahili", "sw", "tuma 500 kwa 0771000002 siri 1234", fiveHundred},
		{"French", "fr", "Envoyer 500 à 0771000002 code 1234 svp", fiveHundred},
		{"Portuguese", "pt", "enviar 500 para o 0771000002 pin 1234 por favor", Command{}},
		{"English in another language", "sw", "SEND 500 TO 0771000002 1234", fiveHundred},
		{"unknown language", "xx", "SEND 500 0771000002 1234", fiveHundred},

		{"balance", "en", "Bal 1234", Command{Kind: KindBalance, PIN: pin("1234")}},
		{"balance, stuck together", "en", "BAL1234", Command{Kind: KindBalance, PIN: pin("1234")}},
		{"mini-statement", "fr", "Relevé 1234", Command{Kind: KindMini, PIN: pin("1234")}},
		{"mini-statement, accent apart", "fr", "Releve\u0301 1234", Command{Kind: KindMini, PIN: pin("1234")}},
		{"PIN change", "en", "PIN 1234 56789 56789", Command{Kind: KindPINChange, PIN: pin("1234"), NewPIN: pin("56789")}},
		{"PIN change with stars", "en", "pin*1234*56789*56789#", Command{Kind: KindPINChange, PIN: pin("1234"), NewPIN: pin("56789")}},
		{"transfer without PIN", "en", "SEND 500 0771000002", Command{Kind: KindTransfer, Amount: 50000, Payee: "263771000002"}},
		{"transfer without PIN, transposed", "en", "SEND 0771000002 500", Command{Kind: KindTransfer, Amount: 50000, Payee: "263771000002"}},
		{"transfer abroad without PIN", "en", "SEND 500 +27821234567", Command{Kind: KindTransfer, Amount: 50000, Payee: "27821234567"}},
		{"balance without PIN", "en", "BAL", Command{Kind: KindBalance}},
		{"airtime", "en", "AIRTIME 5", Command{Kind: KindAirtime, Amount: 500}},
		{"airtime with PIN", "en", "AIRTIME 5 1234", Command{Kind: KindAirtime, Amount: 500, PIN: pin("1234")}},
		{"airtime for another", "en", "AIRTIME 5 0771000002 1234", Command{Kind: KindAirtime, Amount: 500, Payee: "263771000002", PIN: pin("1234")}},
		{"bill", "en", "BILL ZESA 04-123 50 1234", Command{Kind: KindBill, Biller: "ZESA", Account: "04-123", Amount: 5000, PIN: pin("1234")}},
		{"bill without PIN", "en", "PAYBILL ZESA 04123 5000", Command{Kind: KindBill, Biller: "ZESA", Account: "04123", Amount: 500000}},
		{"status", "en", "status 7k2m9qxa.", Command{Kind: KindStatus, Reference: "7K2M9QXA"}},
		{"language by code", "en", "LANG sw", Command{Kind: KindLanguage, Language: "sw"}},
		{"language by name", "en", "LANG Français", Command{Kind: KindLanguage, Language: "fr"}},
		{"yes", "en", "Yes!", Command{Kind: KindYes}},
		{"yes with a code", "en", "YES 4711A", Command{Kind: KindYes, Code: pin("4711A")}},
		{"yes, politely", "en", "YES please", Command{Kind: KindYes}},
		{"no", "pt", "Não", Command{Kind: KindNo}},
		{"no, with an explanation", "en", "NO I did not want that", Command{Kind: KindNo}},
		{"stop", "en", "STOP", Command{Kind: KindStop}},
		{"start", "en", "START", Command{Kind: KindStart}},
		{"help", "en", "help me", Command{Kind: KindHelp}},
	}
	g := testGrammar(t, "263", "USD")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, refusal := g.Parse(tt.lang, []byte(tt.text))
			if tt.want.Kind == 0 { // not understood on purpose
				if refusal == nil {
					t.Fatalf("%q: taken as %+v", tt.text, got)
				}
				return
			}
			if refusal != nil {
				t.Fatalf("%q: refused with %+v", tt.text, *refusal)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("%q: got %+v (PIN %s), want %+v", tt.text, got, got.PIN.Reveal(), tt.want)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	tests := []struct {
		name, text string
		want       TextKey
	}{
		{"nothing", "", TextUnknownCommand},
		{"blanks", " \t\n", TextUnknownCommand},
		{"unknown word", "HELLO", TextUnknownCommand},
		{"no keyword", "500 0771000002 1234", TextUnknownCommand},
		{"only polite", "please", TextUnknownCommand},
		{"a keyword inside another word", "SENDER 500 0771000002 1234", TextUnknownCommand},
		{"endless", "SEND " + strings.Repeat("1 ", 600), TextUnknownCommand},
		{"octets that are no text", "\xff\xfe", TextUnknownCommand},

		{"keyword alone", "SEND", TextUnclear},
		{"one field", "SEND 500", TextUnclear},
		{"no number", "SEND 500 1234", TextUnclear},
		{"no amount, or no PIN", "SEND 0771000002 1234", TextPINMissing},
		{"too many fields", "SEND" + strings.Repeat(" 1", 17), TextUnclear},
		{"PIN in the middle", "SEND 500 1234 0771000002", TextBadAmount},
		{"PIN missing, number cut", "SEND 500 077100 0002", TextPINMissing},
		{"PIN in parts behind a number of another country", "SEND 500 +27821234567 12 34", TextPINMalformed},
		{"PIN too short", "SEND 500 0771000002 123", TextPINMalformed},
		{"PIN too long", "SEND 500 0771000002 1234567", TextPINMalformed},
		{"PIN with a letter", "SEND 500 0771000002 123O", TextPINMalformed},
		{"PIN cut in two", "SEND 500 0771000002 12 34", TextBadNumber},

		{"zero", "SEND 0 0771000002 1234", TextBadAmount},
		{"negative", "SEND -5 0771000002 1234", TextBadAmount},
		{"minus sign of typographers", "SEND −5 0771000002 1234", TextBadAmount},
		{"too many decimals", "SEND 5.555 0771000002 1234", TextBadAmount},
		{"dot for thousands", "SEND 1.000 0771000002 1234", TextBadAmount},
		{"comma for decimals", "SEND 5,50 0771000002 1234", TextBadAmount},
		{"decimals alone", "SEND .50 0771000002 1234", TextBadAmount},
		{"overflow", "SEND 99999999999999999999 0771000002 1234", TextBadAmount},
		{"just above the bound", "SEND 10000000000000.01 0771000002 1234", TextBadAmount},
		{"in words", "SEND five 0771000002 1234", TextBadAmount},
		{"thousand", "SEND 5k 0771000002 1234", TextBadAmount},
		{"other currency", "SEND EUR5 0771000002 1234", TextCurrencyMismatch},
		{"other currency behind", "SEND 5 kes to 0771000002 1234", TextCurrencyMismatch},
		{"exponent", "SEND 1e3 0771000002 1234", TextBadAmount},

		{"number too short", "SEND 500 077100000 1234", TextBadNumber},
		{"number too long", "SEND 500 07710000022 1234", TextBadNumber},
		{"name for a number", "SEND 500 to John 1234", TextBadNumber},
		{"fixed line", "SEND 500 0242123456 1234", TextBadNumber},
		{"no such country", "SEND 500 +999123456789 1234", TextBadNumber},
		{"three zeros", "SEND 500 000263771000002 1234", TextBadNumber},

		{"zero of the amount or of the number", "SEND 5 0 771000002 1234", TextBadAmount},
		{"zeros of the amount or of the number", "SEND 5 00 27821234567 1234", TextBadNumber},
		{"two numbers", "SEND 771000002 772000003 1234", TextUnclear},
		{"amount or number", "SEND 500 771 000 200 1234", TextUnclear},
		{"country code or end of the amount", "SEND 500 263 771000002 1234", TextUnclear},
		{"country code or amount", "SEND 263 771000002 1234", TextUnclear},
		{"country code or end of the amount, in parts", "SEND 5 263 771 000 002 1234", TextUnclear},
		{"two numbers with trunk prefix", "SEND 0771000002 0772000003 1234", TextBadAmount},
		{"words between parts", "SEND 1 to 000 0771000002 1234", TextBadAmount},

		{"balance, malformed PIN", "BAL 123", TextPINMalformed},
		{"balance, PIN cut in two", "BAL 12 34", TextUnclear},
		{"balance with an account", "BAL 0001 1234", TextUnclear},
		{"PIN change, one new", "PIN 1234 5678", TextUnclear},
		{"PIN change, two new", "PIN 1234 5678 5679", TextPINsDiffer},
		{"PIN change, malformed", "PIN 1234 567 567", TextPINMalformed},
		{"airtime without amount", "AIRTIME", TextUnclear},
		{"airtime, nonsense", "AIRTIME x 1234", TextUnclear},
		{"bill without amount", "BILL ZESA 123", TextUnclear},
		{"bill, blanks in the account", "BILL ZESA 123 456 500 1234", TextUnclear},
		{"bill, amount", "BILL ZESA 123 -5 1234", TextBadAmount},
		{"bill, other currency", "BILL ZESA 123 EUR5 1234", TextCurrencyMismatch},
		{"status alone", "STATUS", TextUnclear},
		{"status of a PIN", "STATUS 1234", TextUnclear},
		{"status of two", "STATUS 7K2M9QXA 7K2M9QXB", TextUnclear},
		{"status with signs", "STATUS 7K2M-9QXA", TextUnclear},
		{"language alone", "LANG", TextLanguageUnknown},
		{"language", "LANG tlh", TextLanguageUnknown},
		{"yes to something else", "YES 500 0771000002 1234", TextUnclear},
		{"yes, but", "YES but not now", TextUnclear},
	}
	g := testGrammar(t, "263", "USD")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, refusal := g.Parse("en", []byte(tt.text))
			if refusal == nil {
				t.Fatalf("%q: taken as %+v", tt.text, c)
			}
			if refusal.Key != tt.want {
				t.Errorf("%q: refused with %s, want %s", tt.text, refusal.Key, tt.want)
			}
			if !reflect.DeepEqual(c, Command{}) {
				t.Errorf("%q: refused, but there is a command too: %+v", tt.text, c)
			}
			if got := g.texts.Format("en", refusal.Key, refusal.Args); strings.Contains(got, "?") {
				t.Errorf("%q: the answer lacks a value: %s", tt.text, got)
			}
		})
	}
}

// Numbers are read as they are written in each country.
func TestCountries(t *testing.T) {
	for _, tt := range []struct{ country, currency, text, payee string }{
		{"254", "KES", "SEND 500 0712345678 1234", "254712345678"},
		{"254", "KES", "SEND KSH500 254712345678 1234", "254712345678"},
		{"255", "TZS", "SEND 500 0754123456 1234", "255754123456"},
		{"258", "MZN", "SEND 500 841234567 1234", "258841234567"},
		{"225", "XOF", "SEND 500 0701234567 1234", "2250701234567"}, // the zero belongs to the number
		{"225", "XOF", "SEND 500 +2250701234567 1234", "2250701234567"},
		{"267", "BWP", "SEND 500 71234567 1234", "26771234567"},
		{"234", "NGN", "SEND N500 08031234567 1234", "2348031234567"},
	} {
		c, refusal := testGrammar(t, tt.country, tt.currency).Parse("en", []byte(tt.text))
		if refusal != nil || c.Payee != tt.payee {
			t.Errorf("%s in %s: %q, refusal %v; want %s", tt.text, tt.country, c.Payee, refusal, tt.payee)
		}
	}
	for _, country := range []string{"", "0", "+263", "0263", "999", "x"} {
		if _, err := NewGrammar(shippedTexts(t), country, "USD"); err == nil {
			t.Errorf("country %q was taken", country)
		}
	}
	if _, err := NewGrammar(shippedTexts(t), "263", "XXX"); err == nil {
		t.Error("an unknown currency was taken")
	}
}

// Every form that a text tells people to write begins a command of that kind.
func TestFormsAreUnderstood(t *testing.T) {
	g := testGrammar(t, "263", "USD")
	for _, lang := range g.texts.Languages() {
		for kind, form := range g.texts.languages[lang].forms {
			p := &parser{g: g, own: g.texts.language(lang), english: g.texts.languages[English]}
			if got, _, ok := p.keyword(split(normalize([]byte(form)))); !ok || got != kind {
				t.Errorf("%s: %q is a %s, want a %s", lang, form, got, kind)
			}
		}
	}
}

func TestWipe(t *testing.T) {
	g := testGrammar(t, "263", "USD")
	c, _ := g.Parse("en", []byte("PIN 1234 5678 5678"))
	c.Wipe()
	if string(c.PIN.Reveal()) != "\x00\x00\x00\x00" || string(c.NewPIN.Reveal()) != "\x00\x00\x00\x00" {
		t.Error("a PIN was left")
	}
}

// normalize must not grow its result while it writes: the part left behind
// would never be zeroed.
func TestNormalizeStaysWhereItIs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SliceOf(rapid.Byte()).Draw(t, "text")
		if rapid.Bool().Draw(t, "as text") {
			text = []byte(rapid.String().Draw(t, "string"))
		}
		if out := normalize(text); len(out) > utf8.UTFMax*len(text) {
			t.Fatalf("%d octets of %d", len(out), len(text))
		}
	})
}

// Any way to write an amount, a number and a PIN, of those that are taken, is
// read as what was meant, or not at all; and in the plain ways it is read.
func TestRenderingsParseBack(t *testing.T) {
	g := testGrammar(t, "263", "USD")
	rapid.Check(t, func(t *rapid.T) {
		minor := rapid.OneOf(rapid.Int64Range(1, 1_000_000), rapid.Int64Range(1, maxAmount)).Draw(t, "minor")
		number := "77" + rapid.StringMatching(`[0-9]{7}`).Draw(t, "number")
		pin := rapid.StringMatching(`[0-9]{4,6}`).Draw(t, "pin")
		lang := rapid.SampledFrom(g.texts.Languages()).Draw(t, "lang")
		comma := g.texts.languages[lang].decimalComma

		amount := FormatNumber(minor, "USD") // 1,234.50
		group, decimal := ",", "."
		if comma {
			group, decimal = ".", ","
		}
		blanks := rapid.Bool().Draw(t, "blanks in the amount")
		if blanks {
			group = rapid.SampledFrom([]string{" ", "\u00a0"}).Draw(t, "group")
		} else if rapid.Bool().Draw(t, "no groups") {
			group = ""
		}
		amount = strings.NewReplacer(",", group, ".", decimal).Replace(amount)
		front := rapid.SampledFrom([]string{"", "USD", "usd ", "$", "US$"}).Draw(t, "front")
		behind := rapid.SampledFrom([]string{"", "/=", " USD", "usd", "/-"}).Draw(t, "behind")
		amount = front + amount + behind

		prefix := rapid.SampledFrom([]string{"0", "", "+263", "00263", "263"}).Draw(t, "prefix")
		payee := prefix + number
		switch rapid.IntRange(0, 2).Draw(t, "cut") {
		case 1:
			payee = prefix + number[:2] + "-" + number[2:5] + "-" + number[5:]
		case 2:
			payee = prefix + number[:2] + " " + number[2:5] + " " + number[5:]
			blanks = true
		}

		first, second := amount, payee
		if rapid.Bool().Draw(t, "transposed") {
			first, second = payee, amount
		}
		sep := rapid.SampledFrom([]string{" ", "  ", "\n", "*", "#", ", "}).Draw(t, "separator")
		word := rapid.SampledFrom([]string{"SEND", "send", "Pay"}).Draw(t, "word")
		end := rapid.SampledFrom([]string{"", ".", " ", "#", " thanks"}).Draw(t, "end")
		text := word + sep + first + sep + second + sep + pin + end
		if rapid.Bool().Draw(t, "Arabic-Indic") {
			text = strings.NewReplacer("0", "٠", "1", "١", "2", "٢", "3", "٣", "4", "٤",
				"5", "٥", "6", "٦", "7", "٧", "8", "٨", "9", "٩").Replace(text)
		}

		c, refusal := g.Parse(lang, []byte(text))
		if refusal != nil {
			if blanks && !strings.ContainsAny(sep, "*#,") && refusal.Key == TextUnclear {
				return // ambiguous, and said so
			}
			t.Fatalf("%q in %s: refused with %s", text, lang, refusal.Key)
		}
		defer c.Wipe()
		if c.Kind != KindTransfer || c.Amount != minor || c.Payee != "263"+number || string(c.PIN.Reveal()) != pin {
			t.Fatalf("%q in %s: read as %+v", text, lang, c)
		}
	})
}

func FuzzParse(f *testing.F) {
	g := testGrammar(f, "263", "USD")
	f.Fuzz(func(t *testing.T, lang string, text []byte) {
		before := string(text)
		c, refusal := g.Parse(lang, text)
		if string(text) != before {
			t.Fatal("the message was changed")
		}
		if refusal != nil {
			if _, ok := placeholders[refusal.Key]; !ok {
				t.Fatalf("refused with %q, which is no text", refusal.Key)
			}
			if !reflect.DeepEqual(c, Command{}) {
				t.Fatalf("refused, but there is a command too: %+v", c)
			}
			return
		}
		digits := func(s string, least, most int) bool {
			return len(s) >= least && len(s) <= most && strings.Trim(s, "0123456789") == ""
		}
		isPIN := func(v secret.Value) bool { return digits(string(v.Reveal()), 4, 6) }
		noneOrPIN := func(v secret.Value) bool { return v.Empty() || isPIN(v) }
		switch c.Kind {
		case KindTransfer:
			if c.Amount <= 0 || c.Amount > maxAmount || !digits(c.Payee, minForeign, maxMSISDN) || !noneOrPIN(c.PIN) {
				t.Fatalf("transfer %+v", c)
			}
		case KindBalance, KindMini:
			if !noneOrPIN(c.PIN) || c.Amount != 0 || c.Payee != "" {
				t.Fatalf("%s %+v", c.Kind, c)
			}
		case KindPINChange:
			if !isPIN(c.PIN) || !isPIN(c.NewPIN) {
				t.Fatalf("PIN change %+v", c)
			}
		case KindAirtime, KindBill:
			if c.Amount <= 0 || c.Amount > maxAmount || !noneOrPIN(c.PIN) {
				t.Fatalf("%s %+v", c.Kind, c)
			}
		case KindStatus:
			if len(c.Reference) < 8 || len(c.Reference) > 16 {
				t.Fatalf("status %+v", c)
			}
		case KindLanguage:
			if g.texts.languages[c.Language] == nil {
				t.Fatalf("language %+v", c)
			}
		case KindYes, KindNo, KindStop, KindStart, KindHelp:
		default:
			t.Fatalf("command %+v", c)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	g := testGrammar(b, "263", "USD")
	text := []byte("SEND 1 000.50 to 0771 000 002 1234")
	for b.Loop() {
		if _, refusal := g.Parse("en", text); refusal != nil {
			b.Fatal(refusal.Key)
		}
	}
}
