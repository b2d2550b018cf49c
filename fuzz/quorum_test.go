package fuzz

import (
	"testing"

	"rookery/core/quorum"
)

// FuzzQuorumState: whatever the file holds, ParseState returns; what it accepts is written and read back the same.
func FuzzQuorumState(f *testing.F) {
	f.Add([]byte(`{"leaderId":1,"leaderEpoch":7,"votedId":1,"votedDirectoryId":"AQIDBAUGBwgJCgsMDQ4P8A","data_version":1}`))
	f.Add([]byte(`{"clusterId":"","leaderId":1,"leaderEpoch":1,"votedId":-1,"appliedOffset":0,"currentVoters":[{"voterId":1}],"data_version":0}`))
	f.Add([]byte(`{,}`))
	for _, file := range kafkaFiles(f, "quorum-state") {
		f.Add(file)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := quorum.ParseState(b)
		if err != nil {
			return
		}
		again, err := quorum.ParseState(s.Append(nil))
		if err != nil || again != s {
			t.Fatalf("%v became %v: %v", s, again, err)
		}
	})
}
