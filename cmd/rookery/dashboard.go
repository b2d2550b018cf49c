package main

import (
	_ "embed"

	"github.com/spf13/cobra"
)

// dashboard is for Grafana. Every metric that it asks for is in a scrape: a test looks.
//
//go:embed dashboard.json
var dashboard []byte

func dashboardCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "dashboard",
		Short:   "print a Grafana dashboard for /metrics",
		Example: "  rookery dashboard > rookery.json       then: Dashboards, New, Import",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := c.OutOrStdout().Write(dashboard)
			return err
		},
	}
}
