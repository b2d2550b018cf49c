// Package wire is the protocol: which APIs and versions are spoken, how a request is read and an answer is written.
//
//	frame ──▶ ReadHeader ──▶ body ──┬─▶ ReadProduce ─▶ ProduceRequest      AppendProduceResponse ──┐
//	          key, version,         ├─▶ ReadFetch   ─▶ FetchRequest        FetchHead ──────────────┼──▶ frame
//	          correlation, client   └─▶ ReadCold    ─▶ a kmsg request      AppendResponse ─────────┘
//
// Two APIs are hot, Produce and Fetch: they are read in place into structs that the caller reuses, and every name and
// record set in them is an alias of the frame. All others are cold and go through kmsg.
//
// Rules:
//
//   - What comes from outside is hostile. A length is compared with the bytes that are left before it is believed, a
//     loop ends at the first flaw, and no request may name more than ElementsMax things: kmsg sizes a slice by the
//     announced count, and runs through an announced number of tags even when the bytes have ended, so a cold body is
//     walked here first and reaches kmsg only when every element of it has been seen.
//   - Bytes after the last field are ignored, and so are tags that are not known in the version at hand (Kafka closes
//     on a tag that only a later version has; skipping it is what KIP-482 asks for). Tags in any order, a tag twice and
//     a varint of more bytes than it needs are accepted, as Kafka does. A null where none may be is a flaw.
//   - Nothing on the way of a Produce or a Fetch allocates once the caller's slices have grown.
//   - Numbers on the wire are big endian; lengths in flexible versions (KIP-482) are uvarint(length+1), zero is null.
package wire

import (
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"
)

type (
	// Message is a cold request as kmsg has it.
	Message = kmsg.Request
	// Answer is a cold response as kmsg has it.
	Answer = kmsg.Response
)

// ElementsMax is the most things (topics, partitions, configs, replicas, tags of a cold request) that one request may
// name. Kafka has no such bound and lets a frame of 100 MiB announce 50 million topics.
const ElementsMax = 1 << 18

// elementsKept is the most elements that a request keeps memory for when it is reset; an unusually long one is let go.
const elementsKept = 1 << 12

// emptied is the slice for the next request: its elements forgotten, its memory kept if it is of a usual size.
func emptied[E any](s []E) []E {
	if cap(s) > elementsKept {
		return nil
	}
	clear(s)
	return s[:0]
}

// Flaw is why a frame cannot be read. The connection it came on is closed: there is no answer for it.
type Flaw uint8

const (
	NoFlaw     Flaw = iota
	Short           // a field or a length runs past the end of the frame
	Null            // null where the protocol has no null
	Overlong        // a varint of more than 32 bits
	TooMany         // more than ElementsMax things
	Unspoken        // not an API and version that is spoken here
	Unknown         // an element of an ACL that is UNKNOWN
	LongString      // of more than 32,767 bytes
)

func (f Flaw) String() string {
	switch f {
	case NoFlaw:
		return "no flaw"
	case Short:
		return "a field runs past the end of the frame"
	case Null:
		return "null where the protocol allows none"
	case Overlong:
		return "a varint of more than 32 bits"
	case TooMany:
		return "more than " + strconv.Itoa(ElementsMax) + " elements"
	case Unspoken:
		return "an API or a version that is not served"
	case Unknown:
		return "an ACL or a filter of ACLs with UNKNOWN in it"
	case LongString:
		return "a string of more than " + strconv.Itoa(stringMax) + " bytes"
	}
	return "flaw " + strconv.Itoa(int(f))
}
