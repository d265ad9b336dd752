package configs

import "strings"

// Problem is one thing wrong with a configuration, in words for the person who
// wrote it. It never holds the value of a secret.
type Problem struct {
	Key     string // where: "smpp.binds[0].window"; relative to the struct whose Validate returns it
	Message string // what is wrong: "is 0"
	Want    string // what would be right: "1 to 10000"; may be empty
}

// String is "smpp.binds[0].window: is 0; want 1 to 10000".
func (p Problem) String() string {
	var b strings.Builder
	if p.Key != "" {
		b.WriteString(p.Key)
		b.WriteString(": ")
	}
	b.WriteString(p.Message)
	if p.Want != "" {
		b.WriteString("; want ")
		b.WriteString(p.Want)
	}
	return b.String()
}
