package smsc

import (
	"cmp"
	"container/heap"
	"slices"
	"time"

	"starhash/smpp"
)

// What an ESME may ask about, or change of, a message that it submitted. Only the
// account that submitted it, by the source that it had, is told of it.

// inquire answers query_sm, cancel_sm and replace_sm.
func (c *conn) inquire(p smpp.PDU) {
	if c.boundMode() == smpp.BindReceiver {
		c.refuse(p, smpp.StatusInvBndSts)
		return
	}
	a := c.boundAs()
	answer := smpp.PDU{Command: p.Command.Response(), Sequence: p.Sequence}
	switch b := p.Body.(type) {
	case *smpp.Query:
		var is standing
		if is, answer.Status = c.s.query(a, b.MessageID, b.Source); answer.Status == smpp.StatusOK {
			answer.Body = &smpp.QueryResp{MessageID: b.MessageID, FinalDate: formatTime(is.final), State: smpp.MessageState(stateValue(is.state))}
		}
	case *smpp.Cancel:
		answer.Status = c.s.cancel(a, b)
	case *smpp.Replace:
		var err error
		if answer.Status, err = c.s.replace(a, b); err != nil {
			c.log.Info("replacement refused", "status", answer.Status, "err", err)
		}
	}
	c.respond(answer, nil)
}

// standing is what query_sm tells of a message.
type standing struct {
	state string
	final time.Time // zero while it waits
}

// query tells the state of a message (§4.8).
func (s *SMSC) query(a *account, id string, source smpp.Address) (standing, smpp.Status) {
	s.messages.mu.Lock()
	defer s.messages.mu.Unlock()
	e := s.messages.of(a, id, source)
	if e == nil {
		return standing{}, smpp.StatusInvMsgID
	}
	return standing{e.state, e.final}, smpp.StatusOK
}

// cancel ends messages that wait, as DELETED (§4.9): that of the id, or without one all
// from source to dest, of the service_type where it is given.
func (s *SMSC) cancel(a *account, c *smpp.Cancel) smpp.Status {
	now := time.Now()
	s.messages.mu.Lock()
	var over []*entry
	status := smpp.StatusCancelFail
	if c.MessageID != "" {
		switch e := s.messages.of(a, c.MessageID, c.Source); {
		case e == nil:
			status = smpp.StatusInvMsgID
		case e.index >= 0:
			over = append(over, e)
		}
	} else {
		for _, e := range s.messages.waiting {
			m := e.message
			if e.account == a && m.Source.Addr == c.Source.Addr && m.Dest.Addr == c.Dest.Addr && (c.ServiceType == "" || m.ServiceType == c.ServiceType) {
				over = append(over, e)
			}
		}
	}
	slices.SortFunc(over, func(a, b *entry) int { return cmp.Compare(a.number, b.number) })
	for _, e := range over {
		s.messages.finish(e, "DELETED", now)
	}
	s.messages.mu.Unlock()
	if len(over) == 0 {
		return status
	}
	s.tell(over)
	return smpp.StatusOK
}

// replace changes a message that waits (§4.10). It keeps its id, its data_coding and
// its place.
func (s *SMSC) replace(a *account, r *smpp.Replace) (smpp.Status, error) {
	now := time.Now()
	s.messages.mu.Lock()
	defer s.messages.mu.Unlock()
	e := s.messages.of(a, r.MessageID, r.Source)
	if e == nil {
		return smpp.StatusInvMsgID, nil
	}
	if e.index < 0 {
		return smpp.StatusReplaceFail, nil
	}
	m := *e.message
	m.RegisteredDelivery, m.SMDefaultMsgID, m.Payload = r.RegisteredDelivery, r.SMDefaultMsgID, r.Payload
	changed := entry{message: &m, due: e.due, expires: e.expires}
	// Times that are not given stay as they were, not as they were spelled.
	m.ScheduleTime, m.ValidityPeriod = r.ScheduleTime, r.ValidityPeriod
	if status, err := changed.readTimes(now); err != nil {
		return status, err
	}
	if status, err := s.phones.readable(&m); err != nil {
		return status, err
	}
	e.message, e.due, e.expires = &m, changed.due, changed.expires
	if e.at = now; e.due.After(now) { // otherwise the clock sees to it at once
		e.at = e.due
	}
	heap.Fix(&s.messages.waiting, e.index)
	return smpp.StatusOK, nil
}

// of is the message that an account submitted under that id from that source, or nil.
// The caller holds mu.
func (b *messageStore) of(a *account, id string, source smpp.Address) *entry {
	e := b.byID[id]
	if e == nil || e.account != a || e.message.Source.Addr != source.Addr {
		return nil
	}
	return e
}
