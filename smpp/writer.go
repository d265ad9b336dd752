package smpp

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"time"
)

// writeChunk is how many octets have to be taken by the peer within
// WriteTimeout.
const writeChunk = 64 << 10

// output is what waits to be written: whole PDUs, one behind the other.
type output struct {
	octets   []byte
	requests []placed // the requests among them
	answers  int      // the others
}

// placed is where a request stands in the octets of an output.
type placed struct {
	request  *request
	from, to int
}

// put appends a PDU; r is nil for an answer. The output stays as it was where
// the PDU does not encode.
func (o *output) put(p PDU, r *request) error {
	octets, err := Append(o.octets, p)
	if err != nil {
		return err
	}
	if r != nil {
		o.requests = append(o.requests, placed{r, len(o.octets), len(octets)})
	} else {
		o.answers++
	}
	o.octets = octets
	return nil
}

// handOver marks the requests as handed to the connection, and cuts out those
// that nobody waits for any more.
func (o *output) handOver() []byte {
	kept, at := 0, 0
	for _, p := range o.requests {
		if p.request.state == queued {
			p.request.state = handed
			continue
		}
		kept += copy(o.octets[kept:], o.octets[at:p.from])
		at = p.to
	}
	if at == 0 {
		return o.octets
	}
	kept += copy(o.octets[kept:], o.octets[at:])
	return o.octets[:kept]
}

// respond queues an answer; after the end it does nothing.
func (s *session) respond(p PDU) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	if err := s.out.put(p, nil); err != nil { // answers are made here, of parts that always encode
		s.log.Error("answer does not encode", "err", err)
		return
	}
	s.toWrite.Signal()
}

// answer queues a deliver_sm_resp or data_sm_resp.
func (s *session) answer(c CommandID, sequence uint32, status Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answerLocked(c, sequence, status)
}

// answerLocked is answer where s.mu is held. The message_id is there, empty:
// §4.6.2, §4.7.2.
func (s *session) answerLocked(c CommandID, sequence uint32, status Status) {
	if s.ended {
		return
	}
	var b [HeaderLen + 1]byte
	binary.BigEndian.PutUint32(b[0:], uint32(len(b)))
	binary.BigEndian.PutUint32(b[4:], uint32(c.Response()))
	binary.BigEndian.PutUint32(b[8:], uint32(status))
	binary.BigEndian.PutUint32(b[12:], sequence)
	s.out.octets = append(s.out.octets, b[:]...)
	s.out.answers++
	s.toWrite.Signal()
}

// write is the writer: it takes all that is queued and writes it at once. A
// request is handed from the moment its octets go to the connection: from there
// on nobody can say that it was not sent.
func (s *session) write() {
	var spare []byte
	for {
		s.mu.Lock()
		for len(s.out.octets) == 0 && !s.ended {
			s.toWrite.Wait()
		}
		if !s.ended {
			// Whoever is about to queue more may do so first: one write costs
			// as much as ten answers.
			s.mu.Unlock()
			runtime.Gosched()
			s.mu.Lock()
		}
		if s.ended && (len(s.out.octets) == 0 || !s.flush) {
			s.mu.Unlock()
			return
		}
		batch := s.out
		s.out = output{octets: spare[:0]}
		octets := batch.handOver()
		s.room.Broadcast()
		s.mu.Unlock()
		for rest := octets; len(rest) > 0; {
			chunk := rest[:min(writeChunk, len(rest))]
			s.conn.SetWriteDeadline(time.Now().Add(s.cfg.WriteTimeout))
			if _, err := s.conn.Write(chunk); err != nil {
				clear(batch.octets)
				s.end(fmt.Errorf("write: %w", err), false)
				return
			}
			rest = rest[len(chunk):]
		}
		clear(batch.octets) // messages to subscribers are private too
		if spare = batch.octets; cap(spare) > 16*writeChunk {
			spare = nil
		}
	}
}

// awaitRoom holds the reader back while too much waits to be written.
func (s *session) awaitRoom() {
	limit := answersQueued + s.cfg.Window + s.cfg.InboundQueue
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.out.answers+len(s.out.requests) > limit && !s.ended {
		s.room.Wait()
	}
}
