package server

// transport is how the bytes of a connection come and go. What they are, how many may come, who sends when, and how a
// connection ends is the same for every one.
//
//	            begin ─▶ read ────▶ chunk ─▶ frames        on the connection's goroutine
//	socket ─────┤
//	            farewell ◀─ send ◀─ replies, files         by whoever has made the connection busy
//
// None of them waits but begin.
type transport interface {
	// begin does what comes before the first frame. An error ends the connection: its text is for the log.
	begin(c *conn) error
	// read is read(2) of a socket that does not wait: what there is, EAGAIN, or nothing at the end.
	read(fd int, data []byte) (int, error)
	// held is how much of what a socket gave read may keep back, at most, when it answers EAGAIN.
	held() int64
	// send gives the socket some of what is at hand (from c.at and c.skip on), and has it advanced by what was taken.
	send(c *conn, fd int) error
	// farewell tells the client that nothing follows, as far as that can be done at once.
	farewell(fd int)
}
