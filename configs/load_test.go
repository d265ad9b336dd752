package configs

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"starhash/configs/secret"
)

// gateway is a configuration with one of everything.
type gateway struct {
	SMPP struct {
		Binds []bind `mapstructure:"binds"`
	} `mapstructure:"smpp"`
	ShortCode string  `mapstructure:"short_code"`
	Redis     redis   `mapstructure:"redis"`
	Database  string  `mapstructure:"database"`
	Numbers   []int   `mapstructure:"numbers"`
	Ratio     float64 `mapstructure:"ratio"`
	Common    `mapstructure:",squash"`
}

type Common struct {
	Verbose bool `mapstructure:"verbose"`
}

type redis struct {
	URL  string       `mapstructure:"url"`
	Pool uint8        `mapstructure:"pool"`
	Key  secret.Value `mapstructure:"key"`

	User     secret.Value `mapstructure:"user"`
	UserFile string       `mapstructure:"user_file"`
}

type bind struct {
	Name         string        `mapstructure:"name"`
	Password     secret.Value  `mapstructure:"password"`
	PasswordFile string        `mapstructure:"password_file"`
	Window       int           `mapstructure:"window"`
	EnquireLink  time.Duration `mapstructure:"enquire_link"`
	IMSITLV      uint16        `mapstructure:"imsi_tlv"`
}

func (g *gateway) SetDefaults() { g.Database = "bank.db" }
func (r *redis) SetDefaults() {
	r.URL, r.Pool = "embedded", 10
	r.User = secret.New([]byte("default"))
}
func (b *bind) SetDefaults() { b.Window, b.EnquireLink = 10, time.Minute }

func (b *bind) Validate() (ps []Problem) {
	if b.Window < 1 {
		ps = append(ps, Problem{"window", "is 0", "1 to 10000"})
	}
	if b.Password.Empty() {
		ps = append(ps, Problem{"password", "is missing", "password or password_file"})
	}
	return ps
}

func (g *gateway) Validate() (ps []Problem) {
	if len(g.SMPP.Binds) == 0 {
		ps = append(ps, Problem{"smpp.binds", "is empty", "at least one bind"})
	}
	return ps
}

// load writes text to gateway.yaml in an empty directory and loads it.
func load(t *testing.T, text string) (gateway, string, error) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "gateway.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var g gateway
	err := Load(path, &g)
	return g, dir, err
}

const right = `
smpp:
  binds:
    - name: smsc-1
      password: "0012"
      enquire_link: 5s
      imsi_tlv: 0x1402
    - name: smsc-2
      password: hunter2
      window: 7
short_code: "7001"
numbers: [1, 2]
ratio: 1e3
verbose: true
`

func TestLoad(t *testing.T) {
	g, dir, err := load(t, right)
	if err != nil {
		t.Fatal(err)
	}
	var want gateway
	want.SMPP.Binds = []bind{
		{Name: "smsc-1", Password: secret.New([]byte("0012")), Window: 10, EnquireLink: 5 * time.Second, IMSITLV: 0x1402},
		{Name: "smsc-2", Password: secret.New([]byte("hunter2")), Window: 7, EnquireLink: time.Minute},
	}
	want.ShortCode = "7001"
	want.Redis.SetDefaults()
	want.Database = filepath.Join(dir, "bank.db")
	want.Numbers = []int{1, 2}
	want.Ratio = 1000
	want.Verbose = true
	if !reflect.DeepEqual(g, want) {
		t.Errorf("got %+v\nwant %+v", g, want)
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("STARHASH_REDIS_URL", "redis://127.0.0.1/0012")
	t.Setenv("STARHASH_REDIS_POOL", "4")
	t.Setenv("STARHASH_REDIS_KEY", "0012")
	t.Setenv("STARHASH_SMPP_BINDS_1_PASSWORD", "1e3")
	t.Setenv("STARHASH_SMPP_BINDS_1_ENQUIRE_LINK", "9s")
	t.Setenv("STARHASH_NUMBERS_1", "20")
	t.Setenv("STARHASH_SHORT_CODE", "") // as good as unset
	t.Setenv("STARHASH_BANK_URL", "another role's")
	g, _, err := load(t, right)
	if err != nil {
		t.Fatal(err)
	}
	if g.Redis.URL != "redis://127.0.0.1/0012" || g.Redis.Pool != 4 || string(g.Redis.Key.Reveal()) != "0012" {
		t.Errorf("redis: %+v", g.Redis)
	}
	b := g.SMPP.Binds[1]
	if string(b.Password.Reveal()) != "1e3" || b.EnquireLink != 9*time.Second || b.Window != 7 {
		t.Errorf("binds[1]: %+v", b)
	}
	if !reflect.DeepEqual(g.Numbers, []int{1, 20}) || g.ShortCode != "7001" {
		t.Errorf("numbers %v, short code %q", g.Numbers, g.ShortCode)
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("pw", "s3cret\n")
	write("g.yaml", "smpp: {binds: [{password_file: pw}]}\ndatabase: ':memory:'\nredis: {user_file: pw}\n")
	var g gateway
	if err := Load(filepath.Join(dir, "g.yaml"), &g); err != nil {
		t.Fatal(err)
	}
	b := g.SMPP.Binds[0]
	if string(b.Password.Reveal()) != "s3cret" || b.PasswordFile != filepath.Join(dir, "pw") || g.Database != ":memory:" {
		t.Errorf("%+v database %q", b, g.Database)
	}
	if got := string(g.Redis.User.Reveal()); got != "s3cret" {
		t.Errorf("a default stood against the file: %q", got)
	}
}

func TestProblems(t *testing.T) {
	const bind = "smpp:\n  binds:\n    - password: hunter2\n" // the lines before each text
	tests := []struct {
		name, text string
		env        string // NAME=value
		want       []string
	}{
		{"unknown key", "      windw: 5\n", "",
			[]string{`gateway.yaml:4: smpp.binds[0].windw: unknown key; did you mean "window"?`}},
		{"unknown at the top", "shortcode: '7001'\n", "",
			[]string{`gateway.yaml:4: shortcode: unknown key; did you mean "short_code"?`}},
		{"capitals", "redis: {URL: embedded}\n", "",
			[]string{`gateway.yaml:4: redis.URL: unknown key; did you mean "url"?`}},
		{"nothing near", "redis: {elephant: 1}\n", "",
			[]string{`gateway.yaml:4: redis.elephant: unknown key; the keys here are url, pool, key, user, user_file`}},
		{"all at once, by line", "      enquire_link: 5\n      imsi_tlv: 70000\n      window: many\nredis: yes\nnumbers: 3\nverbose: on\n", "", []string{
			`gateway.yaml:4: smpp.binds[0].enquire_link: is 5; want a duration such as 500ms, 5s or 10m`,
			`gateway.yaml:5: smpp.binds[0].imsi_tlv: is 70000; want a whole number, 0 to 65535`,
			`gateway.yaml:6: smpp.binds[0].window: is many; want a whole number, -9223372036854775808 to 9223372036854775807`,
			`gateway.yaml:7: redis: is text; want a section of keys`,
			`gateway.yaml:8: numbers: is a number; want a list, one "- " an element`,
			`gateway.yaml:9: verbose: is on; want true or false`}},
		{"octal-looking number", "numbers: [1, 0012]\n", "",
			[]string{`gateway.yaml:4: numbers[1]: is 0012; want a whole number, -9223372036854775808 to 9223372036854775807`}},
		{"quoted number", "redis: {pool: \"5\"}\n", "",
			[]string{`gateway.yaml:4: redis.pool: is "5"; want a whole number, 0 to 255`}},
		{"text that is a number", "short_code: 0012\n", "",
			[]string{`gateway.yaml:4: short_code: is a number to YAML; want it in quotes: "0012"`}},
		{"text that is a float", "short_code: 1e3\n", "",
			[]string{`gateway.yaml:4: short_code: is a number to YAML; want it in quotes: "1e3"`}},
		{"text that is a boolean in some YAML", "short_code: No\n", "",
			[]string{`gateway.yaml:4: short_code: is yes or no to YAML; want it in quotes: "No"`}},
		{"text that is true", "short_code: true\n", "",
			[]string{`gateway.yaml:4: short_code: is true or false to YAML; want it in quotes: "true"`}},
		{"text that is a date", "short_code: 2026-01-02\n", "",
			[]string{`gateway.yaml:4: short_code: is a date to YAML; want it in quotes: "2026-01-02"`}},
		{"empty", "short_code:\n", "",
			[]string{`gateway.yaml:4: short_code: is empty; want text`}},
		{"secret that is a number", "redis:\n  key: 99887766\n", "",
			[]string{`gateway.yaml:5: redis.key: is a number to YAML; want it in quotes`}},
		{"secret that is a list", "redis:\n  key: [99887766]\n", "",
			[]string{`gateway.yaml:5: redis.key: is a list; want text`}},
		{"twice", "verbose: true\nverbose: false\n", "",
			[]string{`gateway.yaml:5: verbose: is already set in line 4; want one of the two`}},
		{"merge key", "redis: {<<: {url: x}}\n", "",
			[]string{`gateway.yaml:4: redis: has a key that is no plain word`}},
		{"validated", "      window: 0\n", "",
			[]string{`gateway.yaml:4: smpp.binds[0].window: is 0; want 1 to 10000`}},
		{"validated, at the list's element", "    - window: 5\n", "",
			[]string{`gateway.yaml:4: smpp.binds[1].password: is missing; want password or password_file`}},
		{"both secret and file", "      password_file: pw\n", "",
			[]string{`gateway.yaml:4: smpp.binds[0].password_file: is set, and so is password; want one of the two`}},
		{"no such secret file", "    - password_file: /nowhere/pw\n", "",
			[]string{`gateway.yaml:4: smpp.binds[1].password_file: open /nowhere/pw: no such file or directory`}},
		{"environment", "", "STARHASH_REDIS_POOL=012",
			[]string{`STARHASH_REDIS_POOL: redis.pool: is 012; want a whole number, 0 to 255`}},
		{"environment, validated", "", "STARHASH_SMPP_BINDS_0_WINDOW=0",
			[]string{`STARHASH_SMPP_BINDS_0_WINDOW: smpp.binds[0].window: is 0; want 1 to 10000`}},
		{"environment of an element that is not there", "", "STARHASH_SMPP_BINDS_1_PASSWORD=hunter3",
			[]string{`STARHASH_SMPP_BINDS_1_PASSWORD: smpp.binds[1]: the file has 1 of these; want an element of the file`}},
		{"environment for a list", "", "STARHASH_NUMBERS=1,2",
			[]string{`STARHASH_NUMBERS: numbers: is a list; want the file's elements one by one, STARHASH_NUMBERS_0 and so on`}},
		{"two documents", "---\nverbose: true\n", "",
			[]string{`gateway.yaml:4: a second YAML document begins here; want one document`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if name, value, ok := strings.Cut(tt.env, "="); ok {
				t.Setenv(name, value)
			}
			_, dir, err := load(t, bind+tt.text)
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("error %v, want an *Error", err)
			}
			got := strings.ReplaceAll(e.Error(), dir+"/", "")
			if want := strings.Join(tt.want, "\n"); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			for _, s := range []string{"hunter2", "hunter3", "99887766"} {
				if strings.Contains(got, s) {
					t.Errorf("the error holds the secret %s", s)
				}
			}
		})
	}
}

func TestBrokenFiles(t *testing.T) {
	for text, want := range map[string]string{
		"smpp: [\n":                  "not YAML: ",
		"- a\n- b\n":                 "gateway.yaml: is a list; want a section of keys",
		"":                           "smpp.binds: is empty; want at least one bind",
		strings.Repeat("#", 1<<20+1): "is too large; want at most 1048576 bytes",
	} {
		if _, _, err := load(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: error %v, want %q", text, err, want)
		}
	}
	var g gateway
	if err := Load("/nowhere/g.yaml", &g); err == nil || err.Error() != "/nowhere/g.yaml: no such file or directory" {
		t.Errorf("missing file: %v", err)
	}
}

func TestShapesThatCannotBeLoaded(t *testing.T) {
	for _, into := range []any{
		gateway{},
		new(int),
		&struct{ Untagged string }{},
		&struct {
			M map[string]string `mapstructure:"m"`
		}{},
		&struct {
			P *redis `mapstructure:"p"`
		}{},
	} {
		err := Load("/nowhere/g.yaml", into)
		if e := (*Error)(nil); err == nil || errors.As(err, &e) {
			t.Errorf("Load into %T: %v, want a programmer's error", into, err)
		}
	}
}

// Whatever the file says, Load answers and keeps the secret to itself.
func TestLoadNeverLeaks(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "g.yaml")
	const canary = "zyxwcanary"
	rapid.Check(t, func(t *rapid.T) {
		piece := rapid.SampledFrom([]string{"redis", "key", "smpp", "binds", "password", "password_file",
			":", ": ", "\n", "\n  ", "- ", "{", "}", "[", "]", canary, "'", `"`, "&a ", "*a", "!!int ", "12", "~", "|", ","})
		text := "redis:\n  key: " + canary + "\n" + strings.Join(rapid.SliceOfN(piece, 0, 20).Draw(t, "pieces"), "")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var r struct {
			Redis struct {
				Key secret.Value `mapstructure:"key"`
			} `mapstructure:"redis"`
		}
		err := Load(path, &r)
		if e := (*Error)(nil); err != nil && !errors.As(err, &e) {
			t.Fatalf("%q: not a configuration error: %v", text, err)
		}
		if strings.Contains(text[len("redis:\n  key: "+canary):], canary) {
			return // the canary is elsewhere too, where it may be a key's name
		}
		if err != nil && strings.Contains(err.Error(), canary) {
			t.Fatalf("%q: leaks: %v", text, err)
		}
	})
}
