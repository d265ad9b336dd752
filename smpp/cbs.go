package smpp

// Values of the cell broadcast data coding scheme, 3GPP TS 23.038 §5, which is
// also that of USSD. They differ from those of SMS: the same octet, 0x11 say, is
// class 1 there and UCS2 with a language here.
const (
	CodingCBS             byte = 0x0F // GSM 03.38, language unspecified
	CodingCBSLanguage     byte = 0x10 // GSM 03.38, preceded by a language
	CodingCBSUCS2Language byte = 0x11 // UCS2, preceded by a language
	CodingCBSUCS2         byte = 0x48 // UCS2
)
