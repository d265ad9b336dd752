package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"starhash/configs/secret"
)

const pin = "48265317"

// Whatever a program does to print one, the bytes do not come out.
func TestPrintsRedacted(t *testing.T) {
	v := secret.New([]byte(pin))
	type holder struct {
		Name string
		PIN  secret.Value
	}
	h := holder{"x", v}
	var out []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%10.3v", "%T %[1]v"} {
		out = append(out, fmt.Sprintf(verb, v), fmt.Sprintf(verb, &v), fmt.Sprintf(verb, h), fmt.Sprintf(verb, []secret.Value{v}))
	}
	out = append(out, v.String(), fmt.Sprint(h), fmt.Errorf("with %w and %v", os.ErrNotExist, v).Error())
	js, err := json.Marshal(map[string]any{"v": v, "p": &v, "h": h})
	if err != nil {
		t.Fatal(err)
	}
	ym, err := yaml.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "v", v, "h", h)
	slog.New(slog.NewTextHandler(&log, nil)).Info("m", "v", v, "h", h)
	out = append(out, string(js), string(ym), log.String())
	for _, s := range out {
		for _, form := range []string{pin, fmt.Sprintf("%x", pin), fmt.Sprintf("%X", pin), fmt.Sprint([]byte(pin)), fmt.Sprintf("%#v", []byte(pin))} {
			if strings.Contains(s, strings.Trim(form, "[]")) {
				t.Errorf("the secret is readable in %q", s)
			}
		}
		if !strings.Contains(s, secret.Redacted) {
			t.Errorf("%q does not say %s", s, secret.Redacted)
		}
	}
}

func TestWipeReachesCopies(t *testing.T) {
	b := []byte(pin)
	v := secret.New(b)
	kept, own := v, secret.Copy(b)
	v.Wipe()
	if !bytes.Equal(b, make([]byte, len(pin))) || !kept.Equal(v) {
		t.Error("a copy of the Value still has the bytes")
	}
	if string(own.Reveal()) != pin {
		t.Error("Copy shares the bytes")
	}
	if own.Equal(v) || !own.Equal(secret.New([]byte(pin))) {
		t.Error("Equal does not compare the bytes")
	}
}

func TestReadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	for content, want := range map[string]string{"a b\n": "a b", "a\r\n": "a", "a\n\n": "a\n", "a": "a"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		v, err := secret.ReadFile(path)
		if err != nil || string(v.Reveal()) != want {
			t.Errorf("%q was read as %q, %v; want %q", content, v.Reveal(), err, want)
		}
	}
	for name, content := range map[string][]byte{"empty": {}, "only a line end": []byte("\n"), "too large": make([]byte, 1<<17)} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if v, err := secret.ReadFile(path); err == nil || !strings.Contains(err.Error(), path) || !v.Empty() {
			t.Errorf("%s: error %v, want one that names the file", name, err)
		}
	}
}
