package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"rookery/core/batch"
	"rookery/io/disk"
)

func logCommand() *cobra.Command {
	c := &cobra.Command{Use: "log", Short: "look into log directories, offline: ours or Kafka's"}
	c.AddCommand(logDumpCommand(), logIndexCommand(), logVerifyCommand())
	return c
}

// crcFits holds a batch against its CRC-32C, which covers everything from the attributes on.
func crcFits(v batch.View) bool {
	const attributesAt = 21
	return crc32.Checksum(v[attributesAt:v.Size()], crc32.MakeTable(crc32.Castagnoli)) == v.CRC()
}

// batchRow is one batch as dump shows it, in the words of kafka-dump-log.
type batchRow struct {
	Position      int64       `json:"position"`
	Size          int64       `json:"size"`
	BaseOffset    int64       `json:"baseOffset"`
	LastOffset    int64       `json:"lastOffset"`
	Count         int32       `json:"count"`
	LeaderEpoch   int32       `json:"partitionLeaderEpoch"`
	ProducerID    int64       `json:"producerId"`
	ProducerEpoch int16       `json:"producerEpoch"`
	BaseSequence  int32       `json:"baseSequence"`
	LastSequence  int32       `json:"lastSequence"`
	Codec         string      `json:"compressCodec"`
	AppendTime    bool        `json:"logAppendTime,omitempty"`
	Transactional bool        `json:"isTransactional"`
	Control       bool        `json:"isControl"`
	MaxTimestamp  int64       `json:"maxTimestamp"`
	CRC           uint32      `json:"crc"`
	Valid         bool        `json:"isvalid"`
	Problem       string      `json:"problem,omitempty"`
	Records       []recordRow `json:"records,omitempty"`
}

type recordRow struct {
	Offset      int64        `json:"offset"`
	Timestamp   int64        `json:"timestamp"`
	Key         *string      `json:"key"`
	Value       *string      `json:"value"`
	KeyBase64   bool         `json:"keyBase64,omitempty"`
	ValueBase64 bool         `json:"valueBase64,omitempty"`
	Headers     []headerJSON `json:"headers,omitempty"`
	Decoded     *decodedRow  `json:"decoded,omitempty"` // of the broker's own records
}

func (b *batchRow) String() string {
	s := fmt.Sprintf("position: %d size: %d baseOffset: %d lastOffset: %d count: %d partitionLeaderEpoch: %d producerId: %d producerEpoch: %d baseSequence: %d lastSequence: %d compressCodec: %s isTransactional: %t isControl: %t maxTimestamp: %d crc: %d isvalid: %t",
		b.Position, b.Size, b.BaseOffset, b.LastOffset, b.Count, b.LeaderEpoch, b.ProducerID, b.ProducerEpoch, b.BaseSequence,
		b.LastSequence, b.Codec, b.Transactional, b.Control, b.MaxTimestamp, b.CRC, b.Valid)
	if b.Problem != "" {
		s += " problem: " + b.Problem
	}
	return s
}

func logDumpCommand() *cobra.Command {
	var form form
	var records bool
	c := &cobra.Command{
		Use:   "dump FILE...",
		Short: "print what is in .log, .index, .timeindex, .snapshot, .window and checkpoint files",
		Long: `Print what is in .log, .index, .timeindex, .snapshot, .window and checkpoint files. With --records those of
__consumer_offsets and __cluster_metadata are read by their folder's name: their kind, and their fields as JSON.`,
		Example: "  rookery log dump rookery-data/clicks-0/00000000000000000000.log --records\n" +
			"  rookery log dump -r rookery-data/__consumer_offsets-*/*.log",
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, files []string) error {
			out := bufio.NewWriterSize(c.OutOrStdout(), 1<<16)
			var failed error
			for _, file := range files {
				if !form.json() {
					fmt.Fprintf(out, "%s\n", file)
				}
				failed = errors.Join(failed, dump(out, file, records, form))
			}
			return errors.Join(out.Flush(), failed)
		},
	}
	form.flag(c)
	c.Flags().BoolVarP(&records, "records", "r", false, "print the records too")
	return c
}

// dump prints one file by its name's ending. JSON is an object a line: such a file may be large.
func dump(out io.Writer, file string, records bool, form form) error {
	switch ext := filepath.Ext(file); ext {
	case ".log", ".deleted", ".cleaned", ".swap":
		return walk(file, records, func(b *batchRow) error { return dumpBatch(out, b, form) })
	case ".index", ".timeindex":
		entries, err := readIndex(file)
		return errors.Join(dumpRows(out, entries, form), err)
	case ".snapshot":
		producers, err := readSnapshot(file)
		return errors.Join(dumpRows(out, producers, form), err)
	case ".window":
		batches, err := readWindows(file)
		return errors.Join(dumpRows(out, batches, form), err)
	}
	name := filepath.Base(file)
	if strings.HasSuffix(name, "-checkpoint") || name == metaName || name == "partition.metadata" || name == "quorum-state" {
		text, err := os.ReadFile(file)
		if err == nil {
			_, err = out.Write(text)
		}
		return err
	}
	switch info, err := os.Stat(file); {
	case err != nil:
		return err
	case info.IsDir():
		return advise("name its files: rookery log dump "+filepath.Join(file, "*.log"), "%s is a directory", file)
	}
	return advise("dump reads .log, .index, .timeindex, .snapshot, .window and the checkpoints", "%s: what is it?", file)
}

func dumpRows[T fmt.Stringer](out io.Writer, rows []T, form form) error {
	for _, row := range rows {
		if form.json() {
			if err := printLine(out, row); err != nil {
				return err
			}
		} else if _, err := fmt.Fprintln(out, row); err != nil {
			return err
		}
	}
	return nil
}

func dumpBatch(out io.Writer, b *batchRow, form form) error {
	if form.json() {
		return printLine(out, b)
	}
	if _, err := fmt.Fprintln(out, b); err != nil {
		return err
	}
	for _, r := range b.Records {
		if _, err := fmt.Fprintln(out, "|", &r); err != nil {
			return err
		}
	}
	return nil
}

func (r *recordRow) String() string {
	if r.Decoded != nil {
		return fmt.Sprintf("offset: %d timestamp: %d %s", r.Offset, r.Timestamp, r.Decoded)
	}
	s := fmt.Sprintf("offset: %d timestamp: %d key: %s value: %s", r.Offset, r.Timestamp, quoted(r.Key, r.KeyBase64), quoted(r.Value, r.ValueBase64))
	before := " headers: "
	for _, h := range r.Headers {
		s += before + strconv.Quote(h.Key) + "=" + quoted(h.Value, h.Base64)
		before = ", "
	}
	return s
}

// quoted is what text returns, on a line.
func quoted(s *string, coded bool) string {
	switch {
	case s == nil:
		return "null"
	case coded:
		return `base64 "` + *s + `"`
	}
	return strconv.Quote(*s)
}

// walk reads a segment batch by batch. The error says where it stops being one.
func walk(file string, records bool, see func(*batchRow) error) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	r := bufio.NewReaderSize(f, 1<<20)
	var buffer []byte
	decode := decoderOf(file)
	for at := int64(0); at < info.Size(); {
		if buffer, err = readBatch(r, buffer, info.Size()-at); err != nil {
			return fmt.Errorf("%s: at position %d of %d: %w", file, at, info.Size(), err)
		}
		row := rowOf(batch.View(buffer), at, records, decode)
		if err := see(&row); err != nil {
			return err
		}
		at += int64(len(buffer))
	}
	return nil
}

// readBatch reads one batch of at most left bytes into buffer.
func readBatch(r *bufio.Reader, buffer []byte, left int64) ([]byte, error) {
	head, err := r.Peek(int(min(left, batch.HeaderSize)))
	if err != nil {
		return buffer, err
	}
	if len(head) > batch.PrefixSize+4 && head[16] != batch.Magic && binary.BigEndian.Uint32(head[8:]) != 0 {
		return buffer, fmt.Errorf("format version %d; %d is the one we read", int8(head[16]), batch.Magic)
	}
	if len(head) < batch.HeaderSize {
		return buffer, fmt.Errorf("%d bytes are left, less than a batch's header", left)
	}
	size := batch.View(head).Size()
	switch {
	case size < batch.HeaderSize:
		return buffer, fmt.Errorf("no batch: the length field is %d", size-batch.PrefixSize)
	case size > left:
		return buffer, fmt.Errorf("the batch has %d bytes and %d are left", size, left)
	}
	buffer = slices.Grow(buffer[:0], int(size))[:size]
	_, err = io.ReadFull(r, buffer)
	return buffer, err
}

// rowOf looks at one batch: header, CRC, and every record.
func rowOf(v batch.View, at int64, keep bool, own decoder) batchRow {
	b := batchRow{
		Position: at, Size: v.Size(), BaseOffset: v.BaseOffset(), LastOffset: v.LastOffset(), Count: v.Count(),
		LeaderEpoch: v.LeaderEpoch(), ProducerID: v.ProducerID(), ProducerEpoch: v.ProducerEpoch(), BaseSequence: v.BaseSequence(),
		LastSequence: v.LastSequence(), Codec: v.Codec().String(), AppendTime: v.IsAppendTime(), Transactional: v.IsTransactional(),
		Control: v.IsControl(), MaxTimestamp: v.MaxTimestamp(), CRC: v.CRC(), Valid: crcFits(v),
	}
	if !b.Valid {
		b.Problem = "wrong CRC"
		return b
	}
	records := batch.Read(v, batch.Limits{InflatedMax: 1 << 30}, nil)
	for r := (batch.Record{}); records.Next(&r); {
		if keep {
			b.Records = append(b.Records, recordRowOf(v, &r, own))
		}
	}
	if fault := records.Fault(); fault != batch.Fine {
		b.Problem = fault.String()
	}
	return b
}

func recordRowOf(v batch.View, r *batch.Record, own decoder) recordRow {
	row := recordRow{Offset: v.BaseOffset() + int64(r.OffsetDelta), Timestamp: r.Timestamp, Decoded: own.decode(v, r)}
	row.Key, row.KeyBase64 = text(r.Key)
	row.Value, row.ValueBase64 = text(r.Value)
	for _, h := range r.Headers {
		value, coded := text(h.Value)
		row.Headers = append(row.Headers, headerJSON{string(h.Key), value, coded})
	}
	return row
}

// indexEntry is one entry of an offset index (Position) or a time index (Timestamp).
type indexEntry struct {
	Offset    int64  `json:"offset"`
	Position  *int32 `json:"position,omitempty"`
	Timestamp *int64 `json:"timestamp,omitempty"`
}

func (e indexEntry) String() string {
	if e.Position != nil {
		return fmt.Sprintf("offset: %d position: %d", e.Offset, *e.Position)
	}
	return fmt.Sprintf("timestamp: %d offset: %d", *e.Timestamp, e.Offset)
}

// readIndex reads an index: entries of 8 bytes (offset relative to the segment's, position) or of 12 (timestamp, relative
// offset). Kafka preallocates the active segment's; zeroes behind the last entry are not entries.
func readIndex(file string) ([]indexEntry, error) {
	base, err := baseOf(file)
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	width := 8
	if filepath.Ext(file) == ".timeindex" {
		width = 12
	}
	var entries []indexEntry
	for i := 0; i+width <= len(b); i += width {
		if i > 0 && zeroes(b[i:i+width]) {
			break
		}
		relative := int64(binary.BigEndian.Uint32(b[i+width-4:]))
		if width == 8 {
			position := int32(relative)
			entries = append(entries, indexEntry{Offset: base + int64(binary.BigEndian.Uint32(b[i:])), Position: &position})
			continue
		}
		timestamp := int64(binary.BigEndian.Uint64(b[i:]))
		entries = append(entries, indexEntry{Offset: base + relative, Timestamp: &timestamp})
	}
	if len(entries) == 1 && zeroes(b) {
		entries = nil
	}
	if len(b)%width != 0 {
		return entries, fmt.Errorf("%s: %d bytes are no whole number of entries of %d", file, len(b), width)
	}
	return entries, nil
}

func zeroes(b []byte) bool { return !slices.ContainsFunc(b, func(c byte) bool { return c != 0 }) }

// baseOf is the base offset that a segment's file is named by.
func baseOf(file string) (int64, error) {
	name := filepath.Base(file)
	digits, _, _ := strings.Cut(name, ".")
	base, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || len(digits) != 20 {
		return 0, fmt.Errorf("%s: segments are named by an offset in twenty digits", file)
	}
	return base, nil
}

// folderReport is what verify found in one partition's folder.
type folderReport struct {
	Folder   string   `json:"folder"`
	Segments int      `json:"segments"`
	Batches  int      `json:"batches"`
	Records  int64    `json:"records"`
	Bytes    int64    `json:"bytes"`
	Start    int64    `json:"startOffset"`
	End      int64    `json:"endOffset"`
	Problems []string `json:"problems,omitempty"`
}

func logVerifyCommand() *cobra.Command {
	var form form
	c := &cobra.Command{
		Use:   "verify DIR...",
		Short: "check every batch, record and index entry of a log directory or of one partition's folder",
		Long: `Check a log directory (or one partition's folder) that no broker is running on: every batch's CRC and records, that
offsets rise and leader epochs do not fall, and that every index entry points at a batch. Exit status 1 if anything is wrong.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, dirs []string) error {
			reports := []folderReport{}
			watch := newProgress(c.ErrOrStderr())
			defer watch.end()
			for _, dir := range dirs {
				found, err := verify(dir, watch)
				if err != nil {
					return err
				}
				reports = append(reports, found...)
			}
			next := "see a file with: rookery log dump FILE"
			if slices.ContainsFunc(dirs, func(dir string) bool { return isLocked(filepath.Join(dir, disk.LockName)) }) {
				next = "a broker runs on it, and what it is writing looks torn: stop it and look again"
			}
			return printReports(c, form, reports, next)
		},
	}
	form.flag(c)
	return c
}

func printReports(c *cobra.Command, form form, reports []folderReport, next string) error {
	wrong := 0
	var rows [][]string
	for _, r := range reports {
		wrong += len(r.Problems)
		rows = append(rows, []string{r.Folder, strconv.Itoa(r.Segments), strconv.Itoa(r.Batches), number64(r.Records), number64(r.Bytes),
			number64(r.Start), number64(r.End), strconv.Itoa(len(r.Problems))})
	}
	var err error
	if form.json() {
		err = printJSON(c.OutOrStdout(), reports)
	} else {
		err = table(c.OutOrStdout(), "FOLDER SEGMENTS BATCHES RECORDS BYTES START END PROBLEMS", rows)
	}
	if wrong == 0 || err != nil {
		return err
	}
	for _, r := range reports {
		for _, p := range r.Problems {
			fmt.Fprintln(c.ErrOrStderr(), p)
		}
	}
	return advise(next, "%d problems", wrong)
}

// verify looks at every folder below dir that holds segments, or at dir itself.
func verify(dir string, watch *progress) ([]folderReport, error) {
	folders, total, done := map[string][]string{}, int64(0), int64(0)
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && filepath.Ext(name) == ".log" {
			folders[filepath.Dir(name)] = append(folders[filepath.Dir(name)], name)
			if info, err := d.Info(); err == nil {
				total += info.Size()
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(dir, metaName)); err != nil && len(folders) == 0 {
		return nil, advise("name a log directory, such as rookery-data, or a partition's folder in it", "%s holds no segment", dir)
	}
	var names []string
	for name := range folders {
		names = append(names, name)
	}
	slices.Sort(names)
	var reports []folderReport
	for _, name := range names {
		reports = append(reports, verifyFolder(name, folders[name], func(size int64) {
			done += size
			watch.show(done, total, bytesText(watch.rate(done))+"/s  "+filepath.Base(name))
		}))
	}
	return reports, nil
}

// verifyFolder walks the segments of one partition in order, and tells seen of each batch's size.
func verifyFolder(folder string, segments []string, seen func(size int64)) folderReport {
	r := folderReport{Folder: folder, Start: -1}
	slices.Sort(segments)
	epoch := int32(-1)
	for _, file := range segments {
		base, err := baseOf(file)
		if err != nil {
			r.Problems = append(r.Problems, err.Error())
			continue
		}
		if r.Start < 0 {
			r.Start, r.End = base, base
		}
		if base < r.End {
			r.complain(file, 0, "begins below %d, the end of the one before", r.End)
		}
		r.Segments++
		starts := map[int64]int64{} // position of each batch: its base offset
		err = walk(file, false, func(b *batchRow) error {
			r.take(file, b, base, &epoch)
			starts[b.Position] = b.BaseOffset
			seen(b.Size)
			return nil
		})
		if err != nil {
			r.Problems = append(r.Problems, err.Error())
		}
		r.verifyIndexes(strings.TrimSuffix(file, ".log"), base, starts)
	}
	return r
}

func (r *folderReport) complain(file string, at int64, format string, args ...any) {
	r.Problems = append(r.Problems, fmt.Sprintf("%s: at position %d: %s", file, at, fmt.Sprintf(format, args...)))
}

// take holds one batch against those before it.
func (r *folderReport) take(file string, b *batchRow, base int64, epoch *int32) {
	r.Batches++
	r.Records += int64(b.Count)
	r.Bytes += b.Size
	if b.Problem != "" {
		r.complain(file, b.Position, "%s", b.Problem)
	}
	if b.BaseOffset < max(r.End, base) || b.LastOffset < b.BaseOffset {
		r.complain(file, b.Position, "offsets %d to %d follow offset %d", b.BaseOffset, b.LastOffset, max(r.End, base)-1)
	}
	if b.LeaderEpoch < *epoch {
		r.complain(file, b.Position, "leader epoch %d follows %d", b.LeaderEpoch, *epoch)
	}
	r.End, *epoch = max(r.End, b.LastOffset+1), max(*epoch, b.LeaderEpoch)
}

// verifyIndexes asks that entries rise, and that whoever follows an offset entry misses nothing: no record from its offset on
// lies before the batch that it points at. It may lie behind that one. Followers and the cleaner of an older Kafka append
// several batches at once, and note the last offset of them all with the position of the first. A missing index is none: it
// is rebuilt.
func (r *folderReport) verifyIndexes(stem string, base int64, starts map[int64]int64) {
	for _, ext := range []string{".index", ".timeindex"} {
		entries, err := readIndex(stem + ext)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			r.Problems = append(r.Problems, err.Error())
		}
		before := indexEntry{Offset: base - 1}
		for i, e := range entries {
			if e.Offset < before.Offset || e.Timestamp != nil && before.Timestamp != nil && *e.Timestamp < *before.Timestamp {
				r.complain(stem+ext, int64(i), "entry %d does not rise: %s", i, e)
			}
			if e.Position != nil {
				if first, ok := starts[int64(*e.Position)]; !ok {
					r.complain(stem+ext, int64(i), "entry %d (%s) points at no batch", i, e)
				} else if e.Offset < first || e.Offset >= r.End {
					r.complain(stem+ext, int64(i), "entry %d (%s) points at the batch from offset %d on, of a segment that ends at %d", i, e, first, r.End)
				}
			}
			before = e
		}
	}
}
