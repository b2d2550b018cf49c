package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	fillers   = 8                     // connections that commit
	watchBeat = 10 * time.Millisecond // between heartbeats of the live group, so that a stall of that long is seen
)

// reload commits an offset for each partition in each group, says so, waits for a line that says that the broker has been
// restarted, and then asks a group of every coordinator until it answers. A group that was alive before goes on meanwhile.
func reload(o *options) (*result, error) {
	if err := o.prepare(); err != nil {
		return nil, err
	}
	r := &result{Mode: o.mode, Offsets: int64(o.groups) * int64(o.partitions)}
	began := time.Now()
	if err := o.fill(); err != nil {
		return nil, err
	}
	r.FillMillis = millis(time.Since(began))
	live, generation, err := o.lively()
	if err != nil {
		return nil, err
	}
	fmt.Println("filled")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return nil, fmt.Errorf("nobody says that the broker is back: %w", err)
	}
	began = time.Now()
	var stop atomic.Bool
	var beating sync.WaitGroup
	var beatError error
	beating.Go(func() { beatError = live.watch(generation, r, &stop) })
	err = o.awaitReloaded()
	r.ReloadMillis = millis(time.Since(began))
	stop.Store(true)
	beating.Wait()
	if err != nil {
		return nil, err
	}
	if beatError != nil {
		return nil, beatError
	}
	if r.BeatsRefused > 0 {
		return nil, fmt.Errorf("%d of %d heartbeats of a live group were refused", r.BeatsRefused, r.Beats)
	}
	return r, o.recount()
}

func (o *options) fill() error {
	return o.each(func(l *link, group string) error {
		request := kmsg.NewPtrOffsetCommitRequest()
		request.Group, request.Generation = group, -1
		topic := kmsg.NewOffsetCommitRequestTopic()
		topic.Topic = o.topic
		for p := range o.partitions {
			one := kmsg.NewOffsetCommitRequestTopicPartition()
			one.Partition, one.Offset, one.LeaderEpoch = int32(p), int64(p), -1
			topic.Partitions = append(topic.Partitions, one)
		}
		request.Topics = append(request.Topics, topic)
		answer, err := ask[*kmsg.OffsetCommitResponse](l, request, o.patience)
		if err != nil {
			return err
		}
		for _, t := range answer.Topics {
			for _, p := range t.Partitions {
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					return fmt.Errorf("commit of %s, partition %d: %w", group, p.Partition, err)
				}
			}
		}
		return nil
	})
}

// recount holds what all groups have against what they have committed; the clock has stopped.
func (o *options) recount() error {
	return o.each(func(l *link, group string) error {
		n, err := o.committed(l, group)
		if err == nil && n != o.partitions {
			err = fmt.Errorf("%d offsets of %d are there", n, o.partitions)
		}
		if err != nil {
			return fmt.Errorf("%s after the restart: %w", group, err)
		}
		return nil
	})
}

// each deals the groups to a few connections.
func (o *options) each(do func(l *link, group string) error) error {
	var all sync.WaitGroup
	failures := make([]error, fillers)
	for w := range fillers {
		l, err := dial(o.address)
		if err != nil {
			return err
		}
		defer l.Close()
		all.Go(func() {
			for i := w; i < o.groups && failures[w] == nil; i += fillers {
				failures[w] = do(l, o.group(i))
			}
		})
	}
	all.Wait()
	for _, err := range failures {
		if err != nil {
			return err
		}
	}
	return nil
}

// lively is the one member of a group of its own, which has settled.
func (o *options) lively() (*member, int32, error) {
	c := &crowd{options: o, settled: make(chan struct{}, 1)}
	l, err := dial(o.address)
	if err != nil {
		return nil, 0, err
	}
	m := &member{party: &party{crowd: c, name: o.prefix + "live", seats: make([]seat, 1)}, link: l}
	generation, err := m.joinAndSync()
	return m, generation, err
}

// watch sends heartbeats over a connection to the broker that is back.
func (m *member) watch(generation int32, r *result, stop *atomic.Bool) (err error) {
	m.link.Close()
	if m.link, err = dial(m.address); err != nil {
		return err
	}
	defer m.link.Close()
	for ; !stop.Load(); time.Sleep(watchBeat) {
		request := kmsg.NewPtrHeartbeatRequest()
		request.Group, request.Generation, request.MemberID = m.name, generation, m.id
		sent := time.Now()
		answer, err := ask[*kmsg.HeartbeatResponse](m.link, request, m.patience)
		if err != nil {
			return err
		}
		r.Beats++
		r.BeatMillis = max(r.BeatMillis, millis(time.Since(sent)))
		if answer.ErrorCode != 0 && !again[answer.ErrorCode] {
			r.BeatsRefused++
		}
	}
	return nil
}

func (o *options) awaitReloaded() error {
	l, err := dial(o.address)
	if err != nil {
		return err
	}
	defer l.Close()
	for _, group := range o.oneAPartition() {
		for deadline := time.Now().Add(o.patience); ; time.Sleep(2 * time.Millisecond) {
			n, err := o.committed(l, group)
			if err == nil && n == o.partitions {
				break
			}
			if time.Now().After(deadline) || err == nil {
				return fmt.Errorf("%s has %d offsets after the restart: %w", group, n, err)
			}
			var code *kerr.Error
			if !errors.As(err, &code) || !again[code.Code] {
				return fmt.Errorf("%s after the restart: %w", group, err)
			}
		}
	}
	return nil
}
