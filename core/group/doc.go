// Package group is the group coordinator. What it keeps lies in __consumer_offsets, in Kafka's own records.
package group
