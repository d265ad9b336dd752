package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"starhash/bank/link"
	"starhash/smpp/smsc"
)

// A transfer, a wrong PIN, a PIN change and a bill, by SMS and by USSD, and then a search for what they were
// about through all that Redis, the logs and the bank link have seen.
func TestNothingReadable(t *testing.T) {
	r := newRig(t)
	r.loglevel = "debug"
	r.pin = unlikelyPIN()
	newPIN, wrongPIN, thirdPIN := unlikelyPIN(), unlikelyPIN(), unlikelyPIN()
	p := r.startBankProxy()
	r.start()
	watch := watchRedis(t, r.redisAddr)
	plant(t, r, p)

	transfer := "SEND 417.29 0771000002 " + r.pin
	wrong := "SEND 418.31 0771000002 " + wrongPIN
	change := "PIN " + r.pin + " " + newPIN + " " + newPIN
	const account = "04917263548"
	bill := "BILL ZESA " + account + " 40.00 " + newPIN
	long := "SEND 41.17 0771000002 " + strings.Repeat(". ", 100) + newPIN
	for _, step := range []struct{ text, answer string }{
		{transfer, `done\. USD 417\.29 sent to C\*+ N\*+ \.\.\.0002`},
		{wrong, `Wrong PIN; nothing moved`},
		{change, `Your PIN is changed`},
		{bill, `done\. USD 40\.00 paid to ZESA Holdings, account ` + account},
		{long, `done\. USD 41\.17 sent to`}, // its parts are stored before it is whole
	} {
		r.mo(tendai, step.text)
		r.expect(tendai, step.answer)
	}
	r.moved(tendai, "501.54", chipo, "958.46")

	const favourite = "Zvikomborero"
	wire := r.phones // the tap is opened by the first look
	if _, err := wire.Wire(t.Context(), 0, 0); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct{ text, screen string }{
		{"*700#", "Send money"},
		{"1", "number to be paid"},
		{newPIN, "Not a mobile number"}, // a PIN where none is asked for
		{"0771000002", `C\*\*\* N\*\*\*`},
		{"7.13", "PIN"},
		{wrongPIN, "Wrong PIN"}, {"99", "Goodbye"},
		{"*700*1*0771000002*7*" + newPIN + "#", "Type your PIN"}, // nor is one used that was dialled
		{newPIN, `done\. USD 7\.00 sent`},
		{"1", "name"}, {favourite, "0002"},
		{"*700*8#", "present PIN"}, {newPIN, "new PIN"}, {thirdPIN, "again"}, {thirdPIN, "PIN is changed"},
		{"*700*5*1*" + account + "*40#", "PIN"}, {thirdPIN, `done\. USD 40\.00 paid`},
		{"*700*1#", "Favourites"}, {"1", favourite}, {"99", "Goodbye"},
	} {
		sc, err := r.phones.Enter(t.Context(), tendai.msisdn, smsc.USSD{Text: step.text, Wait: smsc.Duration(patience)})
		if err != nil || !regexp.MustCompile(step.screen).MatchString(sc.Text) {
			t.Fatalf("the screen is %q, %v; want %q", sc.Text, err, step.screen)
		}
	}
	for _, sms := range []string{`Wrong PIN`, `done\. USD 7\.00 sent`, `PIN is changed`, `done\. USD 40\.00 paid`} {
		r.expect(tendai, sms)
	}
	r.moved(tendai, "454.54", chipo, "965.46")
	pdus, err := wire.Wire(t.Context(), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	tapped, err := json.Marshal(pdus)
	if err != nil {
		t.Fatal(err)
	}
	steps := r.fetch("http://" + r.gatewayAdmin + "/steps?after=0")
	metrics := r.fetch("http://" + r.gatewayAdmin + "/metrics")

	// What nobody may read.
	var secrets []secretWord
	for _, pin := range []string{r.pin, newPIN, wrongPIN, thirdPIN} {
		secrets = append(secrets, inAllForms("a PIN", pin)...)
	}
	for _, number := range []string{"0771000002", chipo.msisdn} {
		secrets = append(secrets, inAllForms("the payee", number)...)
	}
	secrets = append(secrets, inAllForms("the account", account)...)
	secrets = append(secrets, inAllForms("the favourite", favourite)...)
	for _, text := range []string{"417.29", "418.31", "USD 7.13", "SEND 4", "PIN " + r.pin[:3], "USD 417", "USD 41.17", "done. ", "declined. ", chipo.name} {
		secrets = append(secrets, inAllForms("the text", text)...)
	}
	for _, minor := range []uint64{41729, 41831} {
		secrets = append(secrets, secretWord{"the amount", binary.BigEndian.AppendUint64(nil, minor)},
			secretWord{"the amount", []byte(fmt.Sprintf(`Amount":%d`, minor))})
	}

	places := watch.stop(t)
	r.gateway.stop(t)
	r.bank.stop(t)
	r.redis.stop(t)
	places["Redis' files"] = files(t, filepath.Join(r.dir, "redis"), "")
	places["the gateway's log"] = []byte(r.gateway.log.text())
	places["the bank's log"] = []byte(r.bank.log.text())
	places["the SMSC's log"] = []byte(r.smsc.log.text())
	places["Redis' log"] = []byte(r.redis.log.text())
	places["the gateway's steps"], places["the gateway's metrics"] = steps, metrics
	places["the simulator's wire"] = tapped
	places["the link's connections"] = []byte(p.wire.text())
	for _, e := range p.recorded("") {
		places["the link's messages"] = append(append(places["the link's messages"], e.request...), e.answer...)
	}
	// The bank's own disk knows numbers and amounts, but no PIN.
	database := files(t, r.dir, "bank.db")
	// That the payee is a subscriber is no secret: their entry in the registry, and
	// the look at it.
	registry := []byte("subscriber:" + chipo.msisdn)
	for place, all := range places {
		places[place] = bytes.ReplaceAll(all, registry, []byte("subscriber:…"))
	}
	for _, s := range secrets {
		for place, all := range places {
			if place == "the SMSC's log" && s.what == "the payee" || place == "the simulator's wire" && s.what != "a PIN" {
				continue // it has to know whom it tells, and shows what phones read
			}
			if i := bytes.Index(all, s.word); i >= 0 {
				t.Errorf("%s (%q) is in %s: %q", s.what, s.word, place, all[max(0, i-80):min(len(all), i+80)])
			}
		}
		if s.what == "a PIN" && bytes.Contains(database, s.word) {
			t.Errorf("%s is in the bank's database", s.what)
		}
	}

	// The search would have found something: each place holds what is known to
	// have passed there.
	for place, word := range map[string]string{
		"Redis' keys": canary, "Redis' commands": canary, "Redis' files": canary, "the link's messages": canary,
		"the gateway's log": "msg=bound", "the bank's log": "kind=transfer", "the SMSC's log": "msg=bound", "Redis' log": "Ready to accept connections",
		"the gateway's steps": `"step":"verdict"`, "the gateway's metrics": "starhash_ussd_step_seconds", "the simulator's wire": "Send money",
		"the link's connections": "\x17\x03\x03", // a TLS record of application data
	} {
		if !bytes.Contains(places[place], []byte(word)) {
			t.Errorf("%q is not in %s (%d bytes), so the search proves nothing", word, place, len(places[place]))
		}
	}
	if !bytes.Contains(database, []byte(chipo.name)) {
		t.Error("the bank's database was not read")
	}
	if len(p.recorded(link.PathTransact)) < 5 {
		t.Error("the transactions did not go through the proxy")
	}
}

// fetch is what an admin port answers.
func (r *rig) fetch(url string) []byte {
	r.t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		r.t.Fatalf("%s: %s, %v", url, resp.Status, err)
	}
	return all
}

type secretWord struct {
	what string
	word []byte
}

// inAllForms is a word as a person, a program or an encoder would write it.
func inAllForms(what, word string) []secretWord {
	b := []byte(word)
	var utf16 []byte
	for _, c := range b {
		utf16 = append(utf16, 0, c)
	}
	forms := []secretWord{{what, b}, {what, utf16}, {what, []byte(hex.EncodeToString(b))}}
	if len(b) >= 6 { // shorter ones are found by chance
		for before := range 3 {
			e := base64.RawStdEncoding.EncodeToString(append(make([]byte, before), b...))
			forms = append(forms, secretWord{what, []byte(e[(before*8+5)/6 : (before+len(b))*8/6])})
		}
	}
	return forms
}

// unlikelyPIN is one that no count of milliseconds since 1970 holds while the test
// runs: its first digit is none of their upper eight.
func unlikelyPIN() string {
	upper := strconv.FormatInt(time.Now().UnixMilli(), 10)[:8] + strconv.FormatInt(time.Now().Add(time.Minute).UnixMilli(), 10)[:8]
	for {
		pin := fmt.Sprintf("%06d", rand.IntN(1_000_000))
		if pin[0] == pin[1] && pin[1] != pin[2] && !strings.Contains(upper, pin[:1]) { // 55… followed by another: never weak
			return pin
		}
	}
}

const canary = "canary-9C41F0"

// plant lets a word pass where the search has to find it.
func plant(t *testing.T, r *rig, p *bankProxy) {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: r.redisAddr})
	defer c.Close()
	if err := c.HSet(t.Context(), "canary", "field", canary).Err(); err != nil {
		t.Fatal(err)
	}
	keys := filepath.Join(r.dir, "keys")
	conf, err := link.ClientTLS(filepath.Join(r.dir, "proxy-keys", "ca.pem"), filepath.Join(keys, "gateway.pem"), filepath.Join(keys, "gateway-key.pem"), "")
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: conf}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport, Timeout: patience}).Post(p.url+link.PathOpen, link.ContentType, strings.NewReader(canary))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest {
		t.Fatalf("the bank answers %s to a message that is none", resp.Status)
	}
}

// redisWatch reads all that Redis holds, again and again, and all that it is told.
type redisWatch struct {
	client  *redis.Client
	monitor net.Conn
	told    bytes.Buffer
	keys    bytes.Buffer
	seen    map[uint64]bool // hashes of what is in keys already
	err     error
	end     chan struct{}
	done    sync.WaitGroup
}

func watchRedis(t *testing.T, addr string) *redisWatch {
	t.Helper()
	w := &redisWatch{client: redis.NewClient(&redis.Options{Addr: addr, Protocol: 2}), seen: map[uint64]bool{}, end: make(chan struct{})}
	var err error
	if w.monitor, err = net.Dial("tcp", addr); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(w.monitor, "MONITOR\r\n")
	ok := make([]byte, 5)
	if _, err := io.ReadFull(w.monitor, ok); err != nil || string(ok) != "+OK\r\n" {
		t.Fatalf("MONITOR: %q %v", ok, err)
	}
	ctx := t.Context()
	w.done.Go(func() { _, _ = io.Copy(&w.told, w.monitor) }) // until stop closes it
	w.done.Go(func() {
		for ended := false; !ended && w.err == nil; {
			select {
			case <-w.end:
				ended = true // and once more
			case <-time.After(2 * time.Millisecond):
			}
			w.err = w.round(ctx)
		}
	})
	return w
}

// stop gives what was seen.
func (w *redisWatch) stop(t *testing.T) map[string][]byte {
	t.Helper()
	close(w.end)
	w.monitor.Close()
	w.done.Wait()
	w.client.Close()
	if w.err != nil {
		t.Fatal(w.err)
	}
	return map[string][]byte{"Redis' keys": w.keys.Bytes(), "Redis' commands": monitorTime.ReplaceAll(w.told.Bytes(), nil)}
}

// monitorTime stands before each of MONITOR's lines. One in a million has a PIN's
// digits for its microseconds.
var monitorTime = regexp.MustCompile(`(?m)^\+\d+\.\d+ \[[^\]]*\]`)

// round reads every key by its type, and as Redis would write it to a file.
func (w *redisWatch) round(ctx context.Context) error {
	for it := w.client.Scan(ctx, 0, "", 1000).Iterator(); ; {
		if !it.Next(ctx) {
			return it.Err()
		}
		key := it.Val()
		kind, err := w.client.Type(ctx, key).Result()
		if err != nil {
			return err
		}
		read := map[string][]any{
			"string": {"GET", key}, "hash": {"HGETALL", key}, "stream": {"XRANGE", key, "-", "+"},
			"zset": {"ZRANGE", key, 0, -1, "WITHSCORES"}, "set": {"SMEMBERS", key}, "list": {"LRANGE", key, 0, -1},
		}[kind]
		if kind == "none" {
			continue // gone meanwhile
		}
		for _, command := range [][]any{read, {"DUMP", key}} {
			v, err := w.client.Do(ctx, command...).Result()
			if errors.Is(err, redis.Nil) {
				continue
			}
			if err != nil {
				return err
			}
			w.keep(key, v)
		}
	}
}

// keep keeps every string in a reply.
func (w *redisWatch) keep(key string, v any) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			w.keep(key, e)
		}
	case string:
		text := key + "\x00" + v + "\x00"
		if h := maphash.String(hashSeed, text); !w.seen[h] {
			w.seen[h] = true
			w.keys.WriteString(text)
		}
	}
}

var hashSeed = maphash.MakeSeed()

// files are the contents of the files under dir whose names begin so.
func files(t *testing.T, dir, prefix string) (all []byte) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasPrefix(d.Name(), prefix) {
			return err
		}
		b, err := os.ReadFile(path)
		all = append(all, b...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// The search knows a word in the forms that it says.
func TestInAllForms(t *testing.T) {
	const word = "583917"
	texts := []string{"x" + word + "y", "x\x00" + strings.Join(strings.Split(word, ""), "\x00") + "y", hex.EncodeToString([]byte("xx" + word + "y"))}
	for _, before := range []string{"", "x", "xx"} {
		texts = append(texts, base64.StdEncoding.EncodeToString([]byte(before+word+"yyyy")), base64.URLEncoding.EncodeToString([]byte("xyz"+before+word)))
	}
	for _, text := range texts {
		found := false
		for _, form := range inAllForms("", word) {
			found = found || strings.Contains(text, string(form.word))
		}
		if !found {
			t.Errorf("not found in %q", text)
		}
	}
}
