package smpp

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"
)

// part is one mandatory field of a body, as the specification has it.
type part struct {
	name   string // of a C-octet string; empty: octets
	max    int    // characters without the NUL
	status Status // refuses a longer one
	octets string
}

func octets(s string) part { return part{octets: s} }

// layouts are the bodies that hold C-octet strings: §4.
func layouts() map[CommandID][]part {
	var (
		kind     = octets("\x01\x01") // TON and NPI
		service  = part{name: "service_type", max: 5, status: StatusInvSerTyp}
		source   = part{name: "source_addr", max: 20, status: StatusInvSrcAdr}
		dest     = part{name: "destination_addr", max: 20, status: StatusInvDstAdr}
		schedule = part{name: "schedule_delivery_time", max: 16, status: StatusInvSched}
		validity = part{name: "validity_period", max: 16, status: StatusInvExpiry}
		id       = part{name: "message_id", max: 64, status: StatusInvMsgID}
		system   = part{name: "system_id", max: 15, status: StatusInvSysID}
		password = part{name: "password", max: 64, status: StatusInvPaswd}
		longFrom = part{name: "source_addr", max: 64, status: StatusInvSrcAdr}
		longTo   = part{name: "esme_addr", max: 64, status: StatusInvDstAdr}
	)
	message := []part{service, kind, source, kind, dest, octets("\x00\x00\x00"), schedule, validity, octets("\x00\x00\x00\x00\x01x")}
	bind := []part{system, password, {name: "system_type", max: 12, status: StatusInvSysTyp}, octets("\x34"), kind,
		{name: "address_range", max: 40, status: StatusInvParLen}}
	return map[CommandID][]part{
		BindReceiver: bind, BindTransmitter: bind, BindTransceiver: bind,
		BindReceiverResp: {system}, BindTransmitterResp: {system}, BindTransceiverResp: {system},
		CommandOutbind: {system, password},
		SubmitSM:       message, DeliverSM: message,
		SubmitSMResp: {id}, DeliverSMResp: {id}, DataSMResp: {id},
		DataSM: {service, kind, longFrom, kind, longTo, octets("\x00\x00\x00")},
		SubmitMulti: {service, kind, source, octets("\x02\x01"), kind, dest, octets("\x02"),
			{name: "dl_name", max: 20, status: StatusInvDLName}, octets("\x00\x00\x00"), schedule, validity, octets("\x00\x00\x00\x00\x01x")},
		SubmitMultiResp: {id, octets("\x01"), kind, dest, octets("\x00\x00\x00\x0B")},
		QuerySM:         {id, kind, source},
		QuerySMResp:     {id, {name: "final_date", max: 16, status: StatusInvParLen}, octets("\x02\x00")},
		CancelSM:        {service, id, kind, source, kind, dest},
		ReplaceSM:       {id, kind, source, schedule, validity, octets("\x00\x00\x01x")},
		CommandAlert:    {kind, longFrom, kind, longTo},
	}
}

// TestFieldLimits gives every C-octet string of every operation as many
// characters as it may have, and one more.
func TestFieldLimits(t *testing.T) {
	for c, parts := range layouts() {
		for long, field := range parts {
			if field.name == "" {
				continue
			}
			for _, n := range []int{field.max, field.max + 1} {
				frame := header(c, 0, 1)
				for i, p := range parts {
					switch {
					case i == long:
						frame = append(frame, strings.Repeat("1", n)...)
					case p.name != "":
						frame = append(frame, '1')
					}
					if p.name != "" {
						p.octets = "\x00"
					}
					frame = append(frame, p.octets...)
				}
				binary.BigEndian.PutUint32(frame, uint32(len(frame)))
				p, err := Decode(frame)
				var de *DecodeError
				switch {
				case n <= field.max && err != nil:
					t.Errorf("%s, %s of %d: %v", c, field.name, n, err)
				case n <= field.max:
					if again := appended(t, p); string(again) != string(frame) {
						t.Errorf("%s, %s of %d: written again as %x", c, field.name, n, again)
					}
				case !errors.As(err, &de) || de.Status != field.status:
					t.Errorf("%s, %s of %d: %v, want %s", c, field.name, n, err, field.status)
				}
				if slices.Contains(messageCommands, c) {
					agree(t, c, frame[HeaderLen:])
				}
			}
		}
	}
}
