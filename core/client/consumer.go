package client

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/batch"
	"rookery/core/seam"
	"rookery/core/wire"
)

// assignment is one partition that is read.
type assignment struct {
	topic     *topic
	number    int32
	order     uint64 // tells it from an earlier one of the same partition
	position  int64  // the offset that is read next
	tag       uint64 // of the Assign
	resuming  bool   // the position is the group's, which is to be asked for
	seeking   bool   // the position is to be asked for
	target    int64  // and this is what is asked: Earliest, Latest or a timestamp
	paused    bool
	busy      bool // a request about it is under way
	stopped   bool
	retryAt   seam.Mono
	failures  int
	code      wire.Code // what the application was told last
	endToldAt int64     // the position at which it was told of the end; -1
	told      marks     // what the broker said last
	asked     bool      // of fetchSession.newFetch: it is fetched now
	held      bool      // and the session has it
	dropped   bool      // it is no assignment any more
}

// marks are a partition's high watermark, last stable offset and log start.
type marks struct{ high, stable, start int64 }

// partition is the partition with its leader, if the cluster has told of it.
func (a *assignment) partition() *partition {
	if int(a.number) >= len(a.topic.parts) {
		return nil
	}
	return a.topic.parts[a.number]
}

func (c *Client) assigned(name string, number int32) int {
	return slices.IndexFunc(c.assignments, func(a *assignment) bool { return a.topic.name == name && a.number == number })
}

// onAssign takes the place of an earlier assignment, if there is one: in the order of fetches too.
func (c *Client) onAssign(in *Assign, fx *seam.Effects) {
	place := c.assigned(in.Topic, in.Partition)
	c.onUnassign(&Unassign{in.Topic, in.Partition})
	p := Partition{Topic: in.Topic, Number: in.Partition}
	switch {
	case in.Partition < 0 || c.closing:
		return
	case c.isLeaving() && c.holdOf(p) == nil:
		c.group.later = append(c.group.later, in)
		return
	case !c.mayAssign(p):
		return
	}
	if h := c.holdOf(p); h != nil {
		h.known = true
	}
	c.order++
	a := &assignment{topic: c.topicNamed(in.Topic), number: in.Partition, order: c.order, tag: in.Tag, paused: in.Paused,
		position: in.Offset, endToldAt: -1}
	switch {
	case in.Offset == AsCommitted && c.config.GroupID != "":
		a.position, a.resuming = -1, true
	case in.Offset == AsCommitted:
		c.resume(a, -1, fx)
	case in.Offset == Earliest:
		a.seek(Earliest)
	case in.Offset == AtTimestamp:
		a.seek(max(in.Timestamp, 0))
	case in.Offset < 0:
		a.seek(Latest)
	}
	if place < 0 {
		place = len(c.assignments)
	}
	c.assignments = slices.Insert(c.assignments, place, a)
}

func (c *Client) onUnassign(in *Unassign) {
	c.group.later = slices.DeleteFunc(c.group.later, func(a *Assign) bool { return a.Topic == in.Topic && a.Partition == in.Partition })
	if i := c.assigned(in.Topic, in.Partition); i >= 0 {
		c.assignments[i].dropped = true
		c.assignments = slices.Delete(c.assignments, i, i+1)
	}
}

// seek has the position asked for.
func (a *assignment) seek(target int64) { a.position, a.seeking, a.target = -1, true, target }

func (c *Client) onPause(in *Pause) {
	if i := c.assigned(in.Topic, in.Partition); i >= 0 {
		c.assignments[i].paused = in.On
	}
	for _, a := range c.group.later {
		if a.Topic == in.Topic && a.Partition == in.Partition {
			a.Paused = in.On
		}
	}
}

// isWilling says whether a request about a can be made now.
func (c *Client) isWilling(now seam.Now, a *assignment, fx *seam.Effects) bool {
	if a.busy || a.stopped || a.resuming {
		return false
	}
	if now.Mono < a.retryAt {
		fx.Wake(a.retryAt)
		return false
	}
	if code := a.topic.code; code.Failed() && code != a.code {
		c.complain(a, code, !retriable(code), fx)
	}
	p := a.partition()
	if p == nil || p.leader == nil {
		c.wantMetadata()
		return false
	}
	return !a.stopped && c.maybeReady(now, p.leader, fx)
}

// maybeFetch asks for positions and for records, a request a broker at a time.
func (c *Client) maybeFetch(now seam.Now, fx *seam.Effects) {
	if c.closing {
		return
	}
	willing := c.willing[:0]
	for _, a := range c.assignments {
		if (a.seeking || c.credit > 0 && !a.paused) && c.isWilling(now, a, fx) {
			willing = append(willing, a)
		}
	}
	for _, n := range c.nodes {
		c.askPositions(now, n, willing, fx)
		c.fetch(now, n, willing, fx)
	}
	clear(willing)
	c.willing = willing
}

// askPositions asks where Earliest, Latest and timestamps are.
func (c *Client) askPositions(now seam.Now, n *node, willing []*assignment, fx *seam.Effects) {
	ask := kmsg.NewPtrListOffsetsRequest()
	var about []*assignment
	for _, a := range willing {
		if !a.seeking || a.partition().leader != n {
			continue
		}
		about = append(about, a)
		at := slices.IndexFunc(ask.Topics, func(t kmsg.ListOffsetsRequestTopic) bool { return t.Topic == a.topic.name })
		if at < 0 {
			t := kmsg.NewListOffsetsRequestTopic()
			t.Topic = a.topic.name
			at, ask.Topics = len(ask.Topics), append(ask.Topics, t)
		}
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Partition, p.Timestamp, p.CurrentLeaderEpoch = a.number, a.target, a.partition().leaderEpoch
		ask.Topics[at].Partitions = append(ask.Topics[at].Partitions, p)
	}
	if len(about) == 0 {
		return
	}
	version, ok := c.version(n, ask)
	if !ok {
		c.cut(now, n, fx)
		return
	}
	ask.Version, ask.ReplicaID, ask.IsolationLevel = version, -1, c.isolation()
	ask.TimeoutMillis = millis(c.config.RequestTimeout)
	setBusy(about, true)
	c.send(now, n, ask, c.config.RequestTimeout, fx, func(now seam.Now, answer wire.Answer, _ Fault, fx *seam.Effects) {
		setBusy(about, false)
		c.onPositions(now, about, answer, fx)
	})
}

func setBusy(about []*assignment, busy bool) {
	for _, a := range about {
		a.busy = busy
	}
}

func (c *Client) isolation() int8 {
	if c.config.ReadCommitted {
		return 1
	}
	return 0
}

func (c *Client) onPositions(now seam.Now, about []*assignment, answer wire.Answer, fx *seam.Effects) {
	r, _ := answer.(*kmsg.ListOffsetsResponse)
	for _, a := range about {
		row := a.findPosition(r)
		switch {
		case row == nil:
			c.tryLater(now, a)
		case wire.Code(row.ErrorCode).Failed():
			c.onTrouble(now, a, wire.Code(row.ErrorCode), fx)
		case row.Offset < 0 && a.target >= 0: // no record is that young
			a.target = Latest
		default:
			a.position, a.seeking, a.failures, a.code = max(row.Offset, 0), false, 0, wire.None
		}
	}
}

func (a *assignment) findPosition(r *kmsg.ListOffsetsResponse) *kmsg.ListOffsetsResponseTopicPartition {
	if r == nil {
		return nil
	}
	for i := range r.Topics {
		for j := range r.Topics[i].Partitions {
			if p := &r.Topics[i].Partitions[j]; r.Topics[i].Topic == a.topic.name && p.Partition == a.number {
				return p
			}
		}
	}
	return nil
}

func (c *Client) tryLater(now seam.Now, a *assignment) {
	a.retryAt = now.Mono + c.pause(c.config.RetryBackoff, c.config.RetryBackoffMax, a.failures)
	a.failures++
	c.wantMetadata()
}

// onTrouble judges a partition's error. What may pass is tried again; the application is told once.
func (c *Client) onTrouble(now seam.Now, a *assignment, code wire.Code, fx *seam.Effects) {
	c.tryLater(now, a)
	if code != a.code {
		c.complain(a, code, !retriable(code) && code != wire.UnknownServerError, fx)
	}
}

// complain tells of an assignment's error.
func (c *Client) complain(a *assignment, code wire.Code, stopped bool, fx *seam.Effects) {
	a.code, a.stopped = code, stopped
	c.post(&Fetched{Tag: a.tag, Topic: a.topic.name, Partition: a.number, From: a.position, Position: a.position, HighWatermark: -1, LastStable: -1, LogStart: -1,
		Code: code, Stopped: stopped}, fx)
}

func (c *Client) post(body any, fx *seam.Effects) {
	fx.Sends = append(fx.Sends, seam.Send{To: seam.Address{Kind: seam.ToOperator}, Body: body})
}

// fetch asks one broker for records of all partitions that it leads, in the order of assignments. Where it has no session for
// us, a partition that fills every answer must not starve the others (KIP-74): what was named first goes last.
func (c *Client) fetch(now seam.Now, n *node, willing []*assignment, fx *seam.Effects) {
	if n.fetching || n.state != ready || c.credit <= 0 {
		return
	}
	var about []*assignment
	for _, a := range willing {
		if !a.seeking && !a.busy && !a.stopped && a.partition().leader == n {
			about = append(about, a)
		}
	}
	if len(about) == 0 {
		return
	}
	version, ok := c.version(n, &kmsg.FetchRequest{})
	if !ok {
		c.cut(now, n, fx)
		return
	}
	for _, a := range about {
		version = a.topic.within(version)
	}
	c.goesLast(about[0])
	ask := n.session.newFetch(about, version, c.config.PartitionFetchBytes)
	ask.IsolationLevel = c.isolation()
	ask.MaxWaitMillis, ask.MinBytes = millis(c.config.FetchWaitMax), c.config.FetchMinBytes
	ask.MaxBytes = int32(max(min(int64(c.config.FetchMaxBytes), c.credit), 1))
	setBusy(about, true)
	n.fetching = true
	c.send(now, n, ask, c.config.RequestTimeout+c.config.FetchWaitMax, fx,
		func(now seam.Now, answer wire.Answer, _ Fault, fx *seam.Effects) {
			setBusy(about, false)
			n.fetching = false
			r, _ := answer.(*kmsg.FetchResponse)
			implied := n.session.onAnswer(ask.SessionEpoch, r)
			if r == nil || ask.SessionEpoch == 0 || !isSessionTrouble(wire.Code(r.ErrorCode)) { // else the next names everything
				c.onFetched(now, about, r, implied, fx)
			}
		})
}

func (c *Client) goesLast(a *assignment) {
	i := slices.Index(c.assignments, a)
	c.assignments = append(slices.Delete(c.assignments, i, i+1), a)
}

func (a *assignment) pack(ask *kmsg.FetchRequest, bytesMax int32) {
	at := slices.IndexFunc(ask.Topics, func(t kmsg.FetchRequestTopic) bool { return t.Topic == a.topic.name })
	if at < 0 {
		t := kmsg.NewFetchRequestTopic()
		t.Topic, t.TopicID = a.topic.name, a.topic.id
		at, ask.Topics = len(ask.Topics), append(ask.Topics, t)
	}
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.CurrentLeaderEpoch = a.number, a.position, a.partition().leaderEpoch
	p.PartitionMaxBytes = bytesMax
	ask.Topics[at].Partitions = append(ask.Topics[at].Partitions, p)
}

func (c *Client) onFetched(now seam.Now, about []*assignment, r *kmsg.FetchResponse, implied bool, fx *seam.Effects) {
	for _, a := range about {
		row := a.findFetched(r)
		if row != nil {
			a.told = marks{row.HighWatermark, row.LastStableOffset, row.LogStartOffset} // whoever is assigned the partition anew is not told again
		}
		if a.dropped || a.seeking {
			continue
		}
		switch {
		case row != nil && wire.Code(row.ErrorCode) == wire.OffsetOutOfRange:
			c.onOutOfRange(a, fx)
		case row != nil && wire.Code(row.ErrorCode).Failed():
			c.onTrouble(now, a, wire.Code(row.ErrorCode), fx)
		case row != nil:
			c.onRecords(now, a, row, fx)
		case implied:
			c.onImplied(now, a, fx)
		case r != nil && wire.Code(r.ErrorCode).Failed():
			c.onTrouble(now, a, wire.Code(r.ErrorCode), fx)
		default:
			c.tryLater(now, a)
		}
	}
}

func (a *assignment) findFetched(r *kmsg.FetchResponse) *kmsg.FetchResponseTopicPartition {
	if r == nil {
		return nil
	}
	for i := range r.Topics {
		t := &r.Topics[i]
		if r.Version < 13 && t.Topic != a.topic.name || r.Version >= 13 && t.TopicID != a.topic.id {
			continue
		}
		for j := range t.Partitions {
			if t.Partitions[j].Partition == a.number {
				return &t.Partitions[j]
			}
		}
	}
	return nil
}

// onOutOfRange is for a position below the log's start or above its end.
func (c *Client) onOutOfRange(a *assignment, fx *seam.Effects) {
	switch c.config.OffsetReset {
	case ResetEarliest:
		a.seek(Earliest)
	case ResetLatest:
		a.seek(Latest)
	case ResetNone:
		c.complain(a, wire.OffsetOutOfRange, true, fx)
	}
	c.wantMetadata()
}

// onRecords hands the records of one partition on. Their bytes are copied: the frame is lent.
func (c *Client) onRecords(now seam.Now, a *assignment, row *kmsg.FetchResponseTopicPartition, fx *seam.Effects) {
	out := &Fetched{Tag: a.tag, Topic: a.topic.name, Partition: a.number, From: a.position, HighWatermark: row.HighWatermark,
		LastStable: row.LastStableOffset, LogStart: row.LogStartOffset}
	c.unpack(a, row, out)
	if out.Code.Failed() {
		c.tryLater(now, a)
	} else {
		a.failures = 0
	}
	c.credit -= out.Bytes
	out.Position = a.position
	out.End = a.position >= row.HighWatermark && !out.Code.Failed()
	if len(out.Records) == 0 && out.Bytes == 0 && out.Code == a.code && (!out.End || a.endToldAt == a.position) {
		return
	}
	if a.code = out.Code; out.End {
		a.endToldAt = a.position
	}
	c.post(out, fx)
}

// onImplied is for a partition that its session's answer does not name: it is as it was told last.
func (c *Client) onImplied(now seam.Now, a *assignment, fx *seam.Effects) {
	if a.failures = 0; a.told.high >= 0 && a.position >= a.told.high && a.endToldAt != a.position {
		c.onRecords(now, a, &kmsg.FetchResponseTopicPartition{HighWatermark: a.told.high, LastStableOffset: a.told.stable, LogStartOffset: a.told.start}, fx)
	}
}

// unpack reads whole batches up to the first one that is damaged or cut off. An answer that begins with what is no whole batch
// (messages of the formats before Kafka 0.11, which an old log still has) brings nobody on.
func (c *Client) unpack(a *assignment, row *kmsg.FetchResponseTopicPartition, out *Fetched) {
	aborted := abortedIn(row, c.config.ReadCommitted)
	rest := slices.Clone(row.RecordBatches)
	for {
		v, behind, whole := batch.Next(rest)
		if !whole {
			if len(rest) > 0 && len(rest) == len(row.RecordBatches) {
				out.Code = wire.CorruptMessage
			}
			return
		}
		rest = behind
		if v.LastOffset() < a.position {
			continue
		}
		if v.CRC() != checksum(v[:v.Size()]) {
			out.Code = wire.CorruptMessage
			return
		}
		if aborted.drops(v) || v.IsControl() {
			out.Bytes += v.Size()
			a.position = v.LastOffset() + 1
			continue
		}
		if !c.read(v, a.position, out) {
			out.Code = wire.CorruptMessage
			return
		}
		out.Bytes += v.Size()
		a.position = v.LastOffset() + 1
	}
}

// read appends the records of one batch from an offset on. False: it cannot be read, and nothing was appended.
func (c *Client) read(v batch.View, from int64, out *Fetched) bool {
	before := len(out.Records)
	var r batch.Record
	records := batch.Read(v, batch.Limits{InflatedMax: c.config.InflatedMax}, nil)
	for records.Next(&r) {
		offset := v.BaseOffset() + int64(r.OffsetDelta)
		if offset < from {
			continue
		}
		out.Records = append(out.Records, FetchedRecord{Offset: offset, Timestamp: r.Timestamp, LeaderEpoch: v.LeaderEpoch(),
			Attributes: v.Attributes(), ProducerEpoch: v.ProducerEpoch(), ProducerID: v.ProducerID(), Key: r.Key, Value: r.Value, Headers: slices.Clone(r.Headers)})
	}
	if records.Fault() != batch.Fine {
		out.Records = out.Records[:before]
		return false
	}
	return true
}

// aborts are the transactions of one answer that were aborted, those that begin first first.
type aborts struct {
	list   []kmsg.FetchResponseTopicPartitionAbortedTransaction
	active []int64 // producers in the middle of one
}

func abortedIn(row *kmsg.FetchResponseTopicPartition, committedOnly bool) *aborts {
	if !committedOnly {
		return &aborts{}
	}
	list := slices.Clone(row.AbortedTransactions)
	slices.SortStableFunc(list, func(x, y kmsg.FetchResponseTopicPartitionAbortedTransaction) int {
		return int(min(max(x.FirstOffset-y.FirstOffset, -1), 1))
	})
	return &aborts{list: list}
}

// drops says whether a batch belongs to an aborted transaction; batches come in the order of the log.
func (t *aborts) drops(v batch.View) bool {
	for len(t.list) > 0 && t.list[0].FirstOffset <= v.LastOffset() {
		t.active = append(t.active, t.list[0].ProducerID)
		t.list = t.list[1:]
	}
	if !v.IsTransactional() {
		return false
	}
	i := slices.Index(t.active, v.ProducerID())
	if i < 0 {
		return false
	}
	if v.IsControl() {
		if kind, _, ok := batch.Control(v); ok && kind == batch.AbortMarker {
			t.active = slices.Delete(t.active, i, i+1)
		}
	}
	return true
}
