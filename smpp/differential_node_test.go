package smpp

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestNode(t *testing.T) {
	n := newNode(t)
	t.Run("decodes ours", n.decodesOurs)
	t.Run("ours decodes its", n.oursDecodes)
	t.Run("defects", n.defects)
	t.Run("constants", n.constants)
}

// node is node-smpp's codec, as the path of its modules.
type node string

func newNode(t *testing.T) node {
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not here: apt-get install nodejs npm", program)
		}
	}
	const source = "../cmd/starhash/testdata/node-smsc" // where the SMSC of the gateway's test has its packages
	dir := source
	if _, err := os.Stat(filepath.Join(source, "node_modules")); err != nil {
		dir = t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(source)); err != nil {
			t.Fatal(err)
		}
		c := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
		c.Dir = dir
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("npm ci: %v\n%s", err, out)
		}
	}
	modules, err := filepath.Abs(filepath.Join(dir, "node_modules"))
	if err != nil {
		t.Fatal(err)
	}
	return node(modules)
}

// run gives orders to testdata/node-codec.cjs and its answers back.
func (n node) run(t *testing.T, orders []any) []json.RawMessage {
	t.Helper()
	var in, diagnostics bytes.Buffer
	for _, o := range orders {
		if err := json.NewEncoder(&in).Encode(o); err != nil {
			t.Fatal(err)
		}
	}
	c := exec.CommandContext(t.Context(), "node", "testdata/node-codec.cjs")
	c.Env = append(os.Environ(), "NODE_PATH="+string(n))
	c.Stdin, c.Stderr = &in, &diagnostics
	out, err := c.Output()
	if err != nil {
		t.Fatalf("node: %v\n%s", err, &diagnostics)
	}
	var answers []json.RawMessage
	for line := range bytes.Lines(out) {
		answers = append(answers, bytes.TrimSpace(line))
	}
	if len(answers) != len(orders) {
		t.Fatalf("%d answers to %d orders", len(answers), len(orders))
	}
	return answers
}

type fields = map[string]any

// fieldsOf is a PDU as testdata/node-codec.cjs writes it, without its
// command_length.
func fieldsOf(p PDU) fields {
	f := fields{"command": p.Command.String(), "command_id": uint32(p.Command), "command_status": uint32(p.Status), "sequence_number": p.Sequence}
	address := func(to fields, kind, name string, a Address) {
		to[kind+"_addr_ton"], to[kind+"_addr_npi"], to[name] = a.TON, a.NPI, a.Addr
	}
	source := func(a Address) { address(f, "source", "source_addr", a) }
	dest := func(to fields, a Address) { address(to, "dest", "destination_addr", a) }
	message := func(m *Message) {
		source(m.Source)
		f["service_type"], f["esm_class"], f["registered_delivery"], f["data_coding"] = m.ServiceType, m.ESMClass, m.RegisteredDelivery, m.DataCoding
		if p.Command == DataSM {
			return
		}
		f["protocol_id"], f["priority_flag"], f["schedule_delivery_time"], f["validity_period"] = m.ProtocolID, m.PriorityFlag, m.ScheduleTime, m.ValidityPeriod
		f["replace_if_present_flag"], f["sm_default_msg_id"], f["short_message"] = m.ReplaceIfPresent, m.SMDefaultMsgID, ""
		if len(m.Payload) <= maxShortMessage {
			f["short_message"] = hex.EncodeToString(m.Payload)
		}
	}
	switch b := p.Body.(type) {
	case *Bind:
		f["system_id"], f["password"], f["system_type"], f["interface_version"] = b.SystemID, string(b.Password.Reveal()), b.SystemType, b.InterfaceVersion
		f["addr_ton"], f["addr_npi"], f["address_range"] = b.Address.TON, b.Address.NPI, b.Address.Addr
	case *BindResp:
		f["system_id"] = b.SystemID
	case *Outbind:
		f["system_id"], f["password"] = b.SystemID, string(b.Password.Reveal())
	case *Message:
		message(b)
		dest(f, b.Dest)
	case *SubmitMultiple:
		message(&b.Message)
		dests := []fields{}
		for _, d := range b.Dests {
			one := fields{"dl_name": d.DistributionList}
			if d.DistributionList == "" {
				one = fields{}
				dest(one, d.Address)
			}
			dests = append(dests, one)
		}
		f["dest_address"] = dests
	case *MessageResp:
		f["message_id"] = b.MessageID
	case *SubmitMultipleResp:
		f["message_id"] = b.MessageID
		unsuccessful := []fields{}
		for _, u := range b.Unsuccessful {
			one := fields{"error_status_code": uint32(u.Status)}
			dest(one, u.Address)
			unsuccessful = append(unsuccessful, one)
		}
		f["unsuccess_sme"] = unsuccessful
	case *Query:
		f["message_id"] = b.MessageID
		source(b.Source)
	case *QueryResp:
		f["message_id"], f["final_date"], f["message_state"], f["error_code"] = b.MessageID, b.FinalDate, byte(b.State), b.ErrorCode
	case *Cancel:
		f["service_type"], f["message_id"] = b.ServiceType, b.MessageID
		source(b.Source)
		dest(f, b.Dest)
	case *Replace:
		f["message_id"], f["schedule_delivery_time"], f["validity_period"] = b.MessageID, b.ScheduleTime, b.ValidityPeriod
		f["registered_delivery"], f["sm_default_msg_id"], f["short_message"] = b.RegisteredDelivery, b.SMDefaultMsgID, hex.EncodeToString(b.Payload)
		source(b.Source)
	case *AlertNotification:
		source(b.Source)
		address(f, "esme", "esme_addr", b.ESME)
	}
	tlvs := map[Tag][]string{}
	for _, o := range *tlvsOf(p.Body) {
		tlvs[o.Tag] = append(tlvs[o.Tag], hex.EncodeToString(o.Value))
	}
	var payload []byte
	switch b := p.Body.(type) {
	case *Message:
		payload = b.Payload
	case *SubmitMultiple:
		payload = b.Payload
	}
	if len(payload) > maxShortMessage || p.Command == DataSM && len(payload) > 0 {
		tlvs[TagMessagePayload] = []string{hex.EncodeToString(payload)}
	}
	f["tlvs"] = tlvs
	return f
}

// forNode are generated PDUs that node-smpp can hold: see defects.
func forNode() (ps []PDU) {
	g := newGenerator()
	for _, c := range everyCommand {
		for range perCommand {
			ps = append(ps, g.pdu(c))
		}
	}
	return ps
}

func (n node) decodesOurs(t *testing.T) {
	ps := forNode()
	var orders []any
	for _, p := range ps {
		orders = append(orders, fields{"decode": hex.EncodeToString(appended(t, p))})
	}
	wrong := map[CommandID]int{}
	for i, answer := range n.run(t, orders) {
		p := ps[i]
		want := fieldsOf(p)
		want["command_length"] = len(appended(t, p))
		got, expect := canonical(t, answer), canonical(t, want)
		if got != expect {
			if wrong[p.Command]++; wrong[p.Command] == 1 {
				t.Errorf("%s\nnode %s\nwant %s", p.Command, got, expect)
			}
		}
	}
}

func canonical(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var f any
	if err := json.Unmarshal(b, &f); err != nil {
		t.Fatal(err)
	}
	b, _ = json.Marshal(f)
	return string(b)
}

func (n node) oursDecodes(t *testing.T) {
	ps := forNode()
	var orders []any
	for _, p := range ps {
		orders = append(orders, fields{"encode": fieldsOf(p)})
	}
	wrong := map[CommandID]bool{}
	for i, answer := range n.run(t, orders) {
		p := ps[i]
		var octets string
		if err := json.Unmarshal(answer, &octets); err != nil {
			t.Fatalf("%s: %s", spell(p), answer)
		}
		frame, _ := hex.DecodeString(octets)
		got, err := Decode(frame)
		if err != nil {
			t.Fatalf("%s: %v\n%s", spell(p), err, octets)
		}
		if !wrong[p.Command] && !same(t, fmt.Sprintf("we read %s", octets), got, p) {
			wrong[p.Command] = true
		}
	}
}

// defects: what node-smpp does otherwise, and the clause that says how
// it should be.
func (n node) defects(t *testing.T) {
	parameter := func(ts ...TLV) PDU {
		m := mo("263771000001", "text")
		m.TLVs = ts
		return PDU{Command: DeliverSM, Sequence: 1, Body: m}
	}
	refusal := PDU{Command: DataSMResp, Status: StatusDeliveryFailure, Sequence: 1, Body: &MessageResp{"1", TLVs{{TagDeliveryFailureReason, []byte{3}}}}}
	cases := []struct {
		name string
		p    PDU
		as   string // encode or decode
		want string // how node-smpp fails
	}{
		// §4.7.2: a data_sm_resp that refuses says why in its parameters.
		{"a body beside a status", refusal, "encode", "differs"},
		// §5.3.2.41: alert_on_message_delivery has no value; node-smpp takes what follows for one.
		{"alert_on_message_delivery", parameter(TLV{TagAlertOnMessageDelivery, []byte{}}), "decode", "error"},
		// §5.3.2.8: source_telematics_id is one octet, not two.
		{"source_telematics_id", parameter(TLV{TagSourceTelematicsID, []byte{1}}), "decode", "error"},
		// §5.3.2.37: a parameter may come again; node-smpp knows that of callback_num alone.
		{"parameter twice", parameter(TLV{0x1400, []byte{1}}, TLV{0x1400, []byte{2}}), "decode", "differs"},
		// §5.3.1: a PDU may hold a message_payload of 65,535 octets; node-smpp stops at 16,384.
		{"long PDU", PDU{Command: DataSM, Sequence: 1, Body: &Message{Payload: make([]byte, 20000)}}, "decode", "error"},
	}
	var orders, wanted []any
	for _, tc := range cases {
		frame := appended(t, tc.p)
		if tc.as == "encode" {
			orders, wanted = append(orders, fields{"encode": fieldsOf(tc.p)}), append(wanted, hex.EncodeToString(frame))
			continue
		}
		want := fieldsOf(tc.p)
		want["command_length"] = len(frame)
		orders, wanted = append(orders, fields{"decode": hex.EncodeToString(frame)}), append(wanted, want)
	}
	for i, answer := range n.run(t, orders) {
		tc := cases[i]
		got := "equal"
		switch {
		case bytes.Contains(answer, []byte(`"error"`)):
			got = "error"
		case canonical(t, answer) != canonical(t, wanted[i]):
			got = "differs"
		}
		if got != tc.want {
			t.Errorf("%s: %s, want %s: is the exception still needed?\n%s", tc.name, got, tc.want, answer)
		}
	}
}

// constants compares every command_id, status, tag, message type and
// state with node-smpp's tables.
func (n node) constants(t *testing.T) {
	var theirs struct {
		Commands        map[string]CommandID
		TLVs            map[string]Tag
		Errors          map[string]Status
		States, Classes map[string]byte
	}
	if err := json.Unmarshal(n.run(t, []any{fields{"constants": true}})[0], &theirs); err != nil {
		t.Fatal(err)
	}
	for c, name := range commandNames {
		if id, ok := theirs.Commands[name]; !ok || id != c {
			t.Errorf("%s is 0x%08X, 0x%08X to node-smpp", name, uint32(c), uint32(id))
		}
	}
	renamed := map[string]string{ // in SMPP 5.0
		"ESME_RINVOPTPARSTREAM": "ESME_RINVTLVSTREAM", "ESME_ROPTPARNOTALLWD": "ESME_RTLVNOTALLWD", "ESME_RINVPARLEN": "ESME_RINVTLVLEN",
		"ESME_RMISSINGOPTPARAM": "ESME_RMISSINGTLV", "ESME_RINVOPTPARAMVAL": "ESME_RINVTLVVAL",
	}
	for s, name := range statusNames {
		if newer, ok := renamed[name]; ok {
			name = newer
		}
		if v, ok := theirs.Errors[name]; !ok || v != s {
			t.Errorf("%s is 0x%X, 0x%X to node-smpp", name, uint32(s), uint32(v))
		}
	}
	for name, v := range theirs.Errors {
		if _, ok := statusNames[v]; !ok && v < 0x100 { // those over it came with SMPP 5.0
			t.Errorf("%s has no name here", name)
		}
	}

	plain := func(name string) string { return strings.ToLower(strings.ReplaceAll(name, "_", "")) }
	tags := map[string]Tag{}
	for name, tag := range theirs.TLVs {
		tags[plain(name)] = tag
	}
	tags["destinationport"] = tags["destport"] // §5.3.2.21 calls it destination_port
	ours := tagConstants(t)
	for name, tag := range ours {
		if v, ok := tags[plain(name)]; !ok || v != tag {
			t.Errorf("%s is %04X, %04X to node-smpp", name, uint16(tag), uint16(v))
		}
	}
	if len(ours) != 44 {
		t.Errorf("%d tags have a name, 44 in §5.3.2", len(ours))
	}
	for name, want := range map[string]MessageState{"ENROUTE": StateEnroute, "DELIVERED": StateDelivered, "EXPIRED": StateExpired, "DELETED": StateDeleted,
		"UNDELIVERABLE": StateUndeliverable, "ACCEPTED": StateAccepted, "UNKNOWN": StateUnknown, "REJECTED": StateRejected} {
		if theirs.States[name] != byte(want) {
			t.Errorf("%s is %d, %d to node-smpp", name, want, theirs.States[name])
		}
	}
	for name, want := range map[string]byte{"MC_DELIVERY_RECEIPT": ESMClassReceipt, "DELIVERY_ACKNOWLEDGEMENT": ESMClassDeliveryAck,
		"USER_ACKNOWLEDGEMENT": ESMClassManualAck, "CONVERSATION_ABORT": ESMClassConversationAbort, "INTERMEDIATE_DELIVERY": ESMClassIntermediate, "UDH_INDICATOR": ESMClassUDHI} {
		if theirs.Classes[name] != want {
			t.Errorf("%s is %02X, %02X to node-smpp", name, want, theirs.Classes[name])
		}
	}
}

// tagConstants are the constants TagX of pdu.go, by X.
func tagConstants(t *testing.T) map[string]Tag {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "pdu.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	tags := map[string]Tag{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Tag") {
			return true
		}
		v, err := strconv.ParseUint(spec.Values[0].(*ast.BasicLit).Value, 0, 16)
		if err != nil {
			t.Fatal(err)
		}
		tags[strings.TrimPrefix(spec.Names[0].Name, "Tag")] = Tag(v)
		return true
	})
	return tags
}
