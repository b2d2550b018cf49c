package main

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// shared is what all sides of one broker do together. A change of Kafka's metadata costs milliseconds, however much is
// in it: so who waits for one waits with the others, and topics are made and deleted by the dozen.
type shared struct {
	side    *side
	name    string // of the resource whose configuration is the mark
	mutex   sync.Mutex
	waiting []chan error
	marking bool
	rounds  int
	old     []string // topics to be deleted
}

func newShared(name, address, tag string, kafka bool) *shared {
	return &shared{side: &side{name: name, kafka: kafka, link: link{address: address}}, name: "mark-" + tag}
}

// settle waits until what the controller has answered holds in the whole broker. Kafka's broker follows the metadata
// log batch by batch, and shows an alteration when it begins with its batch. So what was written before the first mark
// holds when a second, written after that was seen, can be seen.
func (h *shared) settle() error {
	done := make(chan error, 1)
	h.mutex.Lock()
	h.waiting = append(h.waiting, done)
	first := !h.marking
	h.marking = true
	h.mutex.Unlock()
	if first {
		go h.mark()
	}
	return <-done
}

// mark sets marks until nobody waits.
func (h *shared) mark() {
	for {
		h.mutex.Lock()
		waiting := h.waiting
		h.waiting, h.marking = nil, len(waiting) > 0
		h.mutex.Unlock()
		if len(waiting) == 0 {
			return
		}
		err := h.once()
		if err == nil {
			err = h.once()
		}
		for _, done := range waiting {
			done <- err
		}
	}
}

// once sets a configuration of a resource of its own and waits until it is described.
func (h *shared) once() (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	h.rounds++
	value := fmt.Sprint("client_id=mark", h.rounds)
	alter := incremental(kmsg.ConfigResourceTypeClientMetrics, h.name, markKey, set, value)
	if code := h.side.must(alter, 1).(*kmsg.IncrementalAlterConfigsResponse).Resources[0].ErrorCode; code != 0 {
		return fmt.Errorf("%s: no mark can be set: %d", h.side.name, code)
	}
	describe := describeConfigs(kmsg.ConfigResourceTypeClientMetrics, h.name, markKey)
	return poll(func() bool {
		found := h.side.must(describe, 4).(*kmsg.DescribeConfigsResponse).Resources[0].Configs
		return len(found) == 1 && found[0].Value != nil && *found[0].Value == value
	}, h.side.name+": a mark is never seen")
}

// markKey is which clients push metrics: one that there is not.
const markKey = "match"

// poll asks until it is so, less and less often: a broker that is behind has to have time to follow.
func poll(so func() bool, never string) error {
	wait := 200 * time.Microsecond
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if so() {
			return nil
		}
		time.Sleep(wait)
		wait = min(wait*2, 5*time.Millisecond)
	}
	return fmt.Errorf("%s", never)
}

// discard deletes topics, some time.
func (h *shared) discard(names []string) {
	h.mutex.Lock()
	h.old = append(h.old, names...)
	var now []string
	if len(h.old) >= 100 {
		now, h.old = slices.Clone(h.old), nil
	}
	h.mutex.Unlock()
	if now != nil {
		_, _, _ = (&link{address: h.side.link.address}).ask(deleteTopics(now...), 5)
	}
}
