package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// telemetryTable is about clients' metrics (KIP-714). Kafka announces it where a plugin receives them, which Receiver.java is.
var telemetryTable = slices.Concat(
	rows("GetTelemetrySubscriptions", 0, 0, row{name: "subscriptions", run: func(s *side, v int16) {
		own := s.aside("c")
		defer own.link.close()
		r := kmsg.NewPtrGetTelemetrySubscriptionsRequest()
		first := own.ask("anew", r, v)
		if first == nil {
			return
		}
		own.ask("another one", r, v)
		r.ClientInstanceID = first.(*kmsg.GetTelemetrySubscriptionsResponse).ClientInstanceID
		own.ask("too soon", r, v)
		r.ClientInstanceID = s.instance(1)
		own.ask("with an id of its own", r, v)
		s.subscribe("m", "metrics", "b.,a.", "interval.ms", "300000")
		r.ClientInstanceID = s.instance(2)
		own.ask("subscribed", r, v)
		own.ask("too soon", r, v)
		s.subscribe("n", "metrics", "*", "interval.ms", "200000")
		r.ClientInstanceID = s.instance(3)
		own.ask("subscribed twice", r, v)
		r.ClientInstanceID = s.instance(2)
		own.ask("after the subscriptions have changed", r, v)
		own.ask("too soon after that", r, v)
		s.subscribe("m", "match", "client_id=nobody")
		r.ClientInstanceID = s.instance(4)
		own.ask("of one that does not match any more", r, v)
		s.subscribe("n", "match", "client_software_name=unknown,client_software_version=unknown,client_source_address=127.0.0.1,client_id="+s.called("c"))
		r.ClientInstanceID = s.instance(5)
		own.ask("by everything that is known of it", r, v)
		s.unsubscribe("m", "n")
		r.ClientInstanceID = s.instance(6)
		own.ask("not subscribed any more", r, v)
		s.told = own.told
	}}),
	rows("PushTelemetry", 0, 0, row{name: "pushes", run: func(s *side, v int16) {
		own := s.aside("c")
		defer own.link.close()
		s.subscribe("m", "metrics", "a.", "interval.ms", "3600000")
		n := byte(0)
		push := func(what string, edit func(r *kmsg.PushTelemetryRequest)) {
			n++
			g := kmsg.NewPtrGetTelemetrySubscriptionsRequest()
			g.ClientInstanceID = s.instance(n)
			answer := own.must(g, 0).(*kmsg.GetTelemetrySubscriptionsResponse)
			r := kmsg.NewPtrPushTelemetryRequest()
			r.ClientInstanceID, r.SubscriptionID, r.Metrics = answer.ClientInstanceID, answer.SubscriptionID, []byte{}
			edit(r)
			own.ask(what, r, v)
			own.ask(what+", again", r, v)
			own.ask("asks again after "+what, g, 0)
			r.Terminating = true
			own.ask(what+", the last one", r, v)
			own.ask(what+", after the last one", r, v)
		}
		push("nothing", func(r *kmsg.PushTelemetryRequest) {})
		push("another subscription", func(r *kmsg.PushTelemetryRequest) { r.SubscriptionID++ })
		push("an unknown codec", func(r *kmsg.PushTelemetryRequest) { r.CompressionType = 9 })
		push("a negative codec", func(r *kmsg.PushTelemetryRequest) { r.CompressionType = -1 })
		push("too much", func(r *kmsg.PushTelemetryRequest) { r.Metrics = []byte(strings.Repeat("x", 1<<20+1)) })
		push("as much as may be", func(r *kmsg.PushTelemetryRequest) { r.Metrics = []byte(strings.Repeat("x", 1<<20)) })
		push("the last one", func(r *kmsg.PushTelemetryRequest) { r.Terminating = true })
		for codec := int8(0); codec <= 4; codec++ {
			push(fmt.Sprint("garbage of codec ", codec), func(r *kmsg.PushTelemetryRequest) { r.CompressionType, r.Metrics = codec, []byte("garbage") })
		}
		push("of nobody", func(r *kmsg.PushTelemetryRequest) { r.ClientInstanceID = [16]byte{} })
		push("of a reserved id", func(r *kmsg.PushTelemetryRequest) { r.ClientInstanceID = [16]byte{15: 1} })
		push("of one who never asked", func(r *kmsg.PushTelemetryRequest) { r.ClientInstanceID = s.instance(200) })
		s.told = own.told
		s.unsubscribe("m")
	}}),
)

// instance is a client's id of this case's and side's making.
func (s *side) instance(n byte) (id [16]byte) {
	copy(id[1:], s.tag)
	id[0] = n
	return id
}

// aside is this side under the name of another client, on a connection of its own.
func (s *side) aside(client string) *side {
	own := *s
	own.link, own.told = link{address: s.link.address, client: s.called(client)}, nil
	return &own
}

// subscribe asks the client that aside has named for metrics.
func (s *side) subscribe(name string, pairs ...any) {
	changes := []any{"match", set, "client_id=" + s.called("c")}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i] == "match" {
			changes = nil
		}
	}
	for i := 0; i < len(pairs); i += 2 {
		changes = append(changes, pairs[i], set, pairs[i+1])
	}
	s.must(incremental(kmsg.ConfigResourceTypeClientMetrics, s.called(name), changes...), 1)
	s.settle()
}

func (s *side) unsubscribe(names ...string) {
	for _, name := range names {
		s.must(incremental(kmsg.ConfigResourceTypeClientMetrics, s.called(name), "metrics", reset, nil, "interval.ms", reset, nil, "match", reset, nil), 1)
	}
	s.settle()
}
