package rerun

import (
	"fmt"

	"rookery/core/conn"
	"rookery/core/seam"
)

// Describe is one line on an input, its bytes left out.
func Describe(in seam.Input) string {
	switch in := in.(type) {
	case *seam.Started:
		return fmt.Sprintf("Started: %d files in %d directories", len(in.Files), len(in.Dirs))
	case *seam.Opened:
		return fmt.Sprintf("Opened: connection %d from %s", in.Conn, in.Remote)
	case *seam.Request:
		return fmt.Sprintf("Request: connection %d, %d bytes%s", in.Conn, len(in.Frame), asked(in.Body))
	case *seam.Wanting:
		return fmt.Sprintf("Wanting: connection %d lacks %d bytes for a frame", in.Conn, in.Bytes)
	case *seam.Hangup:
		return fmt.Sprintf("Hangup: connection %d", in.Conn)
	case *seam.Wrote:
		return fmt.Sprintf("Wrote: op %x, %d bytes, %s", uint64(in.Op), in.Bytes, in.Fault)
	case *seam.Synced:
		return fmt.Sprintf("Synced: op %x, %s", uint64(in.Op), in.Fault)
	case *seam.Loaded:
		return fmt.Sprintf("Loaded: op %x, %d bytes, %s", uint64(in.Op), len(in.Data), in.Fault)
	case *seam.Sent:
		return fmt.Sprintf("Sent: op %x, connection %d, %s", uint64(in.Op), in.Conn, in.Fault)
	case *seam.Rewritten:
		return fmt.Sprintf("Rewritten: op %x, %d bytes", uint64(in.Op), len(in.Data))
	case *seam.Mail:
		return fmt.Sprintf("Mail: %T from %s", in.Body, machineName(in.From))
	case *seam.Alarm:
		return "Alarm"
	case *seam.Stop:
		return "Stop"
	}
	return "nothing"
}

func asked(body any) string {
	request, ok := body.(*conn.Request)
	if !ok {
		return ""
	}
	return fmt.Sprintf(", %s of API %d v%d, correlation %d", request.Kind, request.Key, request.Version, request.Correlation)
}

func summary(fx *seam.Effects) string {
	return fmt.Sprintf("%d writes, %d syncs, %d file operations, %d reads, %d replies, %d rewrites, %d letters, %d frees, %d credits, %d events, alarm %d",
		len(fx.Writes), len(fx.Syncs), len(fx.Files), len(fx.Reads), len(fx.Replies), len(fx.Rewrites), len(fx.Sends), len(fx.Frees), len(fx.Reading), len(fx.Events), fx.Alarm)
}
