package link

import (
	"crypto/sha256"

	"starhash/configs/secret"
)

// SealRequest makes the Transact message. The key seals one request: seal
// again only to send other bytes that were never sent under this serial.
func (k *DynamicKeys) SealRequest(q *Request) []byte {
	head := k.Header.append(nil)
	plain := q.encode()
	defer clear(plain)
	return seal(k.request, head, plain, head)
}

// OpenRequest reads back what SealRequest sealed, for a transaction whose
// opening expired before the bank took it and which goes out under another.
func (k *DynamicKeys) OpenRequest(msg []byte) (*Request, error) {
	_, q, err := openRequest(k.request, msg)
	return q, err
}

func openRequest(key secret.Value, msg []byte) (Header, *Request, error) {
	h, err := ParseHeader(msg)
	if err != nil {
		return h, nil, err
	}
	if h.Type != TypeTransact {
		return h, nil, malformed("type %d, want a transaction", h.Type)
	}
	plain, err := open(key, msg[headerLen:], msg[:headerLen])
	if err != nil {
		return h, nil, err
	}
	defer clear(plain)
	q, err := decodeRequest(plain)
	return h, q, err
}

// sealReply binds the reply to its request by the request's hash.
func sealReply(key secret.Value, request Header, hash [32]byte, p *Reply) []byte {
	request.Type = TypeReply
	head := request.append(nil)
	return seal(key, head, p.encode(), append(head[:headerLen:headerLen], hash[:]...))
}

// OpenReply opens the bank's answer to the Transact message sent. A reply made
// for any other message fails with BadSeal; an Error message comes back as
// *Error. sk authenticates errors.
func (k *DynamicKeys) OpenReply(sent, answer []byte, sk secret.Value) (*Reply, error) {
	if err := checkError(sent, answer, sk); err != nil {
		return nil, err
	}
	h, err := ParseHeader(answer)
	if err != nil {
		return nil, err
	}
	want := k.Header
	want.Type = TypeReply
	if h != want {
		return nil, refuse(BadSeal, "a reply for serial %s, want %s", h.Serial, want.Serial)
	}
	hash := sha256.Sum256(sent)
	plain, err := open(k.reply, answer[headerLen:], append(answer[:headerLen:headerLen], hash[:]...))
	if err != nil {
		return nil, err
	}
	return decodeReply(plain)
}
