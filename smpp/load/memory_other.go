//go:build !linux

package load

// Resident is this process' resident set in MiB; 0 where it cannot be told.
func Resident() float64 { return 0 }
