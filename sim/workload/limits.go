package workload

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"rookery/core/controller"
	"rookery/core/wire"
	"rookery/sim/world"
)

// limiting is how few connections a broker takes, and how soon it closes those that do nothing: 0 is its default. A client
// here is an address of its own, and comes back whenever it was cut.
type limiting struct {
	IdleMillis int
	Rate       int // connections a second
	PerAddress int
	Single     int // the same for those that have one link each, and stay: others need more of them
	Seats      int
	Classic    int // members of a group, in either protocol
	Consumer   int
}

func drawLimiting(tape *world.Tape) (l limiting) {
	s := tape.Stream("limits")
	l.IdleMillis = [4]int{0, 0, 2500, 4000}[s.Choose(4)] // above what any client lets a fetch wait: who waits is silent (seed 220)
	l.Rate = [4]int{0, 0, 20, 2}[s.Choose(4)]
	l.PerAddress = [4]int{0, 0, 2, 1}[s.Choose(4)]
	if l.IdleMillis > 0 { // or who came first would keep its place for ever
		l.Seats = [3]int{0, 20, 8}[s.Choose(3)]
	}
	return l
}

// admit makes room for so many workers: each has two links, of which neither is ever silent, so that it keeps its places
// for ever; and one that the broker does not know yet to be gone.
func (l *limiting) admit(workers int) {
	if workers == 0 {
		return
	}
	if l.PerAddress > 0 && l.PerAddress < 3 {
		l.Single, l.PerAddress = l.PerAddress, 3
	}
	if l.Seats > 0 {
		l.Seats += 3 * workers
	}
}

// seat makes room for programs: they give a connection a second to begin, and would stand behind all others again and again.
func (l *limiting) seat(programs int) {
	if l.Seats > 0 {
		l.Seats += 2 * programs
	}
}

// room is how many members a group takes that speaks the protocol of an API; 0: all.
func (l *limiting) room(key int16) int {
	if key == wire.KeyConsumerGroupHeartbeat {
		return l.Consumer
	}
	return l.Classic
}

// singlesMax is how many producers there are at most, and how many readers.
const singlesMax = 10

// remoteOf is the address of a client. Producers and readers have one that can be written into a configuration.
func remoteOf(client string) string {
	kind, number, _ := strings.Cut(client, ".")
	n, err := strconv.Atoi(number)
	if at := slices.Index([]string{"producer", "reader"}, kind); at >= 0 && err == nil {
		return fmt.Sprintf("10.0.%d.%d", at, n)
	}
	return client
}

// static is what the broker is started with.
func (l *limiting) static() controller.Static {
	keys := map[string]string{
		"group.consumer.session.timeout.ms": strconv.Itoa(consumerSession), "group.consumer.min.session.timeout.ms": "1000",
		"group.consumer.heartbeat.interval.ms": strconv.Itoa(consumerHeartbeat), "group.consumer.min.heartbeat.interval.ms": "100",
	}
	for key, n := range map[string]int{"connections.max.idle.ms": l.IdleMillis, "max.connection.creation.rate": l.Rate, "max.connections.per.ip": l.PerAddress, "max.connections": l.Seats} { //tidy:unordered into a map
		if n > 0 {
			keys[key] = strconv.Itoa(n)
		}
	}
	if l.Single > 0 {
		var singles []string
		for _, name := range [...]string{"producer", "reader"} {
			for i := range singlesMax {
				singles = append(singles, remoteOf(fmt.Sprintf("%s.%d", name, i))+":"+strconv.Itoa(l.Single))
			}
		}
		keys["max.connections.per.ip.overrides"] = strings.Join(singles, ",")
	}
	static, err := controller.NewStatic(maps.All(keys))
	if err != nil {
		panic(err)
	}
	return static
}
