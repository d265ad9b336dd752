package link

import (
	"bytes"
	"crypto/hpke"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"starhash/configs/secret"
)

// docs/protocol/vectors.json is what other implementations are checked against.
// vectors_build_test.go makes it from fixed inputs; go test ./bank/link -update
// writes it anew, which is right only when the protocol is meant to change.

const vectorsFile = "../../docs/protocol/vectors.json"

var update = flag.Bool("update", false, "write "+vectorsFile)

// hexBytes is a byte string, hexadecimal in the file.
type hexBytes []byte

func (h hexBytes) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h), nil }

func (h *hexBytes) UnmarshalText(b []byte) (err error) {
	*h, err = hex.DecodeString(string(b))
	return err
}

type vectors struct {
	About    []string       `json:"about"`
	Inputs   vectorInputs   `json:"inputs"`
	HPKE     vectorHPKE     `json:"hpke"`
	Messages []vectorMsg    `json:"messages"`
	Capsules []vectorPIN    `json:"capsules"`
	Failures []vectorFailed `json:"failures"`
}

// vectorInputs is what the two ends hold, and what they draw at random.
type vectorInputs struct {
	Operator         Operator `json:"operator"`
	StaticKeyID      KeyID    `json:"static_key_id"`
	StaticKey        hexBytes `json:"static_key"`
	CheckValue       string   `json:"static_key_check_value"`
	Node             uint16   `json:"node"`
	RequestNonce     hexBytes `json:"epoch_request_nonce"`
	EpochID          hexBytes `json:"epoch_id"`
	EpochRandom      hexBytes `json:"epoch_reply_random"`
	EpochPrivate     hexBytes `json:"epoch_private_key"`
	EpochPublic      hexBytes `json:"epoch_public_key"`
	EncapsulationPQ  hexBytes `json:"epoch_encapsulation_ml_kem_randomness"`
	EncapsulationKey hexBytes `json:"epoch_encapsulation_x25519_private_key"`
	OpenedRandom     hexBytes `json:"opened_random"`
	LastBoot         uint32   `json:"last_boot"`
	OpenedAt         int64    `json:"opened_at"` // the bank's clock
	KeyLife          int64    `json:"key_life_seconds"`
	PINKeyID         KeyID    `json:"pin_key_id"`
	PINPrivate       hexBytes `json:"pin_private_key"`
	PINPublic        hexBytes `json:"pin_public_key"`
	PINEphemeral     hexBytes `json:"pin_ephemeral_private_key"`
}

// vectorHPKE is the epoch's key agreement, step by step.
type vectorHPKE struct {
	Encapsulation hexBytes `json:"encapsulation"`
	SharedPQ      hexBytes `json:"ml_kem_shared_secret"`
	SharedX25519  hexBytes `json:"x25519_shared_secret"`
	Shared        hexBytes `json:"kem_shared_secret"`
	Info          hexBytes `json:"info"`
	ExportContext string   `json:"export_context"`
	Export        hexBytes `json:"export"`
	SecretInfo    hexBytes `json:"epoch_secret_info"`
	EpochSecret   hexBytes `json:"epoch_secret"`
}

// vectorSeal is one AES-256-GCM encryption and the HKDF that made its key.
type vectorSeal struct {
	IKM    string   `json:"ikm"` // "static_key" or "epoch_secret"
	Salt   hexBytes `json:"salt"`
	Info   hexBytes `json:"info"`
	Key    hexBytes `json:"key"`
	AD     hexBytes `json:"associated_data"`
	Plain  hexBytes `json:"plain"`
	Sealed hexBytes `json:"sealed"`
}

type vectorMsg struct {
	Name    string       `json:"name"`
	Type    Type         `json:"type"`
	Path    string       `json:"path"`
	Answers string       `json:"answers,omitempty"` // the name of the request
	Fields  any          `json:"fields,omitempty"`
	Seals   []vectorSeal `json:"seals,omitempty"`
	Message hexBytes     `json:"message"`
}

type vectorPIN struct {
	Name     string      `json:"name"`
	PIN      string      `json:"pin"`
	MSISDN   string      `json:"msisdn"`
	TxID     hexBytes    `json:"txid"`
	Position PINPosition `json:"position"`
	Context  hexBytes    `json:"context"`
	Key      hexBytes    `json:"key"`
	Field    hexBytes    `json:"pin_field"`
	Capsule  hexBytes    `json:"capsule"`
}

// vectorFailed must be refused by its reader, in the state that the messages up
// to Opened leave it in, and with this code.
type vectorFailed struct {
	Name          string   `json:"name"`
	Reader        string   `json:"reader"` // bank, gateway or vault
	Path          string   `json:"path,omitempty"`
	After         string   `json:"after,omitempty"`         // bank: a message that it took before
	Answers       string   `json:"answers,omitempty"`       // gateway: the message that it sent
	Capsule       string   `json:"capsule,omitempty"`       // vault: the capsule whose msisdn, txid and position are asked for
	Entry         *int     `json:"entry,omitempty"`         // bank: only this opening of the batch fails
	Later         int64    `json:"later,omitempty"`         // bank: seconds after opened_at
	Message       hexBytes `json:"message"`                 // vault: the capsule
	Fails         string   `json:"fails"`                   // the code's name
	Authenticated *bool    `json:"authenticated,omitempty"` // gateway: of an Error
}

func (v *vectors) msg(t testing.TB, name string) *vectorMsg {
	t.Helper()
	i := slices.IndexFunc(v.Messages, func(m vectorMsg) bool { return m.Name == name })
	if i < 0 {
		t.Fatalf("no message %q", name)
	}
	return &v.Messages[i]
}

func TestVectorsAreTheFile(t *testing.T) {
	got := must[[]byte](t)(json.MarshalIndent(buildVectors(t), "", "  "))
	got = append(got, '\n')
	if *update {
		if err := os.WriteFile(vectorsFile, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := must[[]byte](t)(os.ReadFile(vectorsFile))
	if bytes.Equal(got, want) {
		return
	}
	g, w := bytes.Split(got, []byte("\n")), bytes.Split(want, []byte("\n"))
	for i := range min(len(g), len(w)) {
		if !bytes.Equal(g[i], w[i]) {
			t.Fatalf("%s, line %d:\n%.200s\nthis code makes:\n%.200s", vectorsFile, i+1, w[i], g[i])
		}
	}
	t.Fatalf("%s has %d lines, this code makes %d", vectorsFile, len(w), len(g))
}

// ends are a bank and a gateway in the state that the file's messages up to
// Opened leave them in.
type ends struct {
	v     *vectors
	bank  *Bank
	now   time.Time
	sk    secret.Value
	hello *Hello
	batch *Batch
	pin   *PINKey
	keys  map[Serial]*DynamicKeys
}

func loadVectors(t testing.TB) *vectors {
	v := &vectors{}
	if err := json.Unmarshal(must[[]byte](t)(os.ReadFile(vectorsFile)), v); err != nil {
		t.Fatal(err)
	}
	return v
}

// newEnds plays the file's messages up to stop through the real ends; only what
// they would draw at random is put in by hand.
func newEnds(t testing.TB, v *vectors, stop string) *ends {
	t.Helper()
	in := v.Inputs
	e := &ends{v: v, now: time.Unix(in.OpenedAt, 0), sk: secret.Copy(in.StaticKey), keys: make(map[Serial]*DynamicKeys)}
	e.bank = NewBank(BankConfig{
		StaticKeys: func(op Operator, id KeyID) (secret.Value, bool) {
			return e.sk, op == in.Operator && id == in.StaticKeyID
		},
		KeyLife: time.Duration(in.KeyLife) * time.Second,
		Now:     func() time.Time { return e.now },
	})
	e.pin = newPINKey(in.PINKeyID, must[hpke.PrivateKey](t)(pinKEM().NewPrivateKey(in.PINPrivate)))
	gw := &Gateway{Operator: in.Operator, KeyID: in.StaticKeyID, StaticKey: e.sk, Node: in.Node}
	e.hello = &Hello{g: gw, Message: v.msg(t, "EpochRequest").Message}
	if stop == "EpochRequest" {
		return e
	}

	if op, node, err := e.bank.Node(e.hello.Message); op != in.Operator || node != in.Node || err != nil {
		t.Fatalf("the bank reads node %d of %s, %v", node, op, err)
	}
	reply := v.msg(t, "EpochReply").Message
	if _, err := e.hello.Join(reply); err != nil { // its own Join is of other random numbers
		t.Fatal(err)
	}
	be := &bankEpoch{id: EpochID(in.EpochID), keyID: in.StaticKeyID, asker: epochNode{in.Operator, in.Node},
		asked: Hash(e.hello.Message), reply: reply, private: must[hpke.PrivateKey](t)(epochKEM().NewPrivateKey(in.EpochPrivate)),
		ends: e.now.Add(EpochLife), left: EpochKeys, opens: make(map[[32]byte]struct{})}
	e.bank.epochs.add(be)
	if stop == "EpochReply" {
		return e
	}

	join := v.msg(t, "Join").Message
	joined := must[[]byte](t)(e.bank.Join(join))
	if !bytes.Equal(joined, v.msg(t, "Joined").Message) || !bytes.Equal(be.es.Reveal(), v.HPKE.EpochSecret) {
		t.Fatal("the bank answers the Join with another Joined, or has another epoch secret")
	}
	e.hello.es, e.hello.join = secret.Copy(v.HPKE.EpochSecret), join
	epoch := must[*Epoch](t)(e.hello.Finish(joined))
	if epoch.LastBoot != in.LastBoot || epoch.Life != EpochLife || epoch.Keys != EpochKeys {
		t.Fatalf("the gateway reads epoch %+v", epoch)
	}

	e.batch = must[*Batch](t)(epoch.Open(vectorOpenings(in)))
	open := v.msg(t, "Open").Message
	if !bytes.Equal(e.batch.Message, open) {
		t.Fatal("the gateway makes another Open")
	}
	if stop == "Joined" {
		return e
	}
	ob := must[*OpenBatch](t)(e.bank.Open(open))
	must[[]byte](t)(e.bank.Finish(ob, vectorResults())) // of other random numbers: the file's is read below
	for i, o := range must[[]OpenedSerial](t)(e.batch.Finish(v.msg(t, "Opened").Message)) {
		if o.Result != vectorResults()[i] {
			t.Fatalf("the gateway reads result %d of opening %d", o.Result, i)
		}
		if o.Keys != nil {
			e.keys[o.Opening.Serial] = o.Keys
		}
	}
	return e
}

// The real ends take every message of the file as what it says it is.
func TestVectorsAreTaken(t *testing.T) {
	v := loadVectors(t)
	e := newEnds(t, v, "")
	for _, m := range v.Messages {
		switch m.Type {
		case TypeTransact:
			x, err := e.bank.Transact(m.Message)
			if err != nil {
				t.Errorf("%s: %v", m.Name, err)
				continue
			}
			want := vectorRequest(t, v, m.Name)
			if x.Request.Digest() != want.Digest() || x.Request.Identity != want.Identity {
				t.Errorf("%s: the bank reads %+v, want %+v", m.Name, x.Request, want)
			}
			if again := e.keys[x.Header.Serial].SealRequest(want); !bytes.Equal(again, m.Message) {
				t.Errorf("%s: the gateway seals it otherwise", m.Name)
			}
		case TypeReply:
			sent := v.msg(t, m.Answers)
			x := must[*Exchange](t)(e.bank.Transact(sent.Message))
			want := vectorReply(t, m.Name)
			if !bytes.Equal(x.Seal(want), m.Message) {
				t.Errorf("%s: the bank seals it otherwise", m.Name)
			}
			got, err := e.keys[x.Header.Serial].OpenReply(sent.Message, m.Message, e.sk)
			if err != nil || !bytes.Equal(got.encode(), want.encode()) {
				t.Errorf("%s: the gateway reads %+v, %v", m.Name, got, err)
			}
		case TypeError:
			sent := v.msg(t, m.Answers)
			var le *Error
			err := checkError(sent.Message, m.Message, e.sk)
			want := m.Fields.(map[string]any)
			if !errors.As(err, &le) || le.Code.String() != want["code_name"] || le.Authenticated != want["authenticated"] {
				t.Errorf("%s: the gateway reads %v", m.Name, err)
			}
		}
	}
	for _, c := range v.Capsules {
		pin, err := e.pin.Open(Capsule(c.Capsule), c.MSISDN, TxID(c.TxID), c.Position)
		if err != nil || string(pin.Reveal()) != c.PIN {
			t.Errorf("capsule %s: %v", c.Name, err)
		}
	}
}

func TestVectorsThatFail(t *testing.T) {
	v := loadVectors(t)
	for _, f := range v.Failures {
		t.Run(f.Name, func(t *testing.T) {
			err := refusal(t, v, f)
			var le *Error
			if !errors.As(err, &le) {
				t.Fatalf("was not refused: %v", err)
			}
			if le.Code.String() != f.Fails || f.Authenticated != nil && le.Authenticated != *f.Authenticated {
				t.Errorf("fails with %v, want %s, authenticated %v", err, f.Fails, f.Authenticated)
			}
		})
	}
}

// refusal gives a failing message to its reader and returns what it says.
func refusal(t *testing.T, v *vectors, f vectorFailed) error {
	stop := map[string]string{PathEpoch: "EpochRequest", PathJoin: "EpochReply", PathOpen: "Joined"}[f.Path]
	e := newEnds(t, v, stop)
	e.now = e.now.Add(time.Duration(f.Later) * time.Second)
	switch f.Reader {
	case "vault":
		i := slices.IndexFunc(v.Capsules, func(c vectorPIN) bool { return c.Name == f.Capsule })
		c := v.Capsules[i]
		return second(e.pin.Open(Capsule(f.Message), c.MSISDN, TxID(c.TxID), c.Position))
	case "gateway":
		sent := v.msg(t, f.Answers)
		switch f.Path {
		case PathEpoch:
			return second(e.hello.Join(f.Message))
		case PathJoin:
			e.hello.es, e.hello.join = secret.Copy(v.HPKE.EpochSecret), sent.Message
			e.hello.header.Epoch = EpochID(v.Inputs.EpochID)
			return second(e.hello.Finish(f.Message))
		case PathOpen:
			return second(e.batch.Finish(f.Message))
		}
		h := must[Header](t)(ParseHeader(sent.Message))
		return second(e.keys[h.Serial].OpenReply(sent.Message, f.Message, e.sk))
	}
	take := func(msg []byte) error {
		switch f.Path {
		case PathEpoch:
			return second(e.bank.Epoch(msg, 0))
		case PathJoin:
			return second(e.bank.Join(msg))
		case PathTransact:
			return second(e.bank.Transact(msg))
		}
		ob, err := e.bank.Open(msg)
		if err == nil && f.Entry != nil {
			return ob.Entries[*f.Entry].Err
		}
		return err
	}
	if f.After != "" {
		if err := take(v.msg(t, f.After).Message); err != nil {
			t.Fatalf("%s, which comes before: %v", f.After, err)
		}
	}
	return take(f.Message)
}

// Whoever adds a message type, a code, a kind or a result has to add a vector.
func TestEveryTypeHasAVector(t *testing.T) {
	v := loadVectors(t)
	have := make(map[string]map[string]bool)
	note := func(kind string, n int) {
		if have[kind] == nil {
			have[kind] = make(map[string]bool)
		}
		have[kind][string(rune('0'+n))] = true
	}
	for _, m := range v.Messages {
		note("Type", int(m.Type))
		fields, _ := m.Fields.(map[string]any)
		switch m.Type {
		case TypeTransact:
			note("Kind", int(fields["kind"].(float64)))
		case TypeError:
			note("Code", int(fields["code"].(float64)))
		}
	}
	for _, f := range v.Failures {
		for c, name := range codeNames {
			if name == f.Fails {
				note("failing Code", int(c))
			}
		}
	}
	for kind, file := range map[string]string{"Type": "wire.go", "Kind": "message.go", "Code": "errors.go", "failing Code": "errors.go"} {
		typeName := kind[max(0, len(kind)-4):]
		consts := constants(t, file, typeName)
		if len(consts) == 0 {
			t.Errorf("no constants of type %s in %s", typeName, file)
		}
		for name, value := range consts {
			if kind == "failing Code" && name == "Busy" {
				continue // it tells how full the bank is, not how bad a message is
			}
			if !have[kind][string(rune('0'+value))] {
				t.Errorf("%s has no vector (%s)", name, kind)
			}
		}
	}
}

// constants reads the constants of a type out of a source file.
func constants(t *testing.T, file, typeName string) map[string]int {
	out := make(map[string]int)
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, s := range g.Specs {
			c := s.(*ast.ValueSpec)
			if id, ok := c.Type.(*ast.Ident); ok && id.Name == typeName {
				var n int
				if err := json.Unmarshal([]byte(c.Values[0].(*ast.BasicLit).Value), &n); err != nil {
					t.Fatal(err)
				}
				out[c.Names[0].Name] = n
			}
		}
	}
	return out
}

// TestVectorsInAnotherLanguage runs the checker that shares no code with us.
func TestVectorsInAnotherLanguage(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed: docs/protocol/check.mjs was not run")
	}
	out, err := exec.CommandContext(t.Context(), node, "../../docs/protocol/check.mjs").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}
