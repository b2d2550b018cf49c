package workload

import (
	"encoding/binary"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/seam"
	"rookery/sim/check"
	"rookery/sim/world"
)

// agent decides what a client does. turn is called whenever something happened, and may send.
type agent interface {
	party
	turn(now seam.Mono, fx *seam.Effects)
}

// session is a client's machine: one connection, requests in flight, and answers in their order.
type session struct {
	run    *Run
	id     int
	name   string
	stream *world.Stream
	format *kmsg.RequestFormatter
	agent  agent

	frames      []byte // what is sent is laid out here, Step after Step: the world takes a copy
	room        []byte // what this Step has left of it
	inflight    []*call
	orphans     map[int32]*call // lost with their link
	correlation int32
	resting     seam.Mono // it sends nothing before that
	muted       muted
}

// call is one request under way.
type call struct {
	correlation int32
	request     kmsg.Request
	sent        seam.Mono
	// done is told the answer; nil: the link broke.
	done func(now seam.Mono, answer kmsg.Response, fx *seam.Effects)
	// settle is told what an answer said that never arrived. nil: nobody cares.
	settle func(sent seam.Mono, answer kmsg.Response)
	bytes  int // of its frame
}

var brokerAddress = seam.Address{Kind: seam.ToPeer, Host: "node-0", Port: 9092}

func newSession(run *Run, id int, name string) *session {
	return &session{run: run, id: id, name: name, stream: run.tape.Stream(name), orphans: map[int32]*call{},
		format: kmsg.NewRequestFormatter(kmsg.FormatterClientID(name))}
}

// Step is the machine.
func (s *session) Step(now seam.Now, in seam.Input, fx *seam.Effects) {
	s.room = s.frames
	switch in := in.(type) {
	case *seam.Mail:
		s.onMail(now.Mono, in, fx)
	case *seam.Started, *seam.Alarm:
	case *seam.Opened, *seam.Request, *seam.Hangup, *seam.Wrote, *seam.Synced, *seam.Loaded, *seam.Sent, *seam.Rewritten, *seam.Wanting, *seam.Stop:
		panic("a client is told nothing of this kind")
	}
	if now.Mono < s.resting {
		fx.Wake(s.resting)
		return
	}
	s.agent.turn(now.Mono, fx)
}

func (s *session) onMail(now seam.Mono, in *seam.Mail, fx *seam.Effects) {
	switch {
	case in.Fault != seam.OK:
		s.onLinkLost(now, fx)
	case in.Frame != nil:
		s.onFrame(now, in.Frame, fx)
	}
}

func (s *session) onLinkLost(now seam.Mono, fx *seam.Effects) {
	lost := s.inflight
	s.inflight, s.muted = nil, muted{}
	for _, c := range lost {
		s.orphans[c.correlation] = c
		c.done(now, nil, fx)
	}
	s.rest(now + seam.Mono(1+s.stream.Choose(8))*10*seam.Millisecond)
}

func (s *session) rest(until seam.Mono) { s.resting = max(s.resting, until) }

func (s *session) onFrame(now seam.Mono, frame []byte, fx *seam.Effects) {
	correlation := int32(binary.BigEndian.Uint32(frame))
	expected := len(s.inflight) > 0 && s.inflight[0].correlation == correlation
	s.run.require(expected, check.AnswersInOrder, "%s got answer %d, %d are waited for", s.name, correlation, len(s.inflight))
	if !expected {
		return
	}
	c := s.inflight[0]
	s.inflight = s.inflight[1:]
	if answer := s.decode(c, frame); answer != nil {
		s.throttled(now, c, answer)
		c.done(now, answer, fx)
	}
}

func (s *session) decode(c *call, frame []byte) kmsg.Response {
	answer := c.request.ResponseKind()
	answer.SetVersion(c.request.GetVersion())
	body := frame[4:]
	if answer.IsFlexible() && answer.Key() != 18 { // the header of an ApiVersions answer never has tags
		if len(body) == 0 || body[0] != 0 {
			s.run.fail(check.Fail(check.AnswersInOrder, "%s: the header of answer %d has no empty tags", s.name, c.correlation))
			return nil
		}
		body = body[1:]
	}
	if err := answer.ReadFrom(body); err != nil {
		s.run.fail(check.Fail(check.AnswersInOrder, "%s: answer %d to %s v%d: %v", s.name, c.correlation, kmsg.NameForKey(answer.Key()), answer.GetVersion(), err))
		return nil
	}
	if throttled, ok := answer.(kmsg.ThrottleResponse); ok {
		if millis, _ := throttled.Throttle(); millis > 0 {
			s.run.World.Counts[world.Muted]++
		}
	}
	return answer
}

// Lost is what the simulator knows of an answer that never arrived.
func (s *session) Lost(sent seam.Mono, _ uint64, frame []byte) {
	correlation := int32(binary.BigEndian.Uint32(frame))
	c := s.orphans[correlation]
	for _, other := range s.inflight {
		if other.correlation == correlation {
			c = other
		}
	}
	if c == nil || c.settle == nil {
		return
	}
	if answer := s.decode(c, frame); answer != nil {
		c.settle(sent, answer)
	}
}

// ask sends a request whose answer is waited for.
func (s *session) ask(now seam.Mono, request kmsg.Request, fx *seam.Effects, c *call) {
	s.correlation++
	c.correlation, c.request, c.sent = s.correlation, request, now
	s.inflight = append(s.inflight, c)
	c.bytes = s.post(request, s.correlation, fx)
}

// tell sends a request that has no answer.
func (s *session) tell(request kmsg.Request, fx *seam.Effects) {
	s.correlation++
	s.post(request, s.correlation, fx)
}

func (s *session) post(request kmsg.Request, correlation int32, fx *seam.Effects) (bytes int) {
	frame := s.format.AppendRequest(s.room, request, correlation)
	if s.room = frame[len(frame):]; cap(frame) > cap(s.frames) {
		s.frames = frame[:0]
	}
	fx.Sends = append(fx.Sends, seam.Send{To: brokerAddress, Data: frame})
	s.run.result.Requests++
	return len(frame)
}

func (s *session) String() string { return fmt.Sprintf("%s(%d in flight)", s.name, len(s.inflight)) }

// think is a pause between two operations.
func (s *session) think() seam.Mono {
	return seam.Mono(s.stream.Choose(16)*s.run.plan.ThinkMillis) * seam.Millisecond / 8
}
