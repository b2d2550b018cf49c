package tape_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"rookery/core/seam"
	"rookery/core/seam/tape"
)

func drawAddress(t *rapid.T) seam.Address {
	return seam.Address{
		Kind: rapid.SampledFrom([]seam.AddressKind{seam.ToBroker, seam.ToRecovery, seam.ToPeer, seam.ToOperator}).Draw(t, "kind"),
		ID:   rapid.Uint64().Draw(t, "id"), Host: rapid.String().Draw(t, "host"), Port: rapid.Int32().Draw(t, "port"),
	}
}

func drawEntries(t *rapid.T) []seam.Entry {
	var out []seam.Entry
	for range rapid.IntRange(0, 3).Draw(t, "entries") {
		path := seam.Path{Dir: rapid.Int32().Draw(t, "dir"), Name: rapid.String().Draw(t, "name")}
		out = append(out, seam.Entry{Path: path, Size: rapid.Int64().Draw(t, "size"), Folder: rapid.Bool().Draw(t, "folder")})
	}
	return out
}

func drawInput(t *rapid.T) seam.Input {
	data := func(name string) []byte { return rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, name) }
	fault := rapid.Custom(func(t *rapid.T) seam.Fault { return seam.Fault(rapid.IntRange(0, int(seam.Late)).Draw(t, "fault")) })
	number := func(name string) uint64 { return rapid.Uint64().Draw(t, name) }
	switch rapid.IntRange(0, 12).Draw(t, "input") {
	case 0:
		return &seam.Started{Files: drawEntries(t), Dirs: rapid.SliceOfN(fault, 1, 3).Draw(t, "dirs")}
	case 1:
		return &seam.Opened{Conn: seam.Conn(number("conn")), Listener: rapid.Int32().Draw(t, "listener"), Host: rapid.String().Draw(t, "host"), Port: rapid.Int32().Draw(t, "port"), Remote: rapid.String().Draw(t, "remote")}
	case 2:
		return &seam.Request{Conn: seam.Conn(number("conn")), Lease: seam.Lease(number("lease")), Frame: data("frame")}
	case 3:
		return &seam.Hangup{Conn: seam.Conn(number("conn"))}
	case 4:
		return &seam.Wrote{Op: seam.Op(number("op")), Bytes: rapid.Int64().Draw(t, "bytes"), Fault: fault.Draw(t, "f"), Entries: drawEntries(t)}
	case 5:
		return &seam.Synced{Op: seam.Op(number("op")), Fault: fault.Draw(t, "f")}
	case 6:
		return &seam.Loaded{Op: seam.Op(number("op")), Fault: fault.Draw(t, "f"), Data: data("data")}
	case 7:
		return &seam.Sent{Op: seam.Op(number("op")), Conn: seam.Conn(number("conn")), Fault: fault.Draw(t, "f")}
	case 8:
		in := &seam.Mail{From: drawAddress(t), Link: number("link"), Lease: seam.Lease(number("lease")), Fault: fault.Draw(t, "f")}
		if rapid.Bool().Draw(t, "framed") {
			in.Frame = data("frame")
		}
		return in
	case 9:
		return &seam.Alarm{}
	case 11:
		return &seam.Wanting{Conn: seam.Conn(number("conn")), Bytes: rapid.Int64().Draw(t, "bytes")}
	case 10:
		return &seam.Rewritten{Op: seam.Op(number("op")), Lease: seam.Lease(number("lease")), Data: data("data")}
	}
	return &seam.Stop{}
}

// What was recorded is read back, entry by entry; a tape that ends early is read up to there, and a byte more or less
// inside an entry never makes another panic than an error.
func TestTapeIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		config := rapid.SliceOfN(rapid.Byte(), 0, 9).Draw(t, "config")
		whole := tape.AppendBegin(nil, config)
		var want []tape.Entry
		var ends []int
		for range rapid.IntRange(0, 5).Draw(t, "steps") {
			e := tape.Entry{To: drawAddress(t), Now: seam.Now{Mono: seam.Mono(rapid.Int64().Draw(t, "mono")), Wall: seam.Wall(rapid.Int64().Draw(t, "wall"))}, Digest: seam.Digest(rapid.Uint64().Draw(t, "digest"))}
			e.Input = drawInput(t)
			letter, ok := e.Input.(*seam.Mail)
			if e.Body = ok && rapid.Bool().Draw(t, "body"); e.Body {
				letter.Body = "kept by whoever replays"
			}
			whole = append(whole, tape.AppendDigest(tape.AppendInput(nil, e.To, e.Now, e.Input), e.Digest)...)
			if e.Body {
				letter.Body = nil
			}
			want, ends = append(want, e), append(ends, len(whole))
		}
		cut := rapid.IntRange(0, len(whole)).Draw(t, "cut")
		got, rest, err := tape.Begin(whole[:cut])
		if begin := len(tape.Magic) + 4 + len(config); cut < begin {
			require.Equal(t, tape.ErrShort, err)
			return
		}
		require.NoError(t, err)
		require.Equal(t, config, append([]byte{}, got...))
		for i := range want {
			var e tape.Entry
			if e, rest, err = tape.Next(rest); cut < ends[i] {
				require.Equal(t, tape.ErrShort, err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, want[i], e)
		}
		require.Empty(t, rest)
		if len(want) > 0 {
			at := rapid.IntRange(0, len(whole)-1).Draw(t, "flip")
			whole[at] ^= rapid.ByteRange(1, 255).Draw(t, "by")
			if _, rest, err := tape.Begin(whole); err == nil {
				for err == nil {
					_, rest, err = tape.Next(rest)
				}
			}
		}
	})
}
