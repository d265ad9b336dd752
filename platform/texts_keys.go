package platform

import "starhash/bank/link"

// TextKey names a text that subscribers read; the files of configs/texts have
// all of them in every language.
type TextKey string

// Verdicts on a transaction. Each begins with its reference and a status word.
const (
	TextTransferDone    TextKey = "transfer_done"
	TextTransferDoneFee TextKey = "transfer_done_fee"
	TextReceived        TextKey = "received" // to the payee

	TextAirtimeDone       TextKey = "airtime_done" // for oneself
	TextAirtimeDoneFee    TextKey = "airtime_done_fee"
	TextAirtimeDoneFor    TextKey = "airtime_done_for" // for another number
	TextAirtimeDoneForFee TextKey = "airtime_done_for_fee"
	TextAirtimeReceived   TextKey = "airtime_received" // to that number
	TextBillDone          TextKey = "bill_done"
	TextBillDoneFee       TextKey = "bill_done_fee"

	TextBalance     TextKey = "balance"
	TextMiniHeader  TextKey = "mini_header" // see Texts.Statement
	TextMiniLine    TextKey = "mini_line"
	TextMiniAirtime TextKey = "mini_airtime" // stands for the number in a line
	TextMiniNone    TextKey = "mini_none"
	TextPINChanged  TextKey = "pin_changed"
	TextPending     TextKey = "pending"  // also the answer to STATUS
	TextDeclined    TextKey = "declined" // see Texts.Declined
)

// Reasons why nothing moved. They stand alone, for what the gateway itself
// refuses, or inside TextDeclined.
const (
	TextInsufficientFunds TextKey = "insufficient_funds"
	TextWrongPIN          TextKey = "wrong_pin"
	TextPINLocked         TextKey = "pin_locked"
	TextUnknownPayee      TextKey = "unknown_payee"
	TextOwnNumber         TextKey = "own_number"
	TextBadAmount         TextKey = "bad_amount"
	TextOverLimit         TextKey = "over_limit"
	TextOverDailyLimit    TextKey = "over_daily_limit"
	TextNotCustomer       TextKey = "not_customer"
	TextSIMChanged        TextKey = "sim_changed"
	TextBlocked           TextKey = "blocked"
	TextWeakPIN           TextKey = "weak_pin"
	TextCurrencyMismatch  TextKey = "currency_mismatch"
	TextVoided            TextKey = "voided"
	TextNotOffered        TextKey = "not_offered"
	TextPINNeeded         TextKey = "pin_needed" // a code is not enough for this
	TextUnknownBiller     TextKey = "unknown_biller"
	TextBadAccount        TextKey = "bad_account"
	TextBankUnreachable   TextKey = "bank_unreachable"
)

// Answers to what never becomes a transaction.
const (
	TextNotRegistered    TextKey = "not_registered"
	TextUnknownCommand   TextKey = "unknown_command"
	TextHelp             TextKey = "help"
	TextUnclear          TextKey = "unclear"
	TextBadNumber        TextKey = "bad_number"
	TextPINMissing       TextKey = "pin_missing"
	TextPINMalformed     TextKey = "pin_malformed"
	TextPINsDiffer       TextKey = "pins_differ"
	TextPartsMissing     TextKey = "parts_missing"
	TextNotReadable      TextKey = "not_readable"
	TextSameAgain        TextKey = "same_again" // the first one is done
	TextSameDeclined     TextKey = "same_declined"
	TextSamePending      TextKey = "same_pending" // the first one has no verdict yet
	TextNothingToConfirm TextKey = "nothing_to_confirm"
	TextCancelled        TextKey = "cancelled"
	TextStopped          TextKey = "stopped"
	TextStarted          TextKey = "started"
	TextStatusMoved      TextKey = "status_moved" // done, and it moved money
	TextStatusDone       TextKey = "status_done"  // done, and it was not to move any
	TextStatusDeclined   TextKey = "status_declined"
	TextStatusUnknown    TextKey = "status_unknown"
	TextLanguageChanged  TextKey = "language_changed"
	TextLanguageUnknown  TextKey = "language_unknown"
	TextNotSure          TextKey = "not_sure"        // whether an order was stored
	TextUSSDExpired      TextKey = "ussd_expired"    // a reply to a session that is over
	TextUSSDAgain        TextKey = "ussd_again"      // a screen that could not be made
	TextDial             TextKey = "dial"            // PINs are not taken by SMS
	TextPushUnanswered   TextKey = "push_unanswered" // or never shown
	TextCode             TextKey = "code"            // asks for a one-time code
	TextCodeWrong        TextKey = "code_wrong"
	TextCodeEnd          TextKey = "code_end"
	TextRecentDone       TextKey = "recent_done" // lines of a list of orders
	TextRecentDeclined   TextKey = "recent_declined"
	TextRecentPending    TextKey = "recent_pending"
	TextFavouriteAdded   TextKey = "favourite_added"
	TextFavouriteRemoved TextKey = "favourite_removed"
	TextFavouritesFull   TextKey = "favourites_full"
)

// placeholders lists what each text says, no more and no less: a translation
// cannot leave out the balance.
var placeholders = map[TextKey][]string{
	TextTransferDone:    {"ref", "amount", "name", "last4", "balance", "at"},
	TextTransferDoneFee: {"ref", "amount", "name", "last4", "fee", "balance", "at"},
	TextReceived:        {"ref", "amount", "name", "last4", "at"},

	TextAirtimeDone:       {"ref", "amount", "balance", "at"},
	TextAirtimeDoneFee:    {"ref", "amount", "fee", "balance", "at"},
	TextAirtimeDoneFor:    {"ref", "amount", "last4", "balance", "at"},
	TextAirtimeDoneForFee: {"ref", "amount", "last4", "fee", "balance", "at"},
	TextAirtimeReceived:   {"ref", "amount", "name", "last4", "at"},
	TextBillDone:          {"ref", "amount", "biller", "account", "balance", "at"},
	TextBillDoneFee:       {"ref", "amount", "biller", "account", "fee", "balance", "at"},

	TextBalance:     {"ref", "balance", "at"},
	TextMiniHeader:  {"ref", "balance", "at"},
	TextMiniLine:    {"date", "amount", "last4"},
	TextMiniAirtime: nil,
	TextMiniNone:    {"ref", "balance", "at"},
	TextPINChanged:  {"ref", "at"},
	TextPending:     {"ref"},
	TextDeclined:    {"ref", "reason"},

	TextInsufficientFunds: nil,
	TextWrongPIN:          {"tries"},
	TextPINLocked:         nil,
	TextUnknownPayee:      nil,
	TextOwnNumber:         nil,
	TextBadAmount:         nil,
	TextOverLimit:         nil,
	TextOverDailyLimit:    nil,
	TextNotCustomer:       nil,
	TextSIMChanged:        nil,
	TextBlocked:           nil,
	TextWeakPIN:           nil,
	TextCurrencyMismatch:  nil,
	TextVoided:            nil,
	TextNotOffered:        nil,
	TextPINNeeded:         nil,
	TextUnknownBiller:     nil,
	TextBadAccount:        nil,
	TextBankUnreachable:   nil,

	TextNotRegistered:    nil,
	TextUnknownCommand:   nil,
	TextHelp:             nil,
	TextUnclear:          {"form"},
	TextBadNumber:        nil,
	TextPINMissing:       {"form"},
	TextPINMalformed:     {"form"},
	TextPINsDiffer:       {"form"},
	TextPartsMissing:     nil,
	TextNotReadable:      nil,
	TextSameAgain:        {"amount", "last4", "at", "ref"},
	TextSameDeclined:     {"amount", "last4", "at", "ref"},
	TextSamePending:      {"amount", "last4", "at", "ref"},
	TextNothingToConfirm: nil,
	TextCancelled:        nil,
	TextStopped:          nil,
	TextStarted:          nil,
	TextStatusMoved:      {"ref", "at"},
	TextStatusDone:       {"ref", "at"},
	TextStatusDeclined:   {"ref", "at"},
	TextStatusUnknown:    {"ref"},
	TextLanguageChanged:  {"language"},
	TextLanguageUnknown:  {"languages"},
	TextNotSure:          nil,
	TextUSSDExpired:      {"code"},
	TextUSSDAgain:        {"code"},
	TextDial:             {"code"},
	TextPushUnanswered:   {"code"},
	TextCode:             {"amount", "last4", "otp"},
	TextCodeWrong:        {"tries"},
	TextCodeEnd:          nil,
	TextRecentDone:       {"date", "ref"},
	TextRecentDeclined:   {"date", "ref"},
	TextRecentPending:    {"date", "ref"},
	TextFavouriteAdded:   {"last4"},
	TextFavouriteRemoved: {"last4"},
	TextFavouritesFull:   nil,
}

// longest holds the longest realistic value of every placeholder, with which a
// text has to fit one SMS. form and reason are those of the language itself.
var longest = Args{
	"ref":       "7K2M9QXA",
	"amount":    "USD 99,999,999.99",
	"fee":       "USD 9,999.99",
	"balance":   "USD 99,999,999.99",
	"name":      "W*** W*** W***",
	"last4":     "0002",
	"biller":    "Water & Sewerage Co.",
	"account":   "WSC/04123456789/2026",
	"at":        "23/11/2026 14:05",
	"date":      "23/11",
	"tries":     "99",
	"language":  "Kinyarwanda",
	"languages": "am, en, fr, ha, pt, rw, so, sw, yo, zu",
	"code":      "*12345*678#",
}

// reasons maps what the bank declines to the text that says why.
var reasons = map[link.Outcome]TextKey{
	link.InsufficientFunds: TextInsufficientFunds,
	link.WrongPIN:          TextWrongPIN,
	link.PINLocked:         TextPINLocked,
	link.UnknownPayee:      TextUnknownPayee,
	link.OwnAccount:        TextOwnNumber,
	link.BadAmount:         TextBadAmount,
	link.OverLimit:         TextOverLimit,
	link.OverDailyLimit:    TextOverDailyLimit,
	link.NotCustomer:       TextNotCustomer,
	link.SIMChanged:        TextSIMChanged,
	link.Blocked:           TextBlocked,
	link.WeakPIN:           TextWeakPIN,
	link.CurrencyMismatch:  TextCurrencyMismatch,
	link.Voided:            TextVoided,
	link.NotOffered:        TextNotOffered,
	link.PINsDiffer:        TextPINsDiffer,
	link.PINNeeded:         TextPINNeeded,
	link.UnknownBiller:     TextUnknownBiller,
	link.BadAccount:        TextBadAccount,
}

// Reason is the text for an outcome of the bank other than Done; ok is false
// for Done and for outcomes that are not known here.
func Reason(o link.Outcome) (key TextKey, ok bool) {
	key, ok = reasons[o]
	return key, ok
}
