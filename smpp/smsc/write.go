package smsc

import (
	"bufio"
	"container/heap"
	"runtime"
	"time"
)

// write is the only writer: what is there together leaves in one packet, unless the
// faults want it otherwise.
func (c *conn) write() {
	w := &writer{c: c, buf: bufio.NewWriterSize(&segments{c: c}, 32<<10)}
	defer w.end()
	for {
		late := c.late
		if len(w.late) >= lateSize {
			late = nil // whoever reads the ESME's PDUs waits
		}
		var timer *time.Timer
		var wake <-chan time.Time
		if at := w.next(); !at.IsZero() {
			timer = time.NewTimer(time.Until(at))
			wake = timer.C
		}
		select {
		case it := <-c.out:
			w.put(it)
		case it := <-late:
			w.order++
			it.order = w.order
			heap.Push(&w.late, it)
		case <-wake:
		case <-c.done:
			return
		}
		if timer != nil {
			timer.Stop()
		}
		if !w.rest() {
			return
		}
	}
}

// writer is what write knows.
type writer struct {
	c       *conn
	buf     *bufio.Writer
	late    lateHeap
	order   uint64
	after   []func()  // of the items in buf
	flushAt time.Time // when buf is written, because of Faults.Glue
	err     error
}

// put writes an item into the buffer, and the buffer where the item ends something.
func (w *writer) put(it item) {
	if w.err != nil {
		if it.after != nil {
			it.after()
		}
		return
	}
	if it.after != nil {
		w.after = append(w.after, it.after)
	}
	w.c.wrote(it.frame, it.secret)
	w.c.nc.SetWriteDeadline(time.Now().Add(writeTime))
	if it.octets {
		w.flush()
		for i := 0; i < len(it.frame) && w.err == nil; i++ {
			_, w.err = w.c.nc.Write(it.frame[i : i+1])
		}
	} else if w.err == nil {
		_, w.err = w.buf.Write(it.frame)
	}
	switch it.end {
	case endClose:
		w.flush()
		w.c.close("unbound")
	case endHalf:
		w.flush()
		w.c.half()
	}
}

// rest puts what is due, and flushes when there is no more; false at the end.
func (w *writer) rest() bool {
	for len(w.late) > 0 && !w.late[0].due.After(time.Now()) {
		w.put(heap.Pop(&w.late).(item))
	}
	if w.err == nil && w.buf.Buffered() > 0 && len(w.c.out) == 0 {
		runtime.Gosched() // whoever is about to send gets into the same packet
	}
	if w.err == nil && len(w.c.out) == 0 && (w.buf.Buffered() > 0 || len(w.after) > 0) {
		glue := time.Duration(w.c.s.dice.glue())
		switch {
		case glue == 0 || !w.flushAt.IsZero() && !w.flushAt.After(time.Now()):
			w.flush()
		case w.flushAt.IsZero():
			w.flushAt = time.Now().Add(glue)
		}
	}
	if w.err != nil {
		w.c.close("write: " + w.err.Error())
		return false
	}
	return true
}

// flush writes the buffer.
func (w *writer) flush() {
	w.flushAt = time.Time{}
	if w.err == nil {
		w.err = w.buf.Flush()
	}
	if w.err == nil {
		w.settled()
	}
}

func (w *writer) settled() {
	for i, f := range w.after {
		f()
		w.after[i] = nil
	}
	w.after = w.after[:0]
}

// next is when the writer has to wake up by itself.
func (w *writer) next() time.Time {
	at := w.flushAt
	if len(w.late) > 0 && (at.IsZero() || w.late[0].due.Before(at)) {
		at = w.late[0].due
	}
	return at
}

// end runs what waits for items that are not written any more.
func (w *writer) end() {
	w.settled()
	for _, it := range w.late {
		if it.after != nil {
			it.after()
		}
	}
}

// segments writes at most Faults.WriteOctets at a time.
type segments struct{ c *conn }

func (s *segments) Write(b []byte) (n int, err error) {
	size := s.c.s.dice.writeOctets()
	if size == 0 {
		return s.c.nc.Write(b)
	}
	for n < len(b) && err == nil {
		var m int
		m, err = s.c.nc.Write(b[n:min(n+size, len(b))])
		n += m
	}
	return n, err
}

// half closes our half of the connection: the ESME reads what was written, then the
// end. An immediate close could reset the connection and take that from it.
func (c *conn) half() {
	half, ok := c.nc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		c.close("cut by a fault")
		return
	}
	c.nc.SetReadDeadline(time.Now().Add(lingerTime))
}

// lateHeap holds items by the time they are due.
type lateHeap []item

func (h lateHeap) Len() int { return len(h) }
func (h lateHeap) Less(i, j int) bool {
	if h[i].due.Equal(h[j].due) {
		return h[i].order < h[j].order
	}
	return h[i].due.Before(h[j].due)
}
func (h lateHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *lateHeap) Push(x any)   { *h = append(*h, x.(item)) }
func (h *lateHeap) Pop() any {
	old := *h
	it := old[len(old)-1]
	old[len(old)-1] = item{}
	*h = old[:len(old)-1]
	return it
}
