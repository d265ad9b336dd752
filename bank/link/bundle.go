package link

import (
	"encoding/binary"
)

// A bundle carries several messages in one body, or several answers: each behind
// its length in 4 octets, big-endian. An answer of length 0 is none: no verdict
// about the message in its place.

// MaxBundle is the most messages of a bundle.
const MaxBundle = 128

// bundleHeader is what a message costs in a bundle beside itself.
const bundleHeader = 4

// FitsBundle says whether a message of n octets may follow in a bundle that has
// size octets.
func FitsBundle(size, n int) bool { return size+bundleHeader+n <= MaxMessage }

// AppendBundle appends a message to a bundle.
func AppendBundle(bundle, msg []byte) []byte {
	bundle = binary.BigEndian.AppendUint32(bundle, uint32(len(msg)))
	return append(bundle, msg...)
}

// ReadBundle gives the messages of a bundle, which share its memory.
func ReadBundle(bundle []byte) (msgs [][]byte, err error) {
	if len(bundle) > MaxMessage {
		return nil, malformed("a bundle larger than %d bytes", MaxMessage)
	}
	for len(bundle) > 0 {
		if len(bundle) < bundleHeader {
			return nil, malformed("a bundle ends in a length")
		}
		n := binary.BigEndian.Uint32(bundle)
		bundle = bundle[bundleHeader:]
		if uint64(n) > uint64(len(bundle)) {
			return nil, malformed("a bundle ends in a message")
		}
		if len(msgs) == MaxBundle {
			return nil, malformed("more than %d messages in a bundle", MaxBundle)
		}
		msgs = append(msgs, bundle[:n:n])
		bundle = bundle[n:]
	}
	return msgs, nil
}
