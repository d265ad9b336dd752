package smpp

// ieConcat8 is the information element of a concatenation with an 8-bit
// reference: 3GPP TS 23.040 §9.2.3.24.
const ieConcat8 = 0x00
