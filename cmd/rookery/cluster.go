package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/client"
)

func clusterCommand() *cobra.Command {
	c := &cobra.Command{Use: "cluster", Short: "describe a cluster"}
	c.AddCommand(clusterDescribeCommand())
	return c
}

// clusterDescription is what a broker says of its cluster (KIP-700).
type clusterDescription struct {
	Cluster    string      `json:"cluster"`
	Controller int32       `json:"controller"` // who takes what is asked of the controller
	Brokers    []brokerRow `json:"brokers"`
}

type brokerRow struct {
	Node int32  `json:"node"`
	Host string `json:"host"`
	Port int32  `json:"port"`
	Rack string `json:"rack,omitempty"`
}

func clusterDescribeCommand() *cobra.Command {
	var c session
	var form form
	command := &cobra.Command{
		Use:     "describe",
		Short:   "a cluster's id, and its brokers with the addresses that they tell clients",
		Example: "  rookery cluster describe\n  rookery cluster describe -b broker.example:9092 -o json",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			defer c.close()
			d, err := describeCluster(&c)
			if err != nil {
				return err
			}
			if form.json() {
				return printJSON(command.OutOrStdout(), d)
			}
			fmt.Fprintf(command.OutOrStdout(), "cluster %s, %s, controller %d\n", d.Cluster, counted(len(d.Brokers), "broker"), d.Controller)
			var lines [][]string
			for _, b := range d.Brokers {
				lines = append(lines, []string{number64(int64(b.Node)), b.Host, strconv.Itoa(int(b.Port)), dashed(b.Rack)})
			}
			return table(command.OutOrStdout(), "NODE HOST PORT RACK", lines)
		},
	}
	c.flags(command)
	form.flag(command)
	return command
}

func describeCluster(c *session) (*clusterDescription, error) {
	answer, err := c.call(kmsg.NewPtrDescribeClusterRequest(), client.AnyBroker)
	if err != nil {
		return nil, err
	}
	described := answer.(*kmsg.DescribeClusterResponse)
	if err := codeError(described.ErrorCode, described.ErrorMessage); err != nil {
		return nil, err
	}
	d := &clusterDescription{Cluster: described.ClusterID, Controller: described.ControllerID, Brokers: []brokerRow{}}
	for _, b := range described.Brokers {
		row := brokerRow{Node: b.NodeID, Host: b.Host, Port: b.Port}
		if b.Rack != nil {
			row.Rack = *b.Rack
		}
		d.Brokers = append(d.Brokers, row)
	}
	slices.SortStableFunc(d.Brokers, func(a, b brokerRow) int { return cmp.Compare(a.Node, b.Node) })
	return d, nil
}
