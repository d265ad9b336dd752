//go:build !linux

package main

// harden does nothing here: see harden_linux.go for what it guards against.
func harden() error { return nil }
