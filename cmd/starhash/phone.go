package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"starhash/smpp/smsc"
)

func phoneCommand() *cobra.Command {
	c := &cobra.Command{Use: "phone", Short: "Be a phone behind the SMSC simulator"}
	sms := &cobra.Command{
		Use:   "sms TEXT",
		Short: "Send an SMS and print what comes back",
		Long: "Send an SMS from a simulated phone and print what comes back.\n" +
			"Exit code 0: it was acknowledged and answered; 1: it was not.",
		Example: `  starhash phone sms --from 263771000001 --to 7001 "SEND 5 0771000002 1234"`,
		Args:    cobra.MinimumNArgs(1),
	}
	from := sms.Flags().String("from", "263771000001", "the phone's MSISDN")
	to := sms.Flags().String("to", "7001", "the short code")
	url := sms.Flags().String("smsc", "http://127.0.0.1:8080", "management port of the simulator")
	wait := sms.Flags().Duration("wait", 30*time.Second, "how long to wait for an answer")
	sms.RunE = func(c *cobra.Command, args []string) error {
		client := &smsc.Client{BaseURL: *url}
		// A little longer, so that the simulator's own "not yet" arrives.
		ctx, cancel := context.WithTimeout(c.Context(), *wait+5*time.Second)
		defer cancel()
		after, err := lastMessage(ctx, client, *from)
		if err != nil {
			return err
		}
		r, err := client.SendMO(ctx, smsc.MO{From: *from, To: *to, Text: strings.Join(args, " "), Wait: smsc.Duration(*wait)})
		if err != nil {
			return err
		}
		for i, p := range r.Parts {
			fmt.Fprintf(c.OutOrStdout(), "part %d of %d: %s %s\n", i+1, len(r.Parts), p.State, p.Status)
		}
		if !r.OK() {
			return fmt.Errorf("the message was not acknowledged")
		}
		messages, err := client.Inbox(ctx, *from, after, *wait)
		if err != nil {
			return err
		}
		if len(messages) == 0 {
			return fmt.Errorf("no answer within %v", *wait)
		}
		for _, m := range messages {
			fmt.Fprintf(c.OutOrStdout(), "from %s, %d part(s):\n%s\n", m.From, m.Parts, m.Text)
		}
		return nil
	}
	c.AddCommand(sms, phoneUSSDCommand())
	return c
}

// lastMessage is the number of the last message that a phone has received.
func lastMessage(ctx context.Context, client *smsc.Client, msisdn string) (uint64, error) {
	var after uint64
	for {
		ms, err := client.Inbox(ctx, msisdn, after, 0)
		if err != nil || len(ms) == 0 {
			return after, err
		}
		after = ms[len(ms)-1].N
	}
}
