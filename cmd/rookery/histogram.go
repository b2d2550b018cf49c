package main

import (
	"math"
	"math/bits"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// histogram counts durations in nanoseconds. Its buckets are those of a native Prometheus histogram of schema 2 (four an
// octave, each 19 % wider than the one before), so that a scrape has nothing to convert: native to whoever takes it,
// one classic bucket an octave to all others. It is a value without a lock: who observes and who copies must not do it
// at once.
type histogram struct {
	count   int64
	sum     int64
	buckets [bucketCount]int64
}

const (
	schema      = 2
	perOctave   = 1 << schema
	firstIndex  = -20 * perOctave // upper bound 2^-20 s, about a microsecond: it takes all that is below
	lastIndex   = 7 * perOctave   // upper bound 128 s; one more bucket takes all that is above
	bucketCount = lastIndex - firstIndex + 2
)

// bounds are the upper bounds of the buckets but the last, in nanoseconds: 2^(i/4) seconds.
var bounds = func() (b [bucketCount - 1]int64) {
	for i := range b {
		b[i] = int64(math.Exp2(float64(firstIndex+i)/perOctave) * 1e9)
	}
	return b
}()

// starts are where to look for the bucket of a duration, by its number of bits.
var starts = func() (s [65]uint8) {
	for n := range s {
		i := 0
		for i < len(bounds) && n > 0 && bounds[i] < int64(uint64(1)<<min(n-1, 62)) {
			i++
		}
		s[n] = uint8(i)
	}
	return s
}()

func bucketOf(nanoseconds int64) int {
	i := int(starts[bits.Len64(uint64(nanoseconds))])
	for i < len(bounds) && bounds[i] < nanoseconds {
		i++
	}
	return i
}

func (h *histogram) observe(nanoseconds int64) {
	nanoseconds = max(nanoseconds, 0)
	h.buckets[bucketOf(nanoseconds)]++
	h.count++
	h.sum += nanoseconds
}

// since is what came after an earlier copy.
func (h histogram) since(earlier *histogram) histogram {
	h.count, h.sum = h.count-earlier.count, h.sum-earlier.sum
	for i := range h.buckets {
		h.buckets[i] -= earlier.buckets[i]
	}
	return h
}

// quantile is the upper bound, in nanoseconds, of the bucket that holds it; 0 of nothing.
func (h *histogram) quantile(q float64) int64 {
	rank, seen := int64(math.Ceil(q*float64(h.count))), int64(0)
	for i, n := range h.buckets {
		if seen += n; seen >= rank && h.count > 0 {
			return bounds[min(i, len(bounds)-1)]
		}
	}
	return 0
}

// measured is a histogram as a metric.
type measured struct {
	desc   *prometheus.Desc
	values []string // of the labels
	*histogram
}

// Desc is what it measures.
func (m *measured) Desc() *prometheus.Desc { return m.desc }

// Write fills a scrape's form: classic buckets an octave apart, and the native ones.
func (m *measured) Write(out *dto.Metric) error {
	counter, err := prometheus.NewConstMetric(m.desc, prometheus.GaugeValue, 0, m.values...)
	if err != nil {
		return err
	}
	if err := counter.Write(out); err != nil { // the labels, in the order a scrape wants
		return err
	}
	out.Gauge = nil
	h := &dto.Histogram{
		SampleCount: new(uint64(m.count)), SampleSum: new(float64(m.sum) / 1e9),
		Schema: new(int32(schema)), ZeroThreshold: new(0.0), ZeroCount: new(uint64(0)),
	}
	below := int64(0)
	for i, n := range m.buckets[:bucketCount-1] {
		if below += n; (firstIndex+i)%perOctave == 0 {
			h.Bucket = append(h.Bucket, &dto.Bucket{UpperBound: new(math.Exp2(float64((firstIndex + i) / perOctave))), CumulativeCount: new(uint64(below))})
		}
	}
	m.writeNative(h)
	out.Histogram = h
	return nil
}

// writeNative writes spans of buckets that are not empty, each count as the difference to the one before.
func (m *measured) writeNative(h *dto.Histogram) {
	end, before := math.MinInt32, int64(0)
	for i, n := range m.buckets {
		if n == 0 {
			continue
		}
		index := firstIndex + i
		if index != end {
			offset := int32(index - end)
			if len(h.PositiveSpan) == 0 {
				offset = int32(index)
			}
			h.PositiveSpan = append(h.PositiveSpan, &dto.BucketSpan{Offset: new(offset), Length: new(uint32(0))})
		}
		*h.PositiveSpan[len(h.PositiveSpan)-1].Length++
		h.PositiveDelta = append(h.PositiveDelta, n-before)
		end, before = index+1, n
	}
	if len(h.PositiveSpan) == 0 { // an empty span is what tells a native histogram without observations from a classic one
		h.PositiveSpan = append(h.PositiveSpan, &dto.BucketSpan{Offset: new(int32(0)), Length: new(uint32(0))})
	}
}
