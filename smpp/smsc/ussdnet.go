package smsc

import (
	"errors"
	"slices"
	"time"

	"starhash/smpp"
	"starhash/smpp/dialect"
)

// What the network does: with an ESME's messages, and as time passes.

// Statuses that a USSD message is refused with.
const (
	// statusOver: there is no such session (any more), or it waits for something else.
	statusOver = smpp.StatusInvOptParamVal
	// statusAbsent: the phone is off, or in another session.
	statusAbsent = smpp.StatusDeliveryFailure
)

var (
	errOver    = errors.New("there is no such USSD session")
	errTurn    = errors.New("the USSD session waits for its subscriber")
	errAbsent  = errors.New("the phone is off")
	errEngaged = errors.New("the phone is in another USSD session")
)

// speaksUSSD says whether an ESME's message is USSD rather than an SMS. Is knows what the
// network delivers, and in some dialects an ESME's service types are others.
func (a *account) speaksUSSD(m *smpp.Message) bool {
	if a.dialect.Is(m) {
		return true
	}
	u, err := a.dialect.Submitted(m)
	u.Wipe()
	return !errors.Is(err, dialect.ErrOperation)
}

// takeUSSD takes an ESME's USSD message. What it says reaches the phone when land is
// called, once the ESME was answered: so the phone's reply never overtakes that answer.
// The status is the one to refuse it with, or StatusOK.
func (s *SMSC) takeUSSD(a *account, sm *smpp.Message, now time.Time) (land func(), status smpp.Status, err error) {
	m, err := a.dialect.Submitted(sm)
	defer m.Wipe()
	switch {
	case errors.Is(err, dialect.ErrTooLong):
		return nil, smpp.StatusInvMsgLen, err
	case errors.Is(err, dialect.ErrText):
		return nil, smpp.StatusUnknownErr, err
	case err != nil:
		return nil, statusOver, err
	}
	s.ussd.mu.Lock()
	defer s.ussd.mu.Unlock()
	u, status, err := s.sessionOf(a, &m, now)
	if err != nil {
		return nil, status, err
	}
	u.wire = m.Session
	u.air = USSDScreen{Session: u.n, Open: true, Text: string(m.Text)}
	switch m.Kind {
	case dialect.Ask:
		u.air.Kind = screenAsk
	case dialect.Notify:
		u.air.Kind = screenNotify
	case dialect.Release:
		u.air.Kind, u.air.Open, u.air.Text, u.air.Error = screenAbort, false, textEnded, "the ESME released the session"
	default:
		u.air.Kind, u.air.Open = screenEnd, false
	}
	s.wait(u, turnAir, s.cfg.USSDMax, now)
	return func() { s.fly(u) }, smpp.StatusOK, nil
}

// sessionOf finds the session that an ESME's message is for, or begins it where the
// message is the network-initiated first of one. The caller holds ussd.mu.
func (s *SMSC) sessionOf(a *account, m *dialect.Message, now time.Time) (*session, smpp.Status, error) {
	number := msisdn(m.Subscriber.Addr)
	if !isNumber(number) {
		return nil, smpp.StatusInvDstAdr, errors.New("the destination is no MSISDN")
	}
	p, ok := s.phones.use(number)
	if !ok {
		return nil, smpp.StatusMsgQFul, errBusy
	}
	h := s.ussd.handset(number)
	u := h.session
	if u != nil && u.account == a && u.wire.Key == m.Session.Key {
		ends := m.Kind == dialect.End || m.Kind == dialect.Release
		if u.turn == turnAir || u.turn == turnPhone && !ends {
			return nil, statusOver, errTurn
		}
		u.notice = false
		return u, smpp.StatusOK, nil
	}
	known := m.Session.Key != "" && slices.Contains(h.over, m.Session.Key)
	switch {
	case m.Kind != dialect.Ask && m.Kind != dialect.Notify, known && !m.NetworkInitiated:
		return nil, statusOver, errOver
	case p.Off:
		return nil, statusAbsent, errAbsent
	case u != nil:
		return nil, statusAbsent, errEngaged
	}
	u, err := s.begin(h, a, m.Code, now)
	if err != nil {
		return nil, smpp.StatusMsgQFul, err
	}
	u.network, u.notice = true, m.Kind == dialect.Notify
	return u, smpp.StatusOK, nil
}

// fly sends a screen on its way to the phone, which a slow network takes its time for.
func (s *SMSC) fly(u *session) {
	s.ussd.mu.Lock()
	defer s.ussd.mu.Unlock()
	now := time.Now()
	switch long := s.slow(u.handset.msisdn); {
	case u.handset.session != u || u.turn != turnAir:
	case long > 0:
		s.wait(u, turnAir, long, now)
	default:
		s.land(u, now)
	}
}

// land shows a screen that was on its way. The caller holds mu.
func (s *SMSC) land(u *session, now time.Time) {
	u.pending = nil
	switch u.air.Kind {
	case screenAsk:
		u.secret = asksForPIN(u.air.Text)
		u.air.Secret = u.secret
		s.wait(u, turnPhone, s.cfg.USSDIdle, now)
	case screenNotify:
		s.acknowledge(u, now)
		u.air.Open = !u.notice
	default:
		s.finish(u)
	}
	u.handset.show(u.air)
}

// acknowledge confirms a notification, as a handset does by itself (USSN confirm, 3GPP
// TS 24.090 §6.3). A session that a notification began ends with it. The caller holds
// mu.
func (s *SMSC) acknowledge(u *session, now time.Time) {
	if d, err := s.toESME(u, dialect.Acknowledge, "", ""); err == nil {
		u.account.queue.put(d, now.Add(s.slow(u.handset.msisdn)))
	}
	if u.notice {
		s.finish(u)
		return
	}
	s.wait(u, turnESME, s.cfg.USSDAnswer, now)
}

// clockUSSD lands what was on its way and ends what has taken too long.
func (s *SMSC) clockUSSD(now time.Time) {
	s.ussd.mu.Lock()
	defer s.ussd.mu.Unlock()
	for len(s.ussd.open) > 0 && !s.ussd.open[0].due.After(now) {
		u := s.ussd.open[0]
		switch {
		case u.turn == turnAir:
			s.land(u, now)
		case !u.ends.After(now):
			s.fail(u, textTimedOut, "longer than ussd_max", true)
		case u.turn == turnPhone:
			s.fail(u, textTimedOut, "the subscriber did not answer within ussd_idle", true)
		default:
			s.fail(u, textProblem, "the ESME did not answer within ussd_answer", true)
		}
	}
}
