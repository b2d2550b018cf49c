package workload

import (
	"slices"

	"rookery/sim/check"
	"rookery/sim/world"
)

// pressing is which topics have a codec of their own, and which the broker's time. Of the codecs only none and zstd: what
// the others make of a batch is not the same on every machine, and a seed has to be.
type pressing struct {
	On      bool // in half of the runs; the tuner alters codecs too then
	Codec   map[string]string
	Stamped []string
}

// zstdOverhead is more than zstd adds to what it cannot compress.
const zstdOverhead = 40

// drawPressing: a topic with a retention by age keeps the client's times, which do not jump.
func (p *Plan) drawPressing(tape *world.Tape) {
	s := tape.Stream("codec")
	if p.Pressed.On = s.Choose(2) == 1; !p.Pressed.On {
		return
	}
	p.Pressed.Codec = map[string]string{}
	for _, topic := range p.names() {
		if codec := [4]string{1: "zstd", 2: "uncompressed", 3: "zstd"}[s.Choose(4)]; codec != "" {
			p.Pressed.Codec[topic] = codec
		}
		if s.Choose(3) == 1 && !p.prunes(topic) {
			p.Pressed.Stamped = append(p.Pressed.Stamped, topic)
		}
	}
}

func (p *pressing) configure(topic string, config map[string]string) {
	if codec := p.Codec[topic]; codec != "" {
		config["compression.type"] = codec
	}
	if slices.Contains(p.Stamped, topic) {
		config["message.timestamp.type"] = "LogAppendTime"
	}
}

// stored is how a topic's batches have to lie.
func (p *pressing) stored(topic string) check.Stored {
	codec := map[string]uint16{"": check.AsSent, "uncompressed": 0, "zstd": 4}[p.Codec[topic]]
	return check.Stored{Codec: codec, Stamped: slices.Contains(p.Stamped, topic)}
}
