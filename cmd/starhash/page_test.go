package main

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// The page of phones in a real Chromium, against the demo: testdata/page/page.mjs
// says what is done. STARHASH_SCREENSHOTS names a folder for pictures of it.
func TestPage(t *testing.T) {
	processes(t, "node", "npm")
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is not here; install it (Debian: apt-get install chromium)")
	}
	dir := nodeModules(t, "testdata/page", t.TempDir())
	addr := freeAddr(t)
	demo := &rig{t: t}
	d := demo.run("demo", program(t), "demo", "--headless", "--http", addr)
	demo.until("the page is there", func() bool {
		if d.hasEnded() {
			t.Fatal("the demo ended")
		}
		r, err := http.Get("http://" + addr + "/")
		if err != nil {
			return false
		}
		r.Body.Close()
		return r.StatusCode == http.StatusOK && strings.Contains(d.log.text(), "Phones are")
	})
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, "node", "page.mjs", "http://"+addr, browser)
	if pictures := os.Getenv("STARHASH_SCREENSHOTS"); pictures != "" {
		c.Args = append(c.Args, pictures)
	}
	c.Dir = dir
	out, err := c.CombinedOutput()
	if err != nil {
		t.Errorf("%v", err)
	}
	t.Logf("%s", out)
	if n := strings.Count(string(out), "ok    "); n < 7 {
		t.Errorf("%d checks passed, want 7", n)
	}
}
