package platform

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"starhash/bank/link"
	"starhash/configs"
)

// Of many who step from the same state at once, at several gateways, one has stepped.
func TestOneStepWins(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	one, two := r.open(1, nil), r.open(2, nil)
	defer one.store.Close()
	defer two.store.Close()
	first := &dialogue{Bind: "bind", Began: time.Now(), Steps: 1, PINs: map[string]link.Capsule{"pin": []byte("sealed")}}
	if ok, err := one.saveDialogue(t.Context(), tendai, anyVersion, first); !ok || err != nil {
		t.Fatal(ok, err)
	}
	var won atomic.Int32
	var all sync.WaitGroup
	for i := range 40 {
		g := []*Gateway{one, two}[i%2]
		all.Go(func() {
			d, err := g.loadDialogue(t.Context(), tendai)
			if err != nil || d == nil {
				t.Errorf("%+v, %v", d, err)
				return
			}
			if d.Steps > 1 {
				return // read after somebody's step
			}
			before := d.version
			d.Steps = 100 + i
			ok, err := g.saveDialogue(t.Context(), tendai, before, d)
			if err != nil {
				t.Error(err)
			}
			if ok {
				won.Add(1)
			}
		})
	}
	all.Wait()
	if n := won.Load(); n != 1 {
		t.Errorf("%d steps were taken from one state", n)
	}
	// What ended is not brought back by a step that was under way, nor ended for
	// another.
	d, err := one.loadDialogue(t.Context(), tendai)
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := two.endDialogue(t.Context(), tendai, first); ok || err != nil {
		t.Errorf("an older dialogue ended this one: %v", err)
	}
	if ok, err := one.endDialogue(t.Context(), tendai, d); !ok || err != nil {
		t.Errorf("not ended: %v", err)
	}
	if ok, err := two.saveDialogue(t.Context(), tendai, d.version, d); ok || err != nil {
		t.Errorf("brought back: %v", err)
	}
}

// What Redis holds of a dialogue opens for its subscriber alone, and nothing of it
// can be read there.
func TestDialogueIsWrapped(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := r.open(1, nil)
	defer g.store.Close()
	d := &dialogue{Bind: "canary", Began: time.Now()}
	if _, err := g.saveDialogue(t.Context(), tendai, anyVersion, d); err != nil {
		t.Fatal(err)
	}
	stored := r.redis.HGetAll(t.Context(), g.dialogueKey(tendai)).Val()
	if len(stored["d"]) == 0 || strings.Contains(stored["d"], "canary") {
		t.Errorf("%q", stored)
	}
	if err := r.redis.HSet(t.Context(), g.dialogueKey(rudo), stored).Err(); err != nil {
		t.Fatal(err)
	}
	if d, err := g.loadDialogue(t.Context(), rudo); d != nil || err != nil {
		t.Errorf("another's dialogue opens: %+v, %v", d, err)
	}
	if ttl := r.redis.PTTL(t.Context(), g.dialogueKey(tendai)).Val(); ttl <= 0 || ttl > 2*g.cfg.USSD.Dialogue {
		t.Errorf("it is kept for %v", ttl)
	}
}

// Limits of time: a late answer is told so, and the dialogue can be gone on with.
func TestUSSDTooLate(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]func(*Config){
		"of a step":     func(c *Config) { c.USSD.Step = time.Second },
		"of a dialogue": func(c *Config) { c.USSD.Dialogue = time.Second },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			g := r.gateway(1, limit)
			r.dial(tendai, "*700*1*0771000002*5#")
			r.eventually("it is late", func() bool {
				d, err := g.loadDialogue(t.Context(), tendai)
				return err == nil && d != nil && !d.live(time.Now(), &g.cfg.USSD)
			})
			r.shows(r.dial(tendai, "1357"), "end", "session is over", "*700#")
			r.nothingMoved()
			r.shows(r.dial(tendai, "*700#"), "ask", "Go on")
		})
	}
}

// Menus that are wrong are refused with file and line, and those before stay.
func TestMenusReload(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	dir := t.TempDir()
	if err := os.CopyFS(dir, configs.Menus); err != nil {
		t.Fatal(err)
	}
	g := r.gateway(1, func(c *Config) { c.USSD.MenusDir = dir })
	change := func(old, new string) {
		t.Helper()
		name := filepath.Join(dir, "en.yaml")
		b, err := os.ReadFile(name)
		if err != nil || !strings.Contains(string(b), old) {
			t.Fatalf("no %q: %v", old, err)
		}
		if err := os.WriteFile(name, []byte(strings.Replace(string(b), old, new, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	change(`send: "Send money"`, `sendd: "Send money"`)
	if err := g.Reload(); err == nil || !strings.Contains(err.Error(), "en.yaml") {
		t.Fatalf("wrong menus: %v", err)
	}
	r.shows(r.dial(tendai, "*700#"), "ask", "1 Send money")
	change(`sendd: "Send money"`, `send: "Pay somebody"`)
	if err := g.Reload(); err != nil {
		t.Fatal(err)
	}
	r.shows(r.dial(tendai, "99"), "end")
	r.shows(r.dial(tendai, "*700#"), "ask", "1 Pay somebody")
}

// A number book holds what it may, and what is typed for a name is only shown.
func TestFavourites(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := r.open(1, nil)
	defer g.store.Close()
	for i := range maxFavourites {
		if err := g.addFavourite(t.Context(), tendai, favourite{Number: imsiOf(i), Name: "n"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := g.addFavourite(t.Context(), tendai, favourite{Number: rudo, Name: "one more"}); err == nil {
		t.Error("more than it holds")
	}
	if err := g.addFavourite(t.Context(), tendai, favourite{Number: imsiOf(3), Name: "{pin} %s"}); err != nil {
		t.Errorf("another name for one that is there: %v", err)
	}
	all, err := g.favourites(t.Context(), tendai)
	if err != nil || len(all) != maxFavourites || all[len(all)-1].Name != "{pin} %s" {
		t.Errorf("%d, %v: %+v", len(all), err, all)
	}
	if others, err := g.favourites(t.Context(), rudo); len(others) != 0 || err != nil {
		t.Errorf("another's: %+v, %v", others, err)
	}
	// Copied to another subscriber, they do not open.
	for field, w := range r.redis.HGetAll(t.Context(), g.favouritesKey(tendai)).Val() {
		r.redis.HSet(t.Context(), g.favouritesKey(farai), field, w)
	}
	if stolen, err := g.favourites(t.Context(), farai); len(stolen) != 0 || err != nil {
		t.Errorf("another's book opens: %+v, %v", stolen, err)
	}
	if err := g.removeFavourite(t.Context(), tendai, imsiOf(3)); err != nil {
		t.Error(err)
	}
	if n, err := g.countFavourites(t.Context(), tendai); n != maxFavourites-1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}
