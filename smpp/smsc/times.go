package smsc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"starhash/smpp"
)

// readTimes takes schedule_delivery_time (§5.2.15) and validity_period (§5.2.16), or a
// data_sm's qos_time_to_live (§5.3.2.9), out of e's message.
func (e *entry) readTimes(now time.Time) (smpp.Status, error) {
	m := e.message
	if m.ScheduleTime != "" {
		at, err := parseTime(m.ScheduleTime, now)
		if err != nil {
			return smpp.StatusInvSched, fmt.Errorf("schedule_delivery_time: %w", err)
		}
		if at.After(now) {
			e.expires = e.expires.Add(at.Sub(now))
			e.due = at
		}
	}
	if m.ValidityPeriod != "" {
		at, err := parseTime(m.ValidityPeriod, now)
		if err == nil && !at.After(now) {
			err = errors.New("is over")
		}
		if err != nil {
			return smpp.StatusInvExpiry, fmt.Errorf("validity_period: %w", err)
		}
		e.expires = at
	} else if v, ok := m.TLVs.Get(smpp.TagQOSTimeToLive); ok && len(v) == 4 {
		e.expires = now.Add(time.Duration(binary.BigEndian.Uint32(v)) * time.Second)
	}
	return smpp.StatusOK, nil
}

// parseTime reads a time of §7.1.1, YYMMDDhhmmsstnnp: absolute, in local time with its
// distance from UTC (p + or -), or relative to now (p R).
func parseTime(s string, now time.Time) (time.Time, error) {
	if len(s) != 16 {
		return time.Time{}, fmt.Errorf("has %d characters, want 16", len(s))
	}
	var n [8]int // year, month, day, hour, minute, second, tenth, quarters of an hour
	at := 0
	for i := range n {
		width := 2
		if i == 6 {
			width = 1
		}
		for range width {
			d := s[at]
			if notDigit(d) {
				return time.Time{}, fmt.Errorf("character %d is not a digit", at+1)
			}
			n[i] = n[i]*10 + int(d-'0')
			at++
		}
	}
	tenth := time.Duration(n[6]) * 100 * time.Millisecond
	switch s[15] {
	case 'R':
		span := time.Duration(n[3])*time.Hour + time.Duration(n[4])*time.Minute + time.Duration(n[5])*time.Second
		return now.AddDate(n[0], n[1], n[2]).Add(span + tenth), nil
	case '+', '-':
		if n[1] < 1 || n[1] > 12 || n[2] < 1 || n[2] > 31 || n[3] > 23 || n[4] > 59 || n[5] > 59 || n[7] > 48 {
			return time.Time{}, errors.New("is no date and time")
		}
		ahead := time.Duration(n[7]) * 15 * time.Minute
		if s[15] == '-' {
			ahead = -ahead
		}
		return time.Date(2000+n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], 0, time.UTC).Add(tenth - ahead), nil
	}
	return time.Time{}, errors.New("ends in none of +, -, R")
}

// formatTime is t as an absolute time of §7.1.1, in UTC; empty for none.
func formatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	t = t.UTC()
	return t.Format("060102150405") + string(rune('0'+t.Nanosecond()/1e8)) + "00+"
}
