// Package capture takes SMPP PDUs out of what was captured of a connection: a file of
// tcpdump or tshark (pcap or pcapng), or frames in hexadecimal, one a line.
//
// TCP segments are put in order and retransmissions left out. Where the capture begins
// in the middle of a connection, or has lost a packet, the next octets that look like a
// header are where it goes on. Connections in which no PDU is found are not SMPP. TLS is
// not opened.
//
// Nothing is written down and nothing printed: texts may be PINs. What was read is
// bounded, MaxPDUs and MaxFile.
package capture
