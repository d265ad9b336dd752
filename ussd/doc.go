// Package ussd answers USSD requests that arrive over SMPP.
//
// What is here: the recognition of a deliver_sm that belongs to a USSD session
// (ussd_service_op, SMPP 3.4 §5.3.2.44), the budget of a screen (3GPP TS 23.038
// §5, TS 24.090), and the answer that shows one last screen and ends the session.
//
// What is not here: menus and dialogues. There is no state between two messages
// of a session, and no dialect: the operations are those of the plain dialect,
// and the parameters that tell sessions apart in the dialects we know are given
// back as they came. Sessions without ussd_service_op, which some USSD gateways
// mark by service_type alone, are not recognised.
//
// The package knows neither subscribers nor banks. It keeps nothing, starts
// nothing and waits for nothing; its functions are safe for concurrent use.
package ussd
