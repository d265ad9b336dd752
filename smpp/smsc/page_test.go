package smsc

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"starhash/smpp"
)

func (r *rig) get(path string) (*http.Response, string) {
	r.t.Helper()
	resp, err := r.HTTP.Get(r.BaseURL + path)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp, string(body)
}

// The page and its parts are here, load nothing from elsewhere, and nothing else of
// the folder's is served.
func TestPageIsServed(t *testing.T) {
	t.Parallel()
	r := start(t)
	for path, want := range map[string]string{"/": "text/html", "/page/style.css": "text/css", "/page/main.js": "javascript", "/page/phone.js": "javascript"} {
		resp, body := r.get(path)
		if resp.StatusCode != http.StatusOK || !strings.Contains(resp.Header.Get("Content-Type"), want) || len(body) < 300 {
			t.Errorf("%s: %s %s, %d octets", path, resp.Status, resp.Header.Get("Content-Type"), len(body))
		}
		if p := resp.Header.Get("Content-Security-Policy"); !strings.Contains(p, "default-src 'none'") || strings.Contains(p, "unsafe") {
			t.Errorf("%s: policy %q", path, p)
		}
		if strings.Contains(body, "https://") || strings.Contains(body, `src="http`) {
			t.Errorf("%s names another place", path)
		}
	}
	for _, path := range []string{"/page/", "/page/nothing.js", "/page/%2e%2e%2fpage.go"} {
		if resp, _ := r.get(path); resp.StatusCode != http.StatusNotFound && resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
}

// One request waits for everything that a page shows, and ends with the first of it.
func TestNews(t *testing.T) {
	t.Parallel()
	r := start(t)
	e := r.bound(smpp.BindTransceiver)
	r.get("/wire") // opens the tap
	asked := time.Now()
	got := make(chan newsBody, 1)
	go func() {
		var n newsBody
		_, body := r.get("/news?phone=" + alice + ",0,0&phone=263771000002,0,0&steps=0&wait=20s")
		if err := json.Unmarshal([]byte(body), &n); err != nil {
			t.Errorf("%v: %s", err, body)
		}
		got <- n
	}()
	e.submit(mtTo(alice))
	n := <-got
	if len(n.SMS[alice]) != 1 || len(n.SMS) != 1 || len(n.USSD) != 0 || time.Since(asked) > 10*time.Second {
		t.Errorf("after %v: %+v", time.Since(asked), n)
	}
	// What was seen is not told again; the wire has both PDUs.
	_, body := r.get("/news?phone=" + alice + ",1,0&wire=0&wait=5s")
	n = newsBody{}
	if err := json.Unmarshal([]byte(body), &n); err != nil || len(n.SMS) != 0 || len(n.Wire) == 0 {
		t.Errorf("%v: %s", err, body)
	}
	asked = time.Now()
	if _, body := r.get("/news?phone=" + alice + ",1,0&wait=50ms"); strings.TrimSpace(body) != "{}" || time.Since(asked) < 50*time.Millisecond {
		t.Errorf("nothing new: %s", body)
	}
	for _, bad := range []string{"phone=x,0,0", "phone=" + alice, "phone=" + alice + ",a,0", "wire=x", "wait=x", "phone=" + strings.Repeat(alice+",0,0&phone=", maxWatched) + alice + ",0,0"} {
		if resp, body := r.get("/news?" + bad); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %s %s", bad, resp.Status, body)
		}
	}
}
