package wire

import "strings"

// messageMax is how long a message may be: it may quote a value that is as long as a string can be.
const messageMax = 1 << 14

// Clip is what an error says, or as much of it as an answer has room for.
func Clip(text string) string {
	if len(text) <= messageMax {
		return text
	}
	return strings.ToValidUTF8(text[:messageMax], "") + "..."
}
