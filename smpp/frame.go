package smpp

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

// FrameError says that the stream cannot be followed any further: the
// command_length is shorter than a header or longer than allowed, so nobody
// knows where the next PDU begins. The connection has to be closed, after a
// generic_nack with ESME_RINVCMDLEN and Sequence (0 when it was not read).
type FrameError struct {
	Length, Max int
	Sequence    uint32
}

func (e *FrameError) Error() string {
	return fmt.Sprintf("command_length %d outside %d to %d octets", e.Length, HeaderLen, e.Max)
}

// ReadFrame reads one whole PDU of HeaderLen to max octets. The octets are
// zeroed in r's buffer as they are taken: a PIN may be among them.
//
// The error is io.EOF when the stream ends between two PDUs,
// io.ErrUnexpectedEOF inside one, and *FrameError where reading on makes no
// sense.
func ReadFrame(r *bufio.Reader, max int) ([]byte, error) {
	head, err := r.Peek(4)
	if err != nil {
		if err == io.EOF && len(head) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	length := binary.BigEndian.Uint32(head)
	if length < HeaderLen {
		return nil, &FrameError{Length: int(length), Max: max}
	}
	if int64(length) > int64(max) {
		fe := &FrameError{Length: int(length), Max: max}
		if head, err = r.Peek(HeaderLen); err == nil {
			fe.Sequence = binary.BigEndian.Uint32(head[12:])
		}
		return nil, fe
	}
	frame := make([]byte, length)
	for n := 0; n < len(frame); {
		if _, err := r.Peek(1); err != nil {
			clear(frame)
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		chunk, _ := r.Peek(min(r.Buffered(), len(frame)-n))
		n += copy(frame[n:], chunk)
		clear(chunk)
		r.Discard(len(chunk))
	}
	return frame, nil
}

// Reader takes PDUs off a connection, each decoded where it lies in the buffer.
// What was taken is zeroed there, also where the buffer was moved: a PIN may
// have been among it. It has one user at a time.
type Reader struct {
	src      io.Reader
	max      int
	buf      []byte
	from, to int // buf[from:to] was read and not yet taken; the rest is zero
	taken    int // length of the PDU that was taken last
}

// readBuffer holds a few hundred messages, so that a busy SMSC costs few reads;
// a longer PDU makes it grow, to max octets at most.
const readBuffer = 64 << 10

// NewReader makes a Reader of PDUs of HeaderLen to max octets.
func NewReader(src io.Reader, max int) *Reader {
	return &Reader{src: src, max: max, buf: make([]byte, readBuffer)}
}

// Next reads and decodes one PDU. The error is io.EOF when the stream ends
// between two PDUs, io.ErrUnexpectedEOF inside one, *DecodeError where the
// next call can go on, and *FrameError where reading on makes no sense.
func (r *Reader) Next() (PDU, error) {
	if err := r.fill(4); err != nil {
		return PDU{}, err
	}
	length := binary.BigEndian.Uint32(r.buf[r.from:])
	if length < HeaderLen || int64(length) > int64(r.max) {
		fe := &FrameError{Length: int(length), Max: r.max}
		if length >= HeaderLen && r.fill(HeaderLen) == nil {
			fe.Sequence = binary.BigEndian.Uint32(r.buf[r.from+12:])
		}
		return PDU{}, fe
	}
	if err := r.fill(int(length)); err != nil {
		return PDU{}, err
	}
	frame := r.buf[r.from : r.from+int(length)]
	r.from += len(frame)
	r.taken = len(frame)
	defer clear(frame)
	return Decode(frame)
}

// Taken is the length in octets of the PDU that Next took last.
func (r *Reader) Taken() int { return r.taken }

// Ready says whether Next has all it needs and will not wait.
func (r *Reader) Ready() bool {
	held := r.to - r.from
	if held < 4 {
		return false
	}
	length := binary.BigEndian.Uint32(r.buf[r.from:])
	return length < HeaderLen || int64(length) > int64(r.max) || int64(length) <= int64(held)
}

// Wipe zeroes what was read and not taken.
func (r *Reader) Wipe() {
	clear(r.buf[r.from:r.to])
	r.from, r.to = 0, 0
}

// fill reads until n octets are there to be taken.
func (r *Reader) fill(n int) error {
	if r.from == r.to {
		r.from, r.to = 0, 0
	}
	if r.from+n > len(r.buf) {
		r.move(n)
	}
	for empty := 0; r.to-r.from < n; {
		m, err := r.src.Read(r.buf[r.to:])
		r.to += m
		switch {
		case r.to-r.from >= n:
			return nil
		case err == io.EOF && r.to > r.from:
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		case m > 0:
			empty = 0
		case empty == 100: // as bufio has it
			return io.ErrNoProgress
		default:
			empty++
		}
	}
	return nil
}

// move brings what is held to the start of a buffer of at least n octets, and
// leaves no copy behind.
func (r *Reader) move(n int) {
	held := r.buf[r.from:r.to]
	into := r.buf
	if n > len(into) {
		into = make([]byte, n)
	}
	kept := copy(into, held)
	if n > len(r.buf) {
		clear(held)
	} else {
		clear(r.buf[max(kept, r.from):r.to])
	}
	r.buf, r.from, r.to = into, 0, kept
}
