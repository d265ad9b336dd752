// Package load is the SMSC's side of a load test: an ESME binds to it, is sent
// MO messages at a rate or as fast as its windows allow, and what comes back is
// counted and timed: acknowledgements, and the submit_sm that confirm messages.
//
// # What is where
//
//	config.go     Config: who may bind, what is sent to whom
//	load.go       Load: from the first bind to the report; what is sent next, what an answer means
//	session.go    one connection: reader and writer
//	scan.go       what matters of a submit_sm
//	template.go   the deliver_sm of message n
//	schedule.go   when message n is due
//	ledger.go     who waits for a confirmation
//	histogram.go  percentiles
//	report.go     Report: JSON and table
//	self.go       our own ESME as the one under load
//	ussd.go       USSD: a load of USSD sessions; ussd_report.go, ussd_self.go
//	cpu_linux.go  CPU time of processes
//
// # What is measured
//
// With a rate the load is open: message n is due at a time that does not depend
// on the ESME, and latencies count from there, so that an ESME that stalls for a
// second shows a second to all that were due in it, not to one. "due to sent"
// is the part of it before the message was written: windows full, or this end
// late (a timer here is late by up to 1 ms). Flat out, a message is due when it
// gets its place in the window.
//
// Acknowledged is a deliver_sm_resp with ESME_ROK. A temporary refusal
// (ESME_RTHROTTLED, ESME_RX_T_APPN, ESME_RMSGQFUL, ESME_RSYSERR) is tried again
// after Config.RetryAfter, as SMSCs do, for as long as it takes, and its latency
// goes on; any other refusal is final. What was under way on a connection that
// ends is sent again on another one.
//
// Confirmed is a submit_sm to the sender. Without a {token} it counts for the
// sender's oldest message, so a loss and a duplicate of one sender cancel out:
// take more senders than messages are under way, or a token. Later parts of a
// long confirmation do not count.
//
// Lost is what was acknowledged and not confirmed Config.Drain after the end;
// duplicated, what was confirmed twice. An ESME whose connection broke cannot
// know whether its last submit_sm or acknowledgements arrived: a confirmation
// too many that this explains, within a minute, is counted as repeated instead.
//
// # What it costs
//
// Both ends usually share a machine, so this one has to be cheap: frames are
// encoded ahead and completed in place, a batch goes out in one write, of a
// response only the header is looked at, and a lock is taken once a batch. No
// goroutine, timer or allocation belongs to a message. BenchmarkAgainstScanner
// shows what it can do against a peer that does next to nothing.
//
// # USSD
//
// A load of USSD sessions goes through the simulator of smpp/smsc: sessions have states,
// and steps wait for their screens, so a step costs more than a message here. A step is
// from the text that is entered (with a rate: from when it was due) to the screen that
// the phone shows behind the submit_sm_resp. All sessions are open before the first gets
// its second step. A step without a screen in time is lost, one with another screen than
// the script expects is wrong, and the rest of that session is left out.
//
// # Limits
//
// No delivery receipts are sent. A deliver_sm that is never answered keeps its
// place in the window until its connection ends, and is reported as unanswered.
// enquire_link is answered, not sent.
package load
