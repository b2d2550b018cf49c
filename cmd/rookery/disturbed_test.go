package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// What somebody may do to log directories while the broker is stopped. Each is a way of losing everything, if a start takes what
// it does not know for what a crash has left.

// disturb makes a partition of ten small segments of which the first are deleted, does something to its directories, and starts
// again over all of them. It says what there is to be read then, and what was there before.
func disturb(t *testing.T, dirs int, disturbance func(home string, all []string)) (before, after string, r *running, all []string) {
	joined := ""
	for i := range dirs {
		all = append(all, filepath.Join(t.TempDir(), fmt.Sprintf("d%d", i)))
		joined += "," + all[i]
	}
	r = begin(t, joined[1:])
	r.ask(t, "", "topic", "create", "clicks", "-p", "2", "-c", "internal.segment.bytes=300")
	for i := range 10 {
		r.ask(t, fmt.Sprintf("%0100d\n", i), "produce", "clicks", "-p", "1")
	}
	deleteUpTo(t, r, "clicks", 1, 4)
	before = r.all(t)
	home := all[dirs-1]
	require.DirExists(t, filepath.Join(home, "clicks-1"))
	r.stop(t)
	disturbance(home, all)
	r = begin(t, joined[1:])
	return before, r.all(t), r, all
}

// all are the records of the partition that disturb makes.
func (r *running) all(t *testing.T) string {
	t.Helper()
	return r.ask(t, "", "consume", "clicks", "-p", "1", "-o", "start", "-e")
}

func deleteUpTo(t *testing.T, r *running, topic string, partition int32, offset int64) {
	t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(r.address))
	require.NoError(t, err)
	defer c.Close()
	request := kmsg.NewPtrDeleteRecordsRequest()
	request.TimeoutMillis = 10_000
	one := kmsg.NewDeleteRecordsRequestTopic()
	one.Topic, one.Partitions = topic, []kmsg.DeleteRecordsRequestTopicPartition{{Partition: partition, Offset: offset}}
	request.Topics = append(request.Topics, one)
	answer, err := request.RequestWith(context.Background(), c)
	require.NoError(t, err)
	require.Zero(t, answer.Topics[0].Partitions[0].ErrorCode)
}

// The checkpoints of the other directory know nothing of what lies there now; its own still do, and then both, after another
// start.
func TestAPartitionIsMovedByHand(t *testing.T) {
	before, after, r, all := disturb(t, 2, func(home string, all []string) {
		require.NoError(t, os.Rename(filepath.Join(home, "clicks-1"), filepath.Join(all[0], "clicks-1")))
	})
	require.Equal(t, before, after)
	for range 2 {
		r.stop(t)
		require.NoError(t, os.Remove(filepath.Join(all[0], ".kafka_cleanshutdown")))
		r = begin(t, all[0]+","+all[1])
		require.Equal(t, before, r.all(t))
	}
	require.Regexp(t, `clicks +1 +1 +\S+d0 `, r.ask(t, "", "topic", "move", "clicks"))
	r.stop(t)
}

// Checkpoints are a thing that administrators of Kafka remove: they are made anew.
func TestCheckpointsAreGone(t *testing.T) {
	for name, gone := range map[string][]string{
		"both":            {"recovery-point-offset-checkpoint", "log-start-offset-checkpoint"},
		"log starts":      {"log-start-offset-checkpoint"},
		"recovery points": {"recovery-point-offset-checkpoint"},
	} {
		t.Run(name, func(t *testing.T) {
			before, after, r, all := disturb(t, 1, func(home string, _ []string) {
				for _, file := range gone {
					require.NoError(t, os.Remove(filepath.Join(home, file)))
				}
			})
			require.Contains(t, after, before, "a record that was deleted may be back")
			r.stop(t)
			for _, file := range gone {
				require.FileExists(t, filepath.Join(all[0], file))
			}
		})
	}
	before, after, r, _ := disturb(t, 1, func(home string, _ []string) {
		for _, file := range []string{"recovery-point-offset-checkpoint", "log-start-offset-checkpoint"} {
			require.NoError(t, os.WriteFile(filepath.Join(home, file), []byte("no checkpoint"), 0o644))
		}
	})
	require.Contains(t, after, before)
	r.stop(t)
}

// Whose batches these are is not known any more: the partition is not served, and nothing is removed.
func TestTheIdentityIsGone(t *testing.T) {
	first := filepath.Join(t.TempDir(), "first")
	r := begin(t, first)
	r.ask(t, "", "topic", "create", "clicks", "-p", "2")
	r.ask(t, "a\nb\n", "produce", "clicks", "-p", "1")
	r.stop(t)
	file := filepath.Join(first, "clicks-1", "partition.metadata")
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.Remove(file))
	r = begin(t, first)
	require.Contains(t, r.log.String(), "partition.metadata is missing")
	r.stop(t)
	require.NoError(t, os.WriteFile(file, content, 0o644))
	r = begin(t, first)
	require.Equal(t, "a\nb\n", r.all(t))
	r.stop(t)
}

// A partition for which there was no room any more lies on another disk, and a link stands in its place.
func TestAPartitionIsALink(t *testing.T) {
	other := filepath.Join(t.TempDir(), "other")
	before, after, r, _ := disturb(t, 1, func(home string, _ []string) {
		require.NoError(t, os.Rename(filepath.Join(home, "clicks-1"), other))
		require.NoError(t, os.Symlink(other, filepath.Join(home, "clicks-1")))
	})
	require.Equal(t, before, after)
	r.ask(t, "new\n", "produce", "clicks", "-p", "1")
	require.Equal(t, before+"new\n", r.all(t))
	r.stop(t)
}

// Folders that are nobody's partition stay, whatever they are called, and take no directory out of service.
func TestForeignFoldersStay(t *testing.T) {
	var kept []string
	before, after, r, _ := disturb(t, 2, func(home string, _ []string) {
		for _, name := range []string{"orders-backup-2024", "please-delete", "my-future", "clicks-9"} {
			kept = append(kept, filepath.Join(home, name, "precious.txt"))
		}
		kept = append(kept, filepath.Join(home, "gone-1", "backup", "00000000000000000000.log"),
			filepath.Join(home, "gone-1.0123456789abcdef0123456789abcdef-delete", "backup", "precious.txt"))
		for _, file := range kept {
			require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
			require.NoError(t, os.WriteFile(file, []byte("x"), 0o644))
		}
	})
	require.Equal(t, before, after)
	for _, file := range kept {
		require.FileExists(t, file)
	}
	require.Contains(t, r.log.String(), "it is left alone")
	require.Contains(t, r.log.String(), "it cannot be removed")
	require.NotContains(t, r.log.String(), "log directory failed")
	r.stop(t)
}
