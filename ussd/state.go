package ussd

import (
	"fmt"

	"starhash/configs/secret"
)

// Env is what the menus may know of a subscriber while one step is made.
type Env struct {
	Language string            // a language of the menus; another is English
	Facts    map[string]bool   // what conditions ask for: registered, blocked, favourites …
	Values   map[string]string // what texts may show beside what was typed: short_code, service_code, msisdn …
}

// State is where a dialogue stands. It is to be stored as JSON and given back
// unchanged; its fields are the engine's own. It never holds a PIN: what was
// dialled behind a query in the same string is in memory only, and is wiped with
// the step that answers the query, so that such a State is used once.
type State struct {
	Screen  string            `json:"screen"`
	Page    int               `json:"page,omitempty"`
	Reason  string            `json:"reason,omitempty"` // stands in front of the screen
	Values  map[string]Value  `json:"values,omitempty"`
	Items   []Item            `json:"items,omitempty"`   // of the screen's list
	Listed  bool              `json:"listed,omitempty"`  // Items are the answer to its query
	Asked   map[string]string `json:"asked,omitempty"`   // query to the arguments that Values answers
	Trail   []Visit           `json:"trail,omitempty"`   // the way here, for back
	Waiting string            `json:"waiting,omitempty"` // for a query or an action, by name
	Text    string            `json:"text,omitempty"`    // a verdict that takes several pages, or has a screen below it
	Done    bool              `json:"done,omitempty"`    // an intent has been given: nothing to go on with
	Over    bool              `json:"over,omitempty"`    // the last screen has been shown
	Old     *State            `json:"old,omitempty"`     // the dropped dialogue that Resume offers

	ahead secret.Value // what was dialled and is still to be walked
}

// Format writes where the dialogue stands and nothing that was typed.
func (s State) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "state at %s", s.Screen) }

// Value is something typed, chosen or answered: as the bank reads it, and as a
// person does where that differs.
type Value struct {
	Value string `json:"v"`
	Shown string `json:"s,omitempty"`
}

// shown is the value for people.
func (v Value) shown() string {
	if v.Shown != "" {
		return v.Shown
	}
	return v.Value
}

// Visit is a screen on the way, and the names of the values that leaving it set.
type Visit struct {
	Screen string   `json:"screen"`
	Set    []string `json:"set,omitempty"`
}

// Input is what happened: one of the fields.
type Input struct {
	Text    []byte // what the subscriber typed; the caller wipes it
	Answer  *Answer
	Verdict *Verdict
}

// Answer answers a Query. With a Reason, which is a key of the menus' reasons, the
// screen before is shown again with it; one that they do not have is not_now.
type Answer struct {
	Values map[string]string
	Items  []Item
	Reason string
}

// Item is one of a list: what is read, and what it stands for.
type Item struct {
	Label string `json:"label"`
	Value string `json:"value"`
}

// maxItems bounds a list; what is behind is not shown.
const maxItems = 50

// Verdict is what came of an Intent.
type Verdict struct {
	Text string // in the subscriber's language, of any length
}

// Result is what a step leads to: one of Screen, Query and Intent.
type Result struct {
	State  State
	Screen *Screen
	Query  *Query
	Intent *Intent
	Secret *Secret // beside Screen or Intent
}

// Screen is what the subscriber reads: never empty, never more than Fits allows.
type Screen struct {
	Text string
	End  bool // nothing is asked: the session is over
}

// Query asks the caller for something. The caller steps again with the Answer at
// once, without storing the State.
type Query struct {
	Name string
	Args map[string]string
}

// Intent is what the subscriber wants done. The caller steps again with the Verdict.
type Intent struct {
	Action string
	Values map[string]string
}

// Secret is a PIN just typed; the caller seals and wipes it at once.
type Secret struct {
	Field string // "pin", "new_pin" or "new_pin_again"
	PIN   secret.Value
}

// Readers read what is typed. Each returns the value, how people read it, and the
// key of a reason ("bad_amount") when it is not right.
type Readers struct {
	Amount func(language string, text []byte) (minor, shown, reason string)
	Number func(text []byte) (msisdn, shown, reason string)
}
