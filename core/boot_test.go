package core

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/meta"
	"rookery/core/seam"
)

// The checkpoint of log starts in a second directory may have been renamed and not synced when the last life died. It is not
// believed before it is there to stay: a start that was shown never goes back.
func TestCheckpointsOfASecondDirectoryAreThereToStay(t *testing.T) {
	config := DefaultConfig()
	config.ClusterID, config.Controller.ClusterID = "test", "test"
	config.DirectoryIDs = []meta.UUID{{0: 1, 15: 7}, {0: 1, 15: 8}}
	b := NewBroker(config)
	var fx seam.Effects
	b.Step(seam.Now{Mono: 1}, &seam.Started{Dirs: []seam.Fault{seam.OK, seam.OK}, Files: []seam.Entry{{Path: seam.Path{Dir: 1, Name: startsFile}, Size: 10}}}, &fx)
	require.Equal(t, phaseLoading, b.phase)
	require.Len(t, fx.Reads, 1)
	require.Len(t, fx.Syncs, 1)
	sync := fx.Syncs[0]
	require.Equal(t, seam.Path{Dir: 1}, sync.Folder)

	open, read := fx.Files[0].Op, fx.Reads[0].Op
	fx.Reset()
	b.Step(seam.Now{Mono: 2}, &seam.Wrote{Op: open, Bytes: 10}, &fx)
	b.Step(seam.Now{Mono: 3}, &seam.Loaded{Op: read, Data: []byte("0\n1\nt 0 5\n")}, &fx)
	b.Step(seam.Now{Mono: 4}, &seam.Wrote{Op: fx.Files[0].Op}, &fx)
	require.Equal(t, phaseLoading, b.phase, "it waits for the Sync")
	require.EqualValues(t, 5, b.dirs[1].startsAt["t"][0])
	b.Step(seam.Now{Mono: 5}, &seam.Synced{Op: sync.Op}, &fx)
	require.Greater(t, b.phase, phaseLoading)
}

// A metadata log with features that this broker has not is refused in words: another broker's, or a later version's.
func TestFeaturesOfAnotherBrokerAreRefused(t *testing.T) {
	for _, level := range []int16{2, 1} {
		w := newWorld(t)
		data := metadataBatch(0, 0, meta.Append(nil, &meta.FeatureLevelRecord{Name: "group.version", FeatureLevel: level}))
		w.put("__cluster_metadata-0/00000000000000000000.log", data)
		if level == 1 {
			require.Empty(t, w.said())
			continue
		}
		require.Equal(t, FeaturesForeign, w.said())
		require.True(t, w.dead())
		require.Equal(t, data, w.root.entries["__cluster_metadata-0"].entries["00000000000000000000.log"].content)
	}
}

// What clients are told of features: that the consumer protocol is on, and a level 0 to none that cannot read it (KAFKA-17492).
// A second start finds all of it written down, and adds nothing.
func TestFeaturesAreTold(t *testing.T) {
	w := newWorld(t)
	for range 2 {
		w.start()
		w.stabilize()
		c := w.dial("")
		for version, want := range map[int16]string{2: "", 3: "metadata.version 7-29;", 4: "group.version 0-1;metadata.version 7-29;"} {
			ask := kmsg.NewPtrApiVersionsRequest()
			ask.Version, ask.ClientSoftwareName, ask.ClientSoftwareVersion = version, "a", "1"
			w.send(c, ask)
			w.stabilize()
			answer, told, final := last(c).(*kmsg.ApiVersionsResponse), "", ""
			for _, f := range answer.SupportedFeatures {
				told += fmt.Sprintf("%s %d-%d;", f.Name, f.MinVersion, f.MaxVersion)
			}
			for _, f := range answer.FinalizedFeatures {
				final += fmt.Sprintf("%s %d-%d;", f.Name, f.MinVersionLevel, f.MaxVersionLevel)
			}
			require.Equal(t, want, told)
			if version > 2 {
				require.Equal(t, "group.version 1-1;metadata.version 29-29;", final)
			}
		}
		require.Empty(t, w.broker.controller.Finalize())
		w.crash(false)
	}
}

// A segment of the metadata log that lies below the recovery point cannot be opened: there is no broker, and that is said.
func TestAMetadataSegmentThatCannotBeOpenedEndsTheStart(t *testing.T) {
	for _, end := range []string{"stop", "crash"} {
		for _, fault := range []string{"io", "late", "missing"} {
			t.Run(end+" "+fault, func(t *testing.T) {
				s, run := scripted(t)
				run("start", "topic t", "rest", "tick 200h", "topic u as=b", "rest", "tick 1h", "rest", end, "rest",
					"hold open metadata/0.log", "start", "fail-file open metadata/0.log fault="+fault, "release", "rest", "tick 24h", "rest")
				require.True(t, s.dead(), "phase %d, and nothing is under way: it waits for ever", s.broker.phase)
			})
		}
	}
}

// A Stop comes while the files of the metadata log are being opened, in turns: nothing of it is read any more, least of all of no file.
func TestAStopWhileTheMetadataLogIsReopened(t *testing.T) {
	s, run := scripted(t)
	run("start", "topic t", "rest", "tick 200h", "topic u as=b", "rest", "tick 1h", "rest", "crash",
		"config items=1", "hold recover metadata", "start")
	letter := s.pick("letter", []string{"recover"})
	s.asked = slices.DeleteFunc(s.asked, func(x *task) bool { return x == letter })
	s.held = ""
	s.fx.Reset()
	s.broker.Step(s.now, letter.run(seam.OK, 0), &s.fx) // opens the first segment
	s.take(&told{fx: &s.fx})
	require.Equal(t, 1, s.broker.turns.later.Len())
	s.fx.Reset()
	s.broker.Step(s.now, &seam.Stop{}, &s.fx)
	for _, r := range s.fx.Reads {
		require.NotZero(t, r.File, "a Read of no file")
	}
	s.take(&told{fx: &s.fx})
	s.step("", &seam.Alarm{})
	run("stabilize")
	require.Equal(t, phaseStopped, s.broker.phase)
}
