package assignor

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// drawnTopics has up to four topics of up to seven partitions; some subscriptions name a topic that is not there.
func drawnTopics(t *rapid.T) *Topics {
	var topics Topics
	for i := range rapid.IntRange(1, 4).Draw(t, "topics") {
		topics.Put(fmt.Sprint("t", i), rapid.Int32Range(0, 7).Draw(t, "partitions"))
	}
	return &topics
}

func drawnMembers(t *rapid.T, topics *Topics, alike bool) []Member {
	members := make([]Member, rapid.IntRange(1, 6).Draw(t, "members"))
	names := append(slices.Clone(topics.Keys()), "gone")
	subscription := func() []string {
		return rapid.SliceOfNDistinct(rapid.SampledFrom(names), 1, len(names), rapid.ID[string]).Draw(t, "subscription")
	}
	common := subscription()
	for i := range members {
		m := &members[i]
		m.ID = fmt.Sprint("m", i)
		if rapid.IntRange(0, 3).Draw(t, "static") == 0 {
			m.Instance = fmt.Sprint("i", 9-i)
		}
		if m.Topics = common; !alike {
			m.Topics = subscription()
		}
		m.Generation = rapid.Int32Range(-1, 3).Draw(t, "generation")
		for range rapid.IntRange(0, 6).Draw(t, "owned") {
			m.Owned = append(m.Owned, Partition{rapid.SampledFrom(names).Draw(t, "of"), rapid.Int32Range(0, 8).Draw(t, "number")})
		}
	}
	return members
}

func isReader(m *Member, topic string) bool { return slices.Contains(m.Topics, topic) }

// eachOnce holds that every partition that somebody subscribes to is given once, to a subscriber, and none else.
func eachOnce(t require.TestingT, topics *Topics, members []Member, given [][]Partition) {
	seen := map[Partition]int{}
	for i, list := range given {
		require.True(t, slices.IsSortedFunc(list, Partition.Compare))
		for _, p := range list {
			require.True(t, isReader(&members[i], p.Topic), "%v of %s", p, members[i].ID)
			require.Less(t, p.Number, topics.At(p.Topic))
			seen[p]++
		}
	}
	for topic, count := range topics.All() {
		for number := range count {
			want := 0
			if slices.ContainsFunc(members, func(m Member) bool { return isReader(&m, topic) }) {
				want = 1
			}
			require.Equal(t, want, seen[Partition{topic, number}], "%s-%d", topic, number)
			delete(seen, Partition{topic, number})
		}
	}
	require.Empty(t, seen)
}

func TestEachPartitionOnceAndDeterministic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		topics := drawnTopics(t)
		members := drawnMembers(t, topics, rapid.Bool().Draw(t, "alike"))
		a := rapid.SampledFrom([]Assignor{Range, RoundRobin, Sticky}).Draw(t, "assignor")
		given := a.Assign(topics, members)
		eachOnce(t, topics, members, given)
		turned := rapid.Permutation(members).Draw(t, "another order")
		again := a.Assign(topics, turned)
		for i := range turned {
			at := slices.IndexFunc(members, func(m Member) bool { return m.ID == turned[i].ID })
			require.Equal(t, given[at], again[i], "members in another order")
		}
	})
}

// owner is the believed one of each partition, told in the plainest way.
func believed(topics *Topics, members []Member) map[Partition]int {
	owners := map[Partition]int{}
	for topic, count := range topics.All() {
		for number := range count {
			p := Partition{topic, number}
			youngest, who := int32(-2), []int{}
			for i, m := range members {
				if !isReader(&m, topic) || !slices.Contains(m.Owned, p) {
					continue
				}
				if m.Generation > youngest {
					youngest, who = m.Generation, nil
				}
				if m.Generation == youngest {
					who = append(who, i)
				}
			}
			if len(who) == 1 {
				owners[p] = who[0]
			}
		}
	}
	return owners
}

// levelled holds that no partition, and no chain of them, can be moved so that two members come nearer to one another:
// loads are searched breadth first from everybody.
func levelled(t require.TestingT, members []Member, given [][]Partition) {
	for from := range members {
		seen := map[int]bool{from: true}
		for queue := []int{from}; len(queue) > 0; queue = queue[1:] {
			for _, p := range given[queue[0]] {
				for j := range members {
					if !seen[j] && isReader(&members[j], p.Topic) {
						seen[j] = true
						queue = append(queue, j)
						require.Less(t, len(given[from])-len(given[j]), 2, "%s has %d, %s has %d", members[from].ID, len(given[from]), members[j].ID, len(given[j]))
					}
				}
			}
		}
	}
}

func TestStickyIsBalanced(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		topics := drawnTopics(t)
		members := drawnMembers(t, topics, rapid.Bool().Draw(t, "alike"))
		levelled(t, members, Sticky.Assign(topics, members))
	})
}

// TestStickyKeeps: where all subscribe to the same, as much stays as balance lets stay.
func TestStickyKeeps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		topics := drawnTopics(t)
		members := drawnMembers(t, topics, true)
		owners := believed(topics, members)
		total, of := 0, make([]int, len(members))
		for topic, count := range topics.All() {
			if isReader(&members[0], topic) {
				total += int(count)
			}
		}
		for _, i := range owners {
			of[i]++
		}
		floor, extra, most := total/len(members), total%len(members), 0
		for i := range members {
			if most += min(of[i], floor); of[i] > floor && extra > 0 {
				most++
				extra--
			}
		}
		kept := 0
		for i, list := range Sticky.Assign(topics, members) {
			for _, p := range list {
				if who, ok := owners[p]; ok && who == i {
					kept++
				}
			}
		}
		require.Equal(t, most, kept)
	})
}

// TestStickyRests: nothing moves when nothing has changed.
func TestStickyRests(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		topics := drawnTopics(t)
		members := drawnMembers(t, topics, rapid.Bool().Draw(t, "alike"))
		a := rapid.SampledFrom([]Assignor{Sticky, CooperativeSticky}).Draw(t, "assignor")
		before := Sticky.Assign(topics, members)
		for i := range members {
			members[i].Owned, members[i].Generation = before[i], 7
		}
		require.Equal(t, before, a.Assign(topics, members))
	})
}

// TestCooperativeInTwoSteps: nobody is given what another still has; once that has let it go, everything is given, and
// as evenly as the eager one would.
func TestCooperativeInTwoSteps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		topics := drawnTopics(t)
		members := drawnMembers(t, topics, rapid.Bool().Draw(t, "alike"))
		for i := range members { // no two claim the same, as it is in a group
			members[i].Generation = 5
			members[i].Owned = slices.DeleteFunc(slices.Clone(members[i].Owned), func(p Partition) bool {
				return slices.ContainsFunc(members[:i], func(m Member) bool { return slices.Contains(m.Owned, p) })
			})
		}
		first := CooperativeSticky.Assign(topics, members)
		for i := range members {
			for _, p := range first[i] {
				for j := range members {
					require.False(t, i != j && slices.Contains(members[j].Owned, p), "%v is %s's", p, members[j].ID)
				}
			}
		}
		for i := range members {
			members[i].Owned, members[i].Generation = first[i], 6
		}
		second := CooperativeSticky.Assign(topics, members)
		for i := range members {
			for _, p := range first[i] {
				require.Contains(t, second[i], p, "what stayed stays")
			}
		}
		eachOnce(t, topics, members, second)
		levelled(t, members, second)
	})
}

// golden is one case of testdata/java.json, which testdata/Assignors.java wrote: what Java's classes give.
type golden struct {
	Assignor string              `json:"assignor"`
	Topics   map[string]int32    `json:"topics"`
	Members  []goldenMember      `json:"members"`
	Given    map[string][]string `json:"given"`
}

type goldenMember struct {
	ID         string   `json:"id"`
	Instance   string   `json:"instance"`
	Topics     []string `json:"topics"`
	Owned      []string `json:"owned"`
	Generation int32    `json:"generation"`
}

func parsed(list []string) (all []Partition) {
	for _, text := range list {
		var p Partition
		fmt.Sscanf(text, "%2s-%d", &p.Topic, &p.Number)
		all = append(all, p)
	}
	slices.SortFunc(all, Partition.Compare)
	return all
}

// TestLikeJava: Range and RoundRobin agree with Java's classes; the sticky ones are as level, and move no more.
func TestLikeJava(t *testing.T) {
	file, err := os.Open("testdata/java.json")
	require.NoError(t, err)
	defer file.Close()
	counts := map[string]int{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var g golden
		require.NoError(t, json.Unmarshal(lines.Bytes(), &g))
		a, ok := Named(g.Assignor)
		require.True(t, ok)
		counts[g.Assignor]++
		var topics Topics
		for name, count := range g.Topics {
			topics.Put(name, count)
		}
		var members []Member
		var java [][]Partition
		for _, m := range g.Members {
			members = append(members, Member{ID: m.ID, Instance: m.Instance, Topics: m.Topics, Owned: parsed(m.Owned), Generation: m.Generation})
			java = append(java, parsed(g.Given[m.ID]))
		}
		given := a.Assign(&topics, members)
		if a == Range || a == RoundRobin {
			require.Equal(t, java, given, lines.Text())
			continue
		}
		ours, theirs := judged(&topics, members, given), judged(&topics, members, java)
		switch {
		case a == Sticky:
			require.LessOrEqual(t, ours.spread, theirs.spread, "%s gives %v", lines.Text(), given)
			require.True(t, ours.spread < theirs.spread || ours.kept >= theirs.kept, "%s gives %v", lines.Text(), given)
		case ours.spread == theirs.spread:
			require.GreaterOrEqual(t, ours.kept, theirs.kept, "%s gives %v", lines.Text(), given)
		}
	}
	require.Len(t, counts, int(end))
}

type verdict struct{ spread, kept int }

func judged(topics *Topics, members []Member, given [][]Partition) (v verdict) {
	owners := believed(topics, members)
	for i := range given {
		v.spread += len(given[i]) * len(given[i])
		for _, p := range given[i] {
			if who, ok := owners[p]; ok && who == i {
				v.kept++
			}
		}
	}
	return v
}
