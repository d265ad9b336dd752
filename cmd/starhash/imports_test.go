package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Imports point down only. What stands here for a directory is all of this
// module that its program files may import; their tests may import more, but for
// what mayNeverTest says. A new directory has to be put here.
var mayImport = map[string][]string{
	"cmd/starhash":       {"cmd/starhash/roles", "bank", "bank/ledger", "bank/link", "configs", "configs/secret", "platform", "smpp", "smpp/capture", "smpp/dialect", "smpp/load", "smpp/smsc", "ussd"},
	"cmd/starhash/roles": {},
	"platform":           {"bank/link", "configs", "configs/secret", "smpp", "smpp/dialect", "ussd"},
	"bank":               {"bank/ledger", "bank/link", "configs", "configs/secret"},
	"bank/ledger":        {},
	"bank/link":          {"configs/secret"}, // both ends import it, it imports neither
	"smpp":               {"configs", "configs/secret"},
	"smpp/smsc":          {"configs", "configs/secret", "smpp", "smpp/dialect"},
	"smpp/load":          {"configs", "configs/secret", "smpp", "smpp/dialect", "smpp/smsc"},
	"smpp/interop":       {},
	"smpp/dialect":       {"configs", "smpp"},
	"smpp/capture":       {"smpp"},
	"ussd":               {"configs", "configs/secret", "smpp"},
	"configs":            {"configs/secret"},
	"configs/secret":     {},
}

// mayNeverTest is what not even a test may import: the lower never knows the upper.
var mayNeverTest = map[string][]string{
	"smpp": {"platform", "bank"}, "smpp/dialect": {"platform", "bank", "ussd"}, "smpp/smsc": {"platform", "bank"}, "smpp/load": {"platform", "bank"}, "smpp/interop": {"platform", "bank"}, "ussd": {"platform", "bank"},
	"bank": {"platform", "smpp", "ussd"}, "bank/ledger": {"platform", "smpp", "ussd"}, "bank/link": {"platform", "bank", "smpp", "ussd"},
}

func TestImportsPointDown(t *testing.T) {
	const module = "starhash"
	root := filepath.Join("..", "..")
	seen := map[string]bool{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "node_modules") {
			return fs.SkipDir
		}
		if d.IsDir() || path.Ext(name) != ".go" {
			return nil
		}
		rel, err := filepath.Rel(root, filepath.Dir(name))
		if err != nil {
			return err
		}
		dir := filepath.ToSlash(rel)
		test := strings.HasSuffix(name, "_test.go")
		allowed, known := mayImport[dir]
		if !known && !test {
			t.Errorf("%s: say in this test what it may import", dir)
			return nil
		}
		seen[dir] = true
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			measured := test && dir == "smpp/load" // the session that ours is measured beside
			if !measured && (imported == "github.com/fiorix/go-smpp" || strings.HasPrefix(imported, "github.com/fiorix/go-smpp/") && !strings.HasPrefix(imported, "github.com/fiorix/go-smpp/v2/smpp/pdu")) {
				t.Errorf("%s imports %s: of go-smpp we use the codec of version 2 and nothing else", name, imported)
			}
			inside, ok := strings.CutPrefix(imported, module+"/")
			switch {
			case !ok:
			case !test && !slices.Contains(allowed, inside):
				t.Errorf("%s imports %s", name, inside)
			case test && slices.Contains(mayNeverTest[dir], inside):
				t.Errorf("%s, a test, imports %s", name, inside)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for dir := range mayImport {
		if !seen[dir] {
			t.Errorf("%s is not there any more", dir)
		}
	}
}
