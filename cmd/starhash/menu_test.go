package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"starhash/configs"
)

func TestMenu(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, configs.Menus); err != nil {
		t.Fatal(err)
	}
	broken := t.TempDir()
	if err := os.CopyFS(broken, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	menu, err := os.ReadFile(filepath.Join(dir, "menu.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	before, _, _ := strings.Cut(string(menu), "go: send_to }")
	if err := os.WriteFile(filepath.Join(broken, "menu.yaml"), []byte(strings.Replace(string(menu), "go: send_to }", "go: sent_to }", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	dialogues := filepath.Join("..", "..", "ussd", "testdata", "dialogues")
	other := filepath.Join(t.TempDir(), "other.yaml")
	english, err := os.ReadFile(filepath.Join(dialogues, "en.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(other, []byte(strings.Replace(string(english), "2 Balance", "2 Your balance", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	form := filepath.Join(t.TempDir(), "form.yaml")
	if err := os.WriteFile(form, []byte("dialogue: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		args []string
		code int
		out  string
		errs string
	}{
		{"lint the shipped menus", []string{"menu", "lint"}, 0, `^good menus: \d+ screens, 10 actions, in en, fr, pt, sw\n$`, `^$`},
		{"lint a directory", []string{"menu", "lint", dir}, 0, `^good menus: `, `^$`},
		{"lint broken menus", []string{"menu", "lint", broken}, 1, `menu\.yaml:` + strconv.Itoa(1+strings.Count(before, "\n")) + `: .*sent_to is neither a screen nor an action; want send_to, perhaps`, `1 problem`},
		{"lint nothing", []string{"menu", "lint", filepath.Join(dir, "none")}, 1, `^$`, `menu\.yaml is missing`},
		{"test", []string{"menu", "test", filepath.Join(dialogues, "en.yaml"), filepath.Join(dialogues, "sw.yaml")}, 0, `en\.yaml: (\d+) of \d+ dialogues are as meant\n.*sw\.yaml: `, `^$`},
		{"test with a directory", []string{"menu", "test", dir, filepath.Join(dialogues, "fr.yaml")}, 0, `are as meant`, `^$`},
		{"test that differs", []string{"menu", "test", other}, 1, `other\.yaml:\d+: send money to a number, and save it, step 1, at the beginning: shows another screen(?s:.*)    - 2 Your balance\n    \+ 2 Balance\n`, `1 problem`},
		{"test of broken menus", []string{"menu", "test", broken, other}, 1, `sent_to is neither`, `1 problem`},
		{"test of another form", []string{"menu", "test", form}, 2, ``, `form\.yaml:1: dialogue is no key of this place`},
		{"test of no file", []string{"menu", "test", filepath.Join(dir, "none.yaml")}, 2, ``, `none\.yaml`},
		{"test without a file", []string{"menu", "test", dir}, 2, ``, `no FILE of dialogues`},
		{"show", []string{"menu", "show", "--language", "sw"}, 0, `main "Benki ya simu"\n  1 Tuma pesa: send_to (?s:.*)=> transfer\n`, `^$`},
	} {
		out, errs, code := command(t, nil, c.args...)
		if code != c.code || !regexp.MustCompile(c.out).MatchString(out) || !regexp.MustCompile(c.errs).MatchString(errs) {
			t.Errorf("%s: exit code %d, want %d\n%s%s", c.name, code, c.code, out, errs)
		}
	}
}
