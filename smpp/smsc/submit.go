package smsc

import (
	"time"

	"starhash/smpp"
)

// submit takes a message of an ESME (§4.4, §4.7), as far as the faults allow.
func (c *conn) submit(p smpp.PDU, m *smpp.Message) {
	if c.boundMode() == smpp.BindReceiver {
		c.refuse(p, smpp.StatusInvBndSts)
		return
	}
	now := time.Now()
	a, dest := c.boundAs(), m.Dest.Addr
	c.owe(p.Sequence)
	answer := smpp.PDU{Command: p.Command.Response(), Sequence: p.Sequence}
	if c.s.dice.hitsNumber(genericNack, dest) {
		answer.Command, answer.Status = smpp.GenericNack, smpp.StatusInvCmdID
		c.respond(answer, nil)
		return
	}
	status := c.s.misbehave(a, dest, now)
	var e *entry
	var land func()
	if status == smpp.StatusOK {
		var err error
		if a.speaksUSSD(m) {
			land, status, err = c.s.takeUSSD(a, m, now)
		} else {
			e, status, err = c.s.take(a, m, now, nil)
		}
		if err != nil {
			c.log.Info("message refused", "command", p.Command, "status", status, "err", err)
		}
	}
	if status != smpp.StatusOK {
		answer.Status = status
		if p.Command == smpp.DataSM {
			answer.Body = new(smpp.MessageResp) // there in any case (§4.7.2)
		}
		c.respond(answer, nil)
		return
	}
	c.submitted.Add(1)
	if e == nil { // USSD: no receipt, and nothing that query_sm could tell of
		answer.Body = &smpp.MessageResp{MessageID: c.s.spell(c.s.nextID.Add(1), c.s.cfg.MessageIDs)}
		c.conclude(dest, answer, land)
		return
	}
	answer.Body = &smpp.MessageResp{MessageID: e.id}
	c.conclude(dest, answer, c.reportsOf(e))
}

// submitMulti takes one message to several phones (§4.5). They have one message_id,
// which is that of the first that takes it; a receipt comes from each.
func (c *conn) submitMulti(p smpp.PDU, m *smpp.SubmitMultiple) {
	if c.boundMode() == smpp.BindReceiver {
		c.refuse(p, smpp.StatusInvBndSts)
		return
	}
	now := time.Now()
	a := c.boundAs()
	c.owe(p.Sequence)
	answer := smpp.PDU{Command: p.Command.Response(), Sequence: p.Sequence}
	body := new(smpp.SubmitMultipleResp)
	var entries []*entry
	for _, d := range m.Dests {
		status := smpp.StatusInvDLName // there are no distribution lists
		if d.DistributionList == "" {
			status = c.s.misbehave(a, d.Addr, now)
		}
		if status == smpp.StatusOK {
			one := m.Message
			one.Dest, one.ReplaceIfPresent = d.Address, 0
			var e, first *entry
			if len(entries) > 0 {
				first = entries[0]
			}
			if e, status, _ = c.s.take(a, &one, now, first); status == smpp.StatusOK {
				entries = append(entries, e)
			}
		}
		if status != smpp.StatusOK {
			body.Unsuccessful = append(body.Unsuccessful, smpp.UnsuccessfulDelivery{Address: d.Address, Status: status})
		}
	}
	if len(entries) == 0 {
		answer.Status = body.Unsuccessful[0].Status
		c.respond(answer, nil)
		return
	}
	c.submitted.Add(1)
	body.MessageID = entries[0].id
	answer.Body = body
	c.conclude(entries[0].message.Dest.Addr, answer, c.reportsOf(entries...))
}

// misbehave is the status that the faults and the magic destinations refuse a
// message with, or StatusOK.
func (s *SMSC) misbehave(a *account, dest string, now time.Time) smpp.Status {
	magic := magicOf(dest)
	f := s.dice.get()
	switch status := faultStatus(f.SubmitStatus); {
	case status != smpp.StatusOK:
		return status
	case dest == "":
		return smpp.StatusInvDstAdr
	case magic > magicSilence && magic <= magicStatus:
		return smpp.Status(magic)
	case s.dice.hitsNumber(throttle, dest), s.dice.over(a, now):
		return smpp.StatusThrottled
	case s.dice.hitsNumber(queueFull, dest):
		return smpp.StatusMsgQFul
	}
	return smpp.StatusOK
}

// respond sends the answer to a submission after the time that Faults.Latency takes,
// more where it is to be late. after runs once it was written, or cannot be.
func (c *conn) respond(answer smpp.PDU, after func(), late ...time.Duration) {
	c.sendPDU(answer, c.response(answer.Sequence, after, late...))
}

func (c *conn) response(sequence uint32, after func(), late ...time.Duration) item {
	wait := c.s.dice.latency()
	for _, d := range late {
		wait += d
	}
	it := item{after: func() {
		c.paid(sequence)
		if after != nil {
			after()
		}
	}}
	if wait > 0 {
		it.due = time.Now().Add(wait)
	}
	return it
}

// conclude answers a submission that was accepted, or not, as the faults have it. after
// runs in any case: the ESME hears of the message also when its answer is lost.
func (c *conn) conclude(dest string, answer smpp.PDU, after func()) {
	dice := c.s.dice
	var late time.Duration
	if dice.hitsNumber(lateResp, dest) {
		f := dice.get()
		late = time.Duration(f.lateBy())
	}
	it := c.response(answer.Sequence, after, late)
	switch {
	case dice.hitsNumber(dropAfterSubmit, dest):
		c.close("cut by the fault drop_after_submit")
		it.after()
		return
	case dice.hitsNumber(noResp, dest):
		if after != nil {
			after() // the number stays owed
		}
		return
	}
	if dice.hitsNumber(dropAfterResp, dest) {
		it.end = endHalf
		c.deaf.Store(true)
	} else if dice.hitsNumber(duplicateResp, dest) {
		defer c.sendPDU(answer, item{due: it.due})
	}
	c.sendPDU(answer, it)
}

// reportsOf returns what queues the receipts of a message once its answer was
// written; nil where there are none yet.
func (c *conn) reportsOf(entries ...*entry) func() {
	var all []report
	for _, e := range entries {
		reports := c.s.reports(e)
		if len(reports) > 0 && c.s.dice.hitsNumber(receiptFirst, e.message.Dest.Addr) && c.receives() {
			for _, r := range reports {
				c.deliver(r.delivery, false)
			}
			continue
		}
		all = append(all, reports...)
	}
	if len(all) == 0 {
		return nil
	}
	a := c.boundAs()
	return func() { a.tell(all) }
}
