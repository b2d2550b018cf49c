package fuzz

import (
	"encoding/binary"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/client"
	"rookery/core/seam"
	"rookery/core/wire"
)

// FuzzClientAnswers feeds a Client whatever bytes for answers. Each of its requests takes the next piece of the data,
// a length byte before it; ApiVersions is answered well, or nothing else would ever be asked. The versions are those
// before KIP-482: kmsg runs through as many tags as an answer announces, up to 2^32, so a client trusts its broker there.
func FuzzClientAnswers(f *testing.F) {
	metadata := kmsg.NewPtrMetadataResponse()
	metadata.Version = 8
	broker := kmsg.NewMetadataResponseBroker()
	broker.Host, broker.Port = "a", 1
	topic := kmsg.NewMetadataResponseTopic()
	topic.Topic, topic.TopicID = kmsg.StringPtr("t"), [16]byte{1}
	topic.Partitions = append(topic.Partitions, kmsg.NewMetadataResponseTopicPartition())
	metadata.Brokers, metadata.Topics = append(metadata.Brokers, broker), append(metadata.Topics, topic)
	body := metadata.AppendTo(nil)
	f.Add(append([]byte{byte(len(body))}, body...))
	producer := append([]byte{16}, make([]byte, 16)...)
	both := append(append([]byte{byte(len(body))}, body...), producer...)
	f.Add(both)
	f.Add(append(both, both...))
	f.Fuzz(func(t *testing.T, data []byte) {
		config := client.DefaultConfig(seam.Address{Kind: seam.ToPeer, Host: "a", Port: 1})
		config.Ceilings = []client.Ceiling{{Key: wire.KeyMetadata, Version: 8}, {Key: wire.KeyInitProducerID, Version: 1},
			{Key: wire.KeyProduce, Version: 8}, {Key: wire.KeyFetch, Version: 11}, {Key: wire.KeyListOffsets, Version: 5}}
		c := client.New(config)
		var fx seam.Effects
		now := seam.Now{Mono: seam.Second, Wall: 1}
		var frames []seam.Send
		step := func(in seam.Input) {
			fx.Reset()
			c.Step(now, in, &fx)
			for _, s := range fx.Sends {
				if s.To.Kind == seam.ToPeer {
					frames = append(frames, s)
				}
			}
		}
		for _, body := range []any{
			&client.Produce{Topic: "t", Records: []client.Record{{Value: []byte("x")}, {Value: []byte("y")}}},
			&client.Assign{Topic: "t", Offset: client.Earliest}, &client.Assign{Topic: "t", Partition: 1},
			&client.Assign{Topic: "t", Partition: 2, Offset: client.AtTimestamp, Timestamp: 5}, &client.Poll{Bytes: 1 << 20},
		} {
			step(&seam.Mail{From: seam.Address{Kind: seam.ToOperator}, Body: body})
		}
		for turns := 0; turns < 200 && (len(frames) > 0 || len(data) > 0); turns++ {
			if len(frames) == 0 {
				now.Mono += 50 * seam.Millisecond
				step(&seam.Alarm{})
				continue
			}
			s := frames[0]
			frames = frames[1:]
			step(&seam.Mail{From: s.To, Link: 1, Frame: answerTo(s.Data[4:], &data)})
		}
	})
}

func answerTo(frame []byte, data *[]byte) []byte {
	var h wire.Header
	wire.ReadHeader(frame, &h)
	if h.Key == wire.KeyApiVersions {
		return wire.AppendResponse(nil, h.Correlation, wire.ApiVersions(h.Version))[4:]
	}
	answer := binary.BigEndian.AppendUint32(nil, uint32(h.Correlation))
	if len(*data) > 0 {
		size := min(int((*data)[0]), len(*data)-1)
		answer = append(answer, (*data)[1:1+size]...)
		*data = (*data)[1+size:]
	}
	return answer
}
