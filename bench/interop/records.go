package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
)

// record is what every client here can be asked to send. A nil key, value or header value is Kafka's null.
type record struct {
	partition  int32
	codec      codec // of the batch that it is to travel in
	time       int64 // milliseconds; 0: not given
	key, value []byte
	headers    []header
}

// codec is the number that Kafka's batches have for it.
type codec int32

const (
	none codec = iota
	gzip
	snappy
	lz4
	zstd
)

var everyCodec = []codec{none, gzip, snappy, lz4, zstd}

func (c codec) String() string { return [...]string{"none", "gzip", "snappy", "lz4", "zstd"}[c] }

type header struct {
	name  string
	value []byte
}

// packageIndex is the machine's own package index, a package a record, key = name; where there is none, records of the
// same shape from a seed. Three records of hand make the nulls: a tombstone, an empty value, no key.
func packageIndex(most int) (records []record, from string) {
	out, err := exec.Command("apt-cache", "dumpavail").Output()
	from = "apt-cache dumpavail"
	if err != nil || len(out) < 1<<20 {
		out, from = inventedIndex(20_000), "a seeded generator"
	}
	for _, stanza := range bytes.Split(out, []byte("\n\n")) {
		name, found := bytes.CutPrefix(bytes.SplitN(stanza, []byte("\n"), 2)[0], []byte("Package: "))
		if found && len(records) < most {
			records = append(records, record{key: name, value: stanza})
		}
	}
	return append(records,
		record{key: []byte("tombstone")},
		record{key: []byte("empty"), value: []byte{}},
		record{value: []byte("a value without a key")}), from
}

func inventedIndex(packages int) []byte {
	random := rand.New(rand.NewPCG(1, 2))
	var b bytes.Buffer
	for i := range packages {
		fmt.Fprintf(&b, "Package: package-%d\nVersion: %d.%d\nDescription: number %d\n", i, random.IntN(9), random.IntN(99), i)
		for range random.IntN(20) {
			fmt.Fprintf(&b, " line %x of what it is for\n", random.Uint64())
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// limits of the storm's records.
const (
	valueBytesMax = 900_000
	bigFrom       = 64 << 10
)

// traits say what a client can express.
type traits struct {
	textKeys    bool // no byte of the delimiters in keys and values
	headers     bool // headers of its own on each record
	nullHeaders bool // null values in them beside empty ones
	times       bool
	nullKeys    bool
	nulls       bool // null values beside empty ones
	plainKeys   bool // the key is the record's number: how a record is told from another without headers
}

// valueSize draws from 0 B to 64 KiB, and for one record in a hundred from there to 900 KB, log-uniformly. The first
// two records have the extremes.
func valueSize(random *rand.Rand, i int) int {
	switch {
	case i == 0:
		return 0
	case i == 1:
		return valueBytesMax
	case i%100 == 50:
		return logUniform(random, bigFrom+1, valueBytesMax)
	}
	return logUniform(random, 1, bigFrom+1) - 1
}

func logUniform(random *rand.Rand, low, high float64) int {
	return int(low * math.Exp(random.Float64()*math.Log(high/low)))
}

// stormRecord is the i-th record of a client: always the same for one seed. It is drawn from a generator of its own,
// so that a million of them need not be kept. Its time is up to an hour before newest; one record has the oldest there is.
func stormRecord(client string, seed uint64, i, partitions int, newest int64, t traits) record {
	random, partition, size := stormShape(client, seed, i, partitions)
	r := record{partition: partition, value: make([]byte, size)}
	fill(random, r.value, t.textKeys)
	switch {
	case t.plainKeys:
		r.key = fmt.Appendf(nil, "%s-%d", client, i)
	case t.nullKeys && random.IntN(10) == 0:
	default:
		r.key = make([]byte, 1+random.IntN(40))
		fill(random, r.key, t.textKeys)
	}
	if t.nulls && r.key != nil && random.IntN(50) == 0 {
		r.value = nil
	}
	if t.times {
		if r.time = newest - random.Int64N(3_600_000); i == 2 {
			r.time = 1
		}
	}
	if !t.headers {
		return r
	}
	r.headers = []header{{"client", []byte(client)}, {"number", fmt.Append(nil, i)}}
	for n := range random.IntN(3) {
		value := make([]byte, random.IntN(30))
		if fill(random, value, false); t.nullHeaders && random.IntN(10) == 0 {
			value = nil
		}
		r.headers = append(r.headers, header{fmt.Sprintf("h%d", n), value})
	}
	return r
}

func stormShape(client string, seed uint64, i, partitions int) (random *rand.Rand, partition int32, size int) {
	random = rand.New(rand.NewPCG(seed^hashOf(client), uint64(i)))
	return random, int32(random.IntN(partitions)), valueSize(random, i)
}

func hashOf(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}

// fill makes bytes of which about a half can be compressed away. Text is free of the delimiters given to kcat.
func fill(random *rand.Rand, b []byte, text bool) {
	for at := 0; at < len(b); {
		run := min(len(b)-at, 16+random.IntN(200))
		if random.IntN(2) == 0 {
			for i := range run {
				b[at+i] = "the same words again and again, "[i%32]
			}
		} else {
			for i := 0; i < run; i += 8 {
				var eight [8]byte
				binary.LittleEndian.PutUint64(eight[:], random.Uint64())
				copy(b[at+i:at+run], eight[:])
			}
		}
		at += run
	}
	if !text {
		return
	}
	for i, c := range b {
		if c == recordEnd[0] || c == keyEnd[0] {
			b[i] = '.'
		}
	}
}

// writeRecords writes the form that Driver.java, client.py, client.js and the Go clients read: partition, codec, time,
// key, value, headers; each number as four bytes, the time as eight, -1 as the length of null.
func writeRecords(path string, count int, each func(i int) record) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	out := bufio.NewWriterSize(f, 1<<20)
	for i := range count {
		r := each(i)
		writeNumber(out, int(r.partition))
		writeNumber(out, int(r.codec))
		writeNumber(out, int(r.time>>32))
		writeNumber(out, int(int32(r.time)))
		writeNullable(out, r.key)
		writeNullable(out, r.value)
		writeNumber(out, len(r.headers))
		for _, h := range r.headers {
			writeNullable(out, []byte(h.name))
			writeNullable(out, h.value)
		}
	}
	return out.Flush()
}

func writeNumber(out *bufio.Writer, n int) {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], uint32(int32(n)))
	out.Write(b[:])
}

func writeNullable(out *bufio.Writer, b []byte) {
	if b == nil {
		writeNumber(out, -1)
		return
	}
	writeNumber(out, len(b))
	out.Write(b)
}
