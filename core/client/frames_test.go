package client

import (
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rookery/core/batch"
	"rookery/core/seam"
	"rookery/core/wire"
)

var rewrite = flag.Bool("rewrite", false, "write testdata/frames.txt anew")

// TestGoldenFrames keeps the bytes of a short conversation: what a client of today, and one that pretends to be from
// 2018 (Kafka 2.0), sends to write two records and to read them.
func TestGoldenFrames(t *testing.T) {
	var text strings.Builder
	for _, old := range []bool{false, true} {
		config := DefaultConfig()
		config.ClientID, config.Codec = "golden", batch.None
		if old {
			config.Idempotent, config.Acks = false, AcksLeader
			config.Ceilings = []Ceiling{{wire.KeyApiVersions, 2}, {wire.KeyMetadata, 6}, {wire.KeyProduce, 6},
				{wire.KeyFetch, 8}, {wire.KeyListOffsets, 3}}
		}
		w := newWorld(1, config, faults{})
		for _, p := range w.topic("t", 1).parts {
			p.leader = 0
		}
		w.topics["t"].id = [16]byte{1, 2, 3}
		w.sent = func(frame []byte) {
			key, version := int16(binary.BigEndian.Uint16(frame[4:])), binary.BigEndian.Uint16(frame[6:])
			if key == wire.KeyFetch && w.keys[key] > 0 {
				return // the first will do
			}
			fmt.Fprintf(&text, "%s %d\n%x\n", wire.Name(key), version, frame)
		}
		fmt.Fprintf(&text, "old %v\n", old)
		w.tell(&Produce{Topic: "t", Records: []Record{{Key: []byte("k"), Value: []byte("v"), Timestamp: 1},
			{Timestamp: 2, Headers: []Header{{Key: []byte("h")}}}}})
		w.run(w.now + seam.Second)
		w.tell(&Assign{Topic: "t", Offset: Earliest})
		w.tell(&Poll{Bytes: 100})
		w.run(w.now + seam.Second)
		require.Len(t, w.fetched[0].Records, 2)
	}
	const golden = "testdata/frames.txt"
	if *rewrite {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(golden, []byte(text.String()), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), text.String())
}
