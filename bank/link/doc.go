// Package link is the sealed link between a gateway and a bank, version 1:
// what both ends put on the wire, and how it is encrypted. Both ends import
// it; it imports neither. docs/protocol/sealed-link.md is the specification
// for a team that writes its own end, with test vectors.
//
// # The messages
//
//	gateway                                     bank
//	EpochRequest  under the static key    →
//	              ←   EpochReply: a fresh HPKE public key, under the static key
//	Join: the HPKE encapsulation          →     (private key destroyed)
//	              ←   Joined
//	Open: initial authentication          →     static decryption; stores IMSI,
//	  information of 1..n serials               MSISDN and serial
//	              ←   Opened
//	Transact: one transaction, under      →     dynamic decryption, authentication,
//	  the dynamic request key of a serial       execution
//	              ←   Reply: under the dynamic reply key of that serial
//	              ←   Error: instead of any reply, authenticated under the
//	                  static key where the bank knows it
//
// # Keys
//
// The static key SK is preset. It protects the beginning only: the epoch's
// public key and the initial authentication information. The epoch secret ES
// comes from HPKE (RFC 9180, MLKEM768-X25519) towards a key pair that the bank
// makes for this one exchange and destroys on Join, mixed with SK by HKDF
// (RFC 5869): so neither a recording plus a later theft of SK, nor SK's thief
// who only listens, learns ES. ES is kept in memory, for 60 s or 65,536
// serials. Each serial has two dynamic keys, one a direction, derived from ES,
// the serial and the identity; each seals one message, so its nonce is zero.
//
// # Invariants
//
//   - A dynamic key seals one request and one reply; no key of any sort seals two
//     different messages, even when somebody sends a recorded one again.
//   - A recorded message sent again without the static key costs the bank at most
//     a key pair, and a bounded amount of memory.
//   - The fixed-size header is associated data of every sealed message; a reply
//     is bound to the hash of its request: a reply of another request, or of
//     another subscriber, does not open.
//   - An unauthenticated Error is a hint, never a verdict.
//   - Requests, replies and openings each have one size: it tells nothing about
//     the kind, the amount, the statement or the number.
//
// # Failures
//
// Every refusal is an *Error with a Code. The bank end answers Refuse(msg, err)
// and stays up; the gateway end returns the *Error and says in
// Error.Authenticated whether the bank, and not somebody on the way, said it.
package link
