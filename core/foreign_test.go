package core

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/batch"
	"rookery/core/meta"
	"rookery/core/seam"
)

// put makes a file that is durable.
func (w *world) put(path string, content []byte) {
	at, parts := w.root, strings.Split(path, "/")
	for _, name := range parts[:len(parts)-1] {
		next := at.entries[name]
		if next == nil {
			next = newFolder()
			at.entries[name], at.safe[name] = next, next
		}
		at = next
	}
	n := &node{content: content, synced: content}
	at.entries[parts[len(parts)-1]], at.safe[parts[len(parts)-1]] = n, n
}

// said is why a start has ended.
func (w *world) said() (why string) {
	w.told = func(x *told) {
		for _, e := range x.fx.Events {
			if e.Kind == seam.DirFailed {
				why = e.Text
			}
		}
	}
	w.start()
	w.stabilize()
	return why
}

func metadataBatch(base int64, epoch int32, values ...[]byte) []byte {
	var b batch.Builder
	spec := batch.Plain(batch.None)
	spec.BaseOffset, spec.LeaderEpoch = base, epoch
	b.Begin(spec)
	for _, v := range values {
		b.Add(1_700_000_000_000, nil, v, nil)
	}
	return append([]byte{}, b.Finish()...)
}

const votedInThree = `{"leaderId":1,"leaderEpoch":3,"votedId":-1,"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAA","data_version":1}`

// Another broker's directory, whose metadata log begins with a snapshot, is refused as it is.
func TestAMetadataLogThatWasTrimmed(t *testing.T) {
	w := newWorld(t)
	noop := meta.Append(nil, &meta.NoOpRecord{})
	data := append(metadataBatch(5000, 3, noop), metadataBatch(5001, 3, noop)...)
	w.put("__cluster_metadata-0/00000000000000005000.log", data)
	w.put("__cluster_metadata-0/00000000000000005000-0000000003.checkpoint", []byte("snapshot"))
	w.put("__cluster_metadata-0/quorum-state", []byte(votedInThree))
	w.put("orders-0/00000000000000000000.log", metadataBatch(0, 0, []byte("precious")))
	w.put("orders-1.AQIDBAUGBwgJCgsMDQ4P8A-delete/00000000000000000000.log", nil)
	require.Equal(t, MetadataTrimmed, w.said())
	require.Equal(t, data, w.root.entries["__cluster_metadata-0"].entries["00000000000000005000.log"].content)
	require.Contains(t, w.root.entries, "orders-1.AQIDBAUGBwgJCgsMDQ4P8A-delete")
	require.Len(t, w.root.entries["__cluster_metadata-0"].entries, 3, "nothing is written")
}

// So is one that says what is not understood: an access control entry, or what nobody knows. Nobody votes in it.
func TestAMetadataLogThatSaysMore(t *testing.T) {
	entry := append([]byte{1, 18, 0}, make([]byte, 16)...) // AccessControlEntryRecord
	entry = append(append(append(entry, 2, 2, '*', 3, 9), "User:eve"...), 2, '*', 2, 2, 0)
	for name, record := range map[string][]byte{"an access control entry": entry, "nobody's": {1, 99, 0, 0}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			data := metadataBatch(0, 1, meta.Append(nil, &meta.FeatureLevelRecord{Name: "metadata.version", FeatureLevel: 21}), record)
			w.put("__cluster_metadata-0/00000000000000000000.log", data)
			w.put("__cluster_metadata-0/quorum-state", []byte(votedInThree))
			require.Equal(t, RecordsForeign, w.said())
			folder := w.root.entries["__cluster_metadata-0"].entries
			require.Equal(t, data, folder["00000000000000000000.log"].content)
			require.Equal(t, votedInThree, string(folder["quorum-state"].content))
		})
	}
}

// What a voter has promised is lost, or an older one is found: it goes on behind the newest epoch of its log.
func TestAnOlderQuorumState(t *testing.T) {
	for name, state := range map[string]string{"none": "", "older": strings.Replace(votedInThree, `"leaderEpoch":3`, `"leaderEpoch":1`, 1)} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			for range 3 {
				w.start()
				w.stabilize()
				w.crash(false)
			}
			folder := w.root.entries["__cluster_metadata-0"]
			delete(folder.entries, "quorum-state")
			delete(folder.safe, "quorum-state")
			if state != "" {
				w.put("__cluster_metadata-0/quorum-state", []byte(state))
			}
			require.Empty(t, w.said())
			require.Equal(t, phaseReady, w.broker.phase)
			require.EqualValues(t, 4, w.broker.quorum.Epoch())
		})
	}
}

// A name may be as long as a string can be; what quotes it is shorter.
func TestMessagesFitIntoAnswers(t *testing.T) {
	long := strings.Repeat("x", 32_760)
	for version := int16(1); version <= 4; version++ {
		w := newBench(t)
		r := kmsg.NewPtrDescribeConfigsRequest()
		r.Version = version
		one := kmsg.NewDescribeConfigsRequestResource()
		one.ResourceType, one.ResourceName = 2, long
		r.Resources = append(r.Resources, one)
		w.step(w.frame(r))
		answer := kmsg.NewPtrDescribeConfigsResponse()
		answer.SetVersion(version)
		head := 8
		if r.IsFlexible() {
			head++
		}
		require.NoError(t, answer.ReadFrom(w.heads[0][head:]))
		require.Less(t, len(*answer.Resources[0].ErrorMessage), 1<<15)
	}
	w := newBench(t)
	r := kmsg.NewPtrDescribeUserSCRAMCredentialsRequest()
	r.Users = append(r.Users, kmsg.DescribeUserSCRAMCredentialsRequestUser{Name: long})
	w.step(w.frame(r))
	answer := kmsg.NewPtrDescribeUserSCRAMCredentialsResponse()
	require.NoError(t, answer.ReadFrom(w.heads[0][9:]))
	require.Less(t, len(*answer.Results[0].ErrorMessage), 1<<15)
}
