// Package conn is one client connection: what a frame asks for, and in what order the answers go out.
//
//	       the connection's goroutine                     the Broker's Step
//	frame ──▶ Intake ──▶ Request{Kind, Produce + Facts ──▶ judged, Slots.Open ─┐ ... Slots.Fill (in any order)
//	          header       | Fetch                                             │
//	          body         | Cold                                              ▼
//	          batches      | Unsupported | Malformed}        Slots.Next: answers in the order of the requests
//
// Rules:
//
//   - Intake is a pure function of the frame and the limits. It knows no configuration, no topic and no state: it reads,
//     states facts, and puts a batch's maxTimestamp right in place. What to make of it is judged in Step.
//   - Whatever the bytes are, Intake returns, and what it allocates is bounded by the frame's length and the limits.
//   - All names and record sets in a Request are aliases of the frame: they live as long as the frame is leased.
//     Strings of a cold request are copies.
//   - Requests of one connection are answered in the order in which they came, whatever finishes first. A produce with
//     acks=0 that succeeds has no answer and takes no slot.
package conn

import (
	"rookery/core/batch"
	"rookery/core/seam"
	"rookery/core/wire"
)

// FrameMax is the longest frame that is read where nothing else is configured (socket.request.max.bytes).
const FrameMax = 100 << 20

// FrameMin is the shortest frame that can hold a request's header.
const FrameMin = wire.HeaderSize

// Limits bounds what one frame may cost. Zero values stand for the defaults.
type Limits struct {
	FrameMax         int32 // bytes of a frame, its length not counted: FrameMax
	InflatedMax      int   // bytes of one batch's records when decompressed: batch.DefaultInflatedMax
	InflatedTotalMax int   // the same of all batches of a request together: InflatedTotalMax
}

// InflatedTotalMax is how many bytes the batches of one request may inflate to where nothing else is configured: ten
// times the longest frame. Without it one frame of small bombs would keep a processor busy for minutes.
const InflatedTotalMax = 10 * FrameMax

// Accepts judges the four bytes of length in front of a frame, before anything of the frame is read. A length that it
// refuses closes the connection.
func (l Limits) Accepts(length int32) bool {
	longest := l.FrameMax
	if longest <= 0 {
		longest = FrameMax
	}
	return FrameMin <= length && length <= longest
}

func (l Limits) inflatedTotalMax() int {
	if l.InflatedTotalMax <= 0 {
		return InflatedTotalMax
	}
	return l.InflatedTotalMax
}

func (l Limits) inflatedMax() int {
	if l.InflatedMax <= 0 {
		return batch.DefaultInflatedMax
	}
	return l.InflatedMax
}

// Kind is what a frame turned out to be.
type Kind uint8

const (
	// Malformed frames close the connection.
	Malformed Kind = iota
	// Unsupported is an API or a version that is not served. ApiVersions is answered by wire.AppendApiVersionsRefusal;
	// for any other there is no answer that the client could read, and the connection is closed.
	Unsupported
	// Produce has Request.Produce and Request.Facts.
	Produce
	// Fetch has Request.Fetch.
	Fetch
	// Cold has Request.Cold.
	Cold
)

func (k Kind) String() string {
	switch k {
	case Malformed:
		return "malformed"
	case Unsupported:
		return "unsupported"
	case Produce:
		return "produce"
	case Fetch:
		return "fetch"
	case Cold:
		return "cold"
	}
	return "unknown kind"
}

// Request is one frame, read. The caller owns it and takes many frames in with it.
type Request struct {
	Kind        Kind
	Key         int16
	Version     int16
	Correlation int32
	ClientID    []byte // nil is null

	// Refusal is an error that the answer carries at its top whatever the broker's state: INVALID_REQUEST for an
	// ApiVersions whose software name or version is not what KIP-511 allows.
	Refusal wire.Code

	Produce wire.ProduceRequest
	Facts   []batch.Facts // of Produce.Partitions, one by one
	Fetch   wire.FetchRequest
	Cold    wire.Message
	Payload wire.Code // of a PushTelemetry: what is wrong with the metrics that it carries

	Reason string // one log line: why Malformed or Unsupported

	// Arrived is the driver's: when the frame was whole, for whoever measures. No machine reads it, and Reset forgets it.
	Arrived seam.Mono

	// Scratch is memory to inflate into, of the connection's goroutine; it outlives Reset. Nil: fresh memory for every frame.
	Scratch *batch.Scratch
}

// Reset forgets the frame and keeps the memory, unless it is unusually much.
func (r *Request) Reset() {
	r.Produce.Reset()
	r.Fetch.Reset()
	facts := r.Facts[:0]
	if cap(r.Produce.Partitions) == 0 {
		facts = nil // the last request was unusually long: its memory is let go
	}
	*r = Request{Produce: r.Produce, Fetch: r.Fetch, Facts: facts, Scratch: r.Scratch}
}

// CloseUnanswered says whether the connection is closed without an answer to this frame.
func (r *Request) CloseUnanswered() bool {
	return r.Kind == Malformed || r.Kind == Unsupported && r.Key != wire.KeyApiVersions
}
