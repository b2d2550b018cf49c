package controller

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/wire"
)

// Throttle refuses what a request would do whose client has used up its quota of partitions made and deleted (KIP-599), and
// says whether there is any of that. What it could not do anyway is told as ever.
func Throttle(answer kmsg.SetThrottleResponse) (some bool) {
	code := wire.ThrottlingQuotaExceeded
	switch a := answer.(type) {
	case *kmsg.CreateTopicsResponse:
		for i := range a.Topics {
			if t := &a.Topics[i]; t.ErrorCode == 0 {
				*t, some = refused(t.Topic, refuse(code, "")), true
			}
		}
	case *kmsg.DeleteTopicsResponse:
		for i := range a.Topics {
			if t := &a.Topics[i]; t.ErrorCode == 0 {
				t.ErrorCode, some = int16(code), true
			}
		}
	case *kmsg.CreatePartitionsResponse:
		for i := range a.Topics {
			if t := &a.Topics[i]; t.ErrorCode == 0 {
				t.ErrorCode, some = int16(code), true
			}
		}
	}
	return some
}
