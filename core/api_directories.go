package core

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/seam"
	"rookery/core/wire"
)

// alterReplicaLogDirs (34) moves partitions to other log directories (KIP-113). It is answered when the moves are begun;
// DescribeLogDirs shows how far they are. Checks and their order are Kafka's (ReplicaManager.alterReplicaLogDirs).
func (b *Broker) alterReplicaLogDirs(r *kmsg.AlterReplicaLogDirsRequest, fx *seam.Effects) wire.Answer {
	answer := r.ResponseKind().(*kmsg.AlterReplicaLogDirsResponse)
	places := map[string]int{} // of topics in the answer
	for i := range r.Dirs {
		for j := range r.Dirs[i].Topics {
			t := &r.Dirs[i].Topics[j]
			at, there := places[t.Topic]
			if !there {
				out := kmsg.NewAlterReplicaLogDirsResponseTopic()
				out.Topic = t.Topic
				at = len(answer.Topics)
				places[t.Topic], answer.Topics = at, append(answer.Topics, out)
			}
			for _, index := range t.Partitions {
				one := kmsg.NewAlterReplicaLogDirsResponseTopicPartition()
				one.Partition, one.ErrorCode = index, int16(b.alterLogDir(t.Topic, index, r.Dirs[i].Dir, fx))
				answer.Topics[at].Partitions = append(answer.Topics[at].Partitions, one)
			}
		}
	}
	return answer
}

func (b *Broker) alterLogDir(topic string, index int32, dir string, fx *seam.Effects) wire.Code {
	const nameMax = 255 // of most file systems
	const futureLength = len(".") + 32 + len(futureSuffix)
	to := slices.Index(b.config.Directories, dir)
	switch {
	case len(folderName(topic, index))+futureLength > nameMax: // KAFKA-4893
		return wire.InvalidTopicException
	case to < 0:
		return wire.LogDirNotFound
	case b.dirs[to].failed != seam.OK:
		return wire.KafkaStorageError
	}
	_, p, code := b.find([]byte(topic), [16]byte{}, index, false)
	switch {
	case code == wire.NotLeaderOrFollower: // it is being opened
		return wire.ReplicaNotAvailable
	case code == wire.None:
		b.move(p, int32(to), fx)
	}
	return code
}
