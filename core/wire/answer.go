package wire

import "github.com/twmb/franz-go/pkg/kmsg"

// AppendResponse appends the whole frame of a cold answer, its length first.
func AppendResponse(dst []byte, correlation int32, answer Answer) []byte {
	var w writer
	w.begin(dst, answer.Key(), answer.GetVersion(), correlation)
	w.bytes = answer.AppendTo(w.bytes)
	return w.end(0)
}

// ApiVersions is the answer to ApiVersions that announces what is spoken. Features are the caller's to add.
func ApiVersions(version int16) *kmsg.ApiVersionsResponse {
	answer := kmsg.NewPtrApiVersionsResponse()
	answer.Version = version
	for key := range keyEnd {
		oldest, newest, ok := Advertised(key)
		if !ok {
			continue
		}
		row := kmsg.NewApiVersionsResponseApiKey()
		row.ApiKey, row.MinVersion, row.MaxVersion = key, oldest, newest
		answer.ApiKeys = append(answer.ApiKeys, row)
	}
	return answer
}

// AppendApiVersionsRefusal answers an ApiVersions of a version that is not spoken: in the form of version 0, with
// UNSUPPORTED_VERSION and the one row that lets the client ask again (KIP-511).
func AppendApiVersionsRefusal(dst []byte, correlation int32) []byte {
	answer := kmsg.NewPtrApiVersionsResponse()
	answer.ErrorCode = int16(UnsupportedVersion)
	row := kmsg.NewApiVersionsResponseApiKey()
	row.ApiKey = KeyApiVersions
	row.MinVersion, row.MaxVersion, _ = Range(KeyApiVersions)
	answer.ApiKeys = append(answer.ApiKeys, row)
	return AppendResponse(dst, correlation, answer)
}

// AppendRequest appends the whole frame of a request, its length first.
func AppendRequest(dst []byte, correlation int32, clientID string, request Message) []byte {
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID(clientID)).AppendRequest(dst, request, correlation)
}
