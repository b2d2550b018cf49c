package conn

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/batch"
	"rookery/core/wire"
)

// inspect states the facts of each record set and repairs what may be repaired. Once the batches of the request have
// inflated to all that they may together, every further compressed one is found TooLarge.
func (r *Request) inspect(limits Limits) {
	left, scratch := limits.inflatedTotalMax(), r.Scratch
	for i := range r.Produce.Partitions {
		records := r.Produce.Partitions[i].Records
		limit := max(1, min(left, limits.inflatedMax()))
		if scratch == nil && isCompressed(records) {
			scratch = new(batch.Scratch)
		}
		facts := scratch.Inspect(records, batch.Limits{InflatedMax: limit})
		left -= inflated(&facts, limit)
		batch.Repair(records, &facts)
		r.Facts = append(r.Facts, facts)
	}
}

// inflated is what a batch has cost: a compressed one that did not inflate to its end counts as the most that it could.
func inflated(facts *batch.Facts, limit int) int {
	switch {
	case facts.Codec() == batch.None:
		return 0
	case facts.Fault == batch.TooLarge || facts.Fault == batch.Malformed && facts.InflatedSize == 0:
		return limit
	}
	return int(facts.InflatedSize)
}

func isCompressed(records []byte) bool {
	return len(records) >= batch.HeaderSize && batch.View(records).Codec() != batch.None
}

// inflatePush undoes the codec of what a client pushes of its metrics, and forgets it: that can be done, or not.
func (r *Request) inflatePush(push *kmsg.PushTelemetryRequest, limits Limits) {
	codec := batch.Codec(push.CompressionType)
	if codec <= batch.None || codec > batch.Zstd || len(push.Metrics) == 0 {
		return
	}
	scratch := r.Scratch
	if scratch == nil {
		scratch = new(batch.Scratch)
	}
	switch _, fault := scratch.Inflated(codec, push.Metrics, limits.inflatedMax()); fault {
	case batch.Fine:
	case batch.TooLarge:
		r.Payload = wire.TelemetryTooLarge
	default:
		r.Payload = wire.InvalidRecord
	}
}
