package wire_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/wire"
)

// What kmsg says of the same keys: it must be able to speak all that we speak, and call flexible what we call flexible.
func TestTableAgreesWithKmsg(t *testing.T) {
	spoken := 0
	for key := int16(-1); key < 128; key++ {
		oldest, newest, ok := wire.Range(key)
		if !ok {
			require.False(t, wire.Spoken(key, 0))
			require.Equal(t, wire.Named(key), !strings.HasPrefix(wire.Name(key), "API "), wire.Name(key))
			continue
		}
		spoken++
		request := kmsg.RequestForKey(key)
		require.LessOrEqual(t, newest, request.MaxVersion())
		require.True(t, strings.EqualFold(kmsg.NameForKey(key), wire.Name(key)), wire.Name(key)) // kmsg writes ID, ACL and SCRAM
		for version := oldest; version <= newest; version++ {
			request.SetVersion(version)
			require.Equal(t, request.IsFlexible(), wire.Flexible(key, version), "%s v%d", wire.Name(key), version)
		}
		require.False(t, wire.Spoken(key, oldest-1))
		require.False(t, wire.Spoken(key, newest+1))
	}
	require.Equal(t, 41, spoken)
}

// An operator reads of what his clients ask for in vain by Kafka's name, too.
func TestNamesOfWhatIsNotServed(t *testing.T) {
	for key, want := range map[int16]string{
		17: "SaslHandshake", 29: "DescribeAcls", 43: "ElectLeaders", 45: "AlterPartitionReassignments", 46: "ListPartitionReassignments",
		51: "AlterUserScramCredentials", 55: "DescribeQuorum", 67: "AllocateProducerIds", -1: "API -1", 127: "API 127", 32767: "API 32767",
	} {
		require.Equal(t, want, wire.Name(key))
	}
}

func TestProduceIsAnnouncedFromZeroButSpokenFromThree(t *testing.T) {
	oldest, newest, ok := wire.Advertised(wire.KeyProduce)
	require.Equal(t, []any{int16(0), int16(13), true}, []any{oldest, newest, ok})
	require.False(t, wire.Spoken(wire.KeyProduce, 2))
	rows := wire.ApiVersions(4).ApiKeys
	require.Len(t, rows, 41)
	require.Equal(t, kmsg.ApiVersionsResponseApiKey{ApiKey: 0, MinVersion: 0, MaxVersion: 13}, rows[0])
}

func TestCodes(t *testing.T) {
	require.Equal(t, "NONE", wire.None.String())
	require.Equal(t, "UNKNOWN_SERVER_ERROR", wire.UnknownServerError.String())
	require.Equal(t, "NOT_LEADER_OR_FOLLOWER", wire.Code(6).String())
	require.Equal(t, "KAFKA_STORAGE_ERROR", wire.Code(56).String())
	require.Equal(t, "REBOOTSTRAP_REQUIRED", wire.Code(129).String())
	require.Equal(t, "999", wire.Code(999).String())
	require.False(t, wire.None.Failed())
	require.True(t, wire.InvalidRecord.Failed())
}

func TestFlawsHaveWords(t *testing.T) {
	seen := map[string]bool{}
	for flaw := wire.NoFlaw; flaw <= wire.LongString+1; flaw++ {
		require.False(t, seen[flaw.String()])
		seen[flaw.String()] = true
	}
}
