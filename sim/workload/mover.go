package workload

import (
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/seam"
	"rookery/core/wire"
	"rookery/sim/check"
)

// mover has partitions moved from one log directory to another, and now and then changes its mind.
type mover struct {
	*session
	partitions []check.Partition
	budget     int
	next       seam.Mono
	hasty      bool // it rests little, and goes for partitions of which records are deleted and compacted meanwhile
}

// enterMover starts it where there is more than one log directory.
func (r *Run) enterMover() {
	p := r.plan
	if p.Dirs == 1 {
		return
	}
	m := &mover{session: r.client("mover"), budget: p.Budget / 2, partitions: append(p.partitionsOf(p.names()...), offsetsLogs()...)}
	if m.hasty = r.tape.Choose("hasty mover", 3) == 2; m.hasty {
		m.budget, m.partitions = 4*m.budget, p.partitionsOf("firm", "loose")
		if p.Tidying.On {
			m.partitions = append(m.partitions, check.Partition{Topic: tidyTopic})
		}
	}
	r.enter(m.session, m)
}

func (m *mover) idle() bool { return len(m.inflight) == 0 && (m.run.draining || m.budget == 0) }

func (m *mover) turn(now seam.Mono, fx *seam.Effects) {
	if len(m.inflight) > 0 || m.idle() {
		return
	}
	if now < m.next {
		fx.Wake(m.next)
		return
	}
	rests := 1
	if !m.hasty {
		rests += m.stream.Choose(6)
	}
	m.next = now + seam.Mono(rests)*m.think()
	m.budget--
	if m.stream.Choose(3) == 2 {
		m.look(now, fx)
		return
	}
	version, to := int16(1+m.stream.Choose(2)), m.stream.Choose(m.run.plan.Dirs)
	var partitions []check.Partition
	for range 1 + m.stream.Choose(2) {
		partitions = append(partitions, m.partitions[m.stream.Choose(len(m.partitions))])
	}
	judge := func(at seam.Mono, answer kmsg.Response) {
		for _, t := range answer.(*kmsg.AlterReplicaLogDirsResponse).Topics {
			for i := range t.Partitions {
				m.run.told(question{key: wire.KeyAlterReplicaLogDirs, topic: t.Topic, sent: now}, t.Partitions[i].ErrorCode, at)
			}
		}
	}
	m.send(now, moveTo(to, version, partitions...), judge, fx)
}

// moveTo asks for partitions to be moved to a log directory.
func moveTo(to int, version int16, partitions ...check.Partition) *kmsg.AlterReplicaLogDirsRequest {
	request := kmsg.NewPtrAlterReplicaLogDirsRequest()
	request.Version = version
	dir := kmsg.NewAlterReplicaLogDirsRequestDir()
	dir.Dir = DirName(to)
	for _, p := range partitions {
		dir.Topics = append(dir.Topics, kmsg.AlterReplicaLogDirsRequestDirTopic{Topic: p.Topic, Partitions: []int32{p.Number}})
	}
	request.Dirs = append(request.Dirs, dir)
	return request
}

// look asks what lies where: a partition in one directory, and its copy in at most one other.
func (m *mover) look(now seam.Mono, fx *seam.Effects) {
	request := kmsg.NewPtrDescribeLogDirsRequest()
	request.Version = int16(1 + m.stream.Choose(4))
	before := m.run.lookAround()
	m.send(now, request, func(at seam.Mono, answer kmsg.Response) {
		dirs := answer.(*kmsg.DescribeLogDirsResponse).Dirs
		for i := range dirs {
			m.run.told(question{key: wire.KeyDescribeLogDirs, sent: now}, dirs[i].ErrorCode, at)
		}
		m.run.judgeWhereabouts(m.name, before, dirs)
	}, fx)
}

func (m *mover) send(now seam.Mono, request kmsg.Request, judge func(at seam.Mono, answer kmsg.Response), fx *seam.Effects) {
	m.ask(now, request, fx, &call{settle: judge, done: func(at seam.Mono, answer kmsg.Response, _ *seam.Effects) {
		if answer != nil {
			judge(at, answer)
		}
	}})
}

// interrupter has one partition moved, when everybody else is done.
type interrupter struct {
	*session
	partition check.Partition
	to        int32
	sent      bool
	accepted  bool
}

func (x *interrupter) idle() bool { return x.sent && len(x.inflight) == 0 }

func (x *interrupter) turn(now seam.Mono, fx *seam.Effects) {
	if x.sent {
		return
	}
	x.sent = true
	x.ask(now, moveTo(int(x.to), 2, x.partition), fx, &call{done: func(_ seam.Mono, answer kmsg.Response, _ *seam.Effects) {
		a, _ := answer.(*kmsg.AlterReplicaLogDirsResponse)
		x.accepted = a != nil && a.Topics[0].Partitions[0].ErrorCode == none
	}})
}

// interruptMove ends the broker's life in the middle of a move, and looks whether the next one brings it to its end. A rotten log
// cannot be moved.
func (r *Run) interruptMove() {
	w, p := r.World, r.plan.partitionsOf(r.plan.Durable[0])
	if r.plan.Dirs == 1 || r.noRestart || r.watch == nil || r.mayRot() || w.Failure() != nil {
		return
	}
	s := r.tape.Stream("interrupted move")
	x := &interrupter{session: r.client("interrupter"), partition: p[s.Choose(len(p))]}
	r.findHomes()
	x.to = (r.homes[x.partition] + 1) % int32(r.plan.Dirs)
	r.enter(x.session, x)
	w.Run(w.Now()+2*seam.Second, func() bool { return r.isCopied(x.partition, x.to) })
	if w.Failure() != nil || !x.accepted || !r.isCopied(x.partition, x.to) {
		return
	}
	w.Node.Kill()
	w.Node.Start()
	r.await(check.MoveResumed, func() string {
		if r.findHomes(); r.homes[x.partition] == x.to {
			return ""
		}
		return fmt.Sprintf("%v lies in %s, and was to be moved to %s", x.partition, DirName(int(r.homes[x.partition])), DirName(int(x.to)))
	})
}

// isCopied says whether a log directory has a copy of a partition that is not whole yet.
func (r *Run) isCopied(p check.Partition, dir int32) bool {
	for _, e := range r.World.Node.Disk.List(seam.Path{Dir: dir}) {
		if e.Folder && strings.HasPrefix(e.Path.Name, folderName(p)+".") && strings.HasSuffix(e.Path.Name, "-future") {
			return true
		}
	}
	return false
}
