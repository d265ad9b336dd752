package platform

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"starhash/bank/link"
	"starhash/configs/secret"
	"starhash/smpp"
	"starhash/smpp/dialect"
	"starhash/ussd"
)

// Gateway is the operator's management platform between the SMSC and the bank.
// A message goes in at Deliver and is acknowledged when it is stored; execute.go
// takes it from the journal to the bank; a confirmation goes out by outbox.go.
type Gateway struct {
	cfg     Config
	log     *slog.Logger
	store   *Store
	keyring *Keyring
	keys    *KeySource
	texts   atomic.Pointer[Texts]
	grammar atomic.Pointer[Grammar]
	zone    *time.Location
	client  *http.Client
	binds   []*smpp.ESME
	routes  *routes
	metrics *metrics

	dialects  *dialect.Set
	menus     atomic.Pointer[ussd.Menus]
	ussdSlots chan struct{}
	turns     turns
	verdicts  verdicts
	feed      feed // what /steps shows

	inHand   entries // journal and outbox entries that this process works on
	openings sync.WaitGroup
	prepare  chan struct{} // bounds the openings made ahead of need
	line     *bankLine
}

// mo is a mobile-originated message, joined and decoded.
type mo struct {
	bind      string
	msisdn    string
	shortCode string
	imsi      string // from the PDU, where the bind's IMSI TLV brought one
	text      []byte // UTF-8; may hold a PIN, wiped when Deliver returns
	identity  []byte // what tells this message from another with the same text, if anything does
	parts     string // the Redis key of its parts, or of none
	at        time.Time
}

// Deliver takes a deliver_sm or data_sm. Its acknowledgement, sent once, says
// ESME_ROK only when all that follows from the message is stored; when the store
// is away it says ESME_RX_T_APPN, so that the SMSC keeps the message (SMPP 3.4
// §5.1.3).
func (g *Gateway) Deliver(ctx context.Context, d *smpp.Delivery) {
	defer d.Wipe()
	start := time.Now()
	status := g.receive(ctx, d)
	d.Ack(status)
	g.metrics.received(status, time.Since(start))
}

// Alert takes an alert_notification: the terminal has started and can be
// reached. It is the moment at which the initial authentication information
// goes to the bank.
func (g *Gateway) Alert(ctx context.Context, bind string, a *smpp.AlertNotification) {
	msisdn, ok := g.number(a.Source)
	if !ok {
		return
	}
	sub, err := g.store.Subscriber(ctx, msisdn)
	if err == nil && sub.Status == Active {
		g.prepareKey(ctx, link.Identity{IMSI: sub.IMSI, MSISDN: msisdn, Source: link.SourceRegistry})
	}
}

func (g *Gateway) receive(ctx context.Context, d *smpp.Delivery) smpp.Status {
	m := d.Message
	bind := d.Bind.Config()
	if m.ESMClass&smpp.ESMClassTypeMask != 0 {
		return g.statusOf(g.special(ctx, bind, m))
	}
	if way := g.dialectOf(bind); way.Is(m) {
		return g.takeUSSD(ctx, d, way)
	}
	in := mo{bind: bind.Name, shortCode: m.Dest.Addr, at: time.Now()}
	var ok bool
	if in.msisdn, ok = g.number(m.Source); !ok {
		g.log.Warn("message from an address that is no MSISDN", "bind", bind.Name, "ton", m.Source.TON)
		return smpp.StatusRejectAppErr // no subscriber to answer; sending it again changes nothing
	}
	in.imsi = g.networkIMSI(bind, m)
	user, err := g.assemble(ctx, m, bind.Alphabets().Default, &in)
	switch {
	case errors.Is(err, errIncomplete):
		return smpp.StatusOK // the part is stored
	case errors.Is(err, errBadPart):
		return g.answer(ctx, &in, g.language(ctx, in.msisdn), TextNotReadable, nil)
	case err != nil:
		return g.statusOf(err)
	}
	defer user.Wipe()
	payload := user.Octets()
	in.text, err = user.AppendText(make([]byte, 0, 3*len(payload)))
	defer func() { clear(in.text) }()
	if err != nil {
		return g.answer(ctx, &in, g.language(ctx, in.msisdn), TextNotReadable, nil)
	}
	return g.statusOf(g.obey(ctx, &in, payload))
}

// statusOf turns an error into what the SMSC is told. Whatever it is, nothing
// was acknowledged that is not stored.
func (g *Gateway) statusOf(err error) smpp.Status {
	if err == nil {
		return smpp.StatusOK
	}
	g.log.Error("message not taken; the SMSC keeps it", "error", err)
	return smpp.StatusTempAppErr
}

// number is the MSISDN that an SMPP address stands for.
func (g *Gateway) number(a smpp.Address) (string, bool) {
	const tonNational = 2 // §5.2.5
	n := strings.TrimPrefix(a.Addr, "+")
	switch {
	case strings.HasPrefix(n, "00"):
		n = n[2:]
	case strings.HasPrefix(n, "0"):
		n = g.cfg.Country + n[1:]
	case a.TON == tonNational:
		n = g.cfg.Country + n
	}
	return n, digits(n, 5, 15)
}

// language is the subscriber's, or the configured one when that cannot be told.
func (g *Gateway) language(ctx context.Context, msisdn string) string {
	if sub, err := g.store.Subscriber(ctx, msisdn); err == nil {
		return sub.Language
	}
	return g.cfg.Language
}

// obey reads the command and does what it asks: an answer at once, or a
// transaction in the journal.
func (g *Gateway) obey(ctx context.Context, in *mo, payload []byte) error {
	sub, err := g.store.Subscriber(ctx, in.msisdn)
	if errors.Is(err, ErrUnknownSubscriber) {
		return g.say(ctx, in, g.cfg.Language, TextNotRegistered, nil)
	}
	if err != nil {
		return err
	}
	cmd, refusal := g.grammar.Load().Parse(sub.Language, in.text)
	defer cmd.Wipe()
	if refusal != nil {
		return g.say(ctx, in, sub.Language, refusal.Key, refusal.Args)
	}
	switch cmd.Kind {
	case KindHelp:
		return g.say(ctx, in, sub.Language, TextHelp, nil)
	case KindStatus:
		return g.tellStatus(ctx, in, sub, cmd.Reference)
	case KindLanguage:
		if err := g.store.setSubscriber(ctx, sub.MSISDN, "language", cmd.Language); err != nil {
			return err
		}
		return g.say(ctx, in, cmd.Language, TextLanguageChanged, Args{"language": g.texts.Load().Name(cmd.Language)})
	case KindStop, KindStart:
		text, quiet := TextStarted, "0"
		if cmd.Kind == KindStop {
			text, quiet = TextStopped, "1"
		}
		if err := g.store.setSubscriber(ctx, sub.MSISDN, "quiet", quiet); err != nil {
			return err
		}
		return g.say(ctx, in, sub.Language, text, nil)
	}
	if sub.Status != Active {
		return g.say(ctx, in, sub.Language, TextBlocked, nil)
	}
	switch cmd.Kind {
	case KindYes:
		return g.yes(ctx, in, sub, cmd.Code, payload)
	case KindNo:
		return g.no(ctx, in, sub)
	}
	switch {
	case cmd.Kind == KindBill && !link.ValidBiller(cmd.Biller):
		return g.say(ctx, in, sub.Language, TextUnknownBiller, nil)
	case cmd.Kind == KindBill && !link.ValidAccount(cmd.Account):
		return g.say(ctx, in, sub.Language, TextBadAccount, nil)
	case g.cfg.USSD.SMSPIN != PINAllowed:
		return g.withoutPIN(ctx, in, sub, &cmd)
	case cmd.PIN.Empty():
		return g.say(ctx, in, sub.Language, TextPINMissing, Args{"form": g.texts.Load().Form(sub.Language, cmd.Kind)})
	}
	return g.take(ctx, in, sub, &cmd, payload)
}

// body is what the journal keeps of a command, wrapped, until it is sent.
type body struct {
	Amount   int64
	Currency string
	Payee    string
	Biller   string
	Account  string
	PIN      link.Capsule
	NewPIN   link.Capsule
	// NewPINAgain is the new PIN typed a second time where the two were not seen
	// together, and so were not compared here.
	NewPINAgain link.Capsule
	Auth        link.Auth
}

var linkKinds = map[Kind]link.Kind{
	KindTransfer: link.KindTransfer, KindBalance: link.KindBalance, KindMini: link.KindMini, KindPINChange: link.KindPINChange,
	KindAirtime: link.KindAirtime, KindBill: link.KindBill,
}

// take seals the PIN, which exists in clear no longer than until here, and puts
// the transaction into the journal.
func (g *Gateway) take(ctx context.Context, in *mo, sub Subscriber, cmd *Command, payload []byte) error {
	tx, b, err := g.transaction(in, sub, cmd)
	if err != nil {
		return err
	}
	verdict, first, err := g.journal(ctx, in, tx, b, payload, "once", nil)
	if err != nil {
		return err
	}
	switch verdict {
	case "new", "redelivered":
		return nil // its confirmation is on the way, or was sent
	case "repeated":
		return g.repeated(ctx, in, sub, tx, b, payload, first)
	}
	return fmt.Errorf("%w: the journal said %q", ErrStore, verdict)
}

func (g *Gateway) transaction(in *mo, sub Subscriber, cmd *Command) (*Transaction, *body, error) {
	tx := &Transaction{
		ID: g.keys.TxID(), MSISDN: sub.MSISDN, State: Accepted, Kind: linkKinds[cmd.Kind], Class: amountClass(cmd.Amount),
		Language: sub.Language, Bind: in.bind, ShortCode: in.shortCode, Accepted: in.at,
		imsi: sub.IMSI, Source: link.SourceRegistry,
	}
	if in.imsi != "" {
		tx.imsi, tx.Source = in.imsi, link.SourceNetwork
	}
	b := &body{Amount: cmd.Amount, Payee: cmd.Payee, Biller: cmd.Biller, Account: cmd.Account}
	if movesMoney(tx.Kind) {
		b.Currency = g.cfg.Currency
	}
	if tx.Kind == link.KindAirtime && b.Payee == "" {
		b.Payee = sub.MSISDN
	}
	var err, errNew error
	b.PIN, err = g.keys.SealPIN(cmd.PIN, sub.MSISDN, tx.ID, link.PINCurrent)
	b.NewPIN, errNew = g.keys.SealPIN(cmd.NewPIN, sub.MSISDN, tx.ID, link.PINNew)
	return tx, b, errors.Join(err, errNew)
}

// journal stores a transaction and gives the script's verdict, with the
// reference of the earlier transaction where there is one. asked is the question
// as it stands in Redis, where mode is "answer".
func (g *Gateway) journal(ctx context.Context, in *mo, tx *Transaction, b *body, payload []byte, mode string, asked []byte) (verdict, first string, err error) {
	idToday, idYesterday, err := g.keyring.Digests([]byte("id"), []byte(in.msisdn), []byte(in.shortCode), in.identity, payload)
	if err != nil {
		return "", "", err
	}
	textToday, textYesterday, err := g.keyring.Digests([]byte("text"), []byte(in.msisdn), []byte(in.shortCode), payload)
	if err != nil {
		return "", "", err
	}
	if len(in.identity) == 0 {
		idToday, idYesterday = textToday, textYesterday
	}
	plain, err := json.Marshal(b)
	if err != nil {
		return "", "", err
	}
	defer clear(plain)
	p := g.store.partition(in.msisdn)
	for range 3 { // a reference is taken once in 2^35
		tx.Reference = newReference(p)
		if tx.body, err = g.keyring.Wrap(plain, bodyPlace(tx.Reference)); err != nil {
			return "", "", err
		}
		keys := []string{
			key(p, "tx", tx.Reference), g.store.pendingKey(in.msisdn, tx.imsi), key(p, "journal"), in.parts, g.questionKey(in.msisdn),
			key(p, "dedupe", idToday), key(p, "dedupe", idYesterday), key(p, "dedupe", textToday), key(p, "dedupe", textYesterday),
			key(p, "recent", in.msisdn), key(p, "partial"),
		}
		args := append([]any{tx.Reference, g.cfg.Limits.DedupeWindow.Milliseconds(), mode, asked,
			g.cfg.Limits.QuestionWait.Milliseconds(), g.cfg.Limits.Keep.Milliseconds(), pushMember(in.msisdn)}, tx.fields()...)
		r, err := acceptScript.Run(ctx, g.store.redis, keys, args...).StringSlice()
		if err != nil {
			return "", "", storeError(err)
		}
		if r[0] == "collision" {
			continue
		}
		if len(r) > 1 {
			first = r[1]
		}
		if r[0] == "new" {
			g.note(tx.MSISDN, tx.Reference, "journal", tx.Kind.String()+", stored")
		}
		return r[0], first, nil
	}
	return "", "", fmt.Errorf("%w: no free reference", ErrStore)
}

// repeated answers a text that this subscriber has sent before. Silence is right
// only while the first is under way; money moves a second time only after YES.
func (g *Gateway) repeated(ctx context.Context, in *mo, sub Subscriber, tx *Transaction, b *body, payload []byte, first string) error {
	before, err := g.store.Transaction(ctx, first)
	if errors.Is(err, ErrNoTransaction) {
		return g.again(ctx, in, tx, b, payload)
	}
	if err != nil {
		return err
	}
	switch {
	case before.State == InDoubt && movesMoney(before.Kind):
		return g.say(ctx, in, sub.Language, TextSamePending, same(g, b, before))
	case !before.State.Final():
		return nil
	case !movesMoney(before.Kind) && before.Kind != link.KindPINChange:
		// Nothing moves; a wrong PIN must not count twice for a message that
		// the network delivers twice.
		if before.Outcome == link.WrongPIN.String() && time.Since(before.FinalAt) < sameTextWindow {
			return nil
		}
		return g.again(ctx, in, tx, b, payload)
	case before.Kind == link.KindPINChange:
		return g.tellStatus(ctx, in, sub, first)
	}
	q := &question{Tx: tx.ID, Kind: tx.Kind, Class: tx.Class, IMSI: tx.imsi, Source: tx.Source, Body: *b}
	if _, err := g.ask(ctx, in.msisdn, q); err != nil {
		return err
	}
	text := TextSameAgain
	if before.State == Declined {
		text = TextSameDeclined
	}
	return g.say(ctx, in, sub.Language, text, same(g, b, before))
}

// same describes an earlier transaction by a command with the same text.
func same(g *Gateway, b *body, before *Transaction) Args {
	to := b.Payee
	if before.Kind == link.KindBill {
		to = b.Account
	}
	return Args{
		"amount": FormatAmount(b.Amount, b.Currency), "last4": lastDigits(to),
		"at": g.clock(before.Accepted), "ref": before.Reference,
	}
}

// sameTextWindow is how long a text whose PIN was wrong is taken for the same
// message delivered again.
const sameTextWindow = 30 * time.Second

func (g *Gateway) again(ctx context.Context, in *mo, tx *Transaction, b *body, payload []byte) error {
	verdict, _, err := g.journal(ctx, in, tx, b, payload, "again", nil)
	if err == nil && verdict != "new" {
		err = fmt.Errorf("%w: the journal said %q", ErrStore, verdict)
	}
	return err
}

// question is a payment that waits for YES.
type question struct {
	Tx     link.TxID
	Kind   link.Kind
	Class  string
	IMSI   string
	Source link.IMSISource
	Body   body
	Code   string `json:",omitempty"` // keyed digest of the code that YES has to bring; none if empty
	Tries  int    `json:",omitempty"` // wrong codes that it stands yet
}

func questionPlace(msisdn string) string { return "question " + msisdn }

// yes journals the payment that was asked about.
func (g *Gateway) yes(ctx context.Context, in *mo, sub Subscriber, code secret.Value, payload []byte) error {
	w, err := g.store.redis.Get(ctx, g.questionKey(in.msisdn)).Bytes()
	if errors.Is(err, redis.Nil) || bytes.HasPrefix(w, []byte(answered)) {
		return g.yesToNothing(ctx, in, sub)
	}
	if err != nil {
		return storeError(err)
	}
	plain, err := g.keyring.Unwrap(w, questionPlace(in.msisdn))
	if err != nil {
		return g.say(ctx, in, sub.Language, TextNothingToConfirm, nil)
	}
	defer plain.Wipe()
	var q question
	if err := json.Unmarshal(plain.Reveal(), &q); err != nil {
		return g.say(ctx, in, sub.Language, TextNothingToConfirm, nil)
	}
	if refused, err := g.codeRight(ctx, in, sub, w, &q, code); refused || err != nil {
		return err
	}
	tx := &Transaction{ID: q.Tx, MSISDN: in.msisdn, State: Accepted, Kind: q.Kind, Class: q.Class, Language: sub.Language,
		Bind: in.bind, ShortCode: in.shortCode, Accepted: in.at, imsi: q.IMSI, Source: q.Source}
	verdict, _, err := g.journal(ctx, in, tx, &q.Body, payload, "answer", w)
	if err != nil {
		return err
	}
	if verdict == "gone" {
		return g.yesToNothing(ctx, in, sub)
	}
	return nil // its confirmation is on the way; or the YES that came again has answered another question
}

// answered is what a question is replaced with when YES has begun its
// transaction, followed by the reference.
const answered = "answered "

func (g *Gateway) questionKey(msisdn string) string {
	return key(g.store.partition(msisdn), "question", msisdn)
}

// yesToNothing tells a YES that came twice from one that nobody asked for.
func (g *Gateway) yesToNothing(ctx context.Context, in *mo, sub Subscriber) error {
	q, err := g.store.redis.Get(ctx, g.questionKey(in.msisdn)).Result()
	switch {
	case err != nil && !errors.Is(err, redis.Nil):
		return storeError(err)
	case strings.HasPrefix(q, answered):
		return nil // the first YES is under way or was confirmed
	}
	return g.say(ctx, in, sub.Language, TextNothingToConfirm, nil)
}

func (g *Gateway) no(ctx context.Context, in *mo, sub Subscriber) error {
	what, err := cancelScript.Run(ctx, g.store.redis, []string{g.questionKey(in.msisdn)}).Text()
	switch {
	case err != nil:
		return storeError(err)
	case what == "none":
		return g.say(ctx, in, sub.Language, TextNothingToConfirm, nil)
	case what == "cancelled":
		return g.say(ctx, in, sub.Language, TextCancelled, nil)
	}
	return g.tellStatus(ctx, in, sub, what) // too late: YES was first
}

// tellStatus answers STATUS.
func (g *Gateway) tellStatus(ctx context.Context, in *mo, sub Subscriber, reference string) error {
	text, args, err := g.statusText(ctx, sub, reference)
	if err != nil {
		return err
	}
	return g.say(ctx, in, sub.Language, text, args)
}

// statusText says where a transaction stands. A subscriber sees only transactions
// of their own.
func (g *Gateway) statusText(ctx context.Context, sub Subscriber, reference string) (TextKey, Args, error) {
	tx, err := g.store.Transaction(ctx, reference)
	if errors.Is(err, ErrNoTransaction) || (err == nil && tx.MSISDN != sub.MSISDN) {
		return TextStatusUnknown, Args{"ref": reference}, nil
	}
	if err != nil {
		return "", nil, err
	}
	text, args := g.statusOfTransaction(tx)
	return text, args, nil
}

func (g *Gateway) statusOfTransaction(tx *Transaction) (TextKey, Args) {
	text := TextPending
	switch {
	case tx.State == Done && movesMoney(tx.Kind):
		text = TextStatusMoved
	case tx.State == Done:
		text = TextStatusDone
	case tx.State == Declined:
		text = TextStatusDeclined
	}
	return text, Args{"ref": tx.Reference, "at": g.clock(tx.Accepted)}
}

// say puts an answer into the outbox; nothing stands behind it but itself.
func (g *Gateway) say(ctx context.Context, in *mo, language string, text TextKey, args Args) error {
	return g.sayIfDue(ctx, in, language, text, args, "")
}

// sayIfDue is say; with a member of the deadlines of incomplete messages, only
// if that is overdue.
func (g *Gateway) sayIfDue(ctx context.Context, in *mo, language string, text TextKey, args Args, member string) error {
	e, err := g.entry(outboxEntry{To: in.msisdn, From: in.shortCode, Bind: in.bind, Purpose: "answer",
		Text: g.texts.Load().Format(language, text, args)})
	if err != nil {
		return err
	}
	p := g.store.partition(in.msisdn)
	return storeError(answerScript.Run(ctx, g.store.redis, []string{key(p, "outbox"), in.parts, key(p, "partial")},
		append([]any{g.cfg.Limits.DedupeWindow.Milliseconds(), member, time.Now().UnixMilli()}, e...)...).Err())
}

// answer is say for the paths that end with it.
func (g *Gateway) answer(ctx context.Context, in *mo, language string, text TextKey, args Args) smpp.Status {
	return g.statusOf(g.say(ctx, in, language, text, args))
}

// prepareKey opens a key ahead of need, in the background and bounded.
func (g *Gateway) prepareKey(ctx context.Context, id link.Identity) {
	select {
	case g.prepare <- struct{}{}:
	default:
		return // busy enough; the key is opened when it is needed
	}
	g.openings.Go(func() {
		defer func() { <-g.prepare }()
		ctx, cancel := context.WithTimeout(ctx, g.cfg.Bank.Timeout)
		defer cancel()
		if err := g.Prepare(ctx, id); err != nil {
			g.log.Debug("no key opened ahead of need", "error", err)
		}
	})
}
