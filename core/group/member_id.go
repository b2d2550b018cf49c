package group

import (
	"unicode/utf8"

	"rookery/core/schema"
)

// newMemberID is the client's name, or as much of it as leaves a string that a record can have, and a random UUID (version 4): members
// must not be guessable.
func (c *Coordinator) newMemberID(prefix string) string {
	const digits = "0123456789abcdef"
	if n := schema.StringMax - 37; len(prefix) > n {
		for n > 0 && !utf8.RuneStart(prefix[n]) {
			n--
		}
		prefix = prefix[:n]
	}
	var raw [16]byte
	c.random.Fill(raw[:])
	raw[6], raw[8] = raw[6]&0x0f|0x40, raw[8]&0x3f|0x80
	text := make([]byte, 0, len(prefix)+37)
	text = append(append(text, prefix...), '-')
	for i, b := range raw {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			text = append(text, '-')
		}
		text = append(text, digits[b>>4], digits[b&15])
	}
	return string(text)
}
