package dialect

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"starhash/smpp"
)

// The keys of a file.
var (
	rootKeys    = []string{"about", "told_by", "in", "out", "session", "code", "imsi", "others"}
	commonKeys  = []string{"pdu", "service_type", "coding", "gsm", "ucs2"}
	sessionKeys = []string{"parameter", "octets", "mask", "msisdn", "required", "unit", "end_bit"}
)

// operationKey is the key of an operation in a direction.
type operationKey struct {
	name string
	kind Kind
	last bool
	must bool // no dialect can be without
}

var (
	operationsIn  = []operationKey{{"begin", Begin, false, true}, {"reply", Reply, false, true}, {"reply_last", Reply, true, false}, {"acknowledge", Acknowledge, false, false}, {"abort", Abort, false, false}}
	operationsOut = []operationKey{{"ask", Ask, false, true}, {"ask_last", Ask, true, false}, {"notify", Notify, false, false}, {"notify_last", Notify, true, false}, {"end", End, false, true}, {"release", Release, false, false}}
)

// reader makes a Dialect of a file, with what is missing from those it is like.
type reader struct {
	*file
	chain []*file // the file first
}

// at is where a key was found, to report it there.
type at struct {
	*file
	node *yaml.Node
	key  string
}

func (a at) wrong(message, want string) { a.report(a.node.Line, a.key, message, want) }

// get finds a key, in the file or else in those it is like, and reports that it is
// missing.
func (r *reader) get(section, key string) (at, bool) {
	name := key
	if section != "" {
		name = section + "." + key
	}
	for _, f := range r.chain {
		in := f.root
		if section != "" {
			in = lookup(f.root, section)
		}
		if n := lookup(in, key); n != nil {
			return at{f, n, name}, true
		}
		if isWord(in, "none") {
			break // it hides the keys of those behind
		}
	}
	line := 0
	if n := lookup(r.root, section); n != nil {
		line = n.Line
	}
	r.report(line, name, "is missing", "")
	return at{}, false
}

func isWord(n *yaml.Node, word string) bool {
	return n != nil && n.Kind == yaml.ScalarNode && n.Value == word
}

// known reports the keys of a section that nobody reads, and those that are twice.
func (r *reader) known(section string, keys []string) {
	in := r.root
	prefix := ""
	if section != "" {
		in, prefix = lookup(r.root, section), section+"."
	}
	if in == nil {
		return // missing, or the other file's
	}
	if in.Kind != yaml.MappingNode {
		r.report(in.Line, section, "is no section", "the keys "+strings.Join(keys, ", "))
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(in.Content); i += 2 {
		k := in.Content[i]
		if line, again := seen[k.Value]; again {
			r.report(k.Line, prefix+k.Value, fmt.Sprintf("is already set in line %d", line), "one of the two")
		}
		seen[k.Value] = k.Line
		if !slices.Contains(keys, k.Value) {
			r.report(k.Line, prefix+k.Value, "unknown key", "one of "+strings.Join(keys, ", "))
		}
	}
}

func (r *reader) dialect(name string) *Dialect {
	d := &Dialect{name: name}
	r.known("", append(slices.Clone(rootKeys), "like"))
	if a, ok := r.get("", "about"); ok {
		d.about = a.text()
	}
	if a, ok := r.get("", "told_by"); ok {
		d.byService = a.word("ussd_service_op", "service_type") == "service_type"
	}
	if a, ok := r.get("", "code"); ok {
		d.code = a.word(codeInDestination, codeInText, codeInEither)
	}
	if a, ok := r.get("", "imsi"); ok && !a.isNone() {
		d.imsi = smpp.Tag(a.number(1, math.MaxUint16, "a parameter's tag such as 0x1502, or none"))
	}
	if a, ok := r.get("", "others"); ok {
		for _, tag := range a.list() {
			d.others = append(d.others, smpp.Tag(tag.number(1, math.MaxUint16, "a parameter's tag such as 0x1503")))
		}
	}
	d.session = r.session()
	d.in = r.direction("in", operationsIn, d)
	d.out = r.direction("out", operationsOut, d)
	return d
}

func (r *reader) session() (s session) {
	for _, f := range r.chain {
		if n := lookup(f.root, "session"); isWord(n, "none") {
			return session{endBit: endBitNone}
		} else if n != nil {
			break
		}
	}
	r.known("session", sessionKeys)
	if a, ok := r.get("session", "parameter"); ok {
		s.parameter = smpp.Tag(a.number(1, math.MaxUint16, "a parameter's tag such as 0x1383; or session: none"))
	}
	if a, ok := r.get("session", "octets"); ok && !isWord(a.node, "any") {
		s.octets = int(a.number(1, maxSession, "1 to 8, or any"))
	}
	if a, ok := r.get("session", "mask"); ok {
		s.mask = math.MaxUint64
		if !isWord(a.node, "all") {
			s.mask = a.number(1, math.MaxUint64, "the bits of the number such as 0xFF00, or all")
			if s.octets > 0 && s.octets < 8 && s.mask>>(8*s.octets) != 0 {
				a.wrong("has bits outside the octets", fmt.Sprintf("at most 0x%X", uint64(1)<<(8*s.octets)-1))
			}
		}
	}
	if a, ok := r.get("session", "msisdn"); ok {
		s.msisdn = a.word("true", "false") == "true"
	}
	if a, ok := r.get("session", "required"); ok {
		s.required = a.word("true", "false") == "true"
	}
	if a, ok := r.get("session", "unit"); ok {
		s.advance = a.word("advance", "echo") == "advance"
		if s.advance && s.octets != 2 {
			a.wrong("is advance", "echo, because the unit number is in the second of two octets")
		}
		if s.advance && s.mask&0xFE != 0 {
			a.wrong("is advance, and mask has bits 7 to 1 of octet 2", "a mask without them such as 0xFF00: the key would change with every message")
		}
	}
	if a, ok := r.get("session", "end_bit"); ok {
		s.endBit = a.word(endBitNone, endBitTold, endBitEnds)
		if s.endBit != endBitNone {
			s.mask &^= 1
		}
	}
	return s
}

func (r *reader) direction(section string, keys []operationKey, d *Dialect) (dir direction) {
	known := slices.Clone(commonKeys)
	for _, k := range keys {
		known = append(known, k.name)
	}
	r.known(section, known)
	if a, ok := r.get(section, "pdu"); ok {
		single := map[string]smpp.CommandID{"in": smpp.DeliverSM, "out": smpp.SubmitSM}[section]
		dir.pdu = smpp.DataSM
		if a.word(single.String(), smpp.DataSM.String()) != smpp.DataSM.String() {
			dir.pdu = single
		}
	}
	if a, ok := r.get(section, "service_type"); ok {
		for _, t := range a.list() {
			dir.serviceTypes = append(dir.serviceTypes, t.serviceType(0))
		}
		switch {
		case d.byService && len(dir.serviceTypes) > 0:
			a.wrong("is set, and told_by is service_type", "none: the operations' values are the service types")
		case !d.byService && len(dir.serviceTypes) == 0:
			a.wrong("is none", `a service type such as USSD, or ""`)
		}
	}
	if a, ok := r.get(section, "coding"); ok {
		dir.cbs = a.word("smpp", "cbs") == "cbs"
	}
	if a, ok := r.get(section, "gsm"); ok {
		dir.gsm = byte(a.number(0, math.MaxUint8, "a data_coding, 0 to 0xFF"))
	}
	if a, ok := r.get(section, "ucs2"); ok {
		dir.ucs2 = byte(a.number(0, math.MaxUint8, "a data_coding, 0 to 0xFF"))
		if dir.ucs2 == dir.gsm {
			a.wrong("is that of gsm too", "another: nobody could tell the alphabets apart")
		}
	}
	taken := map[string]at{}
	for _, k := range keys {
		a, ok := r.get(section, k.name)
		if !ok {
			continue
		}
		op := operation{kind: k.kind, last: k.last}
		for _, v := range a.list() {
			op.values = append(op.values, v.values(d.byService)...)
		}
		if len(op.values) == 0 {
			if k.must {
				a.wrong("is none", "a value: no dialogue goes without it")
			}
			continue
		}
		dir.operations = append(dir.operations, op)
		r.told(a, op, taken, d)
	}
	return dir
}

// told reports the values of an operation that mean something else already. An ask
// and an end may share one where the end bit tells them apart.
func (r *reader) told(a at, op operation, taken map[string]at, d *Dialect) {
	for _, v := range op.values {
		for n := int(v.first); n <= int(v.last); n++ {
			name := v.service
			if !d.byService {
				name = strconv.Itoa(n)
			}
			other, again := taken[name]
			switch {
			case !again:
				taken[name] = a
			case other.key == a.key:
			case d.session.endBit == endBitEnds && other.key == "out.ask" && op.kind == End:
			default:
				want := "another value"
				if other.key == "out.ask" && op.kind == End {
					want += `, or session.end_bit: ends, which would tell them apart`
				}
				if a.file != r.file {
					a, other = other, a // who says "like" hears of it in their own file
				}
				a.wrong(fmt.Sprintf("%s is %s already, in %s:%d", name, other.key, other.name, other.node.Line), want)
				return
			}
		}
	}
}

func (a at) isNone() bool { return isWord(a.node, "none") }

// list is the elements of a list, or the one that stands without brackets; none of none.
func (a at) list() []at {
	if a.node.Kind != yaml.SequenceNode {
		if a.isNone() {
			return nil
		}
		return []at{a}
	}
	var list []at
	for _, n := range a.node.Content {
		list = append(list, at{a.file, n, a.key})
	}
	return list
}

func (a at) text() string {
	if a.node.Kind != yaml.ScalarNode || strings.TrimSpace(a.node.Value) == "" {
		a.wrong("is no text", "one line for people")
	}
	return a.node.Value
}

// word is one of a few words; the first when it is none of them.
func (a at) word(words ...string) string {
	if a.node.Kind == yaml.ScalarNode && slices.Contains(words, a.node.Value) {
		return a.node.Value
	}
	a.wrong("is "+shown(a.node), "one of "+strings.Join(words, ", "))
	return words[0]
}

// number is a whole number, decimal or hexadecimal with 0x.
func (a at) number(low, high uint64, want string) uint64 {
	if n, ok := parseNumber(a.node.Value); ok && a.node.Kind == yaml.ScalarNode && n >= low && n <= high {
		return n
	}
	a.wrong("is "+shown(a.node), want)
	return low
}

// parseNumber refuses leading zeros, which read as octal to some.
func parseNumber(text string) (uint64, bool) {
	base, digits := 10, text
	if hex, ok := strings.CutPrefix(text, "0x"); ok {
		base, digits = 16, hex
	} else if len(text) > 1 && text[0] == '0' {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, base, 64)
	return n, err == nil
}

func shown(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a section"
	case yaml.SequenceNode:
		return "a list"
	}
	return strconv.Quote(n.Value)
}

// serviceType is a service_type: §5.2.11, at most 5 characters of ASCII.
func (a at) serviceType(least int) string {
	v := a.node.Value
	if a.node.Kind != yaml.ScalarNode || len(v) < least || len(v) > 5 || strings.Trim(v, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") != "" {
		a.wrong("is "+shown(a.node), fmt.Sprintf("a service type: %d to 5 letters and digits", least))
	}
	return v
}

// values reads one element of an operation: 18, 0x12, 32-255, PSSRR; or with the
// reason that an Abort of that value has, 65: the subscriber hung up.
func (a at) values(byService bool) []value {
	if a.node.Kind == yaml.MappingNode {
		var values []value
		for i := 0; i+1 < len(a.node.Content); i += 2 {
			for _, v := range (at{a.file, a.node.Content[i], a.key}).values(byService) {
				v.reason = a.node.Content[i+1].Value
				values = append(values, v)
			}
		}
		return values
	}
	if byService {
		return []value{{service: a.serviceType(1)}}
	}
	from, to, isRange := strings.Cut(a.node.Value, "-")
	if !isRange {
		to = from
	}
	first, ok := parseNumber(from)
	last, ok2 := parseNumber(to)
	if a.node.Kind != yaml.ScalarNode || !ok || !ok2 || first > last || last > math.MaxUint8 {
		a.wrong("is "+shown(a.node), "a ussd_service_op from 0 to 255, decimal or 0x…, or a range such as 32-255")
		return nil
	}
	return []value{{first: byte(first), last: byte(last)}}
}
