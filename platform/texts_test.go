package platform

import (
	"errors"
	"go/ast"
	goparser "go/parser"
	"go/token"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"starhash/bank/link"
	"starhash/configs"
	"starhash/smpp"
)

func shippedTexts(t testing.TB) *Texts {
	t.Helper()
	texts, err := LoadTexts(configs.Texts)
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

func TestShippedTexts(t *testing.T) {
	texts := shippedTexts(t)
	if got := texts.Languages(); !slices.Equal(got, []string{"en", "fr", "pt", "sw"}) {
		t.Errorf("languages %v", got)
	}
	// The capitals in a text are what its reader will type.
	words := map[string]bool{"PIN": true, "SIM": true, "SMS": true, "ID": true}
	for _, code := range texts.Languages() {
		l := texts.languages[code]
		for key, segments := range l.texts {
			for _, s := range segments {
				for _, word := range strings.FieldsFunc(s.literal, func(r rune) bool { return r < 'A' || r > 'Z' && r < 'a' || r > 'z' }) {
					if len(word) > 1 && word == strings.ToUpper(word) && !words[word] && l.words[word] == 0 {
						t.Errorf("%s.yaml: %s: tells to send %s, which is no word of a command", code, key, word)
					}
				}
			}
		}
	}
}

// Every constant TextX has its placeholders, and nothing else has any.
func TestTextKeys(t *testing.T) {
	file, err := goparser.ParseFile(token.NewFileSet(), "texts_keys.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	declared := map[TextKey]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Text") {
			return true
		}
		value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		declared[TextKey(value)] = true
		return true
	})
	for key := range declared {
		if _, ok := placeholders[key]; !ok {
			t.Errorf("%s has no placeholders in the table", key)
		}
	}
	for key := range placeholders {
		if !declared[key] {
			t.Errorf("%s is in the table and no constant", key)
		}
	}
}

func TestEveryOutcomeHasItsReason(t *testing.T) {
	seen := map[TextKey]bool{}
	for o := range 256 {
		outcome := link.Outcome(o)
		key, ok := Reason(outcome)
		if want := outcome.Valid() && outcome != link.Done; ok != want {
			t.Errorf("%s: has a reason: %v", outcome, ok)
		}
		if ok && seen[key] {
			t.Errorf("%s shares its text with another outcome", outcome)
		}
		seen[key] = true
	}
}

func TestFormat(t *testing.T) {
	texts := shippedTexts(t)
	args := Args{"ref": "7K2M9QXA", "amount": "USD 5.00", "name": "T*** M***", "last4": "0002",
		"balance": "USD 95.00", "at": "23/11/2026 14:05"}
	for _, tt := range []struct {
		lang string
		key  TextKey
		args Args
		want string
	}{
		{"en", TextTransferDone, args, "7K2M9QXA done. USD 5.00 sent to T*** M*** ...0002. Balance USD 95.00. 23/11/2026 14:05"},
		{"xx", TextTransferDone, args, "7K2M9QXA done. USD 5.00 sent to T*** M*** ...0002. Balance USD 95.00. 23/11/2026 14:05"},
		{"fr", TextPending, Args{}, "? en attente. La banque n'a pas encore répondu: on ne sait pas si l'ordre est exécuté. Ne le renvoyez pas: la suite vient par SMS."},
		{"en", TextMiniLine, Args{"date": "{ref}", "amount": "Š{", "last4": "ñ"}, "{ref} S{ ñ"}, // values are not expanded, and keep to the alphabet
	} {
		if got := texts.Format(tt.lang, tt.key, tt.args); got != tt.want {
			t.Errorf("%s %s:\ngot  %s\nwant %s", tt.lang, tt.key, got, tt.want)
		}
	}
	want := "7K2M9QXA declined. Wrong PIN; nothing moved. Tries left: 2. Send again with the right PIN."
	if got := texts.Declined("en", "7K2M9QXA", TextWrongPIN, Args{"tries": "2"}); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := texts.Name("fr"); got != "Francais" {
		t.Errorf("name of fr: %s", got)
	}
}

func TestStatement(t *testing.T) {
	texts := shippedTexts(t)
	header := Args{"ref": "7K2M9QXA", "balance": "USD 95.00", "at": "23/11/2026 14:05"}
	if got, want := texts.Statement("en", header, nil), texts.Format("en", TextMiniNone, header); got != want {
		t.Errorf("no lines: %s", got)
	}
	line := Args{"date": "23/11", "amount": "-1,234.50", "last4": "0002"}
	fee := Args{"date": "22/11", "amount": "-0.10", "last4": ""}
	want := "7K2M9QXA done. Balance USD 95.00. 23/11/2026 14:05. Last:\n23/11 -1,234.50 0002\n22/11 -0.10"
	if got := texts.Statement("en", header, []Args{line, fee}); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, lang := range texts.Languages() {
		got := texts.Statement(lang, longest, slices.Repeat([]Args{longest}, 10))
		if n, ok := smpp.Septets(got); !ok || n > 160 || strings.Count(got, "\n") < 2 {
			t.Errorf("%s: %d septets, %d lines", lang, n, strings.Count(got, "\n"))
		}
	}
}

// edit is the shipped texts with one file changed.
func edit(t *testing.T, file, old, new string) fs.FS {
	t.Helper()
	fsys := fstest.MapFS{}
	files, err := fs.Glob(configs.Texts, "*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		data, err := fs.ReadFile(configs.Texts, name)
		if err != nil {
			t.Fatal(err)
		}
		if name == file {
			if !strings.Contains(string(data), old) {
				t.Fatalf("%s does not contain %q", name, old)
			}
			data = []byte(strings.Replace(string(data), old, new, 1))
		}
		fsys[name] = &fstest.MapFile{Data: data}
	}
	return fsys
}

func TestLoadTextsRefuses(t *testing.T) {
	tests := []struct{ name, file, old, new, want string }{
		{"unknown placeholder", "fr.yaml", "Solde {balance}. {at}. Aucun", "Solde {balence}. {at}. Aucun",
			"texts.balance: has the unknown {balence}; want of {ref}, {balance}, {at}"},
		{"placeholder left out", "fr.yaml", "Solde {balance}. {at}. Aucun", "Solde. {at}. Aucun",
			"texts.balance: does not say {balance}; want all of {ref}, {balance}, {at}"},
		{"open brace", "en.yaml", "Tries left: {tries}", "Tries left: {tries", "texts.wrong_pin: has a { without its }"},
		{"text left out", "sw.yaml", "  cancelled:", "  canceled:", "texts.cancelled: is missing"},
		{"unknown text", "sw.yaml", "  cancelled:", "  canceled:", "texts.canceled: is no text of ours"},
		{"too long", "pt.yaml", "nada se moveu. Fale", "nada se moveu. " + strings.Repeat("Fale ", 30),
			"texts.blocked: takes"},
		{"reason too long for declined", "pt.yaml", "nada se moveu. Fale", "nada se moveu. " + strings.Repeat("Fale ", 18),
			"texts.declined: takes"},
		{"outside the alphabet", "pt.yaml", "Nao entendido", "Não entendido",
			"texts.unknown_command: has characters outside GSM 03.38: ã; want them without accents"},
		{"text that is a number", "en.yaml", `"Cancelled; nothing moved."`, "12", `texts.cancelled: is no text; want text "in quotes"`},
		{"word of two commands", "en.yaml", "words: [BAL, BALANCE]", "words: [BAL, SEND]", "SEND is taken in line"},
		{"English word with another meaning", "sw.yaml", "words: [SALIO]", "words: [SALIO, SEND]",
			"commands.balance: SEND is the English word for transfer"},
		{"word with digits", "sw.yaml", "words: [SALIO]", "words: [SALIO, B1]", `"B1" is not a word`},
		{"form of another word", "sw.yaml", "form: SALIO PIN", "form: BAKI PIN", "the form begins with BAKI; want SALIO"},
		{"command left out", "en.yaml", "  mini: {", "  mino: {", "commands.mini: is missing"},
		{"unknown command", "en.yaml", "  mini: {", "  mino: {", "commands.mino: is no command"},
		{"unknown section", "en.yaml", "ignore:", "ignores:", "field ignores not found"},
		{"not YAML", "en.yaml", "ignore: [", "ignore: ", "yaml: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := LoadTexts(edit(t, tt.file, tt.old, tt.new))
			var e *configs.Error
			if !errors.As(err, &e) {
				t.Fatalf("error %v, want a *configs.Error", err)
			}
			i := slices.IndexFunc(e.Problems, func(p configs.Located) bool { return strings.Contains(p.String(), tt.want) })
			if i < 0 {
				t.Fatalf("got\n%v\nwant %s", err, tt.want)
			}
			if p := e.Problems[i]; p.File != tt.file || (p.Line == 0) != (strings.HasSuffix(tt.want, "is missing") || p.Key == "") {
				t.Errorf("located at %q line %d", p.File, p.Line)
			}
		})
	}
	if _, err := LoadTexts(fstest.MapFS{}); err == nil || !strings.Contains(err.Error(), "en.yaml is missing") {
		t.Errorf("no files: %v", err)
	}
}

// Problems come in the order of the lines, and in the same order each time.
func TestLoadTextsIsDeterministic(t *testing.T) {
	fsys := edit(t, "en.yaml", "\ntexts:", "\ntexts: {}\n#")
	_, first := LoadTexts(fsys)
	for range 5 {
		if _, err := LoadTexts(fsys); err == nil || err.Error() != first.Error() {
			t.Fatalf("got\n%v\nthen\n%v", first, err)
		}
	}
}
