package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is a pseudo-terminal: what is written to the first is typed, and what the
// first reads is seen.
func terminal(t *testing.T) (keyboard, program *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keyboard.Close() })
	if err := unix.IoctlSetPointerInt(int(keyboard.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(keyboard.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	return keyboard, program
}

// In a terminal the person sees what they type, but not a PIN, and the terminal is as
// before in the end.
func TestPhoneUSSDTerminal(t *testing.T) {
	url := ussdNetwork(t)
	keyboard, program := terminal(t)
	before, err := unix.IoctlGetTermios(int(program.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan string, 1)
	go func() {
		var errs bytes.Buffer
		code := run(t.Context(), []string{"phone", "ussd", "--smsc", url, "*700#"}, program, program, &errs)
		done <- fmt.Sprint(code, errs.String())
	}()
	seen := make(chan string)
	go func() { // ends when the terminal is closed, at the end of the test
		b := make([]byte, 4096)
		for {
			n, err := keyboard.Read(b)
			if err != nil {
				return
			}
			select {
			case seen <- string(b[:n]):
			case <-t.Context().Done():
				return
			}
		}
	}()
	var all string
	await := func(text string) {
		t.Helper()
		for deadline := time.After(patience); !strings.Contains(all, text); {
			select {
			case more := <-seen:
				all += more
			case <-deadline:
				t.Fatalf("%q does not come:\n%s", text, all)
			}
		}
	}
	typed := func(text string) {
		t.Helper()
		if _, err := keyboard.WriteString(text + "\n"); err != nil {
			t.Fatal(err)
		}
	}
	await("Send money")
	await("> ")
	typed("1")
	await("> 1")
	await("Enter your PIN")
	awaitEcho(t, program, false)
	typed("4826")
	await("Done.")
	if got := <-done; got != "0" {
		t.Errorf("exit code %s", got)
	}
	if strings.Contains(all, "4826") {
		t.Errorf("the PIN is on the screen:\n%s", all)
	}
	after, err := unix.IoctlGetTermios(int(program.Fd()), unix.TCGETS)
	if err != nil || *after != *before {
		t.Errorf("the terminal is another one: %v", err)
	}
}

// awaitEcho waits until the terminal shows what is typed, or does not.
func awaitEcho(t *testing.T, f *os.File, on bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); ; <-tick.C {
		state, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
		if err != nil {
			t.Fatal(err)
		}
		if (state.Lflag&unix.ECHO != 0) == on {
			return
		}
		if time.Now().After(end) {
			t.Fatal("the terminal goes on as it was")
		}
	}
}
