// Package platform is the operator's management platform: the gateway between
// the SMSC and the bank.
//
// # The way of a message
//
//	deliver_sm ─▶ gateway.go   join parts, read the command, seal the PIN
//	              accept.lua   journal + dedupe + pending key, one atomic write
//	           ◀─ deliver_sm_resp, only now
//	journal    ─▶ execute.go   dynamic key, seal, record the bytes, send, retry
//	              finish.lua   verdict + confirmation, one atomic write
//	outbox     ─▶ outbox.go    by which bind: routes.go; submit_sm
//	              later.lua    what cannot leave now waits beside the outbox
//	           ◀─ receipts.go  receipts, on the record of the message: messages.go
//
// The way of a USSD message:
//
//	deliver_sm ─▶ ussd.go      acknowledged when it is understood; a subscriber's in order: turns.go
//	dialogue   ─▶ dialogues.go one step (package ussd), stored if nobody was first
//	              queries.go   what the menus ask: names, number book, orders
//	              intents.go   an order: into the journal, as above; a wait for the verdict
//	           ◀─ the screen, or "pending", and the confirmation by SMS in any case
//
// What all of them ask of Redis at the same time goes there in one write
// (grouped.go), and what they send to the bank in one request (bundles.go). Start reading at gateway.go, Deliver. transaction.go has the states.
//
// # Invariants
//
//   - Nothing is acknowledged to the SMSC before all that follows from it is in
//     Redis.
//   - A journaled transaction ends done or declined, by this gateway or by
//     whichever starts next, and its subscriber is told; silence of the bank is
//     neither.
//   - The sealed bytes are recorded before they are first sent, and every
//     repetition sends those. Other bytes go out only under another serial,
//     after the bank has said that the old one is void, and with the same
//     transaction number, which the bank executes once.
//   - A step of a USSD dialogue is stored over the one that it read or has not
//     happened, and is stored before it does anything that cannot be done twice.
//   - A dynamic key is taken by one transaction, in the script that journals it.
//   - A PIN in clear lives from the PDU to SealPIN, in gateway.go or ussd.go, and
//     nowhere else. One order number and position is sealed once: who types a PIN
//     again begins another. What is confidential in Redis is wrapped by the Keyring; when a
//     transaction is final, what could open its bytes is deleted.
//
// # Where this differs from the first design
//
//   - The PIN capsule is bound to MSISDN and transaction number, not to the
//     serial: the serial belongs to an opening, which is known only after the
//     journal script has taken the pending key. The bank executes a transaction
//     number once, under whatever serial, so the binding is as tight.
//   - Taking the pending key and journaling are one script, so there is no claim
//     to remember and no second Redis for keys: the wrapped key is in the
//     journal's Redis until the transaction is final, and is useless once the
//     Keyring has destroyed the KEK of that hour.
//
// # Failures
//
// Redis away: ESME_RX_T_APPN, the SMSC keeps the message. Bank away before
// anything was sent: "nothing moved" after bank.give_up. Bank silent after: the
// same bytes again with back-off, "pending" after bank.pending_after, an inquiry
// that voids after bank.fresh, and then for as long as it takes; where the bank
// lets nobody inquire, because it blocked the subscriber, the same bytes again.
// A command to Redis that is repeated after a cut connection changes nothing the
// second time, and the count of sendings is never too low. SMSC away: messages
// take another bind that reaches the number, or wait beside the outbox until
// limits.confirm_for is over, and hold up nobody. Nobody knows whether the SMSC
// took a message: it is sent again, for a confirmation read twice is better than
// one that is never read. A damaged entry is set aside with an alarm; the rest flows.
package platform
