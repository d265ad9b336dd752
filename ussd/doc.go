// Package ussd is the dialogue of a subscriber with menus that are data.
//
// Menus come from a directory (configs.Menus; docs/menus.md describes the files):
// menu.yaml says what leads where, and one file a language has the words. Load
// checks them so that nobody gets lost: what it accepts has every text in every
// language, and every screen of it fits (3GPP TS 23.038 §5, TS 24.090 §6).
//
// A dialogue is a pure function: Begin, Resume, Push and Step take where it stands
// (State, to be stored as JSON by the caller) and what happened, and return where
// it stands then and one thing to do: show a Screen, answer a Query, or carry out
// an Intent and step again with its Verdict. The package keeps nothing, starts
// nothing and waits for nothing; Menus are safe for concurrent use.
//
// Invariants:
//
//   - A screen is never empty and never more than one screen holds; what is longer
//     takes several, with the key for more.
//   - A PIN leaves through Result.Secret alone. It is never in a State as it is
//     stored, a Screen, a Query, an Intent or an error. The screens of type pin
//     decide what is a PIN: four digits typed where an amount is asked for are an
//     amount.
//   - An Intent is given once: a dialogue that was dropped after it begins anew.
//
// What is not here: sessions and their time limits, who the subscriber is, what is
// sealed and sent. The package knows neither subscribers nor banks, nor the
// dialects of SMPP (smpp/dialect).
package ussd
