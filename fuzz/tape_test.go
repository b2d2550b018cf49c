package fuzz

import (
	"testing"

	"rookery/core/seam"
	"rookery/core/seam/tape"
)

// FuzzTape reads arbitrary bytes as entries of a recording: it must stop with an error or at the end, and what it has
// read must be written again to the same length.
func FuzzTape(f *testing.F) {
	for _, in := range []seam.Input{
		&seam.Started{Files: []seam.Entry{{Path: seam.Path{Dir: 1, Name: "t-0/00.log"}, Size: 9}}, Dirs: []seam.Fault{seam.OK, seam.IOError}},
		&seam.Opened{Conn: 7, Listener: 1, Host: "127.0.0.1", Port: 9092, Remote: "127.0.0.1:5"},
		&seam.Request{Conn: 7, Lease: 3, Frame: []byte("frame")},
		&seam.Wanting{Conn: 7, Bytes: 1 << 20},
		&seam.Hangup{Conn: 7},
		&seam.Wrote{Op: 1, Bytes: 2, Fault: seam.NoSpace, Entries: []seam.Entry{{Folder: true}}},
		&seam.Synced{Op: 1},
		&seam.Loaded{Op: 1, Data: []byte("data")},
		&seam.Sent{Op: 1, Conn: 2, Fault: seam.Gone},
		&seam.Mail{From: seam.Address{Kind: seam.ToPeer, Host: "h", Port: 1}, Link: 2, Frame: []byte("f")},
		&seam.Alarm{}, &seam.Stop{},
	} {
		f.Add(tape.AppendDigest(tape.AppendInput(nil, seam.Address{ID: 4}, seam.Now{Mono: 5, Wall: 6}, in), 99))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for len(b) > 0 {
			e, rest, err := tape.Next(b)
			if err != nil {
				return
			}
			again := tape.AppendDigest(tape.AppendInput(nil, e.To, e.Now, e.Input), e.Digest)
			if _, left, err := tape.Next(again); err != nil || len(left) > 0 {
				t.Fatalf("an entry that was read cannot be read again: %v", err)
			}
			b = rest
		}
	})
}
