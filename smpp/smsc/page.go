package smsc

import (
	"context"
	"embed"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The page of phones: what is in the folder page, and the news that it shows.

//go:embed page/index.html page/style.css page/*.js
var pageFiles embed.FS

// pagePolicy lets the page load what comes from here and nothing else.
const pagePolicy = "default-src 'none'; img-src data:; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func servePage(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-cache") // another version may serve here tomorrow
	name := r.PathValue("file")
	if name == "" {
		name = "index.html"
	}
	http.ServeFileFS(w, r, pageFiles, "page/"+name)
}

// maxWatched bounds the phones that one page watches.
const maxWatched = 16

// newsBody is the answer to GET /news: what has happened behind the numbers asked
// with.
type newsBody struct {
	SMS   map[string][]InboxMessage `json:"sms,omitempty"`  // by MSISDN
	USSD  map[string][]USSDScreen   `json:"ussd,omitempty"` // by MSISDN
	Wire  []WirePDU                 `json:"wire,omitempty"`
	Steps json.RawMessage           `json:"steps,omitempty"` // as the gateway's admin port gives them
}

func (n *newsBody) empty() bool {
	return len(n.SMS) == 0 && len(n.USSD) == 0 && len(n.Wire) == 0 && len(n.Steps) == 0
}

// getNews waits for anything that a page shows, in one request: browsers open few
// connections. Parameters: phone=MSISDN,sms,ussd for each phone, with the numbers of
// the last message and screen seen; wire=N and steps=N for the last of those; wait.
func (s *SMSC) getNews(r *http.Request) (any, error) {
	ctx, _, cancel, err := polled(r)
	if err != nil {
		return nil, err
	}
	defer cancel()
	if r.ParseForm() != nil || len(r.Form["phone"]) > maxWatched {
		return nil, mistakef("phone: at most %d", maxWatched)
	}
	var (
		mu    sync.Mutex
		news  = newsBody{SMS: map[string][]InboxMessage{}, USSD: map[string][]USSDScreen{}}
		asked sync.WaitGroup
	)
	// The first that has something ends the wait of the others, soon: what belongs
	// together comes together.
	got := func(put func()) {
		mu.Lock()
		defer mu.Unlock()
		put()
		time.AfterFunc(10*time.Millisecond, cancel)
	}
	for _, p := range r.Form["phone"] {
		f := strings.Split(p, ",")
		if len(f) != 3 || !isNumber(msisdn(f[0])) {
			return nil, mistakef("phone: want MSISDN,N,N")
		}
		number := msisdn(f[0])
		sms, err1 := strconv.ParseUint(f[1], 10, 64)
		ussd, err2 := strconv.ParseUint(f[2], 10, 64)
		if err1 != nil || err2 != nil {
			return nil, mistakef("phone: want MSISDN,N,N")
		}
		asked.Go(func() {
			if m := s.phones.inbox(ctx, number, sms); len(m) > 0 {
				got(func() { news.SMS[number] = m })
			}
		})
		asked.Go(func() {
			if m := s.ussd.screens(ctx, number, ussd); len(m) > 0 {
				got(func() { news.USSD[number] = m })
			}
		})
	}
	for _, source := range []struct {
		name string
		read func(context.Context, uint64)
	}{
		{"wire", func(ctx context.Context, after uint64) {
			if m := s.tap.read(ctx, after); len(m) > 0 {
				got(func() { news.Wire = m })
			}
		}},
		{"steps", func(ctx context.Context, after uint64) {
			// A gateway that is away is asked again with the next request.
			if m, n := s.steps(ctx, after); n > 0 {
				got(func() { news.Steps = m })
			}
		}},
	} {
		text := r.Form.Get(source.name)
		if text == "" {
			continue
		}
		after, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return nil, mistakef("%s: %q is not a number", source.name, text)
		}
		asked.Go(func() { source.read(ctx, after) })
	}
	asked.Wait()
	if news.empty() { // nobody asked for anything that waits
		<-ctx.Done()
	}
	return news, nil
}

// steps waits for steps of the gateway behind a number, and says how many came.
func (s *SMSC) steps(ctx context.Context, after uint64) (steps json.RawMessage, n int) {
	if s.cfg.GatewayAdmin == "" {
		return nil, 0
	}
	deadline, _ := ctx.Deadline()
	answer, err := s.askSteps(ctx, after, max(time.Until(deadline), 0))
	if err != nil {
		return nil, 0
	}
	var body struct {
		Steps []json.RawMessage `json:"steps"`
	}
	if json.Unmarshal(answer, &body) != nil || len(body.Steps) == 0 {
		return nil, 0
	}
	steps, err = json.Marshal(body.Steps)
	if err != nil {
		return nil, 0
	}
	return steps, len(body.Steps)
}
