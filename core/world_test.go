package core

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/batch"
	"rookery/core/compact"
	"rookery/core/conn"
	"rookery/core/log"
	"rookery/core/meta"
	"rookery/core/seam"
	"rookery/core/wire"
)

// world is the smallest world that a Broker can live in: a disk with a page cache, clients that read what they are
// answered, and a list of all that was asked for. Nothing happens by itself: whoever holds the world lets each thing
// come back, well or not, when he likes. It keeps the laws of the doorway, and holds the Broker to them.
//
//	Step ─▶ effects ─▶ asked ──(comeBack)──▶ disk, client ─▶ Input ─▶ Step
type world struct {
	t      require.TestingT
	config Config
	broker *Broker // nil: the process is not there
	now    seam.Now
	fx     seam.Effects
	alarm  seam.Mono
	asked  []*task
	root   *node
	files  map[seam.File]*handle
	ops    map[seam.Op]bool // under way

	clients []*client // by their first connection
	conns   seam.Conn
	leases  seam.Lease
	frames  map[seam.Lease]*seam.Request
	correlation,
	starts int32

	stopped map[uint64]*compact.Stop // Cleaners that have not begun yet

	lost map[int]bool  // log directories that the next start does not find
	held string        // what stabilize leaves alone: effects whose words hold this
	told func(t *told) // after each Step

	longest time.Duration // of a Step
}

// told is one Step: what went in, and what came out.
type told struct {
	in string
	fx *seam.Effects
	// what the effects are in words, in the order in which they run
	out []string
}

// task is one effect under way.
type task struct {
	kind  string // write, sync, file, read, sent, rewrite, letter, hangup
	label string
	op    seam.Op
	file  seam.File // of what keeps an order within one file
	conn  seam.Conn
	run   func(fault seam.Fault, bytes int64) seam.Input // it happens
}

// node is a file or a folder: as everybody sees it, and as a power cut would leave it.
type node struct {
	folder          bool
	entries, safe   map[string]*node
	content, synced []byte
}

type handle struct {
	path   string
	node   *node
	failed bool // nothing is written to it until it is truncated
}

// client is a connection as its other end sees it.
type client struct {
	name   string
	conn   seam.Conn // 0: not connected
	credit int64
	queue  [][]byte // frames that wait for credit
	slow   bool     // reads no answers: a Sent comes back only when asked for
	asked  map[int32]kmsg.Request
	owed   []int32 // requests not answered, in order
	got    []answered
	gone   bool
	asking bool // for the first of queue, which is long
}

// answered is an answer that went out.
type answered struct {
	correlation int32
	request     kmsg.Request
	response    kmsg.Response
}

func newWorld(t require.TestingT) *world {
	w := &world{t: t, now: seam.Now{Mono: seam.Second, Wall: 1_700_000_000_000}, root: newFolder(), told: func(*told) {}}
	w.config = DefaultConfig()
	w.config.ClusterID = "rookery"
	w.config.DirectoryIDs = []meta.UUID{{0: 1, 15: 7}}
	return w
}

func newFolder() *node {
	return &node{folder: true, entries: map[string]*node{}, safe: map[string]*node{}}
}

// start begins a life of the process with what the disk holds.
func (w *world) start() {
	if w.broker != nil && w.broker.phase == phaseStopped {
		w.crash(false)
	}
	require.Nil(w.t, w.broker, "it runs already")
	w.starts++
	w.config.Incarnation = meta.UUID{0: 1, 15: byte(w.starts)}
	w.config.Seed[0] = byte(w.starts)
	w.broker = NewBroker(w.config)
	w.asked, w.files, w.ops, w.frames = nil, map[seam.File]*handle{}, map[seam.Op]bool{}, map[seam.Lease]*seam.Request{}
	w.stopped = map[uint64]*compact.Stop{}
	started := &seam.Started{Files: w.root.list("")}
	for i := range w.config.DirectoryIDs {
		fault := seam.OK
		if w.lost[i] {
			fault = seam.IOError
			started.Files = slices.DeleteFunc(started.Files, func(e seam.Entry) bool { return e.Path.Dir == int32(i) })
		}
		started.Dirs = append(started.Dirs, fault)
	}
	w.step("start", started)
}

// crash ends the process between two Steps; a power cut takes with it what no Sync has covered.
func (w *world) crash(power bool) {
	w.broker, w.asked = nil, nil
	for _, c := range w.clients {
		c.hungUp()
	}
	if power {
		w.root.cut()
	}
}

func (n *node) cut() {
	n.content = slices.Clone(n.synced)
	n.entries = maps.Clone(n.safe)
	for _, child := range n.entries {
		child.cut()
	}
}

// addDirs gives the process log directories beside the first: folders in its root, which it does not see as such.
func (w *world) addDirs(n int) {
	for i := 1; i < n; i++ {
		w.config.DirectoryIDs = append(w.config.DirectoryIDs, meta.UUID{0: 1, 14: byte(i), 15: 7})
		dir := newFolder()
		w.root.entries["d"+decimal(int64(i))], w.root.safe["d"+decimal(int64(i))] = dir, dir
	}
	for i := range n {
		w.config.Directories = append(w.config.Directories, "/d"+decimal(int64(i)))
	}
}

// name is a path as this world has it.
func name(p seam.Path) string {
	if p.Dir == 0 {
		return p.Name
	}
	return strings.TrimSuffix("d"+decimal(int64(p.Dir))+"/"+p.Name, "/")
}

// list is what the log directories hold.
func (n *node) list(above string) (out []seam.Entry) {
	var others []seam.Entry
	for _, name := range slices.Sorted(maps.Keys(n.entries)) {
		child := n.entries[name]
		if number, is := strings.CutPrefix(name, "d"); is && above == "" && len(number) == 1 {
			for _, e := range child.list("/") {
				e.Path = seam.Path{Dir: int32(number[0] - '0'), Name: e.Path.Name[1:]}
				others = append(others, e)
			}
			continue
		}
		out = append(out, seam.Entry{Path: seam.Path{Name: above + name}, Size: int64(len(child.content)), Folder: child.folder})
		out = append(out, child.list(above+name+"/")...)
	}
	return append(out, others...)
}

// at is the node of a path, and the folder that it lies in; either may be nil.
func (w *world) at(path string) (n, parent *node) {
	n = w.root
	for part := range strings.SplitSeq(path, "/") {
		if path == "" {
			break
		}
		if parent = n; parent != nil {
			n = parent.entries[part]
		}
	}
	return n, parent
}

func leaf(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// step hands in one input and queues what comes of it. A Broker that wants to be woken at once is.
func (w *world) step(what string, in seam.Input) {
	for n := 0; ; n++ {
		require.Less(w.t, n, 10_000, "the Broker wants to be woken for ever")
		w.fx.Reset()
		began := time.Now()
		w.broker.Step(w.now, in, &w.fx)
		w.longest = max(w.longest, time.Since(began))
		told := &told{in: what, fx: &w.fx}
		w.take(told)
		w.told(told)
		w.alarm = w.fx.Alarm
		if w.alarm > w.now.Mono {
			break
		}
		what, in = "", &seam.Alarm{}
	}
	w.feed()
}

func (w *world) dead() bool { return w.broker != nil && w.broker.phase == phaseDead }

// take queues effects in the order that the doorway promises.
func (w *world) take(told *told) {
	fx := told.fx
	ask := func(t *task) {
		require.False(w.t, w.ops[t.op], "an Op names one effect until it has come back")
		w.ops[t.op] = true
		w.asked = append(w.asked, t)
		told.out = append(told.out, t.label)
	}
	for i := range fx.Files {
		ask(w.fileTask(fx.Files[i]))
	}
	for i := range fx.Writes {
		ask(w.writeTask(fx.Writes[i]))
	}
	for i := range fx.Syncs {
		ask(w.syncTask(fx.Syncs[i]))
	}
	for i := range fx.Reads {
		ask(w.readTask(fx.Reads[i]))
	}
	for i := range fx.Sends {
		if stop, ok := fx.Sends[i].Body.(*compact.Stop); ok {
			w.stopped[stop.ID] = stop
			continue
		}
		w.asked = append(w.asked, w.letterTask(fx.Sends[i]))
		told.out = append(told.out, w.asked[len(w.asked)-1].label)
	}
	for i := range fx.Replies {
		ask(w.sentTask(fx.Replies[i]))
	}
	for i := range fx.Rewrites {
		ask(w.rewriteTask(fx.Rewrites[i]))
	}
	for _, credit := range fx.Reading {
		w.pay(credit)
	}
	for _, lease := range fx.Frees {
		w.free(lease)
	}
}

// free ends the life of a frame: what is still read of it is garbage from now on.
func (w *world) free(lease seam.Lease) {
	r := w.frames[lease]
	require.NotNil(w.t, r, "a frame is freed once")
	delete(w.frames, lease)
	for i := range r.Frame {
		r.Frame[i] = 0xa5
	}
	*r.Body.(*conn.Request) = conn.Request{}
}

func (w *world) fileTask(f seam.FileOp) *task {
	switch f.Deed {
	case seam.Create, seam.Open:
		require.Nil(w.t, w.files[f.File], "a file id is used once")
		w.files[f.File] = &handle{path: name(f.Path)}
	case seam.Rename, seam.Unlink, seam.Remove:
		for _, t := range w.asked {
			if h := w.files[t.file]; h != nil && (t.file == f.File || h.path == name(f.Path)) {
				require.Failf(w.t, "not at rest", "%s while %s", f.Deed, t.label)
			}
		}
	case seam.Truncate, seam.Close, seam.List, seam.Measure:
	}
	label := f.Deed.String() + " " + name(f.Path)
	if h := w.files[f.File]; f.File != 0 {
		label = f.Deed.String() + " " + h.path
	}
	switch f.Deed {
	case seam.Rename:
		label += " to " + name(f.To)
	case seam.Truncate:
		label += " to " + decimal(f.Size)
	case seam.Create, seam.Open, seam.Close, seam.Unlink, seam.Remove, seam.List, seam.Measure:
	}
	return &task{kind: "file", label: label, op: f.Op, file: f.File, run: func(fault seam.Fault, _ int64) seam.Input {
		if fault == seam.OK {
			return w.change(f)
		}
		if h := w.files[f.File]; h != nil && (f.Deed == seam.Create || f.Deed == seam.Open) {
			h.failed = true
		}
		return &seam.Wrote{Op: f.Op, Fault: fault}
	}}
}

// change carries out an operation on names and lengths.
func (w *world) change(f seam.FileOp) *seam.Wrote {
	out := &seam.Wrote{Op: f.Op}
	path := name(f.Path)
	n, parent := w.at(path)
	h := w.files[f.File]
	if h != nil && h.node == nil && (f.Deed == seam.Truncate || f.Deed == seam.Unlink) { // its Open has failed
		out.Fault = seam.NotFound
		return out
	}
	switch f.Deed {
	case seam.Create:
		if parent == nil {
			parent = newFolder()
			above := strings.TrimSuffix(path, "/"+leaf(path))
			_, top := w.at(above)
			top.entries[leaf(above)] = parent
		}
		if h.failed = n != nil; h.failed {
			out.Fault = seam.Exists
			break
		}
		h.node = &node{}
		parent.entries[leaf(path)] = h.node
	case seam.Open:
		if h.failed = n == nil; h.failed {
			out.Fault = seam.NotFound
			break
		}
		h.node, out.Bytes = n, int64(len(n.content))
	case seam.Truncate:
		n := h.node
		n.content = append(slices.Clone(n.content[:min(f.Size, int64(len(n.content)))]), make([]byte, max(0, f.Size-int64(len(n.content))))...)
		h.failed = false
	case seam.Close:
		delete(w.files, f.File)
	case seam.Unlink:
		if n, parent := w.at(h.path); n == h.node && n != nil {
			delete(parent.entries, leaf(h.path))
		}
	case seam.Rename:
		if n == nil {
			out.Fault = seam.NotFound
			break
		}
		there, to := w.at(name(f.To))
		if there != nil && len(there.entries) > 0 {
			out.Fault = seam.Exists
			break
		}
		delete(parent.entries, leaf(path))
		to.entries[leaf(name(f.To))] = n
		for _, h := range w.files { // open ids follow
			if h.path == path || strings.HasPrefix(h.path, path+"/") {
				h.path = name(f.To) + h.path[len(path):]
			}
		}
	case seam.Measure:
		out.Bytes, out.Entries = 400, []seam.Entry{{Path: f.Path, Folder: true, Size: 1000}}
	case seam.Remove:
		if n == nil {
			out.Fault = seam.NotFound
			break
		}
		delete(parent.entries, leaf(path))
	case seam.List:
		require.Fail(w.t, "nobody lists a folder")
	}
	return out
}

func (w *world) writeTask(x seam.Write) *task {
	h, hash := w.files[x.File], crc32.ChecksumIEEE(x.Data)
	label := "write " + h.path + contents(h.path, x.At, x.Data)
	return &task{kind: "write", label: label, op: x.Op, file: x.File, run: func(fault seam.Fault, n int64) seam.Input {
		require.Equal(w.t, hash, crc32.ChecksumIEEE(x.Data), "the bytes of a Write are left alone until it has come back")
		if h.failed {
			return &seam.Wrote{Op: x.Op, Fault: seam.Planned}
		}
		if fault == seam.OK {
			n = int64(len(x.Data))
		}
		h.failed = n < int64(len(x.Data))
		c := h.node.content
		if end := int(x.At + n); n > 0 && end > len(c) {
			c = append(slices.Clone(c), make([]byte, end-len(c))...)
		}
		copy(c[min(int(x.At), len(c)):], x.Data[:n])
		h.node.content = c
		return &seam.Wrote{Op: x.Op, Bytes: n, Fault: fault}
	}}
}

// syncTask: a Sync covers what had come back when it was emitted, and nothing later.
func (w *world) syncTask(x seam.Sync) *task {
	if x.File == 0 {
		n, _ := w.at(name(x.Folder))
		entries := maps.Clone(n.entries)
		return &task{kind: "sync", label: "sync " + name(x.Folder) + "/", op: x.Op, run: func(fault seam.Fault, _ int64) seam.Input {
			if fault == seam.OK {
				n.safe = entries
			}
			return &seam.Synced{Op: x.Op, Fault: fault}
		}}
	}
	h := w.files[x.File]
	content := slices.Clone(h.node.content)
	return &task{kind: "sync", label: "sync " + h.path, op: x.Op, run: func(fault seam.Fault, _ int64) seam.Input {
		if fault == seam.OK {
			h.node.synced = content
		}
		return &seam.Synced{Op: x.Op, Fault: fault}
	}}
}

func (w *world) readTask(x seam.Read) *task {
	h := w.files[x.File]
	return &task{kind: "read", label: "read " + h.path, op: x.Op, file: x.File, run: func(fault seam.Fault, _ int64) seam.Input {
		if fault == seam.OK && h.node == nil {
			fault = seam.NotFound // its Open has failed
		}
		if fault != seam.OK {
			return &seam.Loaded{Op: x.Op, Fault: fault}
		}
		return &seam.Loaded{Op: x.Op, Data: slices.Clone(h.node.part(x.At, int64(x.Len)))}
	}}
}

func (n *node) part(at, size int64) []byte {
	end := int64(len(n.content))
	return n.content[min(at, end):min(at+size, end)]
}

// rewriteTask compresses a batch anew; the bytes that come of it are a frame like any other.
func (w *world) rewriteTask(x seam.Rewrite) *task {
	require.NotNil(w.t, w.client(x.Conn), "who has hung up has no goroutine")
	hash := crc32.ChecksumIEEE(x.Data)
	label := "rewrite " + w.client(x.Conn).title() + decimal(int64(batch.View(x.Data).Count())) + " records by " + batch.Codec(x.Codec).String()
	return &task{kind: "rewrite", label: label, op: x.Op, conn: x.Conn, run: func(seam.Fault, int64) seam.Input {
		require.Equal(w.t, hash, crc32.ChecksumIEEE(x.Data), "the bytes of a Rewrite are left alone until it has come back")
		w.leases++
		data := new(batch.Rewriter).Append(nil, x.Data, batch.Codec(x.Codec), x.Level)
		w.frames[w.leases] = &seam.Request{Conn: x.Conn, Lease: w.leases, Frame: data, Body: new(conn.Request)}
		return &seam.Rewritten{Op: x.Op, Lease: w.leases, Data: data}
	}}
}

// letterTask runs another machine to its end, in one go. Its files are the Broker's kind of files; a fault is that of its writes.
func (w *world) letterTask(s seam.Send) *task {
	label, machine := "search", seam.Machine(log.NewSearch())
	if body, ok := s.Body.(*log.RecoveryRequest); ok {
		label, machine = "recover "+name(body.Folder), log.NewRecovery()
	}
	if body, ok := s.Body.(*log.CopyRequest); ok {
		label, machine = "copy "+name(body.Folder), log.NewCopier()
		for _, p := range body.Pieces {
			label += fmt.Sprintf(" %s:%d..%d", p.Name, p.At, max(p.Size, int64(len(p.Content))))
		}
	}
	if body, ok := s.Body.(*compact.Request); ok {
		label, machine = "compact "+body.Folder.Name, compact.New()
	}
	return &task{kind: "letter", label: label, run: func(fault seam.Fault, _ int64) seam.Input {
		mine := &world{t: w.t, root: w.root, files: w.files, ops: map[seam.Op]bool{}}
		inputs := []seam.Input{&seam.Mail{Body: s.Body}}
		if stop := w.stopped[s.To.ID]; stop != nil && s.To.Kind == seam.ToCleaner {
			inputs = append(inputs, &seam.Mail{Body: stop})
		}
		var out *seam.Mail
		for len(inputs) > 0 {
			mine.fx.Reset()
			machine.Step(w.now, inputs[0], &mine.fx)
			inputs = inputs[1:]
			for _, answer := range mine.fx.Sends {
				require.Nil(w.t, out, "one answer")
				out = &seam.Mail{From: s.To, Body: answer.Body}
			}
			mine.fx.Sends = nil
			mine.take(&told{fx: &mine.fx})
			for _, t := range mine.asked {
				delete(mine.ops, t.op)
				if t.kind == "write" {
					inputs = append(inputs, t.run(fault, 0))
				} else {
					inputs = append(inputs, t.run(seam.OK, 0))
				}
			}
			mine.asked = nil
		}
		require.NotNil(w.t, out, "an answer")
		return out
	}}
}

// comeBack lets one task happen and tells the Broker.
func (w *world) comeBack(t *task, fault seam.Fault, bytes int64) {
	if first := w.before(t); first != nil {
		require.Failf(w.t, "out of order", "first comes: %s", first.label)
	}
	w.asked = slices.DeleteFunc(w.asked, func(x *task) bool { return x == t })
	delete(w.ops, t.op)
	in := t.run(fault, bytes)
	what := t.label + ": " + faultOf(in).String()
	if t.kind == "sent" {
		what = ""
	}
	w.step(what, in)
}

func faultOf(in seam.Input) seam.Fault {
	switch in := in.(type) {
	case *seam.Wrote:
		return in.Fault
	case *seam.Synced:
		return in.Fault
	case *seam.Loaded:
		return in.Fault
	case *seam.Started, *seam.Opened, *seam.Request, *seam.Hangup, *seam.Sent, *seam.Rewritten, *seam.Wanting, *seam.Mail, *seam.Alarm, *seam.Stop:
	}
	return seam.OK
}

// before is what has to come back before t does: operations of one file and answers of one connection keep their order,
// and a hangup is the last of its connection.
func (w *world) before(t *task) *task {
	behind := false
	for _, x := range w.asked {
		switch {
		case x == t:
			behind = true
		case t.kind == "hangup" && x.conn == t.conn:
			return x
		case behind || x.kind == "hangup":
		case t.file != 0 && x.file == t.file || t.kind == "sent" && x.kind == t.kind && x.conn == t.conn:
			return x
		}
	}
	return nil
}

// stabilize lets everything come back, in the order asked for, until nothing is under way.
func (w *world) stabilize() {
	for n := 0; !w.dead(); n++ {
		require.Less(w.t, n, 100_000, "it never comes to rest")
		i := slices.IndexFunc(w.asked, func(t *task) bool { return w.before(t) == nil && !w.holds(t) })
		if i < 0 {
			return
		}
		w.comeBack(w.asked[i], seam.OK, 0)
	}
}

func (w *world) holds(t *task) bool {
	return t.kind == "sent" && w.client(t.conn).slow || w.held != "" && strings.Contains(short(t.label), w.held)
}

// tick lets time pass: every alarm rings when it was asked for.
func (w *world) tick(d seam.Mono) {
	for until := w.now.Mono + d; w.now.Mono < until; {
		next := until
		if w.broker != nil {
			next = min(until, w.alarm)
		}
		w.now.Wall += seam.Wall(next/seam.Millisecond - w.now.Mono/seam.Millisecond)
		w.now.Mono = next
		if w.broker != nil && w.alarm <= next {
			w.step("alarm", &seam.Alarm{})
		}
	}
}

// client is who holds a connection.
func (w *world) client(id seam.Conn) *client {
	for _, c := range w.clients {
		if c.conn == id {
			return c
		}
	}
	return nil
}

// dial is the client of that name, connected.
func (w *world) dial(name string) *client {
	i := slices.IndexFunc(w.clients, func(c *client) bool { return c.name == name })
	if i < 0 {
		i = len(w.clients)
		w.clients = append(w.clients, &client{name: name})
	}
	c := w.clients[i]
	if c.conn == 0 {
		w.conns++
		c.conn, c.credit, c.gone, c.asked = w.conns, 0, false, map[int32]kmsg.Request{}
		w.step("", &seam.Opened{Conn: c.conn, Host: "127.0.0.1", Port: 9092})
	}
	return c
}

func (c *client) hungUp() {
	c.conn, c.credit, c.queue, c.owed, c.gone, c.asking = 0, 0, nil, nil, false, false
}

// hangup: the client is gone. What it was to be sent comes back, then the hangup itself.
func (w *world) hangup(c *client) {
	if c.conn == 0 || c.gone {
		return
	}
	c.gone, c.queue, c.slow = true, nil, false
	id := c.conn
	w.asked = append(w.asked, &task{kind: "hangup", label: "hangup " + c.name, conn: id, run: func(seam.Fault, int64) seam.Input {
		c.hungUp()
		return &seam.Hangup{Conn: id}
	}})
}

// send writes a request on the client's side and says its number. It is read when there is credit.
func (w *world) send(c *client, request kmsg.Request) int32 {
	w.correlation++
	c.asked[w.correlation] = request
	if p, ok := request.(*kmsg.ProduceRequest); !ok || p.Acks != 0 {
		c.owed = append(c.owed, w.correlation)
	}
	c.queue = append(c.queue, wire.AppendRequest(nil, w.correlation, "test", request)[4:])
	w.feed()
	return w.correlation
}

// feed reads what clients have written, as far as their credit goes.
func (w *world) feed() {
	for _, c := range w.clients {
		for c.conn != 0 && c.credit > 0 && len(c.queue) > 0 && w.broker != nil {
			frame := c.queue[0]
			cost := int64(len(frame)) + 4 + seam.FrameCost
			if len(frame)+4 > seam.FrameFree && cost > c.credit {
				if !c.asking {
					c.asking = true
					w.step("", &seam.Wanting{Conn: c.conn, Bytes: cost - c.credit})
					continue
				}
				break
			}
			c.queue, c.asking = c.queue[1:], false
			c.credit -= cost
			w.leases++
			body := new(conn.Request)
			conn.Intake(frame, conn.Limits{}, body)
			r := &seam.Request{Conn: c.conn, Lease: w.leases, Frame: frame, Body: body}
			w.frames[w.leases] = r
			w.step(requestLabel(c, body), r)
		}
	}
}

func (w *world) pay(credit seam.Credit) {
	c := w.client(credit.Conn)
	require.NotNil(w.t, c, "credit for a connection that is there")
	if c.credit += credit.Bytes; credit.Cut {
		w.hangup(c)
	}
}

// sentTask: the answer's bytes are looked at when it is emitted and again when it has gone out.
func (w *world) sentTask(r seam.Reply) *task {
	c := w.client(r.Conn)
	require.NotNil(w.t, c, "an answer to a connection that is there")
	before := w.bytesOf(r)
	label := "answer " + c.title() + "none: the connection closes"
	var a answered
	if len(r.Head) > 0 {
		a = c.decode(w.t, before)
		label = "answer " + c.title() + answerLabel(a)
	}
	return &task{kind: "sent", label: label, op: r.Op, conn: r.Conn, run: func(seam.Fault, int64) seam.Input {
		require.True(w.t, bytes.Equal(before, w.bytesOf(r)), "an answer is left alone until it has gone out")
		if len(r.Head) > 0 && !c.gone {
			require.NotEmpty(w.t, c.owed, "an answer to a question")
			require.Equal(w.t, c.owed[0], a.correlation, "answers come in the order of the requests")
			c.owed = c.owed[1:]
			c.got = append(c.got, a)
		}
		if r.Then == seam.CloseNow {
			w.hangup(c)
		}
		fault := seam.OK
		if c.gone && r.Then != seam.CloseNow {
			fault = seam.Gone
		}
		return &seam.Sent{Op: r.Op, Conn: r.Conn, Fault: fault}
	}}
}

func (w *world) bytesOf(r seam.Reply) []byte {
	var out []byte
	at := int32(0)
	for _, x := range r.Body {
		out = append(out, r.Head[at:x.Before]...)
		out = append(out, w.files[x.File].node.part(x.At, int64(x.Len))...)
		at = x.Before
	}
	return append(out, r.Head[at:]...)
}

func (c *client) decode(t require.TestingT, frame []byte) answered {
	require.Equal(t, len(frame)-4, int(binary.BigEndian.Uint32(frame)), "the length is the frame's")
	a := answered{correlation: int32(binary.BigEndian.Uint32(frame[4:]))}
	a.request = c.asked[a.correlation]
	require.NotNil(t, a.request, "an answer to a question")
	a.response = a.request.ResponseKind()
	body := frame[8:]
	if a.request.IsFlexible() && a.request.Key() != wire.KeyApiVersions {
		body = body[1:]
	}
	require.NoError(t, a.response.ReadFrom(body))
	return a
}
