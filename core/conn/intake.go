package conn

import (
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/wire"
)

// Intake reads a frame (without its four bytes of length) into a request that it resets first. It may change a batch of
// the frame in place (batch.Repair).
func Intake(frame []byte, limits Limits, into *Request) {
	into.Reset()
	var header wire.Header
	body, flaw := wire.ReadHeader(frame, &header)
	into.Key, into.Version, into.Correlation, into.ClientID = header.Key, header.Version, header.Correlation, header.ClientID
	switch {
	case flaw != wire.NoFlaw:
		into.malformed("header", flaw)
	case !wire.Spoken(into.Key, into.Version):
		into.Kind = Unsupported
		into.Reason = into.title() + " is not served"
	case into.Key == wire.KeyProduce:
		into.takeProduce(body, limits)
	case into.Key == wire.KeyFetch:
		into.takeFetch(body)
	default:
		into.takeCold(body, limits)
	}
}

func (r *Request) takeProduce(body []byte, limits Limits) {
	if flaw := wire.ReadProduce(body, r.Version, &r.Produce); flaw != wire.NoFlaw {
		r.malformed("body", flaw)
		return
	}
	r.Kind = Produce
	r.inspect(limits)
}

func (r *Request) takeFetch(body []byte) {
	if flaw := wire.ReadFetch(body, r.Version, &r.Fetch); flaw != wire.NoFlaw {
		r.malformed("body", flaw)
		return
	}
	r.Kind = Fetch
}

func (r *Request) takeCold(body []byte, limits Limits) {
	cold, flaw := wire.ReadCold(r.Key, r.Version, body)
	if flaw != wire.NoFlaw {
		r.malformed("body", flaw)
		return
	}
	wire.Merge(cold)
	r.Kind, r.Cold = Cold, cold
	if push, ok := cold.(*kmsg.PushTelemetryRequest); ok {
		r.inflatePush(push, limits)
	}
	if asked, ok := cold.(*kmsg.ApiVersionsRequest); ok && r.Version >= 3 {
		if !isSoftware(asked.ClientSoftwareName) || !isSoftware(asked.ClientSoftwareVersion) {
			r.Refusal = wire.InvalidRequest
		}
	}
}

// malformed keeps the header, so that the log line can name the client, and nothing of a body half read.
func (r *Request) malformed(part string, flaw wire.Flaw) {
	r.Produce.Reset()
	r.Fetch.Reset()
	r.Kind = Malformed
	r.Reason = r.title() + ": " + part + ": " + flaw.String()
}

func (r *Request) title() string {
	return wire.Name(r.Key) + " v" + strconv.Itoa(int(r.Version))
}

// isSoftware judges the name or version that a client gives of itself (KIP-511):
// [a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?
func isSoftware(text string) bool {
	for i := range len(text) {
		inside := i > 0 && i < len(text)-1
		if !isAlphanumeric(text[i]) && !(inside && (text[i] == '-' || text[i] == '.')) {
			return false
		}
	}
	return text != ""
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
