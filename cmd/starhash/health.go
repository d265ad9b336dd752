package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

func healthCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "health URL...",
		Short: "Ask a role whether it is well; for containers that hold no other program",
		Long:  "Ask each URL in turn. The first that answers decides: exit code 0 if its status is 200, else 1.",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, urls []string) error {
			ctx, cancel := context.WithTimeout(c.Context(), 3*time.Second)
			defer cancel()
			var last error
			for _, url := range urls {
				req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
				if err != nil {
					return fmt.Errorf("%w: %w", errUsage, err)
				}
				resp, err := http.DefaultClient.Do(req)
				if err != nil {
					last = err
					continue
				}
				defer resp.Body.Close()
				body, _ := io.ReadAll(io.LimitReader(resp.Body, 4096)) // for the person who looks; the status decides
				fmt.Fprintf(c.OutOrStdout(), "%s\n", body)
				if resp.StatusCode != http.StatusOK {
					return fmt.Errorf("%s: %s", url, resp.Status)
				}
				return nil
			}
			return last
		},
	}
}
