// Package configs reads the configuration of a role and says what is wrong
// with it: which key, which line, what would be right.
package configs
