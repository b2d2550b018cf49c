// Clients in Go that the product does not need: IBM/sarama and segmentio/kafka-go; and franz-go as a member of a group, which
// must be a process that can be killed. Each sends a file of records, each record
// to the partition and in the codec it names, or reads partitions to their ends. Where the codec changes a new producer
// begins when the old one is done, so the order stays.
//
//	clients CLIENT produce BOOTSTRAP TOPIC FILE
//	clients CLIENT read BOOTSTRAP TOPIC PARTITIONS
//	clients CLIENT admin BOOTSTRAP TOPIC
//	clients KIND member BOOTSTRAP GROUP TOPIC
//
// Admin makes a topic, adds a partition, prints what it is told of them and of one configuration, and deletes the topic.
// A member prints what it processes and what is committed, and leaves when standard input ends.
package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

// client is what both can do. A producer is for one codec.
type client interface {
	producer(bootstrap, topic string, codec int) (producer, error)
	// read calls each for every record of a partition up to its end.
	read(bootstrap, topic string, partition int, each func(record)) error
	admin(bootstrap, topic string) (retention string, partitions int, left bool, err error)
}

type producer interface {
	send(r record) error
	flush() error // waits for every answer
}

type record struct {
	partition, codec int
	offset           int64
	time             time.Time
	key, value       []byte
	headers          []header
}

type header struct{ name, value []byte }

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(words []string) error {
	if len(words) < 4 || len(words) < 5 && words[1] != "admin" {
		return errors.New("clients CLIENT produce|read|admin BOOTSTRAP TOPIC FILE|PARTITIONS")
	}
	if words[1] == "member" {
		return belong(words[0], words[2], words[3], words[4])
	}
	c := map[string]client{"sarama": saramaClient{}, "kafka-go": kafkaGoClient{}}[words[0]]
	if c == nil {
		return fmt.Errorf("no client %s", words[0])
	}
	if words[1] == "admin" {
		retention, partitions, left, err := c.admin(words[2], words[3])
		if err == nil {
			fmt.Printf("retention %s, %d partitions, still there: %v\n", retention, partitions, left)
		}
		return err
	}
	if words[1] == "produce" {
		return produce(c, words[2], words[3], words[4])
	}
	return read(c, words[2], words[3], strings.Split(words[4], ","))
}

func produce(c client, bootstrap, topic, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, 1<<20)
	var to producer
	current, count := -1, 0
	for {
		r, err := next(in)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if r.codec != current {
			if to != nil {
				if err := to.flush(); err != nil {
					return err
				}
			}
			if to, err = c.producer(bootstrap, topic, r.codec); err != nil {
				return err
			}
			current = r.codec
		}
		if err := to.send(r); err != nil {
			return err
		}
		count++
	}
	if err := to.flush(); err != nil {
		return err
	}
	fmt.Println(count)
	return nil
}

// next reads what writeRecords of bench/interop wrote.
func next(in io.Reader) (r record, err error) {
	var head [16]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return r, err
	}
	r.partition, r.codec = int(binary.BigEndian.Uint32(head[:])), int(binary.BigEndian.Uint32(head[4:]))
	if ms := int64(binary.BigEndian.Uint64(head[8:])); ms != 0 {
		r.time = time.UnixMilli(ms)
	}
	if r.key, err = nullable(in); err == nil {
		r.value, err = nullable(in)
	}
	if err != nil {
		return r, err
	}
	left, err := number(in)
	for ; left > 0 && err == nil; left-- {
		var h header
		if h.name, err = nullable(in); err == nil {
			h.value, err = nullable(in)
		}
		r.headers = append(r.headers, h)
	}
	return r, err
}

func number(in io.Reader) (int, error) {
	var b [4]byte
	_, err := io.ReadFull(in, b[:])
	return int(int32(binary.BigEndian.Uint32(b[:]))), err
}

func nullable(in io.Reader) ([]byte, error) {
	length, err := number(in)
	if err != nil || length < 0 {
		return nil, err
	}
	b := make([]byte, length)
	_, err = io.ReadFull(in, b)
	return b, err
}

// read prints partition:count:SHA-256 over offset, time, key, value and headers.
func read(c client, bootstrap, topic string, partitions []string) error {
	for i, each := range partitions {
		partition, err := strconv.Atoi(each)
		if err != nil {
			return err
		}
		count, sum := 0, sha256.New()
		err = c.read(bootstrap, topic, partition, func(r record) {
			var head [16]byte
			binary.BigEndian.PutUint64(head[:], uint64(r.offset))
			binary.BigEndian.PutUint64(head[8:], uint64(r.time.UnixMilli()))
			sum.Write(head[:])
			absorb(sum, r.key)
			absorb(sum, r.value)
			for _, h := range r.headers {
				absorb(sum, h.name)
				absorb(sum, h.value)
			}
			count++
		})
		if err != nil {
			return err
		}
		fmt.Printf("%s%d:%d:%x", strings.Repeat(" ", min(i, 1)), partition, count, sum.Sum(nil))
	}
	fmt.Println()
	return nil
}

func absorb(h hash.Hash, b []byte) {
	length := uint32(len(b))
	if b == nil {
		length = 0xffffffff
	}
	var four [4]byte
	binary.BigEndian.PutUint32(four[:], length)
	h.Write(four[:])
	h.Write(b)
}
