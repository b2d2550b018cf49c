package meta

import "strings"

// UUID is a topic, directory or incarnation id. The zero UUID names nothing.
type UUID [16]byte

const (
	UUIDLetters = 22
	alphabet    = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" // RFC 4648, for URLs, without padding
)

// String is an id as Kafka prints it.
func (id UUID) String() string {
	text := make([]byte, 0, UUIDLetters)
	bits, held := uint32(0), 0
	for _, b := range id {
		bits, held = bits<<8|uint32(b), held+8
		for ; held >= 6; held -= 6 {
			text = append(text, alphabet[bits>>(held-6)&63])
		}
	}
	return string(append(text, alphabet[bits<<(6-held)&63]))
}

// ParseUUID reads what String writes, and nothing else.
func ParseUUID(text string) (id UUID, ok bool) {
	if len(text) != UUIDLetters {
		return id, false
	}
	bits, held, at := uint32(0), 0, 0
	for i := range len(text) {
		v := strings.IndexByte(alphabet, text[i])
		if v < 0 {
			return UUID{}, false
		}
		if bits, held = bits<<6|uint32(v), held+6; held >= 8 {
			id[at] = byte(bits >> (held - 8))
			at, held = at+1, held-8
		}
	}
	return id, bits&(1<<held-1) == 0
}
