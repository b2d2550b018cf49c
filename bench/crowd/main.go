// Command crowd is the members of many groups in one cheap process, or what very many of them have committed. It prints one
// line of JSON, as bench/load does.
//
//	settle   a connection a member ─▶ all join ─▶ all have their part ─▶ one of each group leaves ─▶ the others have theirs
//	reload   offsets are committed ─▶ "filled" ─▶ somebody restarts the broker and says so ─▶ every partition's groups answer
//
// Rules:
//   - A member does what Kafka's own consumer does, and no more: it joins, a leader assigns, it sends heartbeats at Kafka's
//     default pace (classic: 3 s; KIP-848: what it is told), joins again when it is told to, and leaves in the end.
//   - A group has settled when all its members have a part of the same generation (KIP-848: epoch) and the parts are the
//     whole topic. That is seen from the members' side, so it is the same measure for every broker.
//   - Connections, the topic and the coordinators' own topic are there before the clock runs.
//   - An error that a member of a healthy group would not see ends the run with exit status 1.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"time"
)

type options struct {
	address    string
	mode       string
	protocol   string
	topic      string
	prefix     string
	groups     int
	members    int
	partitions int
	patience   time.Duration
}

// result is what one run found out.
type result struct {
	Mode           string  `json:"mode"`
	SettleMillis   float64 `json:"settle_ms,omitempty"`   // from the first join until all groups had settled
	ResettleMillis float64 `json:"resettle_ms,omitempty"` // from the leaving of one of each until all had settled again
	Offsets        int64   `json:"offsets,omitempty"`
	FillMillis     float64 `json:"fill_ms,omitempty"`       // to commit them all
	ReloadMillis   float64 `json:"reload_ms,omitempty"`     // from the word that the broker is back until every partition's groups answered
	BeatMillis     float64 `json:"worst_beat_ms,omitempty"` // the longest that a heartbeat of a live group waited meanwhile
	BeatsRefused   int64   `json:"beats_refused"`           // of its heartbeats
	Beats          int64   `json:"beats,omitempty"`         // of its heartbeats, in all
	Requests       int64   `json:"requests"`                // that were answered while the clock ran
	ClientCPU      float64 `json:"client_cpu_seconds"`
}

func main() {
	var o options
	flag.StringVar(&o.address, "address", "127.0.0.1:9092", "the broker")
	flag.StringVar(&o.mode, "mode", "settle", "settle or reload")
	flag.StringVar(&o.protocol, "protocol", "classic", "classic or consumer (KIP-848)")
	flag.StringVar(&o.topic, "topic", "crowd", "topic that all groups read; made when missing")
	flag.IntVar(&o.groups, "groups", 1000, "groups")
	flag.IntVar(&o.members, "members", 10, "members a group")
	flag.IntVar(&o.partitions, "partitions", 10, "partitions of the topic; reload: offsets a group")
	flag.DurationVar(&o.patience, "patience", 3*time.Minute, "how long a settling may take")
	flag.Parse()
	o.prefix = o.topic + "-group-" // groups of one run are never those of another's
	run := map[string]func(*options) (*result, error){"settle": settle, "reload": reload}[o.mode]
	if run == nil || o.protocol != "classic" && o.protocol != "consumer" || o.groups < 1 || o.members < 1 || o.partitions < 1 {
		fmt.Fprintln(os.Stderr, "crowd: --mode settle|reload, --protocol classic|consumer, --groups, --members and --partitions of 1 and more")
		os.Exit(2)
	}
	r, err := run(&o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "crowd:", err)
		os.Exit(1)
	}
	json.NewEncoder(os.Stdout).Encode(r)
}

func (o *options) group(i int) string { return fmt.Sprintf("%s%d", o.prefix, i) }

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
