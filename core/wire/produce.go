package wire

import "encoding/binary"

// ProduceRequest is a Produce of versions 3 to 13, read in place. The caller owns it and reads many requests into it.
type ProduceRequest struct {
	TransactionalID []byte // nil is null
	Acks            int16
	TimeoutMillis   int32
	Partitions      []ProducePartition
}

// ProducePartition is one record set. Topic, TopicID and Group say under which entry of the request's topics it stood.
type ProducePartition struct {
	Topic   []byte   // up to version 12
	TopicID [16]byte // from version 13
	Group   int32    // the number of the topic's entry in the request, from 0
	Index   int32
	Records []byte // nil is null; otherwise the batch as it came, and whatever the client put behind it
}

// Reset forgets the request and keeps the memory, unless it is unusually much.
func (r *ProduceRequest) Reset() {
	*r = ProduceRequest{Partitions: emptied(r.Partitions)}
}

// ReadProduce reads a body. After a flaw the request is of no use.
func ReadProduce(body []byte, version int16, into *ProduceRequest) Flaw {
	c := newCursor(body, KeyProduce, version)
	into.TransactionalID = c.nullableText()
	into.Acks = c.int16()
	into.TimeoutMillis = c.int32()
	into.Partitions = into.Partitions[:0]
	topics := c.count()
	for group := uint32(0); group < topics && c.flaw == NoFlaw; group++ {
		c.produceTopic(version, int32(group), into)
	}
	c.tags()
	return c.flaw
}

func (c *cursor) produceTopic(version int16, group int32, into *ProduceRequest) {
	partition := ProducePartition{Group: group}
	if version >= 13 { // KIP-516
		c.uuid(&partition.TopicID)
	} else {
		partition.Topic = c.text()
	}
	for n := c.count(); n > 0 && c.flaw == NoFlaw; n-- {
		partition.Index = c.int32()
		partition.Records = c.records()
		c.tags()
		into.Partitions = append(into.Partitions, partition)
	}
	c.tags()
}

// ProduceResult is the answer for one partition. Results of one topic stand side by side and have one Group.
type ProduceResult struct {
	Topic          []byte
	TopicID        [16]byte
	Group          int32
	Index          int32
	Code           Code
	BaseOffset     int64 // -1 on an error
	LogAppendTime  int64 // -1 where the topic keeps CreateTime
	LogStartOffset int64 // written from version 5
	ErrorRecords   []ErrorRecord
	ErrorMessage   string // "" is null; written from version 8, as ErrorRecords are (KIP-467)
	Leader         Leader // written from version 10
}

// ErrorRecord names a record that is why its batch was refused.
type ErrorRecord struct {
	Index   int32 // within the batch
	Message string
}

// AppendProduceResponse appends the whole frame, its length first. Nodes are where the results' leaders are.
func AppendProduceResponse(dst []byte, version int16, correlation, throttleMillis int32, results []ProduceResult, nodes ...Node) []byte {
	var w writer
	w.begin(dst, KeyProduce, version, correlation)
	w.count(groups(results))
	for len(results) > 0 {
		n := groupSize(results)
		w.produceTopic(version, results[:n])
		results = results[n:]
	}
	w.int32(throttleMillis)
	if version >= 10 {
		w.nodes(nodes)
	} else {
		w.noTags()
	}
	return w.end(0)
}

// groupSize is how many results the first one's topic has.
func groupSize(results []ProduceResult) int {
	n := 1
	for n < len(results) && results[n].Group == results[0].Group {
		n++
	}
	return n
}

func groups(results []ProduceResult) int {
	n := 0
	for i := range results {
		if i == 0 || results[i].Group != results[i-1].Group {
			n++
		}
	}
	return n
}

func (w *writer) produceTopic(version int16, results []ProduceResult) {
	if version >= 13 {
		w.uuid(results[0].TopicID)
	} else {
		w.name(results[0].Topic)
	}
	w.count(len(results))
	for i := range results {
		w.produceResult(version, &results[i])
	}
	w.noTags()
}

func (w *writer) produceResult(version int16, result *ProduceResult) {
	var fixed [4 + 2 + 8 + 8 + 8]byte
	binary.BigEndian.PutUint32(fixed[0:], uint32(result.Index))
	binary.BigEndian.PutUint16(fixed[4:], uint16(result.Code))
	binary.BigEndian.PutUint64(fixed[6:], uint64(result.BaseOffset))
	binary.BigEndian.PutUint64(fixed[14:], uint64(result.LogAppendTime))
	binary.BigEndian.PutUint64(fixed[22:], uint64(result.LogStartOffset))
	if version >= 5 {
		w.bytes = append(w.bytes, fixed[:]...)
	} else {
		w.bytes = append(w.bytes, fixed[:22]...)
	}
	switch {
	case version < 8:
		w.noTags()
	case w.flexible && len(result.ErrorRecords) == 0 && result.ErrorMessage == "" && !result.Leader.Known:
		w.bytes = append(w.bytes, 1, 0, 0) // no records, null, no tags
	default:
		w.errorRecords(result.ErrorRecords)
		w.message(result.ErrorMessage)
		if version >= 10 && result.Leader.Known {
			w.int8(1)
			w.leader(0, result.Leader)
		} else {
			w.noTags()
		}
	}
}

func (w *writer) errorRecords(records []ErrorRecord) {
	w.count(len(records))
	for i := range records {
		w.int32(records[i].Index)
		w.message(records[i].Message)
		w.noTags()
	}
}
