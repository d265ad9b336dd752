package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"starhash/smpp/smsc"
)

func phoneUSSDCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "ussd CODE [REPLY...]",
		Short: "Dial a USSD code and walk through the dialogue",
		Long: "Dial a USSD code from a simulated phone and show its screens. Replies come from the\n" +
			"arguments behind the code, then from --reply, then from standard input, a line each;\n" +
			"at its end the phone hangs up. A PIN that is typed is not shown.\n" +
			"Exit code 0: the application ended the session; 1: the network or the phone did.",
		Example: `  starhash phone ussd --from 263771000001 "*700#"
  starhash phone ussd "*700#" 1 0771000002 5 1234
  starhash phone ussd "*700*1*0771000002*5#" --reply 1234`,
		Args: cobra.MinimumNArgs(1),
	}
	d := &dialling{}
	c.Flags().StringVar(&d.from, "from", "263771000001", "the phone's MSISDN")
	url := c.Flags().String("smsc", "http://127.0.0.1:8080", "management port of the simulator")
	replies := c.Flags().StringArray("reply", nil, "answer to a screen, again and again")
	c.Flags().DurationVar(&d.wait, "wait", 30*time.Second, "how long to wait for a screen")
	c.RunE = func(c *cobra.Command, args []string) error {
		d.client, d.out = &smsc.Client{BaseURL: *url}, c.OutOrStdout()
		d.replies = append(args[1:], *replies...)
		return d.run(c.Context(), args[0], c.InOrStdin())
	}
	return c
}

// dialling is a person at a phone, in a terminal.
type dialling struct {
	client  *smsc.Client
	from    string
	wait    time.Duration
	replies []string
	out     io.Writer
}

// errHungUp says that there was nothing more to enter.
var errHungUp = errors.New("no reply is left: the phone has hung up")

func (d *dialling) run(ctx context.Context, text string, in io.Reader) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	lines := readLines(ctx, in)
	defer lines.restore()
	for {
		sc, err := d.enter(ctx, text)
		if err != nil {
			return err
		}
		for sc.Kind == "notify" && sc.Open { // something else follows
			d.show(sc)
			if sc, err = d.next(ctx, sc.N, d.wait); err != nil {
				return err
			}
		}
		d.show(sc)
		if !sc.Open {
			return ended(sc)
		}
		if len(d.replies) > 0 {
			text, d.replies = d.replies[0], d.replies[1:]
			d.echo(text, sc.Secret)
			continue
		}
		var over *smsc.USSDScreen
		if text, over, err = d.ask(ctx, lines, sc); over != nil {
			fmt.Fprintln(d.out)
			d.show(*over)
			return ended(*over)
		}
		if err != nil { // also when the person has pressed Ctrl-C
			bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			return errors.Join(err, d.client.HangUp(bye, d.from))
		}
	}
}

// enter dials or answers, and returns what the phone shows then.
func (d *dialling) enter(ctx context.Context, text string) (smsc.USSDScreen, error) {
	waiting, cancel := context.WithTimeout(ctx, d.wait+5*time.Second)
	defer cancel()
	sc, err := d.client.Enter(waiting, d.from, smsc.USSD{Text: text, Wait: smsc.Duration(d.wait)})
	if err == nil && sc.Kind == "" {
		err = fmt.Errorf("no screen within %v", d.wait)
	}
	return sc, err
}

// next is the screen behind number after.
func (d *dialling) next(ctx context.Context, after uint64, wait time.Duration) (smsc.USSDScreen, error) {
	got, err := d.client.Screens(ctx, d.from, after, wait)
	if err == nil && len(got) == 0 {
		err = fmt.Errorf("no screen within %v", wait)
	}
	if err != nil {
		return smsc.USSDScreen{}, err
	}
	return got[0], nil
}

// ask reads the person's reply, or returns the screen that ended the session while
// they thought about it.
func (d *dialling) ask(ctx context.Context, lines *lineReader, sc smsc.USSDScreen) (string, *smsc.USSDScreen, error) {
	watching, stop := context.WithCancel(ctx)
	over := make(chan smsc.USSDScreen, 1)
	watched := make(chan struct{})
	go func() { // ends with watching, below
		defer close(watched)
		for watching.Err() == nil {
			next, err := d.next(watching, sc.N, 20*time.Second)
			if err == nil {
				over <- next
				return
			}
			select {
			case <-time.After(100 * time.Millisecond):
			case <-watching.Done():
			}
		}
	}()
	defer func() { stop(); <-watched }()
	fmt.Fprint(d.out, "> ")
	select {
	case lines.ask <- sc.Secret:
	case <-ctx.Done():
		return "", nil, ctx.Err()
	}
	select {
	case line := <-lines.got:
		if line.err != nil {
			fmt.Fprintln(d.out)
			return "", nil, errHungUp
		}
		if !lines.terminal || sc.Secret {
			d.echo("", false)
		}
		return line.text, nil, nil
	case next := <-over:
		return "", &next, nil
	case <-ctx.Done():
		return "", nil, ctx.Err()
	}
}

// ended is how a dialogue went.
func ended(sc smsc.USSDScreen) error {
	if sc.Kind != "abort" {
		return nil
	}
	return fmt.Errorf("the session was lost: %s", sc.Error)
}

// echo shows what was entered, but for a PIN.
func (d *dialling) echo(text string, secret bool) {
	if secret {
		text = "****"
	}
	if text != "" {
		text = "> " + text
	}
	fmt.Fprintln(d.out, text)
}

// screenWidth is that of a feature phone, in characters.
const screenWidth = 30

// show draws a screen.
func (d *dialling) show(sc smsc.USSDScreen) {
	edge := strings.Repeat("─", screenWidth+2)
	fmt.Fprintf(d.out, "┌%s┐\n", edge)
	for line := range strings.SplitSeq(sc.Text, "\n") {
		for _, row := range wrap(line, screenWidth) {
			fmt.Fprintf(d.out, "│ %s%s │\n", row, strings.Repeat(" ", screenWidth-utf8.RuneCountInString(row)))
		}
	}
	fmt.Fprintf(d.out, "└%s┘\n", edge)
}

// wrap breaks a line between words where it can.
func wrap(line string, width int) []string {
	var rows []string
	row := []rune(strings.TrimRight(line, "\r"))
	for len(row) > width {
		cut := width
		for i := width; i > 0; i-- {
			if row[i] == ' ' {
				cut = i
				break
			}
		}
		rows = append(rows, string(row[:cut]))
		row = row[cut:]
		if len(row) > 0 && row[0] == ' ' {
			row = row[1:]
		}
	}
	return append(rows, string(row))
}

// lineReader reads a line each time that it is asked to, without an echo where the
// question says so and in is a terminal.
type lineReader struct {
	terminal bool
	restore  func() // shows again what is typed, wherever reading a PIN was cut short
	ask      chan bool
	got      chan line
}

type line struct {
	text string
	err  error
}

func readLines(ctx context.Context, in io.Reader) *lineReader {
	l := &lineReader{restore: func() {}, ask: make(chan bool), got: make(chan line)}
	file, ok := in.(*os.File)
	if ok {
		if state, err := term.GetState(int(file.Fd())); err == nil {
			l.terminal = true
			l.restore = func() { term.Restore(int(file.Fd()), state) } // the process ends anyway
		}
	}
	lines := bufio.NewReader(in)
	go func() { // ends with ctx, or when the process does: a read cannot be called off
		for {
			var got line
			select {
			case secret := <-l.ask:
				if secret && l.terminal {
					var pin []byte
					pin, got.err = term.ReadPassword(int(file.Fd()))
					got.text = string(pin)
					clear(pin)
				} else {
					got.text, got.err = lines.ReadString('\n')
					if got.text != "" {
						got.err = nil // a last line without its end
					}
				}
			case <-ctx.Done():
				return
			}
			got.text = strings.TrimRight(got.text, "\r\n")
			select {
			case l.got <- got:
			case <-ctx.Done():
				return
			}
		}
	}()
	return l
}
