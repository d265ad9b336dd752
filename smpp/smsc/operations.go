package smsc

import (
	"context"
	"errors"
	"io"
	"os"

	"starhash/smpp"
)

// What an ESME's PDUs do, one function an operation. They run in the goroutine that
// reads and do not wait, save for room to write the answer.

// unreadable ends a connection whose stream cannot be followed (§3.2, §4.3).
func (c *conn) unreadable(err error) {
	var broken *smpp.FrameError
	switch {
	case errors.As(err, &broken):
		c.log.Warn("not a PDU", "err", err)
		c.deaf.Store(true)
		c.sendPDU(smpp.PDU{Command: smpp.GenericNack, Status: smpp.StatusInvCmdLen, Sequence: broken.Sequence}, item{end: endClose})
		<-c.done // the writer closes
	case errors.Is(err, io.EOF):
		c.close("by the ESME")
	case errors.Is(err, os.ErrDeadlineExceeded) && c.boundAs() == nil:
		c.close("no bind")
	default:
		c.close("read: " + err.Error())
	}
}

// refuseBroken answers a PDU that does not decode.
func (c *conn) refuseBroken(bad *smpp.DecodeError) {
	c.log.Warn("PDU refused", "err", bad)
	if answer, ok := bad.Answer(); ok {
		c.sendPDU(answer, item{})
	}
}

// handle does what a PDU asks for.
func (c *conn) handle(ctx context.Context, p smpp.PDU) {
	switch p.Command {
	case smpp.BindTransmitter, smpp.BindReceiver, smpp.BindTransceiver:
		c.bindAs(ctx, p, p.Body.(*smpp.Bind))
		return
	case smpp.DeliverSMResp, smpp.DataSMResp, smpp.GenericNack:
		c.answered(p)
		return
	case smpp.UnbindResp:
		if c.unbinding.Load() != 0 {
			c.close("unbound by the simulator")
		}
		return
	}
	if p.Command.IsResponse() {
		return // enquire_link_resp, and what nobody asked for
	}
	if !c.hears(p.Sequence) {
		c.refuse(p, smpp.StatusInvBndSts)
		return
	}
	switch p.Command {
	case smpp.EnquireLink:
		if !c.s.dice.hits(noEnquireResp) {
			c.sendPDU(smpp.PDU{Command: smpp.EnquireLinkResp, Sequence: p.Sequence}, item{})
		}
	case smpp.Unbind:
		if c.s.dice.hits(noUnbindResp) {
			return
		}
		c.deaf.Store(true)
		c.sendPDU(smpp.PDU{Command: smpp.UnbindResp, Sequence: p.Sequence}, item{end: endClose})
	case smpp.SubmitSM, smpp.DataSM:
		c.submit(p, p.Body.(*smpp.Message))
	case smpp.SubmitMulti:
		c.submitMulti(p, p.Body.(*smpp.SubmitMultiple))
	case smpp.QuerySM, smpp.CancelSM, smpp.ReplaceSM:
		c.inquire(p)
	default:
		c.refuse(p, smpp.StatusInvCmdID)
	}
}

// refuse answers a request with an error: in its own response, or by generic_nack
// where the simulator does not know the operation (§4.3).
func (c *conn) refuse(p smpp.PDU, status smpp.Status) {
	answer, ok := (&smpp.DecodeError{Command: p.Command, Sequence: p.Sequence, Status: status}).Answer()
	if !ok {
		return
	}
	if status == smpp.StatusInvCmdID {
		answer = smpp.PDU{Command: smpp.GenericNack, Status: status, Sequence: p.Sequence}
	}
	c.log.Info("PDU refused", "command", p.Command, "status", status)
	c.sendPDU(answer, item{})
}

// bindAs binds an ESME (§4.1). A refused one may try again on the same connection
// until BindTimeout.
func (c *conn) bindAs(ctx context.Context, p smpp.PDU, b *smpp.Bind) {
	defer b.Password.Wipe()
	a, status := c.s.admit(b)
	serves, err := parseRange(b.Address.Addr)
	if status == smpp.StatusOK && err != nil {
		c.log.Warn("address_range", "err", err)
		status = smpp.StatusBindFail
	}
	if c.boundAs() != nil {
		status = smpp.StatusAlreadyBound
	}
	if c.s.dice.hits(noBindResp) {
		c.log.Info("bind not answered: the fault no_bind_resp")
		return
	}
	answer := smpp.PDU{Command: p.Command.Response(), Status: status, Sequence: p.Sequence}
	if status != smpp.StatusOK {
		c.log.Warn("bind refused", "command", p.Command, "system_id", b.SystemID, "status", status)
		c.sendPDU(answer, item{})
		return
	}
	body := &smpp.BindResp{SystemID: "starhash-smsc"}
	if b.InterfaceVersion >= smpp.InterfaceVersion34 { // older ESMEs know no TLVs (§1.6.3)
		body.TLVs = smpp.TLVs{{Tag: smpp.TagSCInterfaceVersion, Value: []byte{smpp.InterfaceVersion34}}}
	}
	answer.Body = body
	if !c.bindTo(a, p.Command, b.Address, serves, answer) {
		return
	}
	c.log.Info("bound", "mode", bindModes[p.Command], "system_id", b.SystemID)
	if p.Command != smpp.BindTransmitter {
		c.spawn(func() { c.pump(ctx, a, serves) })
	}
}

// bindTo makes the connection a bound one and answers so; false when it is at its
// end. Locked, so that the answer is in the writer's hands before anybody sends to a
// receiver, and so that whoever has read the answer finds the ESME bound.
func (c *conn) bindTo(a *account, mode smpp.CommandID, esme smpp.Address, serves addressRange, answer smpp.PDU) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.sendPDU(answer, item{}) {
		return false
	}
	c.account, c.bind, c.esme, c.serves = a, mode, esme, serves
	return true
}

// admit checks who wants to bind.
func (s *SMSC) admit(b *smpp.Bind) (*account, smpp.Status) {
	if status := faultStatus(s.dice.get().BindStatus); status != smpp.StatusOK {
		return nil, status
	}
	for _, a := range s.accounts {
		if a.SystemID != b.SystemID {
			continue
		}
		if !a.password.Equal(b.Password) {
			return nil, smpp.StatusInvPaswd
		}
		return a, smpp.StatusOK
	}
	return nil, smpp.StatusInvSysID
}

// alert sends alert_notification for a phone (§4.12); false when the connection is
// at its end.
func (c *conn) alert(p Phone, esme string) bool {
	c.mu.Lock()
	to := c.esme
	c.mu.Unlock()
	if esme != "" {
		to = address(esme)
	}
	body := &smpp.AlertNotification{
		Source: address(p.MSISDN),
		ESME:   to,
		TLVs:   smpp.TLVs{{Tag: smpp.TagMSAvailabilityStatus, Value: []byte{0}}}, // available (§5.3.2.30)
	}
	if c.s.cfg.IMSITLV != 0 && p.IMSI != "" {
		body.TLVs = append(body.TLVs, smpp.TLV{Tag: smpp.Tag(c.s.cfg.IMSITLV), Value: []byte(p.IMSI)})
	}
	return c.sendPDU(smpp.PDU{Command: smpp.CommandAlert, Sequence: c.next(), Body: body}, item{})
}

// boundMode is the bind operation that was accepted.
func (c *conn) boundMode() smpp.CommandID {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bind
}
