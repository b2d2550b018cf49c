package core

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/conn"
	"rookery/core/seam"
	"rookery/core/wire"
)

// alterReplicaLogDirs (34) moves partitions to other log directories (KIP-113). It is answered when the moves are begun;
// DescribeLogDirs shows how far they are. Checks and their order are Kafka's (ReplicaManager.alterReplicaLogDirs).
func (b *Broker) alterReplicaLogDirs(now seam.Now, c *connection, slot conn.Slot, r *conn.Request, request *kmsg.AlterReplicaLogDirsRequest, fx *seam.Effects) {
	answer := request.ResponseKind().(*kmsg.AlterReplicaLogDirsResponse)
	type entry struct {
		dir   string
		topic *kmsg.AlterReplicaLogDirsRequestDirTopic
	}
	var asked []entry
	for i := range request.Dirs {
		d := &request.Dirs[i]
		for j := range d.Topics {
			asked = append(asked, entry{d.Dir, &d.Topics[j]})
		}
	}
	places, at := map[string]int{}, 0 // of topics in the answer, and of the one at hand
	b.inTurns(now, c, b.turns.nested(len(asked), func(i int, _ seam.Now, _ *seam.Effects) int {
		there, t := false, asked[i].topic
		if at, there = places[t.Topic]; !there {
			out := kmsg.NewAlterReplicaLogDirsResponseTopic()
			out.Topic = t.Topic
			at = len(answer.Topics)
			places[t.Topic], answer.Topics = at, append(answer.Topics, out)
		}
		return len(t.Partitions)
	}, func(i, j int, fx *seam.Effects) {
		t, out := asked[i].topic, &answer.Topics[at]
		one := kmsg.NewAlterReplicaLogDirsResponseTopicPartition()
		one.Partition, one.ErrorCode = t.Partitions[j], int16(b.alterLogDir(t.Topic, t.Partitions[j], asked[i].dir, fx))
		out.Partitions = append(out.Partitions, one)
	}, b.answering(c, slot, r.Correlation, answer)), fx)
}

func (b *Broker) alterLogDir(topic string, index int32, dir string, fx *seam.Effects) wire.Code {
	const futureLength = len(".") + uniqueLength + len(futureSuffix)
	to := slices.Index(b.config.Directories, dir)
	switch {
	case len(topic)+len(folderName("", index))+futureLength > nameMax: // KAFKA-4893
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
