package wire

import "rookery/core/must"

// FetchRequest is a Fetch of versions 4 to 18, read in place. The caller owns it and reads many requests into it.
type FetchRequest struct {
	ReplicaID      int32 // -1: a consumer
	ReplicaEpoch   int64 // from version 15 (KIP-903), else -1
	MaxWaitMillis  int32
	MinBytes       int32
	MaxBytes       int32
	IsolationLevel int8
	SessionID      int32 // from version 7 (KIP-227), else 0
	SessionEpoch   int32 // from version 7, else -1: a fetch without a session
	Partitions     []FetchPartition
	Forgotten      []ForgottenPartition
	RackID         []byte // from version 11 (KIP-392)
	ClusterID      []byte // nil is null
}

// FetchPartition is one partition asked for. Topic, TopicID and Group say under which entry of the topics it stood.
type FetchPartition struct {
	Topic              []byte   // up to version 12
	TopicID            [16]byte // from version 13
	Group              int32    // the number of the topic's entry in the request, from 0
	Index              int32
	CurrentLeaderEpoch int32 // -1 where the version has none, as LastFetchedEpoch and LogStartOffset
	FetchOffset        int64
	LastFetchedEpoch   int32
	LogStartOffset     int64
	PartitionMaxBytes  int32
}

// ForgottenPartition leaves a session.
type ForgottenPartition struct {
	Topic   []byte
	TopicID [16]byte
	Index   int32
}

// Reset forgets the request and keeps the memory, unless it is unusually much.
func (r *FetchRequest) Reset() {
	*r = FetchRequest{Partitions: emptied(r.Partitions), Forgotten: emptied(r.Forgotten), ReplicaID: -1, ReplicaEpoch: -1, SessionEpoch: -1}
}

// The tags of a Fetch request.
const (
	fetchTagClusterID    = 0
	fetchTagReplicaState = 1
)

// ReadFetch reads a body. After a flaw the request is of no use.
func ReadFetch(body []byte, version int16, into *FetchRequest) Flaw {
	c := newCursor(body, KeyFetch, version)
	*into = FetchRequest{Partitions: into.Partitions[:0], Forgotten: into.Forgotten[:0], ReplicaID: -1, ReplicaEpoch: -1, SessionEpoch: -1}
	if version < 15 {
		into.ReplicaID = c.int32()
	}
	into.MaxWaitMillis, into.MinBytes, into.MaxBytes = c.int32(), c.int32(), c.int32()
	into.IsolationLevel = c.int8()
	if version >= 7 {
		into.SessionID, into.SessionEpoch = c.int32(), c.int32()
	}
	topics := c.count()
	for group := uint32(0); group < topics && c.flaw == NoFlaw; group++ {
		c.fetchTopic(version, int32(group), into)
	}
	if version >= 7 {
		for n := c.count(); n > 0 && c.flaw == NoFlaw; n-- {
			c.forgottenTopic(version, into)
		}
	}
	if version >= 11 {
		into.RackID = c.text()
	}
	if c.flexible {
		c.fetchTags(version, into)
	}
	return c.flaw
}

func (c *cursor) fetchTopic(version int16, group int32, into *FetchRequest) {
	partition := FetchPartition{Group: group, CurrentLeaderEpoch: -1, LastFetchedEpoch: -1, LogStartOffset: -1}
	if version >= 13 { // KIP-516
		c.uuid(&partition.TopicID)
	} else {
		partition.Topic = c.text()
	}
	for n := c.count(); n > 0 && c.flaw == NoFlaw; n-- {
		c.fetchPartition(version, &partition)
		into.Partitions = append(into.Partitions, partition)
	}
	c.tags()
}

// fetchPartition passes over the partition's tags: the directory id and high watermark of a Raft follower.
func (c *cursor) fetchPartition(version int16, partition *FetchPartition) {
	partition.Index = c.int32()
	if version >= 9 { // KIP-320
		partition.CurrentLeaderEpoch = c.int32()
	}
	partition.FetchOffset = c.int64()
	if version >= 12 { // KIP-595
		partition.LastFetchedEpoch = c.int32()
	}
	if version >= 5 {
		partition.LogStartOffset = c.int64()
	}
	partition.PartitionMaxBytes = c.int32()
	c.tags()
}

func (c *cursor) forgottenTopic(version int16, into *FetchRequest) {
	partition := ForgottenPartition{}
	if version >= 13 {
		c.uuid(&partition.TopicID)
	} else {
		partition.Topic = c.text()
	}
	for n := c.count(); n > 0 && c.flaw == NoFlaw; n-- {
		partition.Index = c.int32()
		into.Forgotten = append(into.Forgotten, partition)
	}
	c.tags()
}

func (c *cursor) fetchTags(version int16, into *FetchRequest) {
	for n := c.uvarint(); n > 0 && c.flaw == NoFlaw; n-- {
		tag := c.uvarint()
		value := cursor{body: c.take(c.uvarint()), flexible: true}
		switch {
		case tag == fetchTagClusterID:
			into.ClusterID = value.nullableText()
		case tag == fetchTagReplicaState && version >= 15:
			into.ReplicaID, into.ReplicaEpoch = value.int32(), value.int64()
			value.tags()
		}
		if value.flaw != NoFlaw {
			c.fail(value.flaw)
		}
	}
}

// FetchHead writes the head of a Fetch answer: all of the frame but the records, which go out as ranges of files.
//
//	head:    length, header, ... , size of records │ tags, next partition, ..., size of records │ tags, ... , tags
//	ranges:                                        ▲ before                                     ▲ before
//
// Begin, then Topic and its Partitions as often as announced, then End. The frame begins where dst ended.
type FetchHead struct {
	w          writer
	version    int16
	topics     int // still to come
	partitions int // of the topic at hand, still to come
	records    int // bytes of all ranges
}

// FetchedPartition is the answer for one partition.
type FetchedPartition struct {
	Index            int32
	Code             Code
	HighWatermark    int64 // -1 on an error, as LastStableOffset and LogStartOffset
	LastStableOffset int64
	LogStartOffset   int64
	AbortedNull      bool // the list of aborted transactions is null, as read_uncommitted has it
	Aborted          []AbortedTransaction
	RecordsSize      int32
	Diverging        EpochEnd // written from version 12
	Leader           Leader   // likewise
}

// EpochEnd is where a log has parted from its reader's: Epoch is the last that they can have in common, and ends at Offset
// (KIP-595).
type EpochEnd struct {
	Known  bool
	Epoch  int32
	Offset int64
}

// AbortedTransaction is a transaction whose records a read_committed consumer drops.
type AbortedTransaction struct {
	ProducerID  int64
	FirstOffset int64
}

// Begin starts a frame at the end of dst with everything before the topics.
func (h *FetchHead) Begin(dst []byte, version int16, correlation, throttleMillis int32, code Code, sessionID int32, topics int) {
	h.version, h.topics, h.partitions, h.records = version, topics, 0, 0
	h.w.begin(dst, KeyFetch, version, correlation)
	h.w.int32(throttleMillis)
	if version >= 7 {
		h.w.int16(int16(code))
		h.w.int32(sessionID)
	}
	h.w.count(topics)
}

// Topic starts a topic of so many partitions: its name up to version 12, its id from 13.
func (h *FetchHead) Topic(name []byte, id [16]byte, partitions int) {
	must.Be(h.topics > 0 && h.partitions == 0, "W1: a Fetch answer has the topics that it announced, each after the last one's partitions")
	h.topics, h.partitions = h.topics-1, partitions
	if h.version >= 13 {
		h.w.uuid(id)
	} else {
		h.w.name(name)
	}
	h.w.count(partitions)
	if partitions == 0 {
		h.w.noTags()
	}
}

// Partition writes all of a partition but its records, and returns where they belong: after so many bytes of the frame
// that is in the head.
func (h *FetchHead) Partition(p *FetchedPartition) (before int32) {
	must.Be(h.partitions > 0, "W2: a topic in a Fetch answer has the partitions that it announced")
	must.Be(p.RecordsSize >= 0, "W3: records in a Fetch answer may be empty, never null")
	h.partitions--
	h.records += int(p.RecordsSize)
	h.w.fetchedPartition(h.version, p)
	before = int32(len(h.w.bytes) - h.w.start)
	h.w.fetchedTags(p)
	if h.partitions == 0 {
		h.w.noTags()
	}
	return before
}

func (w *writer) fetchedPartition(version int16, p *FetchedPartition) {
	w.int32(p.Index)
	w.int16(int16(p.Code))
	w.int64(p.HighWatermark)
	w.int64(p.LastStableOffset)
	if version >= 5 {
		w.int64(p.LogStartOffset)
	}
	w.aborted(p)
	if version >= 11 {
		w.int32(-1) // preferred read replica (KIP-392): none
	}
	w.count(int(p.RecordsSize))
}

func (w *writer) fetchedTags(p *FetchedPartition) {
	if !w.flexible || !p.Diverging.Known && !p.Leader.Known {
		w.noTags()
		return
	}
	at := len(w.bytes)
	w.int8(0)
	if p.Diverging.Known {
		w.bytes[at]++
		w.bytes = append(w.bytes, 0, 4+8+1)
		w.int32(p.Diverging.Epoch)
		w.int64(p.Diverging.Offset)
		w.noTags()
	}
	if p.Leader.Known {
		w.bytes[at]++
		w.leader(1, p.Leader)
	}
}

func (w *writer) aborted(p *FetchedPartition) {
	if p.AbortedNull {
		w.noArray()
		return
	}
	w.count(len(p.Aborted))
	for i := range p.Aborted {
		w.int64(p.Aborted[i].ProducerID)
		w.int64(p.Aborted[i].FirstOffset)
		w.noTags()
	}
}

// End patches the frame's length, the ranges included, and returns the head. Nodes, from version 16 on, are where the
// partitions' leaders are.
func (h *FetchHead) End(nodes ...Node) []byte {
	must.Be(h.topics == 0 && h.partitions == 0, "W4: a Fetch answer ends when all that it announced is written")
	if h.version >= 16 {
		h.w.nodes(nodes)
	} else {
		h.w.noTags()
	}
	head := h.w.end(h.records)
	h.w = writer{}
	return head
}
