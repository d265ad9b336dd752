// Package bank is the bank service server: the end of the sealed link at which
// a subscriber is authenticated and money moves.
//
// # What it does
//
//	Open      static decryption; the MSISDN must be a customer's and the IMSI
//	          the registered one; IMSI, MSISDN and serial are stored
//	Transact  dynamic decryption; IMSI and MSISDN must be those stored for the
//	          serial and those registered; the PIN is verified; the transaction
//	          is executed in the ledger, and the sealed reply stored with it
//
// It executes transfers, airtime and bills (payments.go: one way for the money,
// the same limits and fee), balances, mini-statements and PIN changes; it tells a
// payee's or a biller's name before any PIN (lookup.go: bounded by customer and
// day, and no more than a payment would tell). An operator may be allowed small
// payments on a one-time code, without a PIN; nothing by default. Airtime and
// bills move money into accounts of the bank's own: what is owed to the operator
// and to each biller, settled and delivered outside this program.
//
// transact.go reads top to bottom in the order in which a transaction passes
// its checks.
//
// # Invariants
//
//   - Money is conserved: see starhash/bank/ledger.
//   - A transaction is executed at most once, whatever it comes under: the same
//     bytes again get the stored bytes; the same transaction under another
//     serial gets the recorded outcome, sealed anew; another transaction under
//     a used serial or number is refused and raises an alarm.
//   - What changed and what was answered are one commit: balances, wrong PINs
//     counted, the outcome and the sealed reply. No answer leaves before it.
//   - A transaction that was inquired about before it came is never executed.
//   - A PIN exists outside the vault (pin.go) nowhere, and inside it as long as
//     its comparison takes. Logs hold no PIN, key, IMSI or name; of an MSISDN
//     the last four digits.
//
// # Failures
//
// A refusal (*link.Error) executes nothing and is not stored; Mismatch, BadSeal
// and ReplayedSerial log an alarm. A decline (an Outcome other than Done) is
// stored like any outcome. When the commit itself fails the answer is HTTP 500:
// no verdict, because a power cut right then may still let the disk decide. The
// gateway asks again. Dynamic keys live in memory only: after a restart stored
// replies are still answered, and every other serial is unknown.
//
// # Why SQLite without cgo
//
// One static binary that needs no database server, with SQL, constraints that
// refuse a negative balance whatever the code does, and a write-ahead log that
// survives kill -9. modernc.org/sqlite is SQLite translated to Go: measured on
// two cores with synchronous=FULL, a commit a transfer costs 239 µs, and in
// groups of 32, 23 µs each; the cgo driver 227 and 20.7, bbolt 355 and 19.2. So
// cgo would buy a tenth, and cost the static binary; the disk flush is the
// price, and group commit (store.go) divides it.
package bank
