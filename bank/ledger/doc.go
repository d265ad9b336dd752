// Package ledger keeps accounts and double-entry postings: who owns how much,
// and every movement that made it so.
//
// # Amounts
//
// An amount is an int64 of minor units of an ISO 4217 currency: 1250 with "USD"
// is 12.50 USD, 1250 with "UGX" is 1250 UGX. There is no float anywhere.
// ParseAmount and FormatAmount go between minor units and the decimals that
// people write.
//
// # Transactions
//
// Every function takes the caller's database transaction (Tx) and commits
// nothing: what the caller stores beside a movement, the reply to a
// subscriber's transaction for one, stands or falls with it. Statements take
// no context, because nothing here may be cut off half way: the transaction is
// the unit. Balances are read and then written, so that callers must let one
// transaction write at a time, as SQLite does (BEGIN IMMEDIATE).
//
// # Invariants
//
//   - The postings of an entry are in one currency and sum to zero; so does the
//     whole ledger, at every commit. Post refuses anything else, Totals checks.
//   - An account's balance is the sum of its postings. Totals checks.
//   - A customer's balance is never negative: Post refuses with ErrFunds, and a
//     CHECK constraint stands behind it. Internal accounts (opening balances,
//     fees) may go below zero.
//   - An entry's reference posts once: the second one is refused with ErrPosted.
//   - Entries and postings are only ever added; triggers refuse a change.
//
// # Cost
//
// A posting and a statement cost the depth of a B-tree, whatever the history:
// postings lie ordered by account and entry.
package ledger
