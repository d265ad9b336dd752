package smsc

import (
	"strconv"
	"strings"
	"sync"

	"starhash/smpp"
)

// Faults is how the simulator misbehaves. PUT /faults replaces all of it; {} makes
// it behave. What is counted in a Count is reported by GET /faults as what is left.
type Faults struct {
	Delay           Duration `json:"delay,omitempty"`             // every submit_sm_resp and data_sm_resp is this late; they stay in order
	Throttle        Count    `json:"throttle,omitempty"`          // submit_sm answered ESME_RTHROTTLED, not delivered
	SubmitStatus    string   `json:"submit_status,omitempty"`     // status of every submit_sm, not delivered: "ESME_RSYSERR"
	NoResp          Count    `json:"no_resp,omitempty"`           // submit_sm delivered, never answered
	DropAfterSubmit Count    `json:"drop_after_submit,omitempty"` // submit_sm delivered, and the connection cut in place of an answer
	DropAfterMO     Count    `json:"drop_after_mo,omitempty"`     // the connection cut once a phone's message was written; its answer is not read
	BindStatus      string   `json:"bind_status,omitempty"`       // status of every bind: "ESME_RBINDFAIL"
	NoEnquireResp   bool     `json:"no_enquire_resp,omitempty"`   // enquire_link is not answered
	ReceiptState    string   `json:"receipt_state,omitempty"`     // state of every receipt: "UNDELIV", "EXPIRED", "REJECTD"; otherwise DELIVRD
	ReceiptFirst    bool     `json:"receipt_first,omitempty"`     // the receipt overtakes its submit_sm_resp on a transceiver's connection
	NoReceipt       Count    `json:"no_receipt,omitempty"`        // receipts lost
}

// check says what is wrong with the faults.
func (f *Faults) check() error {
	for key, name := range map[string]string{"submit_status": f.SubmitStatus, "bind_status": f.BindStatus} {
		if name == "" {
			continue
		}
		if s, ok := smpp.ParseStatus(name); !ok || s == smpp.StatusOK {
			return mistakef("%s: %q is not the name of an error status such as ESME_RSYSERR", key, name)
		}
	}
	if _, ok := messageStates[f.ReceiptState]; !ok && f.ReceiptState != "" {
		return mistakef("receipt_state: %q is no state of a receipt such as UNDELIV", f.ReceiptState)
	}
	return nil
}

// faultStatus is the error status of a name that was checked, or StatusOK.
func faultStatus(name string) smpp.Status {
	s, _ := smpp.ParseStatus(name)
	return s
}

// faultBox is the current Faults, shared by all connections.
type faultBox struct {
	mu sync.Mutex
	f  Faults
}

func (b *faultBox) set(f Faults) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.f = f
}

func (b *faultBox) get() Faults {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.f
}

// take uses up one of the count that pick points at.
func (b *faultBox) take(pick func(*Faults) *Count) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return pick(&b.f).take()
}

// magicPrefix begins the destinations that call up a status by themselves. Country
// code 999 is reserved (ITU-T E.164), so no true number is hit.
const magicPrefix = "999"

// magicStatus reads the status out of such a destination: 999 and three decimal
// digits. silent is 999000: no answer.
func magicStatus(dest string) (status smpp.Status, silent, ok bool) {
	digits, ok := strings.CutPrefix(msisdn(dest), magicPrefix)
	if !ok || len(digits) < 3 {
		return 0, false, false
	}
	n, err := strconv.ParseUint(digits[:3], 10, 32)
	if err != nil {
		return 0, false, false
	}
	return smpp.Status(n), n == 0, true
}
