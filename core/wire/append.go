package wire

import "encoding/binary"

// writer appends fields to bytes that belong to the caller.
type writer struct {
	bytes    []byte
	start    int // where the frame begins
	flexible bool
}

// begin lays down the length, which end patches, and the answer's header.
func (w *writer) begin(dst []byte, key, version int16, correlation int32) {
	w.bytes, w.start, w.flexible = dst, len(dst), Flexible(key, version)
	w.int32(0)
	w.int32(correlation)
	if taggedAnswer(key, version) {
		w.int8(0)
	}
}

// end patches the frame's length; beyond are the bytes of the frame that are not in the writer.
func (w *writer) end(beyond int) []byte {
	binary.BigEndian.PutUint32(w.bytes[w.start:], uint32(len(w.bytes)-w.start-4+beyond))
	return w.bytes
}

func (w *writer) int8(v int8)     { w.bytes = append(w.bytes, byte(v)) }
func (w *writer) int16(v int16)   { w.bytes = binary.BigEndian.AppendUint16(w.bytes, uint16(v)) }
func (w *writer) int32(v int32)   { w.bytes = binary.BigEndian.AppendUint32(w.bytes, uint32(v)) }
func (w *writer) int64(v int64)   { w.bytes = binary.BigEndian.AppendUint64(w.bytes, uint64(v)) }
func (w *writer) uuid(v [16]byte) { w.bytes = append(w.bytes, v[:]...) }

// length is that of a name or an array, which is short as a rule.
func (w *writer) length(n int) {
	if n < 0x7f {
		w.bytes = append(w.bytes, byte(n)+1)
		return
	}
	w.bytes = binary.AppendUvarint(w.bytes, uint64(n)+1)
}

// noTags ends a struct that has none of its tags.
func (w *writer) noTags() {
	if w.flexible {
		w.int8(0)
	}
}

// count is the length of an array.
func (w *writer) count(n int) {
	if w.flexible {
		w.length(n)
		return
	}
	w.int32(int32(n))
}

// noArray is an array that is null.
func (w *writer) noArray() {
	if w.flexible {
		w.int8(0)
		return
	}
	w.int32(-1)
}

// name is a string that is not null.
func (w *writer) name(v []byte) {
	if w.flexible {
		w.length(len(v))
	} else {
		w.int16(int16(len(v)))
	}
	w.bytes = append(w.bytes, v...)
}

// message is a nullable string; empty is written as null.
func (w *writer) message(v string) {
	switch {
	case v == "" && w.flexible:
		w.int8(0)
	case v == "":
		w.int16(-1)
	case w.flexible:
		w.length(len(v))
	default:
		w.int16(int16(len(v)))
	}
	w.bytes = append(w.bytes, v...)
}

// Leader is who leads a partition, told to a client that asked another or the same one too late or too early (KIP-951).
type Leader struct {
	Known     bool
	ID, Epoch int32
}

// Node is where a Leader is reached.
type Node struct {
	ID   int32
	Host string
	Port int32
	Rack *string
}

// leader is a tag.
func (w *writer) leader(tag byte, l Leader) {
	w.bytes = append(w.bytes, tag, 4+4+1)
	w.int32(l.ID)
	w.int32(l.Epoch)
	w.noTags()
}

// nodes ends an answer with a tag of where its leaders are, or with none.
func (w *writer) nodes(nodes []Node) {
	if len(nodes) == 0 || !w.flexible {
		w.noTags()
		return
	}
	inner := writer{flexible: true}
	inner.count(len(nodes))
	for i := range nodes {
		inner.int32(nodes[i].ID)
		inner.length(len(nodes[i].Host))
		inner.bytes = append(inner.bytes, nodes[i].Host...)
		inner.int32(nodes[i].Port)
		if rack := nodes[i].Rack; rack == nil {
			inner.int8(0)
		} else {
			inner.length(len(*rack))
			inner.bytes = append(inner.bytes, *rack...)
		}
		inner.noTags()
	}
	w.bytes = append(w.bytes, 1, 0)
	w.bytes = binary.AppendUvarint(w.bytes, uint64(len(inner.bytes)))
	w.bytes = append(w.bytes, inner.bytes...)
}
