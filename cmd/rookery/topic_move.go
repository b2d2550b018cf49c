package main

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/wire"
)

// lyingRow is where one partition lies, on its leader.
type lyingRow struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Broker    int32  `json:"broker"`
	Directory string `json:"directory"`
	Bytes     int64  `json:"bytes"`
	MovingTo  string `json:"movingTo,omitempty"`
	Behind    int64  `json:"behind,omitempty"` // offsets that the copy lacks
}

// moving is what topic move was asked for.
type moving struct {
	session
	to   string
	wait bool
}

func topicMoveCommand() *cobra.Command {
	var m moving
	var form form
	command := &cobra.Command{
		Use:   "move TOPIC[:PARTITION]...",
		Short: "move partitions to another log directory of their broker, or say where they lie",
		Long: `Move partitions to another log directory of the broker that leads them (KIP-113). They are served meanwhile; one moves after
the other, as fast as replica.alter.log.dirs.io.max.bytes.per.second allows. The directory in which a partition lies calls its
move off. Without --to it is only told where they lie, and how far what moves is behind.`,
		Example: `  rookery topic move clicks
  rookery topic move clicks:0 clicks:3 orders --to /disk2 --wait`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(command *cobra.Command, names []string) error {
			defer m.close()
			if m.wait && m.to == "" {
				return advise("say where they are to go: --to DIR", "--wait waits for a move")
			}
			if m.to != "" {
				m.to = filepath.Clean(m.to)
			}
			wanted, err := m.wanted(names)
			if err != nil {
				return err
			}
			var failed error
			if m.to != "" {
				failed = m.move(wanted)
			}
			rows, err := m.lying(wanted)
			if err == nil && failed == nil && m.to != "" && m.wait {
				watch := newProgress(command.ErrOrStderr())
				rows, failed = m.await(wanted, rows, watch)
				watch.end()
			}
			if err = errors.Join(failed, err); len(rows) == 0 {
				return err
			}
			if form.json() {
				return errors.Join(printJSON(command.OutOrStdout(), rows), err)
			}
			var lines [][]string
			for _, r := range rows {
				behind := "-"
				if r.MovingTo != "" {
					behind = number64(r.Behind)
				}
				lines = append(lines, []string{r.Topic, number64(int64(r.Partition)), number64(int64(r.Broker)), r.Directory, number64(r.Bytes), dashed(r.MovingTo), behind})
			}
			return errors.Join(table(command.OutOrStdout(), "TOPIC PARTITION BROKER DIRECTORY BYTES MOVING-TO BEHIND", lines), err)
		},
	}
	m.flags(command)
	form.flag(command)
	command.Flags().StringVar(&m.to, "to", "", "the log directory, as log.dirs names it")
	command.Flags().BoolVar(&m.wait, "wait", false, "with --to: wait until all of them are there")
	return command
}

const (
	movedEvery = 200 * time.Millisecond
	lostMax    = 10 // looks that find nothing moving: between its last byte and its new place a move is not shown
)

// await looks until all that is wanted lies where it is to, or nothing moves any more.
func (m *moving) await(wanted map[int32]map[string][]int32, rows []lyingRow, watch *progress) (_ []lyingRow, err error) {
	all := 0
	for _, topics := range wanted {
		for _, partitions := range topics {
			all += len(partitions)
		}
	}
	for lost := 0; ; {
		there, behind, moves := 0, int64(0), false
		for _, r := range rows {
			there += int(number01(r.Directory == m.to))
			behind += r.Behind
			moves = moves || r.MovingTo != ""
		}
		watch.show(int64(there), int64(all), fmt.Sprintf("%d offsets behind", behind))
		if lost++; moves {
			lost = 0
		}
		switch {
		case there == all:
			return rows, nil
		case lost == lostMax:
			return rows, advise("the broker's log says why", "%d of %d partitions are not in %s, and nothing moves any more", all-there, all, m.to)
		}
		time.Sleep(movedEvery)
		if rows, err = m.lying(wanted); err != nil {
			return rows, err
		}
	}
}

// wanted is which partitions are named, by the broker that leads them, and by topic.
func (m *moving) wanted(names []string) (map[int32]map[string][]int32, error) {
	wanted := map[int32]map[string][]int32{}
	for _, name := range names {
		topic, number, one := strings.Cut(name, ":")
		rows, err := describe(&m.session, []string{topic})
		if err != nil {
			return nil, err
		}
		partitions := rows[0].Partitions
		if one {
			n, err := strconv.ParseInt(number, 10, 32)
			if err != nil {
				return nil, fmt.Errorf("%s: %s is no partition", name, number)
			}
			if partitions = slices.DeleteFunc(partitions, func(p partitionRow) bool { return int64(p.Partition) != n }); len(partitions) == 0 {
				return nil, fmt.Errorf("topic %s has no partition %d", topic, n)
			}
		}
		for _, p := range partitions {
			if p.Leader < 0 {
				return nil, advise("rookery doctor says which log directories a broker goes without", "topic %s partition %d has no leader", topic, p.Partition)
			}
			if wanted[p.Leader] == nil {
				wanted[p.Leader] = map[string][]int32{}
			}
			if of := wanted[p.Leader]; !slices.Contains(of[topic], p.Partition) {
				of[topic] = append(of[topic], p.Partition)
			}
		}
	}
	return wanted, nil
}

func (m *moving) move(wanted map[int32]map[string][]int32) (failed error) {
	for broker, topics := range wanted {
		request := kmsg.NewPtrAlterReplicaLogDirsRequest()
		dir := kmsg.NewAlterReplicaLogDirsRequestDir()
		dir.Dir = m.to
		for topic, partitions := range topics {
			dir.Topics = append(dir.Topics, kmsg.AlterReplicaLogDirsRequestDirTopic{Topic: topic, Partitions: partitions})
		}
		request.Dirs = append(request.Dirs, dir)
		answer, err := m.call(request, broker)
		if err != nil {
			return err
		}
		for _, t := range answer.(*kmsg.AlterReplicaLogDirsResponse).Topics {
			for _, p := range t.Partitions {
				err := codeError(p.ErrorCode, nil)
				if refusedWith(err, wire.LogDirNotFound) {
					return m.noDirectory(broker)
				}
				if err != nil {
					failed = errors.Join(failed, fmt.Errorf("%s-%d: %w", t.Topic, p.Partition, err))
				}
			}
		}
	}
	return failed
}

// noDirectory says which there are.
func (m *moving) noDirectory(broker int32) error {
	dirs, err := m.directories(broker, nil)
	if err != nil {
		return err
	}
	var names []string
	for _, d := range dirs {
		names = append(names, d.Dir)
	}
	return advise("it has "+strings.Join(names, ", "), "broker %d has no log directory %s", broker, m.to)
}

func (m *moving) directories(broker int32, topics map[string][]int32) ([]kmsg.DescribeLogDirsResponseDir, error) {
	request := kmsg.NewPtrDescribeLogDirsRequest()
	request.Topics = []kmsg.DescribeLogDirsRequestTopic{}
	for topic, partitions := range topics {
		request.Topics = append(request.Topics, kmsg.DescribeLogDirsRequestTopic{Topic: topic, Partitions: partitions})
	}
	answer, err := m.call(request, broker)
	if err != nil {
		return nil, err
	}
	described := answer.(*kmsg.DescribeLogDirsResponse)
	return described.Dirs, codeError(described.ErrorCode, nil)
}

// lying asks where the partitions are.
func (m *moving) lying(wanted map[int32]map[string][]int32) ([]lyingRow, error) {
	rows, at := []lyingRow{}, map[string]int{}
	for broker, topics := range wanted {
		dirs, err := m.directories(broker, topics)
		if err != nil {
			return nil, err
		}
		for future := range 2 { // a copy is told of with what it is a copy of
			for _, d := range dirs {
				for _, t := range d.Topics {
					for _, p := range t.Partitions {
						if p.IsFuture != (future == 1) {
							continue
						}
						name := t.Topic + ":" + number64(int64(p.Partition))
						if i, known := at[name]; !known {
							at[name] = len(rows)
							rows = append(rows, lyingRow{Topic: t.Topic, Partition: p.Partition, Broker: broker, Directory: d.Dir, Bytes: p.Size})
						} else if p.IsFuture {
							rows[i].MovingTo, rows[i].Behind = d.Dir, p.OffsetLag
						}
					}
				}
			}
		}
	}
	slices.SortStableFunc(rows, func(a, b lyingRow) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return rows, nil
}
