// Package interop has no program: its tests bind package smpp to SMSCs and ESMEs
// that are not ours, and have another's dissector read what goes over the wire.
//
//	netsmpp_test.go   Net::SMPP of Perl (Debian: libnet-smpp-perl), as SMSC and as ESME
//	node_test.go      node-smpp, as SMSC, also over TLS
//	osmomsc_test.go   osmo-msc's SMPP port (Debian: osmo-msc), with a phone that bss_test.go plays
//	capture_test.go   everything at once, through tshark's SMPP dissector (Debian: tshark)
//
// A peer that is not installed skips its test; -short skips all. Peers in a scripting
// language lie in testdata: they tell what they see as JSON lines on standard output
// and obey JSON lines on standard input, so that a test knows what the other side
// understood and not only what we did. smpp/SPEC.md says what they taught.
package interop
