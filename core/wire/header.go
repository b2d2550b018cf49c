package wire

// HeaderSize is the least a request has: key, version, correlation id and the length of the client id.
const HeaderSize = 2 + 2 + 4 + 2

// Header is the head of every request.
type Header struct {
	Key         int16
	Version     int16
	Correlation int32
	ClientID    []byte // an alias of the frame; nil is null
}

// ReadHeader reads the head of a frame (without its four bytes of length) and returns the body. The client id has an
// int16 length in header version 2 too: a broker must be able to read the header of an ApiVersions request of any version.
func ReadHeader(frame []byte, into *Header) (body []byte, flaw Flaw) {
	c := cursor{body: frame}
	into.Key, into.Version, into.Correlation = c.int16(), c.int16(), c.int32()
	into.ClientID = c.nullableText()
	c.flexible = Flexible(into.Key, into.Version)
	c.tags()
	return frame[c.at:], c.flaw
}
