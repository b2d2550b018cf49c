package workload

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/seam"
	"rookery/core/wire"
	"rookery/sim/check"
	"rookery/sim/world"
)

const invalidProducerEpoch = 47

// mayStray says whether a lane's partition knows for certain that an epoch of the producer is over: a batch of the present one
// was acknowledged, and outlives everything.
func (p *producer) mayStray(l *lane) bool {
	return p.idempotent && p.acks == -1 && p.epoch > 0 && !p.resetting && l.acked == p.epoch && p.run.facts.Durable[l.partition.Topic] && !p.run.plan.isFleeting(l.partition.Topic)
}

// stray sends a batch that nobody has sent before under an epoch that is over, as one who was fenced and has not heard of it; or
// under one to come, which begins at 0, with another number.
func (p *producer) stray(now seam.Mono, l *lane, fx *seam.Effects) {
	a := &check.Append{Client: p.id, Partition: l.partition, Producer: p.pid, Epoch: p.epoch - 1 - int16(p.strays.Choose(int(min(p.epoch, 3)))), First: check.Value(p.id)<<32 | p.count,
		Count: 1, Acks: p.acks, Attempts: 1, Call: now, LastCall: now, Return: check.Unfinished, Base: -1, Unordered: true}
	p.count++
	sequence := int32(p.strays.Choose(2)) * l.sequence
	if p.epoch < lastEpoch/2 && p.strays.Choose(3) == 2 { // far from any that it may come to
		a.Epoch, sequence = lastEpoch, 1+int32(p.strays.Choose(3))
	}
	spec := batchSpec{first: a.First, count: 1, time: p.run.wall(now), step: 1, producer: p.pid, epoch: a.Epoch, sequence: sequence}
	a.Born, a.Step = spec.time, spec.step
	request := kmsg.NewPtrProduceRequest()
	request.Version, request.Acks, request.TimeoutMillis = min(p.version, 12), p.acks, 10_000
	if !p.addTo(request, l, &parcel{append: a, data: spec.encode()}) {
		return
	}
	p.run.History.Appends = append(p.run.History.Appends, a)
	p.run.World.Counts[world.EpochStrayed]++
	epoch := p.epoch
	judge := func(at seam.Mono, answer kmsg.Response) {
		if result := p.resultOf(l, answer); result != nil {
			p.strayed(now, at, a, epoch, result.ErrorCode)
		}
	}
	p.ask(now, request, fx, &call{settle: judge, done: func(at seam.Mono, answer kmsg.Response, _ *seam.Effects) {
		if answer != nil {
			judge(at, answer)
		}
	}})
}

// strayed: it is refused for good, or told to ask again.
func (p *producer) strayed(sent, at seam.Mono, a *check.Append, epoch, code int16) {
	due, other := int16(invalidProducerEpoch), int16(outOfOrderSequence)
	if a.Epoch > epoch {
		due, other = other, due
	}
	if code == due {
		p.run.result.Codes[code]++
		a.Outcome = check.Refused
	} else if code != other {
		p.run.told(question{wire.KeyProduce, a.Partition.Topic, sent, 10 * seam.Second}, code, at)
	}
	p.run.require(code != none && code != other, check.StraysRefused, "%s: value %#x of epoch %d on %v was answered with %v, and a batch of epoch %d had been acknowledged", p.name, a.First, a.Epoch, a.Partition, wire.Code(code), epoch)
}
