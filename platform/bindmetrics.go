package platform

import (
	"github.com/prometheus/client_golang/prometheus"

	"starhash/smpp"
)

// bindMetrics shows what the binds count themselves.
type bindMetrics struct{ binds []*smpp.ESME }

func bindDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("starhash_smpp_"+name, help, append([]string{"bind"}, labels...), nil)
}

var (
	bindSessions = bindDesc("sessions_wanted", "Sessions that the bind has when all is well.")
	bindBound    = bindDesc("sessions_bound", "Sessions that are bound.")
	bindUnderWay = bindDesc("requests_in_flight", "Requests that have a place in a window.")
	bindWaiting  = bindDesc("inbound_queue", "Messages of the SMSC that wait for the application.")
	bindRate     = bindDesc("rate_limit", "Requests a second that are allowed now; 0: no limit.")
	bindBinds    = bindDesc("binds_total", "Sessions that were bound.")
	bindReceived = bindDesc("received_total", "Messages of the SMSC.")
	bindAnswered = bindDesc("answered_total", "Messages of the SMSC by answer: ok, refused by the application, overload.", "answer")
	bindBad      = bindDesc("malformed_total", "PDUs that did not decode.")
	bindSubmits  = bindDesc("submits_total", "Requests by result: accepted, throttled, rejected, not_sent, unanswered.", "result")
	bindStray    = bindDesc("unmatched_responses_total", "Responses that nobody waited for, late ones most of them.")
)

// Describe implements prometheus.Collector.
func (m *bindMetrics) Describe(c chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{bindSessions, bindBound, bindUnderWay, bindWaiting, bindRate, bindBinds, bindReceived,
		bindAnswered, bindBad, bindSubmits, bindStray} {
		c <- d
	}
}

// Collect implements prometheus.Collector.
func (m *bindMetrics) Collect(c chan<- prometheus.Metric) {
	for _, b := range m.binds {
		name, s := b.Config().Name, b.Stats()
		gauge := func(d *prometheus.Desc, v float64) {
			c <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, name)
		}
		count := func(d *prometheus.Desc, v uint64, labels ...string) {
			c <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), append([]string{name}, labels...)...)
		}
		gauge(bindSessions, float64(s.Sessions))
		gauge(bindBound, float64(s.Bound))
		gauge(bindUnderWay, float64(s.UnderWay))
		gauge(bindWaiting, float64(s.Waiting))
		gauge(bindRate, s.Rate)
		count(bindBinds, s.Binds)
		count(bindReceived, s.Received)
		count(bindAnswered, s.Acknowledged, "ok")
		count(bindAnswered, s.Refused, "refused")
		count(bindAnswered, s.Overloaded, "overload")
		count(bindBad, s.Malformed)
		count(bindSubmits, s.Accepted, "accepted")
		count(bindSubmits, s.Throttled, "throttled")
		count(bindSubmits, s.Rejected, "rejected")
		count(bindSubmits, s.NotSent, "not_sent")
		count(bindSubmits, s.Unanswered, "unanswered")
		count(bindStray, s.Unmatched)
	}
}
