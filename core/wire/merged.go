package wire

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Merge brings together what a request says of one topic or partition in several places. Kafka keeps these requests in
// maps; its answers, and so ours, name each thing once, and nothing that has no partitions.
func Merge(request Message) {
	switch r := request.(type) {
	case *kmsg.MetadataRequest:
		r.Topics = mergedMetadata(r.Topics, r.Version)
	case *kmsg.ListOffsetsRequest:
		r.Topics = mergedListOffsets(r.Topics)
	case *kmsg.DeleteRecordsRequest:
		r.Topics = mergedDeleteRecords(r.Topics)
	case *kmsg.OffsetCommitRequest:
		r.Topics = slices.DeleteFunc(r.Topics, func(t kmsg.OffsetCommitRequestTopic) bool { return len(t.Partitions) == 0 })
	case *kmsg.OffsetDeleteRequest:
		r.Topics = slices.DeleteFunc(r.Topics, func(t kmsg.OffsetDeleteRequestTopic) bool { return len(t.Partitions) == 0 })
	}
}

// mergedMetadata: where one topic is asked for by its id, those that are not are passed over (KIP-516). Versions 10 and
// 11 are refused for ids, entry by entry.
func mergedMetadata(topics []kmsg.MetadataRequestTopic, version int16) []kmsg.MetadataRequestTopic {
	type place struct {
		name string
		null bool
		id   [16]byte
	}
	byID := false
	for i := range topics {
		if topics[i].TopicID != [16]byte{} || topics[i].Topic == nil {
			if version == 10 || version == 11 {
				return topics
			}
			byID = byID || topics[i].TopicID != [16]byte{}
		}
	}
	seen, kept := map[place]bool{}, topics[:0]
	for _, t := range topics {
		at := place{id: t.TopicID}
		switch {
		case byID && t.TopicID == [16]byte{}:
			continue
		case byID:
		case t.Topic == nil:
			at.null = true
		default:
			at.name = *t.Topic
		}
		if !seen[at] {
			seen[at] = true
			kept = append(kept, t)
		}
	}
	return kept
}

// mergedListOffsets leaves a partition that stands twice for the answer, which is an error.
func mergedListOffsets(topics []kmsg.ListOffsetsRequestTopic) []kmsg.ListOffsetsRequestTopic {
	at, kept := map[string]int{}, topics[:0]
	for _, t := range topics {
		i, known := at[t.Topic]
		switch {
		case len(t.Partitions) == 0:
		case known:
			kept[i].Partitions = append(kept[i].Partitions, t.Partitions...)
		default:
			at[t.Topic] = len(kept)
			kept = append(kept, t)
		}
	}
	return kept
}

// mergedDeleteRecords: the last of several offsets for a partition is the one that counts.
func mergedDeleteRecords(topics []kmsg.DeleteRecordsRequestTopic) []kmsg.DeleteRecordsRequestTopic {
	type place struct {
		topic     int
		partition int32
	}
	at, places, kept := map[string]int{}, map[place]int{}, topics[:0]
	for _, t := range topics {
		if len(t.Partitions) == 0 {
			continue
		}
		i, known := at[t.Topic]
		if !known {
			i = len(kept)
			at[t.Topic] = i
			kept = append(kept, kmsg.DeleteRecordsRequestTopic{Topic: t.Topic})
		}
		for _, p := range t.Partitions {
			here := place{i, p.Partition}
			j, twice := places[here]
			if twice {
				kept[i].Partitions[j] = p
				continue
			}
			places[here] = len(kept[i].Partitions)
			kept[i].Partitions = append(kept[i].Partitions, p)
		}
	}
	return kept
}
