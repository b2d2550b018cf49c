package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"time"

	"rookery/net/kafka"
)

// recordOfJSON makes a record of a line that consume -o json printed. Where it lay is not taken over: --partition says
// where it goes, and the broker its offset. --header adds to its headers, and --key stands in for its key.
// A name that consume does not write is refused: a value under another name would be a null, and so a deletion.
func (s *sender) recordOfJSON(line []byte) (kafka.Record, error) {
	s.lines++
	var j recordJSON
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	err := d.Decode(&j)
	if err == nil && d.More() {
		err = errors.New("there is more than one object")
	}
	if err != nil {
		return kafka.Record{}, advise(`a line is like {"key":"k","value":"v","headers":[{"key":"h","value":"1"}]}`, "--input json: line %d: %w", s.lines, err)
	}
	r := kafka.Record{Timestamp: j.Timestamp, Headers: s.headers}
	if r.Key, err = bytesOf(j.Key, j.KeyBase64); err != nil {
		return r, err
	}
	if s.hasKey {
		r.Key = []byte(s.key)
	}
	if r.Value, err = bytesOf(j.Value, j.ValueBase64); err != nil {
		return r, err
	}
	for _, h := range j.Headers {
		value, err := bytesOf(h.Value, h.Base64)
		if err != nil {
			return r, err
		}
		r.Headers = append(r.Headers[:len(r.Headers):len(r.Headers)], kafka.Header{Key: []byte(h.Key), Value: value})
	}
	return r, nil
}

// sizeOfFiles is how much there is to be sent; 0 where it is not known.
func sizeOfFiles(files []string) (size int64) {
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil || !info.Mode().IsRegular() {
			return 0
		}
		size += info.Size()
	}
	return size
}

// pacer lets records go at a rate: by the time that is over since it began, so that a pause is caught up with.
type pacer struct {
	rate  float64 // records a second, 0: no limit
	began time.Time
	gone  int
}

// pacedEvery is how long the records that go at once are worth.
const pacedEvery = 20 * time.Millisecond

// atOnce is how many records may go together.
func (p *pacer) atOnce() int {
	if p.rate <= 0 {
		return gatherMax
	}
	return min(max(int(p.rate*pacedEvery.Seconds()), 1), gatherMax)
}

// wait waits until n more may go, for as long as ctx lets it.
func (p *pacer) wait(ctx context.Context, n int) {
	if p.rate > 0 {
		select {
		case <-time.After(time.Until(p.due())):
		case <-ctx.Done():
		}
	}
	p.gone += n
}

// due is when the next may go.
func (p *pacer) due() time.Time {
	return p.began.Add(time.Duration(float64(p.gone) / p.rate * float64(time.Second)))
}
