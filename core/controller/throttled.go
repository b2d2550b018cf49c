package controller

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/wire"
)

const throttledMessage = "The throttling quota has been exceeded."

func throttled() *refusal { return &refusal{wire.ThrottlingQuotaExceeded, throttledMessage} }

// ThrottledCreateTopics refuses every topic of a request whose client has used up its quota (KIP-599).
func ThrottledCreateTopics(req *kmsg.CreateTopicsRequest, millis int32) *kmsg.CreateTopicsResponse {
	resp := req.ResponseKind().(*kmsg.CreateTopicsResponse)
	resp.ThrottleMillis = millis
	for i := range req.Topics {
		resp.Topics = append(resp.Topics, refused(req.Topics[i].Topic, throttled()))
	}
	return resp
}

// ThrottledDeleteTopics is the same of DeleteTopics.
func ThrottledDeleteTopics(req *kmsg.DeleteTopicsRequest, millis int32) *kmsg.DeleteTopicsResponse {
	resp := req.ResponseKind().(*kmsg.DeleteTopicsResponse)
	resp.ThrottleMillis = millis
	for _, a := range deletions(req) {
		resp.Topics = append(resp.Topics, notDeleted(a, throttled()))
	}
	return resp
}

// ThrottledCreatePartitions is the same of CreatePartitions.
func ThrottledCreatePartitions(req *kmsg.CreatePartitionsRequest, millis int32) *kmsg.CreatePartitionsResponse {
	resp := req.ResponseKind().(*kmsg.CreatePartitionsResponse)
	resp.ThrottleMillis = millis
	for i := range req.Topics {
		a, message := kmsg.NewCreatePartitionsResponseTopic(), throttledMessage
		a.Topic, a.ErrorCode, a.ErrorMessage = req.Topics[i].Topic, int16(wire.ThrottlingQuotaExceeded), &message
		resp.Topics = append(resp.Topics, a)
	}
	return resp
}
