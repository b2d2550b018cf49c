package group

import (
	"fmt"
	"testing"

	"rookery/core/meta"
)

// BenchmarkAssignTopics is the same with 100 members and 1,000 topics of one partition, each of which every member has named.
func BenchmarkAssignTopics(b *testing.B) {
	w := newModernWorld(b)
	w.config.RecordBytesMax = 64 << 20
	w.c = w.coordinator()
	var names []string
	for i := range 1000 {
		names = append(names, fmt.Sprintf("topic-%04d", i))
		w.topic(names[i], meta.UUID{1, byte(i), byte(i >> 8)}, 1)
	}
	for i := range 100 {
		w.beat("c", join("g", fmt.Sprintf("member-%04d", i), names...))
		w.decided()
	}
	b.ResetTimer()
	for i := range b.N {
		w.beat("c", join("g", "member-0005", names[:999+i%2]...))
		w.decided()
	}
}

// BenchmarkAssign is a member's heartbeat that makes the target of 1,000 members and 1,000 partitions anew.
func BenchmarkAssign(b *testing.B) {
	for _, assignor := range []string{"uniform", "range"} {
		b.Run(assignor, func(b *testing.B) {
			w := newModernWorld(b)
			w.topic("t", meta.UUID{1}, 1000)
			for i := range 1000 {
				r := join("g", fmt.Sprintf("member-%04d", i), "t")
				r.ServerAssignor = &assignor
				w.beat("c", r)
				w.decided()
			}
			b.ResetTimer()
			for i := range b.N {
				topics := []string{"t"}
				if i%2 == 0 {
					topics = append(topics, "u")
				}
				r := join("g", "member-0500", topics...)
				r.ServerAssignor = &assignor
				w.beat("c", r)
				w.decided()
			}
		})
	}
}
