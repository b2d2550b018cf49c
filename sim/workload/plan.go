package workload

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"rookery/sim/check"
	"rookery/sim/world"
)

// Plan is what one seed makes of a run: the swarm. Everything in it is a decision of its own, 0 being the plain case.
type Plan struct {
	Durable  []string // topics of which acks=all survives everything
	Cached   []string // topics in page-cache mode
	Fleeting []string // topics that come and go
	Ledger   string   // the durable topic with a few acks=all writes, small enough for a search

	SegmentBytes  int // of a data topic; 0: Kafka's default
	IndexInterval int
	ThinkMillis   int
	Budget        int // batches or reads of a client

	// Knobs of the broker, 0 being its default.
	ConnectionBytes, FrameBytes, ReplyBytes int64
	UnsyncedBytes                           int64
	FetchBytesMax                           int32
	SyncsMax, RecoveriesMax                 int
	CheckpointMillis                        int
	StepItems                               int
	Crowd                                   int // partitions of a topic that comes and goes once or twice; 0: there is none

	PatienceMillis int // of the driver with its disk; 0: the default

	Programs [7]bool // which of the programs run

	Rates world.Rates
	Chaos int // milliseconds until the faults end
	AllOn bool
	Rot   bool
	Quiet bool // no faults at all

	Restless bool // the wall clock jumps all the time, when the faults are over too

	Dirs      int   // log directories
	MoveBytes int64 // copied at once of what moves between them

	Pruning  pruning
	OddTimes bool // the records' timestamps do not only rise
	Falling  bool // on the whole they fall
	Pressed  pressing
	Sessions fetchSessions
	Tidying  tidying
	Limits   limiting
	Members  int // of groups
	Herd     int // members of a group of the consumer protocol
	Loners   int // clients that commit as nobody's members
	Hermit   bool
	Expiry   int // milliseconds for which offsets are kept, where only loners and members of classic groups commit any; 0: for ever
	Numbers  numbering
	Workers  working
}

// haste is how much shorter a brief life is.
const haste = 4

// shorten makes a life brief: the same faults, clients and laws, in less time.
func (p *Plan) shorten() {
	p.Budget /= haste
	p.Tidying.Budget /= 2
	p.Chaos /= haste
	p.Rates.NemesisPause /= haste
	p.Rates.Haste = haste
}

func drawPlan(tape *world.Tape, quiet, brief bool) *Plan {
	s := tape.Stream("plan")
	p := &Plan{Durable: []string{"firm", "ledger"}, Cached: []string{"loose"}, Fleeting: []string{"brief", "fleet.ing"}, Ledger: "ledger", Quiet: quiet}
	p.AllOn = s.Choose(4) < 3
	p.SegmentBytes = [6]int{0, 300, 1000, 5000, 20_000, 300}[s.Choose(6)]
	p.IndexInterval = [4]int{4096, 0, 100, 1000}[s.Choose(4)]
	p.ThinkMillis = [4]int{40, 10, 80, 160}[s.Choose(4)]
	p.Budget = 60 + 20*s.Choose(4)
	p.ConnectionBytes = [4]int64{0, 1000, 8000, 100_000}[s.Choose(4)]
	p.FrameBytes = [4]int64{0, 0, 60_000, 400_000}[s.Choose(4)]
	p.ReplyBytes = [4]int64{0, 1000, 20_000, 100_000}[s.Choose(4)]
	p.FetchBytesMax = [4]int32{0, 0, 1000, 20_000}[s.Choose(4)]
	p.SyncsMax = [4]int{0, 1, 2, 3}[s.Choose(4)]
	p.RecoveriesMax = [3]int{0, 1, 2}[s.Choose(3)]
	p.CheckpointMillis = [4]int{0, 50, 300, 1000}[s.Choose(4)]
	load := tape.Stream("load")
	p.StepItems = [4]int{0, 40, 5, 1}[load.Choose(4)]
	p.Crowd = [8]int{7: 120}[load.Choose(8)]
	p.UnsyncedBytes = [4]int64{0, 0, 1000, 20_000}[tape.Choose("unsynced", 4)]
	p.Chaos = 4000 + 2000*s.Choose(4)
	p.Pruning = drawPruning(tape)
	p.OddTimes = tape.Choose("times", 2) == 1
	p.Falling = p.OddTimes && tape.Choose("falling times", 2) == 1
	p.drawPressing(tape)
	p.Sessions = drawFetchSessions(tape, quiet)
	p.Tidying = drawTidying(tape)
	p.Limits = drawLimiting(tape)
	p.Members = [4]int{0, 3, 4, 6}[tape.Choose("members", 4)]
	p.Workers = drawWorking(tape)
	p.Loners = 2 * tape.Choose("loners", 2)
	p.Herd = [4]int{0, 2, 0, 4}[tape.Choose("herd", 4)]
	if p.Expiry = [8]int{5: 2000, 6: 2000, 7: 2000}[tape.Choose("expiry", 8)]; p.Expiry > 0 {
		p.Workers.Seats, p.Loners = 0, 2
	}
	if p.Workers.Seats == 0 { // the Client machine tells its program that there is no room, and leaves it at that
		s := tape.Stream("room in groups")
		p.Limits.Classic, p.Limits.Consumer = [4]int{0, 0, 3, 2}[s.Choose(4)], [4]int{0, 0, 3, 2}[s.Choose(4)]
	}
	p.Limits.admit(p.Members + p.Herd + p.Workers.Seats + p.Loners)
	if p.Tidying.On {
		p.Limits.admit(tidyClients)
	}
	if p.Hermit = tape.Choose("hermits", 4) == 3; p.Hermit {
		p.Limits.admit(1)
	}
	p.drawDirs(tape)
	p.Numbers = drawNumbering(tape)
	if !quiet {
		p.drawFaults(tape, s)
		p.drawSloth(tape)
		p.Restless = tape.Choose("restless", 4) == 3
	}
	p.drawDepth(tape)
	for i := range p.Programs {
		if p.Programs[i] = s.Choose(3) == 1; p.Programs[i] {
			p.Budget -= 6 // of all others, so that a seed stays as long as it was
			p.Limits.seat(1)
		}
	}
	if tape.Mark("brief", brief) {
		p.shorten()
	}
	return p
}

// drawFaults chooses how often what goes wrong. Half of the seeds and more have everything on; in the others some
// faults are off, because what hides behind one fault may need the absence of another.
func (p *Plan) drawFaults(tape *world.Tape, s *world.Stream) {
	on := func(weights ...int) int {
		if !p.AllOn && s.Choose(2) == 1 {
			return 0
		}
		return weights[s.Choose(len(weights))]
	}
	r := &p.Rates
	r.NemesisPause = 500 + 250*s.Choose(6)
	r.Kill, r.Power, r.Stop = on(2, 4), on(3, 6), on(1, 2)
	r.Pause, r.Clock, r.Hang, r.Full, r.Cut = on(1, 1), on(1, 2), on(1, 1), on(1, 1), on(2, 3)
	r.Dull = 1
	r.CutOnFrame, r.LoseResponse = on(20, 60), on(20, 100)
	r.SlowDisk, r.SlowLink = on(50, 200), on(50, 200)
	r.KillAtEffect = on(2, 6)
	switch s.Choose(4) { // errors of the disk end a life: not in every run
	case 1:
		r.WriteError, r.ReadError = 10, 10
	case 2:
		r.SyncError, r.FileError = 5, 5
	case 3:
		r.WriteError, r.SyncError, r.ReadError, r.FileError = 5, 5, 5, 5
	}
	r.Ambush = [4]int{0, 0, 100, 1000}[tape.Choose("ambushes", 4)]
	p.PatienceMillis = [4]int{0, 0, 300, 1000}[s.Choose(4)]
	p.Rot = s.Choose(16) == 15
	if p.Rot {
		r.Rot = 4
	}
}

// drawDirs chooses how many log directories there are, and how often one breaks.
func (p *Plan) drawDirs(tape *world.Tape) {
	s := tape.Stream("dirs")
	p.Dirs = [8]int{1, 1, 1, 2, 2, 2, 3, 3}[s.Choose(8)]
	p.MoveBytes = [4]int64{0, 500, 3000, 20_000}[s.Choose(4)]
	if p.Dirs > 1 && !p.Quiet {
		p.Rates.Disk = [4]int{0, 2, 4, 8}[s.Choose(4)]
		p.Rates.Carry = [4]int{0, 0, 2000, 5000}[tape.Choose("carries", 4)]
	}
}

// drawSloth: in half of the seeds some clients treat their links oddly.
func (p *Plan) drawSloth(tape *world.Tape) {
	s, r := tape.Stream("odd clients"), &p.Rates
	r.Deaf, r.HalfClose, r.Drip = [4]int{0, 0, 5, 30}[s.Choose(4)], [4]int{0, 0, 10, 40}[s.Choose(4)], [4]int{0, 0, 5, 20}[s.Choose(4)]
}

func (p *Plan) isFleeting(topic string) bool { return slices.Contains(p.Fleeting, topic) }

func (p *Plan) stable() []string { return append(slices.Clone(p.Durable), p.Cached...) }

func (p *Plan) names() []string { return append(p.stable(), p.Fleeting...) }

func (p *Plan) partitions(topic string) int {
	switch topic {
	case "firm":
		return 3
	case "loose":
		return 2
	}
	return 1
}

func (p *Plan) partitionsOf(topics ...string) []check.Partition {
	var all []check.Partition
	for _, topic := range topics {
		for i := range p.partitions(topic) {
			all = append(all, check.Partition{Topic: topic, Number: int32(i)})
		}
	}
	return all
}

// config is what a topic is created with. Where records are not to be deleted none may be by age, because the clock jumps.
func (p *Plan) config(topic string) map[string]string {
	if topic == tidyTopic {
		return p.Tidying.config()
	}
	config := map[string]string{"retention.ms": "-1", "message.timestamp.after.max.ms": "9223372036854775807"}
	if p.SegmentBytes > 0 {
		config["internal.segment.bytes"] = strconv.Itoa(p.SegmentBytes)
	}
	if p.Numbers.Deep && p.prunes(topic) {
		config["internal.segment.bytes"] = strconv.Itoa(segmentMax)
	}
	if p.IndexInterval != 4096 {
		config["index.interval.bytes"] = strconv.Itoa(p.IndexInterval)
	}
	if keep := p.Pruning.Keep; p.prunes(topic) {
		config["retention.bytes"], config["retention.ms"] = strconv.FormatInt(keep.Bytes, 10), strconv.FormatInt(keep.Millis, 10)
	}
	p.Pressed.configure(topic, config)
	config["flush.messages"] = "1"
	if slices.Contains(p.Cached, topic) {
		config["flush.messages"] = "9223372036854775807"
	}
	return config
}

// padding keeps a batch of four records smaller than a segment.
func (p *Plan) padding(wished int) int {
	if p.SegmentBytes == 0 {
		return wished
	}
	return min(wished, p.batchBytes()/8-check.HeadersMax)
}

// batchBytes is how large a batch may be: no larger than a segment, also when it is compressed anew to no avail.
func (p *Plan) batchBytes() int {
	if p.Pressed.On {
		return p.SegmentBytes - zstdOverhead
	}
	return p.SegmentBytes
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func (p *Plan) String() string {
	parts := []string{"segment " + strconv.Itoa(p.SegmentBytes), "budget " + strconv.Itoa(p.Budget), "chaos " + strconv.Itoa(p.Chaos) + " ms"}
	return strings.Join(parts, ", ")
}
