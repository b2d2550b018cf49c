// Package timer is a machine that overlooks inputs.
package timer

import "rookery/core/seam"

// Missing forgets Stop, Hides hides everything, Whole is right.
func Missing(in seam.Input) {
	switch in.(type) { // want sum
	case *seam.Started, *seam.Opened, *seam.Request, *seam.Hangup, *seam.Wrote, *seam.Synced, *seam.Loaded, *seam.Sent, *seam.Rewritten, *seam.Wanting,
		*seam.Mail, *seam.Alarm:
	}
}

// Hides has a default for the rest.
func Hides(in seam.Input) string {
	switch in := in.(type) {
	case *seam.Started, *seam.Opened, *seam.Request, *seam.Hangup, *seam.Wrote, *seam.Synced, *seam.Loaded, *seam.Sent, *seam.Rewritten, *seam.Wanting,
		*seam.Mail, *seam.Alarm, *seam.Stop:
		_ = in
	default: // want sum
	}
	return ""
}

// Whole lists every kind.
func Whole(in seam.Input) {
	switch in.(type) {
	case *seam.Started, *seam.Opened, *seam.Request, *seam.Hangup, *seam.Wrote, *seam.Synced, *seam.Loaded, *seam.Sent, *seam.Rewritten, *seam.Wanting,
		*seam.Mail, *seam.Alarm, *seam.Stop:
	}
}
