package fuzz

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"rookery/core/batch"
	"rookery/core/meta"
)

// FuzzMetaRecord: whatever the bytes are, Parse returns; what it accepts is written back as one form that reads as
// the same record.
func FuzzMetaRecord(f *testing.F) {
	text := "why"
	id := meta.UUID{1, 2, 3}
	change := meta.NewPartitionChange(id, 1)
	change.ISR, change.Leader, change.LastKnownELR = []int32{1}, 1, []int32{}
	for _, r := range []meta.Record{
		&meta.RegisterBrokerRecord{BrokerID: 1, EndPoints: []meta.EndPoint{{Name: "PLAINTEXT", Host: "h", Port: 9092}},
			Features: []meta.SupportedFeature{{Name: "metadata.version", Min: 7, Max: 29}}, Rack: &text, LogDirs: []meta.UUID{id}},
		&meta.UnregisterBrokerRecord{}, &meta.TopicRecord{Name: "orders", TopicID: id},
		&meta.PartitionRecord{TopicID: id, Replicas: []int32{1}, Directories: []meta.UUID{id}, EligibleLeaderReplicas: []int32{2}},
		&meta.ConfigRecord{Name: "flush.messages", Value: &text}, change,
		&meta.FenceBrokerRecord{}, &meta.UnfenceBrokerRecord{}, &meta.RemoveTopicRecord{TopicID: id},
		&meta.FeatureLevelRecord{Name: "metadata.version", FeatureLevel: 29}, &meta.ProducerIDsRecord{NextProducerID: 1000},
		&meta.BrokerRegistrationChangeRecord{Fenced: meta.NowUnfenced, LogDirs: []meta.UUID{id}}, &meta.NoOpRecord{},
		&meta.BeginTransactionRecord{Name: &text}, &meta.EndTransactionRecord{}, &meta.AbortTransactionRecord{Reason: &text},
	} {
		f.Add(meta.Append(nil, r))
	}
	for _, file := range kafkaFiles(f, "metadata-0/*.log", "bootstrap.checkpoint") {
		for len(file) > 0 {
			view, rest, whole := batch.Next(file)
			require.True(f, whole)
			records := batch.Read(view, batch.Limits{}, nil)
			for r := (batch.Record{}); records.Next(&r); {
				f.Add(bytes.Clone(r.Value))
			}
			file = rest
		}
	}
	f.Add([]byte{1, 3, 1, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := meta.Parse(b)
		if err != nil {
			return
		}
		written := meta.Append(nil, r)
		again, err := meta.Parse(written)
		if err != nil {
			t.Fatalf("cannot read what was written: %v", err)
		}
		if !bytes.Equal(written, meta.Append(nil, again)) {
			t.Fatalf("%#v is written in two ways", r)
		}
	})
}
