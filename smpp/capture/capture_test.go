package capture_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"starhash/smpp"
	"starhash/smpp/capture"
)

// frame is a PDU as octets.
func frame(t testing.TB, p smpp.PDU) []byte {
	t.Helper()
	octets, err := smpp.Append(nil, p)
	if err != nil {
		t.Fatal(err)
	}
	return octets
}

func message(t testing.TB, c smpp.CommandID, sequence uint32, text string) []byte {
	return frame(t, smpp.PDU{Command: c, Sequence: sequence, Body: &smpp.Message{Source: smpp.Address{Addr: "263771000001"}, Payload: []byte(text)}})
}

// segment is a TCP segment of a connection of which one side is the SMSC.
type segment struct {
	fromSMSC bool
	sequence uint32
	syn      bool
	octets   []byte
}

const first = 1_000_000 // sequence number of the first octet of either side

// pcap writes segments as tcpdump does; ng as tshark does.
func pcap(t testing.TB, ng bool, segments ...segment) []byte {
	t.Helper()
	var file bytes.Buffer
	var write func(gopacket.CaptureInfo, []byte) error
	if ng {
		w, err := pcapgo.NewNgWriter(&file, layers.LinkTypeEthernet)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Flush()
		write = func(i gopacket.CaptureInfo, b []byte) error { return errors.Join(w.WritePacket(i, b), w.Flush()) }
	} else {
		w := pcapgo.NewWriter(&file)
		if err := w.WriteFileHeader(1<<16, layers.LinkTypeEthernet); err != nil {
			t.Fatal(err)
		}
		write = w.WritePacket
	}
	for i, s := range segments {
		src, dst := net.IP{192, 0, 2, 1}, net.IP{192, 0, 2, 2}
		from, to := layers.TCPPort(40000), layers.TCPPort(2775)
		if s.fromSMSC {
			src, dst, from, to = dst, src, to, from
		}
		ether := &layers.Ethernet{SrcMAC: make(net.HardwareAddr, 6), DstMAC: make(net.HardwareAddr, 6), EthernetType: layers.EthernetTypeIPv4}
		ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolTCP, SrcIP: src, DstIP: dst}
		tcp := &layers.TCP{SrcPort: from, DstPort: to, Seq: s.sequence, SYN: s.syn, ACK: true, Window: 1000}
		if err := tcp.SetNetworkLayerForChecksum(ip); err != nil {
			t.Fatal(err)
		}
		out := gopacket.NewSerializeBuffer()
		if err := gopacket.SerializeLayers(out, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ether, ip, tcp, gopacket.Payload(s.octets)); err != nil {
			t.Fatal(err)
		}
		info := gopacket.CaptureInfo{Timestamp: time.Unix(1_700_000_000+int64(i), 0), CaptureLength: len(out.Bytes()), Length: len(out.Bytes())}
		if err := write(info, out.Bytes()); err != nil {
			t.Fatal(err)
		}
	}
	return file.Bytes()
}

// texts are the messages of a capture, with where they came from.
func texts(t *testing.T, file []byte) (all []string, undecoded int) {
	t.Helper()
	pdus, undecoded, err := capture.Read(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pdus {
		if m, ok := p.Body.(*smpp.Message); ok {
			from := "esme "
			if p.FromSMSC {
				from = "smsc "
			}
			all = append(all, from+string(m.Payload))
		}
	}
	return all, undecoded
}

func TestPcap(t *testing.T) {
	one, two, three := message(t, smpp.DeliverSM, 1, "one"), message(t, smpp.DeliverSM, 2, "two"), message(t, smpp.DataSM, 3, "three")
	answer := message(t, smpp.DataSM, 9, "answer")
	stream := slices.Concat(one, two, three)
	broken := slices.Clone(two)
	for i := range broken[16:] {
		broken[16+i] = 0xFF // no message
	}
	part := func(from, to int) segment {
		return segment{fromSMSC: true, sequence: first + uint32(from), octets: stream[from:to]}
	}
	syn := segment{fromSMSC: true, sequence: first - 1, syn: true}
	for name, tt := range map[string]struct {
		segments  []segment
		want      []string
		undecoded int
	}{
		"one segment each":   {[]segment{syn, part(0, len(one)), part(len(one), len(stream))}, []string{"smsc one", "smsc two", "smsc three"}, 0},
		"cut anywhere":       {[]segment{syn, part(0, 3), part(3, 21), part(21, len(one)+7), part(len(one)+7, len(stream))}, []string{"smsc one", "smsc two", "smsc three"}, 0},
		"out of order":       {[]segment{syn, part(20, 60), part(0, 20), part(60, len(stream))}, []string{"smsc one", "smsc two", "smsc three"}, 0},
		"sent again":         {[]segment{syn, part(0, 40), part(0, 40), part(20, 60), part(60, len(stream))}, []string{"smsc one", "smsc two", "smsc three"}, 0},
		"begins in a PDU":    {[]segment{part(5, len(stream))}, []string{"smsc two", "smsc three"}, 0},
		"a segment is lost":  {[]segment{syn, part(0, len(one)), part(len(one)+5, len(one)+9), part(len(one)+len(two), len(stream))}, []string{"smsc one", "smsc three"}, 0},
		"both sides":         {[]segment{syn, part(0, len(one)), {sequence: first, octets: answer}, part(len(one), len(stream))}, []string{"smsc one", "esme answer", "smsc two", "smsc three"}, 0},
		"what is no message": {[]segment{syn, part(0, len(one)), {fromSMSC: true, sequence: first + uint32(len(one)), octets: broken}}, []string{"smsc one"}, 1},
	} {
		for _, ng := range []bool{false, true} {
			got, undecoded := texts(t, pcap(t, ng, tt.segments...))
			if !slices.Equal(got, tt.want) || undecoded != tt.undecoded {
				t.Errorf("%s, pcapng %v: %q and %d undecoded, want %q and %d", name, ng, got, undecoded, tt.want, tt.undecoded)
			}
		}
	}
	// tcpdump was stopped while it wrote.
	file := pcap(t, false, syn, part(0, len(one)), part(len(one), len(stream)))
	if got, _ := texts(t, file[:len(file)-5]); !slices.Equal(got, []string{"smsc one"}) {
		t.Errorf("a file without its end: %q", got)
	}
}

func TestHex(t *testing.T) {
	deliver, submit, data := hex.EncodeToString(message(t, smpp.DeliverSM, 1, "one")), hex.EncodeToString(message(t, smpp.SubmitSM, 2, "two")), hex.EncodeToString(message(t, smpp.DataSM, 3, "three"))
	spaced := strings.Join(strings.Split(deliver, "0"), " 0")
	got, undecoded := texts(t, []byte("# a dialogue\n\n"+deliver+"\n"+spaced+"\nout "+strings.ToUpper(submit)+"\n"+submit+"\nin "+data+"\nout "+data+"\n"+deliver[:20]+"\n"))
	if want := []string{"smsc one", "smsc one", "esme two", "esme two", "smsc three", "esme three"}; !slices.Equal(got, want) || undecoded != 1 {
		t.Errorf("%q, %d undecoded", got, undecoded)
	}
	for text, want := range map[string]string{
		"hello\n":   "line 1 is neither hexadecimal nor a pcap file",
		data + "\n": `line 1: a data_sm goes both ways; write "in " before what the SMSC sent, "out " before what the ESME did`,
		"":          capture.ErrNone.Error(),
		"# none\n":  capture.ErrNone.Error(),
	} {
		if _, _, err := capture.Read(strings.NewReader(text)); err == nil || err.Error() != want {
			t.Errorf("%.20q: %v, want %s", text, err, want)
		}
	}
}

// Whatever is in a file, Read answers.
func FuzzRead(f *testing.F) {
	one := message(f, smpp.DeliverSM, 1, "one")
	syn := segment{fromSMSC: true, sequence: first - 1, syn: true}
	all := segment{fromSMSC: true, sequence: first, octets: slices.Concat(one, one)}
	f.Add(pcap(f, false, syn, all))
	f.Add(pcap(f, true, syn, all))
	f.Add(pcap(f, false, segment{sequence: first + 7, octets: one[7:]}))
	f.Add([]byte(hex.EncodeToString(one)))
	f.Add([]byte("in " + hex.EncodeToString(one[:17])))
	f.Fuzz(func(t *testing.T, file []byte) {
		pdus, _, err := capture.Read(bytes.NewReader(file))
		if err != nil && errors.Is(err, io.EOF) {
			t.Fatalf("the end of a file is no error: %v", err)
		}
		if err == nil && len(pdus) == 0 {
			t.Fatal("nothing, and no error")
		}
	})
}
