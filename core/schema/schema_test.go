package schema

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// message has a field of each kind.
type message struct {
	Bool     bool
	Small    int8
	Short    int16
	Unsigned uint16
	Int      int32
	Long     int64
	Far      uint64
	ID       [16]byte
	Text     string
	Maybe    *string
	Bytes    []byte
	Ints     []int32
	MaybeInt []int32
	Texts    []string
	IDs      [][16]byte
	MaybeIDs [][16]byte
	Tag      int64 // tagged, 0 where it is not there
}

func (m *message) walk(c *Coder) {
	c.Bool(&m.Bool)
	c.Int8(&m.Small)
	c.Int16(&m.Short)
	c.Uint16(&m.Unsigned)
	c.Int32(&m.Int)
	c.Int64(&m.Long)
	c.Uint64(&m.Far)
	UUID(c, &m.ID)
	c.String(&m.Text)
	c.NullableString(&m.Maybe)
	c.Bytes(&m.Bytes)
	c.Int32s(&m.Ints)
	c.NullableInt32s(&m.MaybeInt)
	c.Strings(&m.Texts)
	UUIDs(c, &m.IDs)
	NullableUUIDs(c, &m.MaybeIDs)
	c.Tags(Tagged(3, m.Tag != 0, func(c *Coder) { c.Int64(&m.Tag) }))
}

func drawMessage(t *rapid.T, flexible bool) message {
	id := rapid.Custom(func(t *rapid.T) (id [16]byte) {
		copy(id[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
		return id
	})
	m := message{
		Bool: rapid.Bool().Draw(t, "bool"), Small: rapid.Int8().Draw(t, "small"), Short: rapid.Int16().Draw(t, "short"),
		Unsigned: rapid.Uint16().Draw(t, "unsigned"), Int: rapid.Int32().Draw(t, "int"), Long: rapid.Int64().Draw(t, "long"),
		Far: rapid.Uint64().Draw(t, "far"), ID: id.Draw(t, "id"), Text: rapid.String().Draw(t, "text"),
		Bytes: rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"), Ints: rapid.SliceOf(rapid.Int32()).Draw(t, "ints"),
		Texts: rapid.SliceOf(rapid.String()).Draw(t, "texts"), IDs: rapid.SliceOf(id).Draw(t, "ids"),
	}
	if rapid.Bool().Draw(t, "there") {
		text := rapid.String().Draw(t, "maybe")
		m.Maybe, m.MaybeInt, m.MaybeIDs = &text, rapid.SliceOf(rapid.Int32()).Draw(t, "maybe ints"), rapid.SliceOf(id).Draw(t, "maybe ids")
	}
	if flexible {
		m.Tag = rapid.Int64().Draw(t, "tag")
	}
	return m
}

// What was written is read again, behind whatever was there; and no byte less, and none more, is enough.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		flexible := rapid.Bool().Draw(t, "flexible")
		want := drawMessage(t, flexible)
		w := Writer([]byte("before"), 0, flexible)
		want.walk(&w)
		require.NoError(t, w.Err())
		whole, found := bytes.CutPrefix(w.Written(), []byte("before"))
		require.True(t, found)

		var got message
		r := Reader(whole, 0, flexible)
		got.walk(&r)
		require.NoError(t, r.End())
		require.Equal(t, want, got)

		for _, b := range [][]byte{whole[:rapid.IntRange(0, len(whole)-1).Draw(t, "cut")], append(bytes.Clone(whole), 0)} {
			r := Reader(b, 0, flexible)
			new(message).walk(&r)
			require.Error(t, r.End(), "%d of %d bytes", len(b), len(whole))
		}
	})
}

// Whatever is read is refused, or is as it is written again; a length takes no memory that the input could not fill.
func TestHostileBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		flexible := rapid.Bool().Draw(t, "flexible")
		w, drawn := Writer(nil, 0, flexible), drawMessage(t, flexible)
		drawn.walk(&w)
		b := w.Written()
		for range rapid.IntRange(1, 4).Draw(t, "bytes that are wrong") {
			b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] = rapid.SampledFrom([]byte{0, 1, 2, 3, 0x7f, 0x80, 0xff}).Draw(t, "byte")
		}
		var m message
		r := Reader(b, 0, flexible)
		m.walk(&r)
		size := len(m.Text) + len(m.Bytes) + 4*len(m.Ints) + 4*len(m.MaybeInt) + len(m.Texts) + 16*len(m.IDs) + 16*len(m.MaybeIDs)
		require.LessOrEqual(t, size, len(b), "made out of so many bytes")
		if r.End() != nil {
			return
		}
		w = Writer(nil, 0, flexible)
		m.walk(&w)
		var again message
		r = Reader(w.Written(), 0, flexible)
		again.walk(&r)
		require.NoError(t, r.End())
		require.Equal(t, m, again)
	})
}
