package quorum

import (
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"rookery/core/meta"
)

func voter(id int32) Voter { return Voter{id, meta.UUID{15: byte(id)}} }

// The very text that FileQuorumStateStore of Apache Kafka 4.2.0 writes.
const written = `{"leaderId":1,"leaderEpoch":7,"votedId":1,"votedDirectoryId":"AQIDBAUGBwgJCgsMDQ4P8A","data_version":1}`

func TestStateIsKafkasFile(t *testing.T) {
	s := State{Leader: 1, Epoch: 7, Voted: 1, VotedDirectory: meta.UUID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0xf0}}
	require.Equal(t, written, string(s.Append(nil)))
	got, err := ParseState([]byte(written))
	require.NoError(t, err)
	require.Equal(t, s, got)
	got, err = ParseState([]byte(" { \"data_version\" : 1,\n\"votedDirectoryId\":\"AAAAAAAAAAAAAAAAAAAAAA\", \"votedId\":-1,\"leaderEpoch\":0,\"leaderId\":-1 }\n"))
	require.NoError(t, err)
	require.Equal(t, None(), got)
}

func TestBadStatesAreRefused(t *testing.T) {
	for _, bad := range []string{
		"", "{}", "[]", "null", written[1:], written[:len(written)-1], written + "x",
		`{"clusterId":"x","leaderId":1,"leaderEpoch":1,"votedId":-1,"appliedOffset":0,"currentVoters":[],"data_version":0}`,
		`{"leaderId":1,"leaderEpoch":7,"votedId":1,"votedDirectoryId":"AQIDBAUGBwgJCgsMDQ4P8A","data_version":2}`,
		`{"leaderId":1,"leaderEpoch":7,"votedId":1,"votedDirectoryId":"AQIDBAUGBwgJCgsMDQ4P8A"}`,
		`{"leaderId":1,"leaderId":1,"leaderEpoch":7,"votedId":1,"votedDirectoryId":"AQIDBAUGBwgJCgsMDQ4P8A","data_version":1}`,
		`{"leaderId":-2,"leaderEpoch":7,"votedId":1,"votedDirectoryId":"AQIDBAUGBwgJCgsMDQ4P8A","data_version":1}`,
		`{"leaderId":1,"leaderEpoch":-1,"votedId":1,"votedDirectoryId":"AQIDBAUGBwgJCgsMDQ4P8A","data_version":1}`,
		`{"leaderId":1,"leaderEpoch":07,"votedId":1,"votedDirectoryId":"AQIDBAUGBwgJCgsMDQ4P8A","data_version":1}`,
		`{"leaderId":1,"leaderEpoch":2147483648,"votedId":1,"votedDirectoryId":"AQIDBAUGBwgJCgsMDQ4P8A","data_version":1}`,
		`{"leaderId":1,"leaderEpoch":7,"votedId":1,"votedDirectoryId":"AQIDBAUGBwgJCgsMDQ4P8B","data_version":1}`,
		`{"leaderId":1,"leaderEpoch":7,"votedId":1,"votedDirectoryId":"AQIDBAUGBwgJCgsMDQ4P+A","data_version":1}`,
		`{"leaderId":1,"leaderEpoch":7,"votedId":1,"votedDirectoryId":AQIDBAUGBwgJCgsMDQ4P8A,"data_version":1}`,
		`{"leaderId":1,"leaderEpoch":7,"votedId","votedDirectoryId":"AQIDBAUGBwgJCgsMDQ4P8A","data_version":1}`,
		`{"leaderId":1,"leaderEpoch":7,"votedId":1,"votedDirectoryId":"AQIDBAUGBwgJCgsMDQ4P8A","data_version":1,}`,
		string(make([]byte, 5000)),
	} {
		s, err := ParseState([]byte(bad))
		require.Error(t, err, bad)
		require.Equal(t, None(), s)
	}
	for i := range len(written) {
		_, err := ParseState([]byte(written[:i]))
		require.Error(t, err, "cut at %d", i)
	}
}

func TestStatesSurviveTheRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := State{Leader: rapid.Int32Min(-1).Draw(t, "leader"), Epoch: rapid.Int32Min(0).Draw(t, "epoch"), Voted: rapid.Int32Min(-1).Draw(t, "voted")}
		copy(s.VotedDirectory[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "directory"))
		require.Equal(t, base64.RawURLEncoding.EncodeToString(s.VotedDirectory[:]), s.VotedDirectory.String())
		got, err := ParseState(s.Append(nil))
		require.NoError(t, err)
		require.Equal(t, s, got)
	})
}

func TestOneVoterLeadsInANewEpochAtEveryStart(t *testing.T) {
	disk, end, last := None(), int64(0), int32(0)
	for range 5 {
		q := New(voter(1), []Voter{voter(1)}, disk)
		require.Equal(t, Unattached, q.Role())
		require.True(t, q.Alone())
		disk = q.Stand()
		require.Equal(t, State{Leader: NoOne, Epoch: last + 1, Voted: 1, VotedDirectory: voter(1).DirectoryID}, disk)
		require.Equal(t, Candidate, q.Role())
		require.Equal(t, int64(-1), q.HighWatermark([]int64{end}), "a candidate commits nothing")
		require.True(t, q.Persisted(end))
		require.Equal(t, Leader, q.Role())
		require.Equal(t, int32(1), q.State().Leader)
		require.Equal(t, end, q.EpochStart())
		m := q.LeaderChange()
		require.Equal(t, int32(1), m.LeaderID)
		require.Len(t, m.Voters, 1)
		require.Len(t, m.GrantingVoters, 1)
		require.Equal(t, int64(-1), q.HighWatermark([]int64{end}), "nothing of its own epoch is durable yet")
		require.Equal(t, end+1, q.HighWatermark([]int64{end + 1}))
		require.Equal(t, end+1, q.HighWatermark([]int64{end}), "never back")
		last, end = q.Epoch(), end+3
	}
	require.Equal(t, "leader", Leader.String())
}

func TestOneVoteOfThreeIsNoMajority(t *testing.T) {
	q := New(voter(1), []Voter{voter(1), voter(2), voter(3)}, None())
	require.False(t, q.Alone())
	q.Stand()
	require.False(t, q.Persisted(0))
	require.Equal(t, Candidate, q.Role())
	require.Equal(t, int32(2), q.Stand().Epoch, "it stands again in the next epoch")
}

func TestBrokenUseIsStopped(t *testing.T) {
	for law, f := range map[string]func(){
		"Q1, another disk under the same id": func() { New(Voter{ID: 1}, []Voter{voter(1)}, None()) },
		"Q2":                                 func() { q := New(voter(1), []Voter{voter(1)}, None()); q.Stand(); q.Persisted(0); q.Stand() },
		"Q3":                                 func() { q := New(voter(1), []Voter{voter(1)}, State{Epoch: 1<<31 - 1}); q.Stand() },
		"Q4":                                 func() { q := New(voter(1), []Voter{voter(1)}, None()); q.Persisted(0) },
		"Q5":                                 func() { q := New(voter(1), []Voter{voter(1)}, None()); q.LeaderChange() },
		"Q6":                                 func() { q := New(voter(1), []Voter{voter(1)}, None()); q.HighWatermark(nil) },
	} {
		require.Panics(t, f, law)
	}
}

// The twin counts: the greatest of the ends that more than half of them have reached.
func TestMajorityOffsetIsWhatMoreThanHalfHave(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ends := rapid.SliceOfN(rapid.Int64Range(0, 9), 1, 5).Draw(t, "ends")
		want := int64(-1)
		for _, offset := range ends {
			have := 0
			for _, end := range ends {
				if end >= offset {
					have++
				}
			}
			if 2*have > len(ends) {
				want = max(want, offset)
			}
		}
		before := append([]int64(nil), ends...)
		require.Equal(t, want, MajorityOffset(ends))
		require.Equal(t, before, ends, "its input stays as it was")
	})
}

// A leader of one to five voters (made by hand: no votes travel yet) against the twin of its high watermark.
func TestHighWatermarkIsCommittedAndNeverGoesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 5).Draw(t, "voters")
		var voters []Voter
		for id := range n {
			voters = append(voters, voter(int32(id)))
		}
		q := New(voters[0], voters, None())
		q.Stand()
		q.role, q.epochStart = Leader, rapid.Int64Range(0, 5).Draw(t, "start")
		want := int64(-1)
		for range rapid.IntRange(1, 10).Draw(t, "moves") {
			ends := rapid.SliceOfN(rapid.Int64Range(0, 9), n, n).Draw(t, "ends")
			for offset := q.epochStart + 1; offset <= 9; offset++ {
				have := 0
				for _, end := range ends {
					if end >= offset {
						have++
					}
				}
				if have > n/2 {
					want = max(want, offset)
				}
			}
			require.Equal(t, want, q.HighWatermark(ends))
		}
	})
}
