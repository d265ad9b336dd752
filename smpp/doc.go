// Package smpp is the ESME side of SMPP 3.4: it binds to an SMSC, takes
// messages of subscribers (MO) and submits ours to them (MT). SPEC.md lists
// what of the specification is there and where we differ from it.
//
// # What is where
//
//	pdu.go      operations, statuses, optional parameters, bodies
//	frame.go    PDUs off a connection
//	codec.go    octets to PDU and back, on go-smpp's fields
//	message.go  the messages and their responses, decoded by ourselves
//	inquiry.go  bodies of query_sm, cancel_sm, replace_sm, submit_multi
//	text.go     data_coding; octets to text
//	alphabet.go the alphabets of 3GPP TS 23.038, from alphabets.txt
//	encode.go   text to octets, in the fewest parts; transliterate.go: what may be written as what
//	cbs.go      data codings and packed septets of USSD
//	concat.go   which part of a long message a message is
//	receipt.go  delivery receipts
//	ids.go      message ids as SMSCs spell them; prefixes that a bind reaches; validity_period
//	config.go   BindConfig
//	esme.go     ESME: its sessions, bound and bound again; Submit; operations.go: Query, Cancel, Replace
//	backoff.go  pauses between connections
//	tls.go      a bind's TLS
//	outbind.go  connections that the SMSC opens
//	session.go  one connection: bind, reader, keeper of the link
//	writer.go   what waits to be written to it
//	request.go  requests that wait for their response
//	window.go   places for requests, over all sessions of a bind
//	pace.go     requests a second
//	inbound.go  Delivery, and the workers that hand it to the application
//	stats.go    counters
//
// The SMSC simulator in smsc uses the codec and the text, not the session, so
// that a mistake in the session is not mirrored there.
//
// # A session
//
//	        ┌── reader ──> enquire_link, unbind, what does not decode: answered here
//	        │      ├─────> responses: to whoever waits for that operation and number
//	SMSC <──┤      └─────> deliver_sm, data_sm: to the worker of the source address ──> Handler
//	        │                                                                              │
//	        └── writer <── queue <── Submit (window) · enquire_link · Delivery.Ack <───────┘
//
// # Invariants
//
//   - The reader runs no business code. However long the application takes,
//     the link is kept alive.
//   - A message is acknowledged when the application says so, with the status
//     it says, at most once, and only on the connection it came on.
//   - A response settles a request when it answers the request's operation and
//     has its number. Numbers of the two directions are independent (§3.2).
//   - ErrNotSent is certain: no octet of the PDU was handed to the connection.
//     From that moment on, an end without an answer is ErrOutcomeUnknown.
//   - Everything is bounded: a PDU (MaxPDU), its optional parameters (256), the
//     submissions under way (Window), the messages taken and not acknowledged
//     (InboundQueue), the answers that wait for a peer to read.
//   - Every wait has a deadline or a context, and every goroutine somebody who
//     waits for it: Run returns when none is left.
//   - A payload lies in one place on the heap, Message.Payload, from the socket
//     to Delivery.Wipe: the read buffer is zeroed as PDUs are taken out of it.
//     Payloads and passwords are never printed.
//
// # Failures
//
//	PDU that does not decode            its own response or generic_nack with a fitting status; the bind lives
//	command_length out of bounds        generic_nack ESME_RINVCMDLEN, reconnect: nobody knows where the next PDU is
//	InboundQueue full                   ESME_RTHROTTLED at once, or ESME_RX_T_APPN: Overload
//	no answer within AnswerWithin       the same, from the session; the application's own comes too late and does nothing
//	ESME_RTHROTTLED, ESME_RMSGQFUL      the caller gets the status; the bind sends at half the rate, and comes back: pace.go
//	message on a transmitter            ESME_RINVBNDSTS
//	the application panics              ESME_RX_T_APPN, the stack in the log
//	we panic                            the stack in the log, reconnect; the other sessions live
//	rubbish without end                 counted; in the log 20 lines, then one a second
//	no PDU for EnquireLink              enquire_link; nothing for ResponseTimeout: reconnect
//	peer does not read for WriteTimeout reconnect
//	unbind by the SMSC                  unbind_resp, reconnect
//	one session of several lost         requests go to the others; what waits for a place waits for one of theirs
//	connection lost                     reconnect after a jittered pause that doubles; messages queued for the
//	                                    application and not yet begun are dropped, since the SMSC sends them again
//	TLS file broken or gone             a problem at the start; later in the log, the same pause
//	stranger's or no outbind            closed, within BindTimeout, nothing said; 16 such connections at most
//	bind refused                        the status in the log, the same pause
//	response after ResponseTimeout      in the log with its message id
//	stop                                intake refused with ESME_RX_T_APPN, what is owed waited for, unbind; bounded
package smpp
