package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// segmentIndexes is what lies beside one segment: all of it can be made again from the .log.
type segmentIndexes struct {
	Segment      string        `json:"segment"` // its .log
	BaseOffset   int64         `json:"baseOffset"`
	Bytes        int64         `json:"bytes"` // of the .log, -1: it is not there
	Offsets      []indexEntry  `json:"index"`
	Times        []indexEntry  `json:"timeindex"`
	Transactions []abortedRow  `json:"txnindex,omitempty"`
	Producers    []producerRow `json:"snapshot,omitempty"`
	Missing      []string      `json:"missing,omitempty"`
	Problems     []string      `json:"problems,omitempty"`
}

// abortedRow is one entry of a .txnindex: a transaction that was aborted (KIP-98).
type abortedRow struct {
	ProducerID       int64 `json:"producerId"`
	FirstOffset      int64 `json:"firstOffset"`
	LastOffset       int64 `json:"lastOffset"`
	LastStableOffset int64 `json:"lastStableOffset"`
}

func logIndexCommand() *cobra.Command {
	var form form
	c := &cobra.Command{
		Use:   "index PATH...",
		Short: "list the entries of .index, .timeindex, .txnindex and .snapshot files",
		Long: `List what the indexes beside a segment say, entry by entry. A path is a partition's folder, or any one file of a segment.
An entry that does not rise, or that points behind the end of its .log, is named as a problem, and the exit status is 1.`,
		Example: "  rookery log index rookery-data/clicks-0",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, paths []string) error {
			all := []segmentIndexes{}
			for _, path := range paths {
				stems, err := stemsOf(path)
				if err != nil {
					return err
				}
				for _, stem := range stems {
					all = append(all, indexesOf(stem))
				}
			}
			return printIndexes(c, form, all)
		},
	}
	form.flag(c)
	return c
}

// indexExtensions are the files beside a .log.
var indexExtensions = []string{".index", ".timeindex", ".txnindex", ".snapshot"}

// stemsOf lists the segments of a folder, or the one that a file belongs to, without their endings.
func stemsOf(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		if _, err := baseOf(path); err != nil {
			return nil, err
		}
		return []string{strings.TrimSuffix(path, filepath.Ext(path))}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var stems []string
	for _, e := range entries {
		ext := filepath.Ext(e.Name())
		if _, err := baseOf(e.Name()); err == nil && (ext == ".log" || slices.Contains(indexExtensions, ext)) {
			stems = append(stems, filepath.Join(path, strings.TrimSuffix(e.Name(), ext)))
		}
	}
	slices.Sort(stems)
	if stems = slices.Compact(stems); len(stems) == 0 {
		return nil, advise("name a partition's folder, such as rookery-data/clicks-0", "%s holds no segment", path)
	}
	return stems, nil
}

func indexesOf(stem string) segmentIndexes {
	s := segmentIndexes{Segment: stem + ".log", Bytes: -1, Offsets: []indexEntry{}, Times: []indexEntry{}}
	s.BaseOffset, _ = baseOf(stem + ".log")
	if info, err := os.Stat(s.Segment); err == nil {
		s.Bytes = info.Size()
	}
	s.read(stem+".index", func(file string) (err error) { s.Offsets, err = readIndex(file); return err })
	s.read(stem+".timeindex", func(file string) (err error) { s.Times, err = readIndex(file); return err })
	s.read(stem+".txnindex", func(file string) (err error) { s.Transactions, err = readAborted(file); return err })
	s.read(stem+".snapshot", func(file string) (err error) { s.Producers, err = readSnapshot(file); return err })
	s.judge()
	return s
}

// read takes a file in. Whatever is not there is no problem: Kafka and we make it again, or never made it.
func (s *segmentIndexes) read(file string, read func(file string) error) {
	err := read(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if ext := filepath.Ext(file); ext == ".index" || ext == ".timeindex" {
			s.Missing = append(s.Missing, ext)
		}
	case err != nil:
		s.Problems = append(s.Problems, err.Error())
	}
}

func (s *segmentIndexes) judge() {
	before := indexEntry{Offset: s.BaseOffset - 1}
	for i, e := range s.Offsets {
		switch {
		case e.Offset <= before.Offset || before.Position != nil && *e.Position <= *before.Position:
			s.complain(".index", i, e, "does not rise")
		case s.Bytes >= 0 && int64(*e.Position) >= s.Bytes:
			s.complain(".index", i, e, fmt.Sprintf("points behind the end of the segment's %d bytes", s.Bytes))
		}
		before = e
	}
	before = indexEntry{Offset: s.BaseOffset - 1}
	for i, e := range s.Times {
		if e.Offset < before.Offset || before.Timestamp != nil && *e.Timestamp < *before.Timestamp {
			s.complain(".timeindex", i, e, "does not rise")
		}
		before = e
	}
}

func (s *segmentIndexes) complain(ext string, i int, e indexEntry, what string) {
	s.Problems = append(s.Problems, fmt.Sprintf("%s: entry %d (%s) %s", strings.TrimSuffix(s.Segment, ".log")+ext, i, e, what))
}

// readAborted reads a .txnindex: entries of 34 bytes, each with a version of its own, 0.
func readAborted(file string) ([]abortedRow, error) {
	const entrySize = 34
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var rows []abortedRow
	for ; len(b) >= entrySize; b = b[entrySize:] {
		if version := binary.BigEndian.Uint16(b); version != 0 {
			return rows, fmt.Errorf("%s: entry %d has version %d; 0 is the one we read", file, len(rows), version)
		}
		at := func(i int) int64 { return int64(binary.BigEndian.Uint64(b[2+8*i:])) }
		rows = append(rows, abortedRow{at(0), at(1), at(2), at(3)})
	}
	if len(b) > 0 {
		return rows, fmt.Errorf("%s: %d bytes are left behind the last entry", file, len(b))
	}
	return rows, nil
}

func printIndexes(c *cobra.Command, form form, all []segmentIndexes) error {
	wrong := 0
	for _, s := range all {
		wrong += len(s.Problems)
	}
	var err error
	if form.json() {
		err = printJSON(c.OutOrStdout(), all)
	} else {
		err = tabulateIndexes(c, all)
	}
	if wrong == 0 || err != nil {
		return err
	}
	for _, s := range all {
		for _, p := range s.Problems {
			fmt.Fprintln(c.ErrOrStderr(), p)
		}
	}
	return advise("an index may be deleted while no broker runs: the next start makes it again", "%d problems", wrong)
}

func tabulateIndexes(c *cobra.Command, all []segmentIndexes) error {
	out := c.OutOrStdout()
	for i, s := range all {
		if i > 0 {
			fmt.Fprintln(out)
		}
		size := "no .log"
		if s.Bytes >= 0 {
			size = fmt.Sprintf("%d bytes", s.Bytes)
		}
		fmt.Fprintf(out, "%s: base offset %d, %s, %d index entries, %d time index entries", s.Segment, s.BaseOffset, size, len(s.Offsets), len(s.Times))
		for _, ext := range s.Missing {
			fmt.Fprintf(out, ", no %s", ext)
		}
		fmt.Fprintln(out)
		if rows := s.rows(); len(rows) > 0 {
			if err := table(out, "KIND OFFSET POSITION TIMESTAMP TIME WHAT", rows); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *segmentIndexes) rows() (rows [][]string) {
	for _, e := range s.Offsets {
		rows = append(rows, []string{"index", number64(e.Offset), strconv.Itoa(int(*e.Position)), "", "", ""})
	}
	for _, e := range s.Times {
		rows = append(rows, []string{"timeindex", number64(e.Offset), "", number64(*e.Timestamp), millisText(*e.Timestamp), ""})
	}
	for _, t := range s.Transactions {
		rows = append(rows, []string{"txnindex", number64(t.FirstOffset), "", "", "",
			fmt.Sprintf("producer %d aborted, up to offset %d, last stable offset %d", t.ProducerID, t.LastOffset, t.LastStableOffset)})
	}
	for _, p := range s.Producers {
		rows = append(rows, []string{"snapshot", number64(p.LastOffset), "", number64(p.Timestamp), millisText(p.Timestamp),
			fmt.Sprintf("producer %d epoch %d, last sequence %d", p.ProducerID, p.Epoch, p.LastSequence)})
	}
	return rows
}

// millisText is a record's timestamp for humans.
func millisText(millis int64) string {
	if millis < 0 {
		return ""
	}
	return time.UnixMilli(millis).UTC().Format("2006-01-02T15:04:05.000Z")
}
