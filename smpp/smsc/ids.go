package smsc

import (
	"fmt"
	"math/rand/v2"
	"strconv"
)

// How message ids are spelled. Real message centres answer in one base and write
// another into their receipts.
const (
	decimalIDs = "decimal"
	hexIDs     = "hex"
	uuidIDs    = "uuid"
)

// spell is a message id (§5.2.23) in a spelling of Config.
func (s *SMSC) spell(n uint64, spelling string) string {
	switch spelling {
	case hexIDs:
		return strconv.FormatUint(n, 16)
	case uuidIDs:
		r := rand.NewPCG(s.seed, n)
		a, b := r.Uint64(), r.Uint64()
		// Version 4, variant 1 (RFC 9562 §5.4), but of the seed.
		return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", a>>32, a>>16&0xFFFF, a&0xFFF, b>>48&0x3FFF|0x8000, b&0xFFFFFFFFFFFF)
	}
	return strconv.FormatUint(n, 10)
}
