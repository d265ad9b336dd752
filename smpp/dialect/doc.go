// Package dialect reads and writes USSD over SMPP in the ways that SMSCs have for it.
// A dialect is data: a file of configs/dialects, or of the operator's own.
//
// SMPP 3.4 has the operations of a session (ussd_service_op, §5.3.2.44) and a place for
// its number (its_session_info, §5.3.2.43), and does not say what happens when a
// subscriber hangs up, or how the data_coding is to be read. SMSCs differ in all of it.
// Message is what they have in common.
//
//	network                                     ESME
//	  ── Begin "*700#" ─────────────────────────>
//	  <───────────────────────────── Ask (menu) ──
//	  ── Reply "1" ─────────────────────────────>      Ask, Reply: as often as needed
//	  <─────────────────────────── End (verdict) ──    or Release
//	  ── Abort ─────────────────────────────────>      at any time: hung up, timed out
//
// and begun by the ESME: Ask, Reply, …, End; or Notify, Acknowledge.
//
// Delivered and Submit are an ESME's, Deliver and Submitted a simulator's of the
// network, so that each side reads what the other writes. All four are pure; who is
// in which session is the caller's to keep, in Session.
//
//	dialect.go  Message, Session, Dialect
//	load.go     files; keys.go their keys
//	detect.go   which dialect a capture is in
//	read.go     PDU to Message; write.go Message to PDU; text.go screens and dialled strings
//
// # Invariants
//
//   - A file that is loaded has one meaning for each value in each direction.
//   - No error and no print holds a text: it may be a PIN. A text lies in one place,
//     Message.Text, and in the PDU it came in.
//   - What the octets do not say is an error, never a guess: an operation that the dialect
//     does not have, octets that are not the coding's, a session number of another length.
package dialect
