package outside

import (
	"bytes"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestTelemetryIsAnnouncedWhereItIsReceived: Kafka announces it where a plugin receives it.
func TestTelemetryIsAnnouncedWhereItIsReceived(t *testing.T) {
	for set, want := range map[string]int{"false": 0, "true": 2} {
		c, announced := Dial(t, start(t, "--set", "client.telemetry.enable="+set)), 0
		for _, row := range c.Ask(t, kmsg.NewPtrApiVersionsRequest(), 0).(*kmsg.ApiVersionsResponse).ApiKeys {
			if row.ApiKey == 71 || row.ApiKey == 72 {
				announced++
			}
		}
		require.Equal(t, want, announced, set)
	}
}

// TestTelemetryIsPushed walks both APIs: what a client is asked for is what was configured, and its push is taken or refused.
func TestTelemetryIsPushed(t *testing.T) {
	c := Dial(t, start(t, "--set", "client.telemetry.enable=true", "--set", "telemetry.max.bytes=1000"))
	subscribe := func(interval string) {
		r := kmsg.NewPtrIncrementalAlterConfigsRequest()
		r.Resources = append(r.Resources, kmsg.IncrementalAlterConfigsRequestResource{ResourceType: 16, ResourceName: "all", Configs: []kmsg.IncrementalAlterConfigsRequestResourceConfig{
			{Name: "metrics", Value: kmsg.StringPtr("*")}, {Name: "interval.ms", Value: &interval}}})
		require.Zero(t, c.Ask(t, r, 1).(*kmsg.IncrementalAlterConfigsResponse).Resources[0].ErrorCode)
	}
	ask := func(id [16]byte) *kmsg.GetTelemetrySubscriptionsResponse {
		r := kmsg.NewPtrGetTelemetrySubscriptionsRequest()
		r.ClientInstanceID = id
		return c.Ask(t, r, 0).(*kmsg.GetTelemetrySubscriptionsResponse)
	}
	subscribe("100")
	got := ask([16]byte{})
	require.Zero(t, got.ErrorCode)
	require.NotZero(t, got.ClientInstanceID)
	require.Equal(t, []any{[]string{"*"}, []int8{4, 3, 1, 2}, int32(100), int32(1000), true},
		[]any{got.RequestedMetrics, got.AcceptedCompressionTypes, got.PushIntervalMillis, got.TelemetryMaxBytes, got.DeltaTemporality})

	encoder, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	whole := encoder.EncodeAll(bytes.Repeat([]byte("metric"), 1000), nil)
	push := func(subscription int32, codec int8, metrics []byte) int16 {
		subscribe("101") // a changed subscription makes the client anew: nothing is too early
		subscribe("100")
		r := kmsg.NewPtrPushTelemetryRequest()
		r.ClientInstanceID, r.SubscriptionID, r.CompressionType, r.Metrics = got.ClientInstanceID, subscription, codec, metrics
		return c.Ask(t, r, 0).(*kmsg.PushTelemetryResponse).ErrorCode
	}
	require.EqualValues(t, 0, push(got.SubscriptionID, 4, whole))
	require.EqualValues(t, 0, push(got.SubscriptionID, 0, []byte("as it is")))
	require.EqualValues(t, 0, push(got.SubscriptionID, 0, nil))
	require.EqualValues(t, 117, push(got.SubscriptionID+1, 9, whole), "UNKNOWN_SUBSCRIPTION_ID")
	require.EqualValues(t, 76, push(got.SubscriptionID, 9, whole), "UNSUPPORTED_COMPRESSION_TYPE")
	require.EqualValues(t, 118, push(got.SubscriptionID, 0, make([]byte, 1001)), "TELEMETRY_TOO_LARGE")
	for codec := int8(1); codec <= 4; codec++ {
		require.EqualValues(t, 87, push(got.SubscriptionID, codec, []byte("not of this codec")), "INVALID_RECORD of codec %d", codec)
	}
	got.ClientInstanceID = [16]byte{}
	require.EqualValues(t, 42, push(got.SubscriptionID, 0, nil), "INVALID_REQUEST")

	subscribe("3600000")
	one := ask([16]byte{1})
	require.Zero(t, one.ErrorCode)
	require.Equal(t, int32(300000), one.PushIntervalMillis, "five minutes where no subscription asks for less")
	require.EqualValues(t, 89, ask([16]byte{1}).ErrorCode, "THROTTLING_QUOTA_EXCEEDED")
}
