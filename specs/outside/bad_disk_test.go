package outside

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// damaged is a directory in which one partition has been harmed between two lives, and another has not.
type damaged struct {
	dir    string
	sick   string // folder of the harmed partition
	before []byte // all that the healthy one holds
	size   int    // of one batch
	ends   int64  // both end there
	began  int64  // milliseconds: no two batches are of one time
}

// time is that of a batch's records.
func (d *damaged) time(i int) int64 { return d.began + int64(i) }

const (
	damagedBatches = 60
	batchesOfOne   = 20 // a segment, about
)

// prepare fills two partitions with several segments each and stops the broker, cleanly or not.
func prepare(t *testing.T, clean bool) *damaged {
	d := &damaged{dir: t.TempDir(), ends: damagedBatches * 3, began: time.Now().UnixMilli() - damagedBatches}
	n := Start(t, binaryPath, d.dir)
	c := Dial(t, n)
	for _, name := range []string{"sick", "well"} {
		id := Create(t, c, name, "segment.bytes", "1048576", "index.interval.bytes", "4096")
		for i := range damagedBatches {
			b := at(d.time(i), Batch(Record(fmt.Sprintf("%04d", i), string(make([]byte, 50_000))), Record("b", "2"), Record("c", "3")))
			d.size = len(b)
			require.Zero(t, partitionOf(c.Ask(t, Produce(name, id, 0, -1, b), 13)).ErrorCode)
		}
	}
	d.before = Stored(t, c, "well", 0, 0)
	if clean {
		n.Stop(t)
	} else {
		n.Kill()
	}
	d.sick = filepath.Join(d.dir, "sick-0")
	return d
}

// segments are the harmed partition's .log files, the oldest first.
func (d *damaged) segments(t *testing.T) []string {
	files, err := filepath.Glob(filepath.Join(d.sick, "*.log"))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 3)
	return files
}

// write puts bytes into a file.
func write(t *testing.T, file string, at int64, b ...byte) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteAt(b, at)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

// resume starts a broker over the damage and looks at what must not have suffered.
func (d *damaged) resume(t *testing.T) (*Node, *Client) {
	n := Start(t, binaryPath, d.dir)
	c := Dial(t, n)
	require.Equal(t, d.ends, End(t, c, "well", 0))
	require.True(t, bytes.Equal(d.before, Stored(t, c, "well", 0, 0)), "the other partition holds what it held")
	require.Zero(t, partitionOf(c.Ask(t, Produce("well", [16]byte{}, 0, -1, Three()), 12)).ErrorCode)
	return n, c
}

// read is what a fetch of the harmed partition answers.
func (d *damaged) read(t *testing.T, c *Client, offset int64) kmsg.FetchResponseTopicPartition {
	t.Helper()
	r := Fetch("sick", [16]byte{}, 0, offset)
	r.MaxWaitMillis = 100
	r.Topics[0].Partitions[0].PartitionMaxBytes = 1
	return fetched(c.Ask(t, r, 12))
}

// TestAHeaderThatRotted: a length inside a finished segment makes no sense, and its index is gone too, so that the start
// walks over it. The partition is not served, and the log says where; everything else is.
func TestAHeaderThatRotted(t *testing.T) {
	d := prepare(t, true)
	file := d.segments(t)[0]
	at := int64(5 * d.size)
	write(t, file, at+AtLength, 0x7f, 0xff, 0xff, 0xff)
	for _, index := range []string{".index", ".timeindex"} { // so that it has to be walked
		require.NoError(t, os.Remove(file[:len(file)-len(".log")]+index))
	}
	n, c := d.resume(t)
	require.EqualValues(t, storageError, d.read(t, c, 3*8).ErrorCode)
	lines := n.Log.Lines("segment unreadable", `"topic":"sick"`, `"partition":0`)
	require.NotEmpty(t, lines, "%s", n.Log)
	require.Contains(t, lines[0], filepath.Base(file), "the file is named")
	require.Contains(t, lines[0], `"offset"`)
	require.EqualValues(t, storageError, partitionOf(c.Ask(t, Produce("sick", [16]byte{}, 0, -1, Three()), 12)).ErrorCode)
	n.Stop(t)
}

// TestAHeaderThatIsMetLater: with its index in place the segment is not walked at the start. A reader meets the harm,
// and the line names file and place; what does not lead over it is served, and takes more.
func TestAHeaderThatIsMetLater(t *testing.T) {
	d := prepare(t, true)
	file := d.segments(t)[0]
	write(t, file, int64(5*d.size)+AtLength, 0x7f, 0xff, 0xff, 0xff)
	n, c := d.resume(t)
	require.EqualValues(t, storageError, d.read(t, c, 15).ErrorCode)
	place := fmt.Sprintf("byte %d of sick-0/%s", 5*d.size, filepath.Base(file))
	Await(t, func() bool { return len(n.Log.Lines("segment unreadable", `"topic":"sick"`, `"offset":15`, place)) > 0 }, "a log line: %s", n.Log)
	for _, offset := range []int64{0, 12, d.ends - 1} {
		require.Zero(t, d.read(t, c, offset).ErrorCode, "offset %d", offset)
	}
	require.Zero(t, partitionOf(c.Ask(t, Produce("sick", [16]byte{}, 0, -1, Three()), 12)).ErrorCode)
	n.Stop(t)
}

// TestRecordsThatRotted: bytes below the recovery point are not read at a start. A reader gets them and finds the CRC
// wrong, as with Kafka; a search by time, which reads records itself, says so.
func TestRecordsThatRotted(t *testing.T) {
	d := prepare(t, true)
	file := d.segments(t)[0]
	write(t, file, int64(5*d.size+AtRecords+1000), 1)
	n, c := d.resume(t)
	got := d.read(t, c, 15)
	require.Zero(t, got.ErrorCode)
	require.False(t, bytes.Equal(got.RecordBatches[AtCRC:AtAttributes], Sign(bytes.Clone(got.RecordBatches))[AtCRC:AtAttributes]), "the reader can tell")
	search := func(i int) (code int16, offset int64) {
		answer := c.Ask(t, Offsets("sick", 0, d.time(i)), 8).(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0]
		return answer.ErrorCode, answer.Offset
	}
	for i, want := range map[int]int64{4: 12, 6: 18, damagedBatches - 1: d.ends - 3} {
		code, offset := search(i)
		require.Zero(t, code)
		require.Equal(t, want, offset, "what does not end at the harm is found")
	}
	code, offset := search(5)
	require.EqualValues(t, storageError, code)
	require.EqualValues(t, -1, offset)
	require.Zero(t, d.read(t, c, 18).ErrorCode)
	n.Stop(t)
}

// TestASegmentThatIsAFolder cannot be opened: its partition is not served, and says why; all else is.
func TestASegmentThatIsAFolder(t *testing.T) {
	for _, clean := range []bool{true, false} {
		for _, which := range []int{0, 1, -1} {
			d := prepare(t, clean)
			files := d.segments(t)
			file := files[(which+len(files))%len(files)]
			require.NoError(t, os.Remove(file))
			require.NoError(t, os.Mkdir(file, 0o755))
			n, c := d.resume(t)
			var base int64
			_, err := fmt.Sscanf(filepath.Base(file), "%d.log", &base)
			require.NoError(t, err)
			got := d.read(t, c, base)
			require.EqualValues(t, storageError, got.ErrorCode, "clean %v, segment %d", clean, which)
			require.NotEmpty(t, n.Log.Lines(`"topic":"sick"`, filepath.Base(file)), "the file is named: %s", n.Log)
			n.Alive(t)
			n.Stop(t)
			_, err = os.Stat(files[len(files)/2])
			require.NoError(t, err, "what could not be read is not thrown away")
		}
	}
}

// TestDerivedFilesThatRotted are made again, and nothing is lost.
func TestDerivedFilesThatRotted(t *testing.T) {
	for _, clean := range []bool{true, false} {
		for _, how := range []func(t *testing.T, file string){
			func(t *testing.T, file string) { require.NoError(t, os.Remove(file)) },
			func(t *testing.T, file string) {
				require.NoError(t, os.WriteFile(file, bytes.Repeat([]byte{0xa5}, 1000), 0o644))
			},
			func(t *testing.T, file string) { require.NoError(t, os.Truncate(file, 3)) },
		} {
			d := prepare(t, clean)
			harmed := 0
			for _, pattern := range []string{"*.index", "*.timeindex", "*.snapshot", "leader-epoch-checkpoint"} {
				files, err := filepath.Glob(filepath.Join(d.sick, pattern))
				require.NoError(t, err)
				for _, file := range files {
					how(t, file)
					harmed++
				}
			}
			for _, name := range []string{"recovery-point-offset-checkpoint", "replication-offset-checkpoint", "log-start-offset-checkpoint"} {
				if file := filepath.Join(d.dir, name); exists(file) {
					how(t, file)
				}
			}
			require.Greater(t, harmed, 4)
			n, c := d.resume(t)
			require.Equal(t, d.ends, End(t, c, "sick", 0))
			for offset := int64(0); offset < d.ends; offset += 3 {
				var b kmsg.RecordBatch
				got := d.read(t, c, offset)
				require.Zero(t, got.ErrorCode)
				require.NoError(t, b.ReadFrom(got.RecordBatches))
				require.Equal(t, offset, b.FirstOffset)
			}
			n.Stop(t)
		}
	}
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// TestATornTail: what a kill or a power cut leaves behind the last whole batch is cut off at the next start.
func TestATornTail(t *testing.T) {
	for _, torn := range [][]byte{{1}, make([]byte, 4096), Three()[:40], bytes.Repeat([]byte{0xff}, 200), changed(Three(), AtCount, 0, 0, 0, 9), put(Three(), AtCRC, 1)} {
		d := prepare(t, false)
		files := d.segments(t)
		last := files[len(files)-1]
		f, err := os.OpenFile(last, os.O_APPEND|os.O_WRONLY, 0)
		require.NoError(t, err)
		_, err = f.Write(torn)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		n, c := d.resume(t)
		require.Equal(t, d.ends, End(t, c, "sick", 0))
		require.NotEmpty(t, n.Log.Lines("truncated", `"topic":"sick"`), "%s", n.Log)
		n.Stop(t)
	}
}

// TestAMetadataLogThatRotted: without it nothing can be served, and the start says which file it is.
func TestAMetadataLogThatRotted(t *testing.T) {
	d := prepare(t, true)
	files, err := filepath.Glob(filepath.Join(d.dir, "__cluster_metadata-0", "*.log"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	require.NoError(t, os.Remove(files[0]))
	require.NoError(t, os.Mkdir(files[0], 0o755))
	n := Run(t, binaryPath, "dev", "--port", "0", "--data-dir", d.dir)
	require.ErrorContains(t, n.Ended(t), "exit status 1")
	require.NotEmpty(t, n.Log.Lines("segment unreadable", "__cluster_metadata", `"offset"`), "%s", n.Log)
	require.NotContains(t, n.Log.String(), "goroutine")
}

// TestADirectoryOfApacheKafka: what it promised elsewhere is not ours to go on from, and that is said, with what can be done.
func TestADirectoryOfApacheKafka(t *testing.T) {
	d := prepare(t, true)
	state := filepath.Join(d.dir, "__cluster_metadata-0", "quorum-state")
	kafkas := `{"clusterId":"","leaderId":1,"leaderEpoch":1,"votedId":-1,"appliedOffset":0,"currentVoters":[{"voterId":1}],"data_version":0}`
	require.NoError(t, os.WriteFile(state, []byte(kafkas), 0o644))
	said := refused(t, "dev", "--port", "0", "--data-dir", d.dir)
	require.Contains(t, said, "its quorum-state is none of this broker's")
	require.Contains(t, said, "rookery log")
}

// TestAMetadataLogThatIsLost: folders of partitions without the log that names them are not taken for strays.
func TestAMetadataLogThatIsLost(t *testing.T) {
	const lost, broken = "holds partitions, and no metadata log", "the batch is cut off at offset 0 of __cluster_metadata-0"
	for what, c := range map[string]struct {
		lose func(folder string) error
		said string
	}{
		"folder":  {os.RemoveAll, lost},
		"log":     {func(folder string) error { return os.Remove(filepath.Join(folder, "00000000000000000000.log")) }, lost},
		"content": {func(folder string) error { return os.Truncate(filepath.Join(folder, "00000000000000000000.log"), 0) }, lost},
		"bytes":   {func(folder string) error { return os.Truncate(filepath.Join(folder, "00000000000000000000.log"), 50) }, broken},
	} {
		t.Run(what, func(t *testing.T) {
			d := prepare(t, false)
			folder := filepath.Join(d.dir, "__cluster_metadata-0")
			aside := t.TempDir()
			require.NoError(t, os.CopyFS(aside, os.DirFS(folder)))
			require.NoError(t, c.lose(folder))
			said := refused(t, "dev", "--port", "0", "--data-dir", d.dir)
			require.Contains(t, said, c.said)
			if c.said == lost {
				require.Contains(t, said, "put the folder __cluster_metadata-0 back")
			}
			require.NoError(t, os.RemoveAll(folder))
			require.NoError(t, os.CopyFS(folder, os.DirFS(aside)))
			d.resume(t)
		})
	}
}
