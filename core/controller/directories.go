package controller

import (
	"slices"

	"rookery/core/meta"
	"rookery/core/ordered"
)

// Which log directory a replica lies in is said by the metadata (KIP-858): a broker that misses a directory knows that its
// partitions are there, and makes none of them anew somewhere else.

// vacancies hands out the log directories of one broker to new replicas: each goes where the fewest are, to the first of
// those in the order of log.dirs (LogManager.nextLogDirs of Kafka).
type vacancies struct {
	dirs  []meta.UUID
	taken []int
}

// placing hands out the directories of all brokers to what one request makes.
type placing struct {
	controller *Controller
	on         ordered.Map[int32, *vacancies]
}

func (p *placing) directory(broker int32) meta.UUID {
	v := p.on.At(broker)
	if v == nil {
		v = p.controller.vacancies(broker)
		p.on.Put(broker, v)
	}
	return v.take()
}

func (c *Controller) vacancies(broker int32) *vacancies {
	v := &vacancies{dirs: c.image.Broker(broker).LogDirs}
	v.taken = make([]int, len(v.dirs))
	if len(v.dirs) < 2 {
		return v
	}
	for _, t := range c.image.Topics() {
		for i := range t.Partitions {
			if at := slices.Index(v.dirs, t.Partitions[i].Directory(broker)); at >= 0 {
				v.taken[at]++
			}
		}
	}
	return v
}

func (v *vacancies) take() meta.UUID {
	if len(v.dirs) == 0 {
		return meta.UUID{}
	}
	at := slices.Index(v.taken, slices.Min(v.taken))
	v.taken[at]++
	return v.dirs[at]
}

// LogDirsFailed takes directories out of a broker's registration, and the leaderships of what lies in them: where the Image says,
// but for what the broker knows to lie elsewhere, of which that says whether it is lost. It changes at most limit partitions; the caller
// asks again until nothing is left.
func (c *Controller) LogDirsFailed(broker int32, failed []meta.UUID, elsewhere func(topic meta.UUID, partition int32) (lost, known bool), limit int) (rs []meta.Record) {
	b := c.image.Broker(broker)
	left := slices.DeleteFunc(slices.Clone(b.LogDirs), func(dir meta.UUID) bool { return slices.Contains(failed, dir) })
	if len(left) > 0 && len(left) < len(b.LogDirs) { // none at all would mean: as before
		rs = append(rs, &meta.BrokerRegistrationChangeRecord{BrokerID: b.ID, BrokerEpoch: b.Epoch, LogDirs: left})
	}
	for _, t := range c.image.Topics() {
		for i := range t.Partitions {
			p := &t.Partitions[i]
			if p.Leader != broker {
				continue
			}
			lost, known := elsewhere(t.ID, p.ID)
			if !known {
				lost = slices.Contains(failed, p.Directory(broker))
			}
			if !lost {
				continue
			}
			if limit--; limit < 0 {
				return rs
			}
			change := meta.NewPartitionChange(t.ID, p.ID)
			change.Leader = meta.NoLeader
			rs = append(rs, change)
		}
	}
	return rs
}

// AssignReplica notes where a broker has a replica (AssignReplicasToDirs of KIP-858). anew: the replica that leads from
// there has another log, and begins another leader epoch.
func (c *Controller) AssignReplica(broker int32, topic meta.UUID, partition int32, dir meta.UUID, anew bool) []meta.Record {
	t := c.image.TopicByID(topic)
	if t == nil {
		return nil
	}
	p := t.Partition(partition)
	at := slices.Index(p.Replicas, broker)
	if at < 0 {
		return nil
	}
	change := meta.NewPartitionChange(topic, partition)
	change.Directories = make([]meta.UUID, len(p.Replicas))
	copy(change.Directories, p.Directories)
	change.Directories[at] = dir
	if anew {
		change.Leader = broker
	}
	return []meta.Record{change}
}
