package main

import (
	"fmt"
	"slices"
)

// trial is one run: what bench/load said, and what the broker's process cost.
type trial struct {
	MBPerSecond    float64 `json:"mb_per_second"`
	RecordsPerSec  float64 `json:"records_per_second"`
	P50Micros      float64 `json:"p50_us"`
	P99Micros      float64 `json:"p99_us"`
	P999Micros     float64 `json:"p999_us"`
	CPUNanosPerKB  float64 `json:"broker_cpu_ns_per_kb"`
	PeakMB         float64 `json:"broker_peak_rss_mb"`
	PeakPrivateMB  float64 `json:"broker_private_rss_mb"` // at the end, without mapped page cache
	ClientNanosPKB float64 `json:"client_cpu_ns_per_kb"`
	Bytes          int64   `json:"bytes"`
	Records        int64   `json:"records,omitempty"`
	StartMillis    float64 `json:"start_ms,omitempty"` // exec to ApiVersions, in an empty directory
	IdleMB         float64 `json:"idle_rss_mb,omitempty"`
	RestartMillis  float64 `json:"restart_ms,omitempty"` // exec to an answer that all is there, after kill -9
	CPUSeconds     float64 `json:"broker_cpu_seconds,omitempty"`

	// Of a compaction: the load beside it, and the same before.
	AckP50Micros float64 `json:"ack_p50_us,omitempty"`
	AckP99Micros float64 `json:"ack_p99_us,omitempty"`
	CleanerMB    float64 `json:"cleaner_mb_per_second,omitempty"` // of what was there before it
	CleanedMB    float64 `json:"cleaned_mb,omitempty"`            // what was left of that
	Quiet        *trial  `json:"without_cleaner,omitempty"`

	// Of bench/crowd.
	SettleMillis   float64 `json:"settle_ms,omitempty"`
	ResettleMillis float64 `json:"resettle_ms,omitempty"`
	Offsets        int64   `json:"offsets,omitempty"`
	FillMillis     float64 `json:"fill_ms,omitempty"`
	ReloadMillis   float64 `json:"reload_ms,omitempty"`
	WorstBeat      float64 `json:"worst_beat_ms,omitempty"`
	Beats          int64   `json:"beats,omitempty"`
}

func (t trial) String() string {
	return fmt.Sprintf("%9.1f %8.3f %8.0f %8.0f %8.0f %9.0f %9.1f",
		t.MBPerSecond, t.RecordsPerSec/1e6, t.P50Micros, t.P99Micros, t.P999Micros, t.CPUNanosPerKB, t.PeakMB)
}

type pair struct {
	Reference trial   `json:"reference"`
	Broker    trial   `json:"broker"`
	Ratio     float64 `json:"ratio"`
}

// comparison is all pairs of one workload and what they say.
type comparison struct {
	Report   report   `json:"report"`
	Workload string   `json:"workload"`
	Load     []string `json:"load"`
	Bar      float64  `json:"bar,omitempty"`
	spread
	Failed []string `json:"failed,omitempty"`
	Pairs  []pair   `json:"pairs"`
}

// spread is what the ratios of all pairs say together.
type spread struct {
	Ratio         float64 `json:"ratio"` // median over the pairs
	LowerQuartile float64 `json:"ratio_lower_quartile"`
	UpperQuartile float64 `json:"ratio_upper_quartile"`
	Lowest        float64 `json:"ratio_lowest"`
	Highest       float64 `json:"ratio_highest"`
	Refused       bool    `json:"refused"`
}

// quantile interpolates between the values around it.
func quantile(values []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	at := q * float64(len(sorted)-1)
	low := int(at)
	high := min(low+1, len(sorted)-1)
	return sorted[low] + (at-float64(low))*(sorted[high]-sorted[low])
}

// judge computes the ratio and holds it against the bar, the least it has to be.
func (c *comparison) judge(name string) {
	c.spread = spreadOf(column(c.Pairs, func(p pair) float64 { return p.Ratio }))
	if c.Bar > 0 {
		c.Failed = append(c.Failed, c.hold(name, c.Bar, false)...)
	}
}

func spreadOf(ratios []float64) spread {
	s := spread{Ratio: quantile(ratios, 0.5), LowerQuartile: quantile(ratios, 0.25), UpperQuartile: quantile(ratios, 0.75),
		Lowest: slices.Min(ratios), Highest: slices.Max(ratios)}
	s.Refused = !(s.distance() >= s.apart()) // so is what is no number
	return s
}

// distance is how far the ratio is from 1.
func (s *spread) distance() float64 { return max(s.Ratio-1, 1-s.Ratio) }

// apart is how far the pairs lie apart.
func (s *spread) apart() float64 { return s.UpperQuartile - s.LowerQuartile }

// hold tells what is wrong with the ratio: it has to be at least the bar, or at most. A ratio nearer to 1 than the pairs
// lie apart is refused as a ratio: no difference from the other side has been seen. The bar is then to be met by the
// quartile that is worse.
func (s *spread) hold(name string, bar float64, atMost bool) (failed []string) {
	side, missed, quarterMissed := "below", s.Ratio < bar, s.LowerQuartile < bar
	if atMost {
		side, missed, quarterMissed = "above", s.Ratio > bar, s.UpperQuartile > bar
	}
	switch {
	case missed:
		failed = append(failed, fmt.Sprintf("%s: ratio %.3f is %s the bar of %.2f", name, s.Ratio, side, bar))
	case s.Refused && quarterMissed:
		failed = append(failed, fmt.Sprintf("%s: ratio %.3f refused: it is %.3f away from 1, the pairs spread over %.3f and a quarter of them is %s the bar of %.2f",
			name, s.Ratio, s.distance(), s.apart(), side, bar))
	}
	return failed
}

func column(pairs []pair, of func(pair) float64) (values []float64) {
	for _, p := range pairs {
		values = append(values, of(p))
	}
	return values
}

// print shows medians and spread of both sides and the verdict.
func (c *comparison) print(against string) {
	for _, side := range []struct {
		name string
		of   func(pair) trial
	}{{against, func(p pair) trial { return p.Reference }}, {"broker", func(p pair) trial { return p.Broker }}} {
		middle := func(of func(trial) float64) float64 {
			return quantile(column(c.Pairs, func(p pair) float64 { return of(side.of(p)) }), 0.5)
		}
		speeds := column(c.Pairs, func(p pair) float64 { return side.of(p).MBPerSecond })
		fmt.Printf("%-6s %-10s %s  [%.0f..%.0f MB/s]\n", "median", side.name, trial{
			MBPerSecond:   middle(func(t trial) float64 { return t.MBPerSecond }),
			RecordsPerSec: middle(func(t trial) float64 { return t.RecordsPerSec }),
			P50Micros:     middle(func(t trial) float64 { return t.P50Micros }),
			P99Micros:     middle(func(t trial) float64 { return t.P99Micros }),
			P999Micros:    middle(func(t trial) float64 { return t.P999Micros }),
			CPUNanosPerKB: middle(func(t trial) float64 { return t.CPUNanosPerKB }),
			PeakMB:        middle(func(t trial) float64 { return t.PeakMB }),
		}, slices.Min(speeds), slices.Max(speeds))
	}
	verdict := "no bar"
	if c.Bar > 0 {
		verdict = fmt.Sprintf("bar %.2f: met", c.Bar)
	}
	if len(c.Failed) > 0 {
		verdict = fmt.Sprintf("bar %.2f: missed", c.Bar)
	}
	if c.Refused {
		verdict += "; REFUSED as a ratio: nearer to 1 than the pairs lie apart"
	}
	fmt.Printf("ratio  %.3f  quartiles %.3f..%.3f  all %.3f..%.3f  %s\n", c.Ratio, c.LowerQuartile, c.UpperQuartile, c.Lowest, c.Highest, verdict)
}
