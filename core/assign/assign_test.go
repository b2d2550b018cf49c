package assign

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"rookery/core/meta"
)

func id(n int) (id meta.UUID) {
	id[15] = byte(n)
	return id
}

// readPartitions reads "1:0,2 4:7".
func readPartitions(t *testing.T, text string) (all []TopicPartitions) {
	for _, field := range strings.Fields(text) {
		topic, list, _ := strings.Cut(field, ":")
		n, err := strconv.Atoi(topic)
		require.NoError(t, err)
		one := TopicPartitions{TopicID: id(n)}
		for _, p := range strings.Split(list, ",") {
			n, err := strconv.Atoi(p)
			require.NoError(t, err)
			one.Partitions = append(one.Partitions, int32(n))
		}
		all = append(all, one)
	}
	return all
}

// testdata/kafka.txt was written by Kafka's own assignors: testdata/Assignors.java.
func TestAssignmentsAreKafkas(t *testing.T) {
	text, err := os.ReadFile("testdata/kafka.txt")
	require.NoError(t, err)
	cases := strings.Split(strings.TrimSpace(string(text)), "\n\n")
	require.Len(t, cases, 360)
	for i, c := range cases {
		lines := strings.Split(c, "\n")
		name, there, _ := strings.Cut(lines[0], "|")
		var topics []Topic
		for _, p := range readPartitions(t, there) {
			topics = append(topics, Topic{p.TopicID, p.Partitions[0]})
		}
		var members []Member
		var want [][]TopicPartitions
		for _, line := range lines[1:] {
			part := strings.Split(line, "|")
			m := Member{ID: part[0], Target: readPartitions(t, part[3])}
			if part[1] != "" {
				m.InstanceID = &part[1]
			}
			for _, topic := range strings.Fields(part[2]) {
				n, err := strconv.Atoi(topic)
				require.NoError(t, err)
				m.Topics = append(m.Topics, id(n))
			}
			members = append(members, m)
			want = append(want, readPartitions(t, part[4]))
		}
		require.Equal(t, want, Named(name)(topics, members), "case %d:\n%s", i, c)
	}
}

func TestAssignorsHaveNames(t *testing.T) {
	require.NotNil(t, Named(Range))
	require.NotNil(t, Named(Uniform))
	require.Nil(t, Named("sticky"))
	require.Nil(t, Named(""))
}

// world is a group that changes: topics come, grow and go, members come and go and change their minds.
type world struct {
	topics  []Topic
	members []Member
	next    int
}

func (w *world) change(t *rapid.T) {
	switch rapid.IntRange(0, 6).Draw(t, "change") {
	case 0:
		w.next++
		w.topics = append(w.topics, Topic{id(w.next), rapid.Int32Range(1, 20).Draw(t, "partitions")})
	case 1:
		if len(w.topics) > 0 {
			w.topics[rapid.IntRange(0, len(w.topics)-1).Draw(t, "topic")].PartitionCount += rapid.Int32Range(1, 5).Draw(t, "more")
		}
	case 2:
		if len(w.topics) > 0 {
			at := rapid.IntRange(0, len(w.topics)-1).Draw(t, "topic")
			w.topics = slices.Delete(w.topics, at, at+1)
		}
	case 3:
		if len(w.members) > 0 {
			at := rapid.IntRange(0, len(w.members)-1).Draw(t, "member")
			w.members = slices.Delete(w.members, at, at+1)
		}
	case 4, 5:
		m := Member{ID: fmt.Sprintf("%c%d", rapid.RuneFrom([]rune("abc")).Draw(t, "letter"), len(w.members)*100+w.next)}
		at, found := slices.BinarySearchFunc(w.members, m.ID, func(m Member, id string) int { return strings.Compare(m.ID, id) })
		if !found {
			m.InstanceID = rapid.Ptr(rapid.StringMatching("[a-z]{3}"), true).Draw(t, "instance")
			w.members = slices.Insert(w.members, at, m)
		}
	case 6: // everything is forgotten: the target of another life
		for i := range w.members {
			w.members[i].Target = nil
		}
	}
}

func (w *world) subscribe(t *rapid.T, alike bool) {
	var shared []meta.UUID
	for i := range w.members {
		if !alike || i == 0 {
			shared = nil
			for _, topic := range w.topics {
				if rapid.IntRange(0, 3).Draw(t, "subscribed") > 0 {
					shared = append(shared, topic.ID)
				}
			}
		}
		w.members[i].Topics = shared
	}
}

// forge puts garbage into the last target: what a log of another make could hold.
func (w *world) forge(t *rapid.T) {
	for i := range w.members {
		if rapid.IntRange(0, 3).Draw(t, "forged") > 0 {
			continue
		}
		w.members[i].Target = nil
		for topic := range 4 {
			partitions := rapid.SliceOfNDistinct(rapid.Int32Range(-2, 30), 0, 12, rapid.ID).Draw(t, "partitions")
			slices.Sort(partitions)
			w.members[i].Target = append(w.members[i].Target, TopicPartitions{id(w.next - 3 + topic), partitions})
		}
	}
}

func (w *world) assign(t *rapid.T, name string) [][]TopicPartitions {
	before := fmt.Sprint(w.topics, w.members)
	given := Named(name)(w.topics, w.members)
	require.Equal(t, given, Named(name)(w.topics, w.members))
	require.Equal(t, before, fmt.Sprint(w.topics, w.members), "the input is left as it was")
	require.Len(t, given, len(w.members))
	w.everyPartitionOnce(t, given)
	return given
}

func (w *world) count(topic meta.UUID) int32 {
	for _, one := range w.topics {
		if one.ID == topic {
			return one.PartitionCount
		}
	}
	return 0
}

type owned struct {
	topic     meta.UUID
	partition int32
}

func owners(given [][]TopicPartitions) map[owned]int {
	by := map[owned]int{}
	for member, all := range given {
		for _, one := range all {
			for _, p := range one.Partitions {
				by[owned{one.TopicID, p}] = member
			}
		}
	}
	return by
}

func (w *world) everyPartitionOnce(t *rapid.T, given [][]TopicPartitions) {
	total := 0
	for member, all := range given {
		require.True(t, slices.IsSortedFunc(all, func(a, b TopicPartitions) int { return strings.Compare(string(a.TopicID[:]), string(b.TopicID[:])) }))
		for _, one := range all {
			require.Contains(t, w.members[member].Topics, one.TopicID)
			require.NotEmpty(t, one.Partitions)
			require.True(t, slices.IsSorted(one.Partitions))
			require.True(t, one.Partitions[0] >= 0 && one.Partitions[len(one.Partitions)-1] < w.count(one.TopicID))
			total += len(one.Partitions)
		}
	}
	want := 0
	for _, topic := range w.topics {
		if slices.ContainsFunc(w.members, func(m Member) bool { return slices.Contains(m.Topics, topic.ID) }) {
			want += int(topic.PartitionCount)
		}
	}
	require.Equal(t, want, len(owners(given)), "every partition")
	require.Equal(t, want, total, "once")
}

func sizes(given [][]TopicPartitions) []int {
	all := make([]int, len(given))
	for member := range given {
		for _, one := range given[member] {
			all[member] += len(one.Partitions)
		}
	}
	return all
}

func (w *world) take(given [][]TopicPartitions) {
	for i := range w.members {
		w.members[i].Target = given[i]
	}
}

func TestRangeGivesRunsOfEqualLength(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{}
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			w.change(t)
			w.subscribe(t, rapid.Bool().Draw(t, "alike"))
			given := w.assign(t, Range)
			cuts := map[string][][]int32{}
			for _, topic := range w.topics {
				var runs [][]int32
				who := fmt.Sprint(topic.PartitionCount)
				for member, m := range w.members {
					if !slices.Contains(m.Topics, topic.ID) {
						continue
					}
					who += " " + m.ID
					run := []int32{}
					for _, one := range given[member] {
						if one.TopicID == topic.ID {
							run = one.Partitions
							require.Equal(t, int(run[len(run)-1]-run[0])+1, len(run), "one run")
						}
					}
					runs = append(runs, run)
				}
				for _, run := range runs {
					quota := int(topic.PartitionCount) / len(runs)
					require.True(t, len(run) == quota || len(run) == quota+1)
				}
				if same, seen := cuts[who]; seen {
					require.Equal(t, same, runs, "topics alike are cut alike")
				}
				cuts[who] = runs
			}
			w.take(given)
		}
	})
}

// A static member that comes back under another id finds what it had.
func TestRangeKnowsStaticMembersByTheirInstance(t *testing.T) {
	one, two := "one", "two"
	topics := []Topic{{id(1), 3}}
	subscribed := []meta.UUID{id(1)}
	before := Named(Range)(topics, []Member{{ID: "a", InstanceID: &two, Topics: subscribed}, {ID: "b", InstanceID: &one, Topics: subscribed}, {ID: "0", Topics: subscribed}})
	after := Named(Range)(topics, []Member{{ID: "c", InstanceID: &one, Topics: subscribed}, {ID: "d", InstanceID: &two, Topics: subscribed}, {ID: "e", Topics: subscribed}})
	require.Equal(t, []int32{0}, before[1][0].Partitions)
	require.Equal(t, [][]TopicPartitions{before[1], before[0], before[2]}, after)
}

// mostKept is how many partitions can stay where they are if no two members differ by more than one: each member keeps
// what its quota holds, and as many as there are extra places keep one more.
func (w *world) mostKept() int {
	total, seen := 0, map[owned]bool{}
	for _, topic := range w.members[0].Topics {
		total += int(w.count(topic))
	}
	quota, extras, kept := total/len(w.members), total%len(w.members), 0
	for _, m := range w.members {
		had := 0
		for _, one := range m.Target {
			for _, p := range one.Partitions {
				if o := (owned{one.TopicID, p}); slices.Contains(m.Topics, one.TopicID) && p >= 0 && p < w.count(one.TopicID) && !seen[o] {
					seen[o] = true
					had++
				}
			}
		}
		kept += min(had, quota)
		if had > quota && extras > 0 {
			extras--
			kept++
		}
	}
	return kept
}

func (w *world) kept(given [][]TopicPartitions) (kept int) {
	by := owners(given)
	for member, m := range w.members {
		for _, one := range m.Target {
			for _, p := range one.Partitions {
				if owner, there := by[owned{one.TopicID, p}]; there && owner == member {
					kept++
				}
			}
		}
	}
	return kept
}

func TestUniformIsEvenAndMovesNoMoreThanItMust(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{}
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			w.change(t)
			w.subscribe(t, true)
			given := w.assign(t, Uniform)
			if len(w.members) > 0 {
				all := sizes(given)
				require.LessOrEqual(t, slices.Max(all)-slices.Min(all), 1)
				require.Equal(t, w.mostKept(), w.kept(given))
			}
			w.take(given)
			require.Equal(t, given, w.assign(t, Uniform), "nothing moves when nothing has changed")
		}
	})
}

func TestUniformIsAsEvenAsSubscriptionsAllow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{}
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			w.change(t)
			w.subscribe(t, false)
			given := w.assign(t, Uniform)
			all := sizes(given)
			for o, owner := range owners(given) {
				for member, m := range w.members {
					if slices.Contains(m.Topics, o.topic) {
						require.Less(t, all[owner]-all[member], 2, "%v would be better with %s", o, m.ID)
					}
				}
			}
			w.take(given)
			require.Equal(t, given, w.assign(t, Uniform), "nothing moves when nothing has changed")
		}
	})
}

// Whatever a log says was given, partitions are given once, to subscribers, and evenly where all are alike.
func TestForgedTargetsDoNoHarm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{}
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			w.change(t)
			alike := rapid.Bool().Draw(t, "alike")
			w.subscribe(t, alike)
			w.forge(t)
			w.assign(t, Range)
			if given := w.assign(t, Uniform); alike && len(w.members) > 0 {
				all := sizes(given)
				require.LessOrEqual(t, slices.Max(all)-slices.Min(all), 1)
			}
		}
	})
}
