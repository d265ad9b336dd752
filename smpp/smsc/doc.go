// Package smsc is a simulator of a mobile network's message centre: an
// SMPP 3.4 server that any ESME can bind to, phones behind it, and a management
// port that steers it. Operators try a gateway with it, the demo runs on it, and
// the tests of this project are its first users.
//
// # What it does
//
// An ESME binds as transmitter, receiver or transceiver (§4.1) under an account's
// system_id and password. What it submits (submit_sm §4.4, data_sm §4.7) lands in
// a phone's inbox, the parts of a long message joined; a number without a phone
// gets one. A phone that is off gets its messages when it is on
// again, unless their validity_period ends before, or Config.Validity where they have
// none; schedule_delivery_time and replace_if_present_flag are honoured (times: §7.1.1).
// query_sm, cancel_sm, replace_sm (§4.8 to 4.10) and submit_multi (§4.5) work on them.
// A delivery receipt (appendix B) follows where registered_delivery asks for it, or an
// intermediate notification while the message waits. What a phone sends (MO) waits in its account's queue, without a limit of
// time, and goes out as deliver_sm (§4.6) or data_sm to the account's bound
// receivers whose address_range has its destination, in turn, at most Window unanswered
// on a connection.
//
//	waiting ──sent──> in flight ──ESME_ROK──────────────> acked
//	   ^                  │────────permanent status─────> refused
//	   └──back-off, tries─┴──temporary status, connection
//	      left               lost, no answer in time ──no tries left──> expired
//
// ESME_RTHROTTLED, ESME_RMSGQFUL, ESME_RX_T_APPN and ESME_RSYSERR are the
// temporary statuses. So an ESME sees what a real message centre does to it: a
// message whose acknowledgement was lost comes again, with the same contents and
// another sequence number, on whichever connection is there.
//
// # USSD
//
// A phone dials, answers and hangs up (Enter, HangUp); the ESME hears of it and answers
// in the dialect of its account (smpp/dialect). Sessions are those of a network (3GPP TS
// 22.090, 24.090): one a phone, with timers of their own; ussd.go has the diagram. A
// message of a session goes to the ESME once: when it is refused or lost the session is
// over, as it is for a person at a real phone.
//
// # Management port
//
// JSON over HTTP; Client is its Go form. Errors are {"error": "..."} with status 400
// (what is wrong, by key), 404, 409 or 503. Keys that nobody knows are refused.
//
//	POST /mo {"from":"263771000001","to":"7001","text":"BAL"}     a phone sends a message: type MO
//	         {"id":"mo-1","done":true,"parts":[{"part":1,"status":"ESME_ROK","state":"acked","tries":1}]}
//	         status 202 while it is not done within the request's "wait"
//	GET  /mo/mo-1                                                  the same answer, as of now
//	POST /redeliver {"id":"mo-1"}                                  the same PDUs again; answers as POST /mo
//	GET  /phones?after=263771000001                                {"phones":[{"msisdn":"...","imsi":"..."}]}, at most 1000
//	PUT  /phones/263771000001 {"imsi":"648011000000002"}           another SIM, or a new phone
//	PUT  /phones/263771000001 {"off":true}                         off: messages for it wait, its USSD session is lost
//	PUT  /phones/263771000001 {"slow":"2s"}                        every text of USSD takes that long
//	POST /phones/263771000001/on {"esme":"7001"}                   on, and alert_notification to the receivers; body optional: {"alerted":1}
//	GET  /phones/263771000001/inbox?after=0&wait=10s               {"messages":[{"n":1,"from":"7001","text":"...",...}]}: type InboxMessage
//	POST /phones/263771000001/ussd {"text":"*700#"}                dials, or answers the screen: type USSD; {"n":1,"kind":"ask","text":"1 Send",...}
//	DELETE /phones/263771000001/ussd                               hangs up
//	GET  /phones/263771000001/ussd?after=0&wait=10s                {"screens":[{"n":1,"session":1,...}]}: type USSDScreen
//	GET  /wire?after=0&wait=10s                                    {"pdus":[{"n":1,"command":"deliver_sm",...}]}: type WirePDU
//	GET  /gateway/steps?after=0&wait=10s                           what the gateway's admin port answers
//	GET  /news?phone=263771000001,0,0&wire=0&steps=0&wait=10s       all of these that the page of phones shows: type newsBody
//	GET  /                                                         that page
//	GET  /faults, PUT /faults {"delay":"200ms","throttle":3}       type Faults
//	POST /drop                                                     {"dropped":1}
//	POST /unbind                                                   {"unbound":1}
//	POST /outbind {"address":"127.0.0.1:2776"}                     {}; system_id and password optional: the first account's
//	POST /raw {"hex":"00000010..."}                                {"bytes":16}, to the first bound receiver
//	GET  /binds                                                    {"binds":[{"system_id":"starhash","mode":"transceiver",...}]}
//	GET  /healthz                                                  {"status":"ok","binds":1,"queued":0,"ussd":0}
//
// # Misbehaviour
//
// Faults makes it slow, deaf, throttled or rude: in the configuration, with PUT
// /faults, or for one message by a magic number, 999 and three digits (magic.go).
// Chaos is a mild mix of everything. What is left to chance is drawn from a seed, each
// fault from a stream of its own (dice.go), so that the nth decision of a fault is the
// same again for the same seed. Message ids, long-message references and the jitter of
// the back-off come from Config.Seed too. docs/smsc-simulator.md is the operator's list.
//
// # What is where
//
//	smsc.go        start, stop, accounts; what becomes of an answered delivery
//	conn.go        one connection: reading, timers, deliveries in flight
//	write.go       the only writer of a connection
//	operations.go  what an ESME's PDUs do; submit.go its messages
//	inquiries.go   query_sm, cancel_sm, replace_sm
//	messages.go    submitted messages and their states; times.go, ids.go
//	receipt.go     receipts
//	mo.go          what phones send; split.go its parts; queue.go where it waits
//	phones.go      phones and inboxes
//	ussd.go        USSD sessions; handset.go what people do in them, ussdnet.go ESMEs and time
//	page.go        the page of phones, folder page, and its news
//	tap.go         what passes, redacted, for GET /wire
//	faults.go      Faults, Chaos; magic.go the numbers; dice.go, latency.go chance; hostile.go PDUs to stumble over
//	ranges.go      address_range; outbind.go, tls.go ways to connect
//	manage.go      the management port, manage_ussd.go of USSD and the wire; client.go its Go form; wire.go JSON types
//
// # Invariants
//
//   - A message of a phone is acked, refused, expired, in flight on one
//     connection, or in the queue: never lost and never in two of these.
//   - A response settles a message only when its sequence number, its command and
//     its connection are those of the request (generic_nack: number and connection).
//   - A receipt leaves after the submit_sm_resp that names its message, unless the
//     fault receipt_first hits.
//   - A phone has one USSD session, and what an ESME writes into one that is over is
//     refused. What an ESME writes is on the phone after its submit_sm_resp is written.
//   - The wire's view has no password, and no text in which a phone may have sent a PIN.
//   - Texts are never logged: a phone's message may hold a PIN. They are kept in
//     memory, for redelivery and in the inboxes, until newer ones displace them.
//
// # What it does not do
//
// Distribution lists, priority and service types' own rules are not there. An outbind's
// connection has no TLS. Nothing survives a restart. The management port has no
// authentication: keep it on loopback.
package smsc
