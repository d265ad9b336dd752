package smsc

import (
	"strconv"
	"strings"

	"starhash/smpp"
)

// fault names one of the faults that are counted.
type fault int

const (
	noBindResp fault = iota
	noUnbindResp
	noEnquireResp

	lateResp
	noResp
	duplicateResp
	throttle
	queueFull
	genericNack
	dropAfterSubmit
	dropAfterResp

	receiptFirst
	lateReceipt
	noReceipt
	duplicateReceipt
	intermediate
	bareReceipt

	dropAfterMO
	dropOnAck
	unbindAfterMO
	duplicateMO
	reorderMO
	longPayload
	sequenceCollision
	vendorTLVs
	singleOctets
	badCommandLength
	badSMLength
	badTLVLength
	badPart
	unknownCommand
	strayNack
	strayResp

	ussdReplyTwice
	ussdSameSequence
	ussdGarbage
	ussdLost
	ussdAbortAfterPIN

	faultCount
)

// magicPrefix begins the numbers that call up a fault by themselves: destinations of
// what an ESME submits, sources of what a phone sends. Country code 999 is reserved
// (ITU-T E.164), so no true number is hit. Three decimal digits follow:
//
//	000         no answer, as no_resp
//	001 to 299  that command_status, not delivered: 999088… is ESME_RTHROTTLED, 88
//	301 to 329  a fault of the table below, of destinations
//	331 to 349  what becomes of the message, of destinations: magicStates
//	351 to 399  a fault of the table below, of sources
const magicPrefix = "999"

// faultTable says of each fault where it is counted and which magic number calls it
// up; 0: none, because it does not concern one message.
var faultTable = [faultCount]struct {
	magic int
	count func(*Faults) *Count
}{
	noBindResp:    {0, func(f *Faults) *Count { return &f.NoBindResp }},
	noUnbindResp:  {0, func(f *Faults) *Count { return &f.NoUnbindResp }},
	noEnquireResp: {0, func(f *Faults) *Count { return &f.NoEnquireResp }},

	// Destinations.
	noResp:           {magicSilence, func(f *Faults) *Count { return &f.NoResp }},
	throttle:         {int(smpp.StatusThrottled), func(f *Faults) *Count { return &f.Throttle }},
	queueFull:        {int(smpp.StatusMsgQFul), func(f *Faults) *Count { return &f.QueueFull }},
	lateResp:         {301, func(f *Faults) *Count { return &f.LateResp }},
	duplicateResp:    {302, func(f *Faults) *Count { return &f.DuplicateResp }},
	genericNack:      {303, func(f *Faults) *Count { return &f.GenericNack }},
	dropAfterSubmit:  {304, func(f *Faults) *Count { return &f.DropAfterSubmit }},
	dropAfterResp:    {305, func(f *Faults) *Count { return &f.DropAfterResp }},
	receiptFirst:     {311, func(f *Faults) *Count { return &f.ReceiptFirst }},
	lateReceipt:      {312, func(f *Faults) *Count { return &f.LateReceipt }},
	noReceipt:        {313, func(f *Faults) *Count { return &f.NoReceipt }},
	duplicateReceipt: {314, func(f *Faults) *Count { return &f.DuplicateReceipt }},
	intermediate:     {315, func(f *Faults) *Count { return &f.Intermediate }},
	bareReceipt:      {316, func(f *Faults) *Count { return &f.BareReceipt }},

	// Sources.
	dropAfterMO:       {351, func(f *Faults) *Count { return &f.DropAfterMO }},
	dropOnAck:         {352, func(f *Faults) *Count { return &f.DropOnAck }},
	unbindAfterMO:     {353, func(f *Faults) *Count { return &f.UnbindAfterMO }},
	duplicateMO:       {354, func(f *Faults) *Count { return &f.DuplicateMO }},
	reorderMO:         {355, func(f *Faults) *Count { return &f.ReorderMO }},
	longPayload:       {356, func(f *Faults) *Count { return &f.LongPayload }},
	sequenceCollision: {357, func(f *Faults) *Count { return &f.SequenceCollision }},
	vendorTLVs:        {358, func(f *Faults) *Count { return &f.VendorTLVs }},
	singleOctets:      {359, func(f *Faults) *Count { return &f.SingleOctets }},
	badCommandLength:  {361, func(f *Faults) *Count { return &f.BadCommandLength }},
	badSMLength:       {362, func(f *Faults) *Count { return &f.BadSMLength }},
	badTLVLength:      {363, func(f *Faults) *Count { return &f.BadTLVLength }},
	badPart:           {364, func(f *Faults) *Count { return &f.BadPart }},
	unknownCommand:    {365, func(f *Faults) *Count { return &f.UnknownCommand }},
	strayNack:         {366, func(f *Faults) *Count { return &f.StrayNack }},
	strayResp:         {367, func(f *Faults) *Count { return &f.StrayResp }},
	ussdReplyTwice:    {371, func(f *Faults) *Count { return &f.USSDReplyTwice }},
	ussdSameSequence:  {372, func(f *Faults) *Count { return &f.USSDSameSequence }},
	ussdGarbage:       {373, func(f *Faults) *Count { return &f.USSDGarbage }},
	ussdLost:          {374, func(f *Faults) *Count { return &f.USSDLost }},
	ussdAbortAfterPIN: {375, func(f *Faults) *Count { return &f.USSDAbortAfterPIN }},
}

// magicStates are the states that a message to such a number ends in, without being
// delivered.
var magicStates = map[int]string{331: "UNDELIV", 332: "EXPIRED", 333: "REJECTD", 334: "DELETED", 335: "UNKNOWN"}

const (
	noMagic      = -1
	magicSilence = 0
	magicStatus  = 299 // the last that is a command_status
)

// magicOf reads the three digits of a magic number; noMagic where there are none.
func magicOf(number string) int {
	digits, ok := strings.CutPrefix(msisdn(number), magicPrefix)
	if !ok || len(digits) < 3 {
		return noMagic
	}
	n, err := strconv.ParseUint(digits[:3], 10, 32)
	if err != nil {
		return noMagic
	}
	return int(n)
}

// ussdFaults are the faults of USSD by the names that a single text calls them up by.
var ussdFaults = map[string]fault{
	"ussd_reply_twice":     ussdReplyTwice,
	"ussd_same_sequence":   ussdSameSequence,
	"ussd_garbage":         ussdGarbage,
	"ussd_lost":            ussdLost,
	"ussd_abort_after_pin": ussdAbortAfterPIN,
}
