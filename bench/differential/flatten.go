package main

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	stored "rookery/core/batch"
	"rookery/core/wire"
	"rookery/specs/outside"
)

// casePrefix is what names begin with that a case has made: its side, its worker, its number.
var casePrefix = regexp.MustCompile(`^(mark-)?[ab][0-9]{2}`)

// internal are topics that Kafka makes for itself when it is first asked for a coordinator.
var internal = regexp.MustCompile(`^__`)

// flatten turns an answer into fields by path. What two brokers cannot have in common is left out or given a symbol:
// how long a client is to wait, hosts and ports, ids of clusters and topics, producer ids, texts of errors.
func (s *side) flatten(answer kmsg.Response) []field {
	f := flattener{side: s}
	if r, ok := answer.(*kmsg.GetTelemetrySubscriptionsResponse); ok && r.ErrorCode == 0 {
		r.SubscriptionID ^= javaHash(r.ClientInstanceID) // which Kafka mixes in
	}
	if r, ok := answer.(*kmsg.FetchResponse); ok && r.SessionID != 0 {
		r.Topics = gathered(r.Topics)
	}
	f.walk("", reflect.ValueOf(answer).Elem())
	return f.fields
}

// gathered are topics once each. A session's partitions come in an order that changes with what there was of them, Kafka's
// unknown ones last, so that a topic stands in one piece or in several.
func gathered(topics []kmsg.FetchResponseTopic) (once []kmsg.FetchResponseTopic) {
	for _, t := range topics {
		at := slices.IndexFunc(once, func(o kmsg.FetchResponseTopic) bool { return o.Topic == t.Topic && o.TopicID == t.TopicID })
		if at < 0 {
			once = append(once, t)
		} else {
			once[at].Partitions = append(once[at].Partitions, t.Partitions...)
		}
	}
	return once
}

type flattener struct {
	side   *side
	fields []field
}

func (f *flattener) note(path, value string) { f.fields = append(f.fields, field{path, value}) }

func (f *flattener) walk(path string, v reflect.Value) {
	switch name := path[strings.LastIndexByte(path, '.')+1:]; name {
	case "Version", "ThrottleMillis", "FinalizedFeaturesEpoch":
		return
	case "Documentation", "ClusterID":
		f.note(path, present(v))
		return
	case "TotalBytes", "UsableBytes":
		f.note(path, map[bool]string{true: "known", false: "unknown"}[v.Int() >= 0])
		return
	case "Host", "Port", "Dir":
		f.note(path, name)
		return
	}
	switch value := v.Interface().(type) {
	case kmsg.Tags:
		value.Each(func(key uint32, text []byte) { f.note(fmt.Sprintf("%s[%d]", path, key), hex.EncodeToString(text)) })
	case [16]byte:
		f.note(path, f.id(value))
	case []byte:
		switch {
		case strings.HasSuffix(path, ".RecordBatches"):
			f.bytes(path, value)
		case strings.HasSuffix(path, ".MemberAssignment"):
			f.note(path, f.assignment(value))
		default:
			f.note(path, fmt.Sprintf("%q", strings.ReplaceAll(string(value), f.side.prefix, "")))
		}
	default:
		f.kind(path, v)
	}
}

func (f *flattener) kind(path string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			switch name := v.Type().Field(i).Name; {
			case name == "ErrorMessage":
				f.note(path+"."+name, explained(v))
			case v.Type().Field(i).IsExported():
				f.walk(path+"."+name, v.Field(i))
			}
		}
	case reflect.Pointer:
		if v.IsNil() {
			f.note(path, "null")
			return
		}
		f.walk(path, v.Elem())
	case reflect.Slice:
		f.slice(path, v)
	case reflect.String:
		f.note(path, f.text(v.String()))
	case reflect.Int32:
		if strings.HasSuffix(path, ".SessionID") && v.Int() != 0 {
			f.note(path, fmt.Sprint("session ", f.side.sessions.of(int32(v.Int()))))
			return
		}
		f.note(path, fmt.Sprint(v.Interface()))
	case reflect.Int64:
		f.note(path, f.number(path, v.Int()))
	default:
		f.note(path, fmt.Sprint(v.Interface()))
	}
}

// slice walks the elements that belong to this case, in one order where Kafka's has no meaning.
func (f *flattener) slice(path string, v reflect.Value) {
	if v.IsNil() {
		f.note(path+".#", "null")
		return
	}
	if strings.HasSuffix(path, ".SubscribedTopics") { // those of a hash set
		slices.Sort(v.Interface().([]string))
	}
	var elements []reflect.Value
	for i := range v.Len() {
		if f.shown(v.Index(i)) {
			elements = append(elements, v.Index(i))
		}
	}
	if len(elements) == 0 && v.Len() > 0 {
		f.note(path+".#", "null") // as kmsg reads an array in which there is nothing: that of others is nothing here
		return
	}
	if unordered[v.Type().Elem().Name()] {
		slices.SortStableFunc(elements, func(a, b reflect.Value) int { return strings.Compare(f.sortKey(a), f.sortKey(b)) })
	}
	f.note(path+".#", fmt.Sprint(len(elements)))
	before, times := "", 0
	for i, element := range elements {
		key := fmt.Sprint(i)
		if unordered[v.Type().Elem().Name()] {
			key = strings.ReplaceAll(f.sortKey(element), f.side.prefix, "")
		}
		if times++; key != before {
			before, times = key, 0
		}
		if times > 0 {
			key = fmt.Sprintf("%s again %d", key, times)
		}
		f.walk(fmt.Sprintf("%s[%s]", path, key), element)
	}
}

// unordered are the arrays whose order is that of a hash table in Kafka.
var unordered = map[string]bool{
	"CreateTopicsResponseTopic": true, "CreateTopicsResponseTopicConfig": true, "DeleteTopicsResponseTopic": true,
	"CreatePartitionsResponseTopic":         true,
	"DescribeConfigsResponseResourceConfig": true, "AlterConfigsResponseResource": true,
	"IncrementalAlterConfigsResponseResource": true, "MetadataResponseTopic": true, "MetadataResponseTopicPartition": true,
	"ListConfigResourcesResponseConfigResource": true, "DescribeLogDirsResponseDirTopic": true,
	"DescribeLogDirsResponseDirTopicPartition": true, "ApiVersionsResponseApiKey": true,
	"ApiVersionsResponseSupportedFeature": true, "ApiVersionsResponseFinalizedFeature": true,
	"DeleteRecordsResponseTopic": true, "DeleteRecordsResponseTopicPartition": true,
	"ProduceResponseTopic": true, "ProduceResponseTopicPartition": true,
	"ListOffsetsResponseTopic": true, "ListOffsetsResponseTopicPartition": true,
	"OffsetForLeaderEpochResponseTopic": true, "OffsetForLeaderEpochResponseTopicPartition": true,
	"DescribeProducersResponseTopicPartitionActiveProducer": true,
	"JoinGroupResponseMember":                               true, "DescribeGroupsResponseGroupMember": true,
	"DescribeGroupsResponseGroup": true, "ListGroupsResponseGroup": true, "DeleteGroupsResponseGroup": true, "OffsetFetchResponseTopic": true,
	"OffsetFetchResponseTopicPartition": true, "OffsetFetchResponseGroupTopic": true, "OffsetFetchResponseGroupTopicPartition": true,
	"DescribeClientQuotasResponseEntryValue": true, "OffsetDeleteResponseTopic": true, "OffsetDeleteResponseTopicPartition": true,
	"DescribeUserSCRAMCredentialsResponseResult": true, "FetchResponseTopic": true, "FetchResponseTopicPartition": true,
	"ConsumerGroupHeartbeatResponseAssignmentTopic": true, "AssignmentTopicPartition": true,
	"ConsumerGroupDescribeResponseGroup": true, "ConsumerGroupDescribeResponseGroupMember": true,
}

func (f *flattener) sortKey(v reflect.Value) string {
	var key []string
	if id := v.FieldByName("TopicID"); id.IsValid() {
		key = append(key, f.id(id.Interface().([16]byte)))
	}
	if id := v.FieldByName("ProducerID"); id.IsValid() {
		key = append(key, f.producer(id.Int()))
	}
	for _, name := range []string{"Topic", "Name", "ResourceType", "ResourceName", "Type", "User", "Partition", "ApiKey", "LastSequence",
		"Group", "Key", "InstanceID", "ProtocolMetadata", "MemberAssignment"} {
		switch field := v.FieldByName(name); {
		case !field.IsValid() || field.Kind() == reflect.Pointer && field.IsNil():
		case field.CanInt():
			key = append(key, fmt.Sprintf("%d", field.Int()))
		case field.Kind() == reflect.Slice:
			key = append(key, fmt.Sprintf("%q", field.Bytes()))
		default:
			key = append(key, fmt.Sprint(reflect.Indirect(field).Interface()))
		}
	}
	if id := v.FieldByName("MemberID"); id.IsValid() && id.Kind() == reflect.String &&
		(f.side.members[id.String()] > 0 || strings.HasPrefix(id.String(), f.side.prefix)) {
		key = append(key, f.text(id.String()))
	}
	return strings.Join(key, " ")
}

// shown says whether an element is this case's business, and something that we serve.
func (f *flattener) shown(v reflect.Value) bool {
	if v.Kind() != reflect.Struct {
		return true
	}
	if api, ok := v.Interface().(kmsg.ApiVersionsResponseApiKey); ok {
		_, _, served := wire.Range(api.ApiKey)
		return served
	}
	if group, ok := v.Interface().(kmsg.ListGroupsResponseGroup); ok {
		return strings.HasPrefix(group.Group, f.side.prefix)
	}
	for _, name := range []string{"Topic", "Name"} {
		if field := v.FieldByName(name); field.IsValid() && (field.Kind() != reflect.Pointer || !field.IsNil()) {
			text := reflect.Indirect(field).String()
			return f.side.mine(text) && !(internal.MatchString(text) && v.Type().Name() != "ProduceResponseTopic")
		}
	}
	return true
}

// given is how a broker names a member of a group: at least one of its parts is drawn. A member of the consumer protocol's
// first version is given nothing else, in base64 (whose 22 digits no name has that a case makes).
var given = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$|^[A-Za-z0-9_-]{22}$`)

func (f *flattener) text(text string) string {
	if given.MatchString(text) && !strings.HasPrefix(text, f.side.prefix) {
		return fmt.Sprintf("member %d", f.side.members.of(text))
	}
	return fmt.Sprintf("%q", strings.ReplaceAll(text, f.side.prefix, ""))
}

func (f *flattener) id(id [16]byte) string {
	if id == ([16]byte{}) {
		return "none"
	}
	for name, known := range f.side.topics {
		if known == id {
			return "id of " + name
		}
	}
	if id == nobody(string(id[1:2])) {
		return fmt.Sprintf("id of no %c", id[1])
	}
	return fmt.Sprintf("id %d", f.side.ids.of(id))
}

func (f *flattener) number(path string, n int64) string {
	switch {
	case strings.HasSuffix(path, ".ProducerID"):
		return f.producer(n)
	case strings.HasSuffix(path, "Time") || strings.HasSuffix(path, ".Timestamp"):
		return f.time(n)
	}
	return fmt.Sprint(n)
}

// time is "now" where a broker is to have looked at its clock.
func (f *flattener) time(at int64) string {
	if now := time.Now().UnixMilli(); f.side.stamped && began+59_000 < at && at < now+1000 {
		return "now"
	}
	return fmt.Sprint(at)
}

// javaHash is what an id is in a hash table of Java's.
func javaHash(id [16]byte) int32 {
	mixed := binary.BigEndian.Uint64(id[:]) ^ binary.BigEndian.Uint64(id[8:])
	return int32(mixed>>32) ^ int32(mixed)
}

// assignment is what a classic member is given, with its topics in order: a coordinator that writes it has them in a hash map.
func (f *flattener) assignment(b []byte) string {
	a := kmsg.NewConsumerMemberAssignment()
	if err := a.ReadFrom(b); err == nil && bytes.Equal(a.AppendTo(nil), b) {
		slices.SortFunc(a.Topics, func(x, y kmsg.ConsumerMemberAssignmentTopic) int { return strings.Compare(x.Topic, y.Topic) })
		b = a.AppendTo(nil)
	}
	return fmt.Sprintf("%q", strings.ReplaceAll(string(b), f.side.prefix, ""))
}

// producer is the symbol of a producer id that a broker gave; those that a case made up are small.
func (f *flattener) producer(id int64) string {
	if id < 0 || id >= firstInvented && id < firstInvented+1000 {
		return fmt.Sprint(id)
	}
	return fmt.Sprintf("producer %d", f.side.producers.of(id))
}

// firstInvented is the first of the producer ids that cases make up.
const firstInvented = 1 << 40

// bytes shows record batches field by field, and their records by a sum, as the CRC covers the producer's id.
func (f *flattener) bytes(path string, b []byte) {
	if b == nil {
		f.note(path, "null")
		return
	}
	for i := 0; ; i++ {
		at := fmt.Sprintf("%s[%d]", path, i)
		if len(b) < outside.AtRecords {
			f.note(at, fmt.Sprintf("%d bytes", len(b)))
			return
		}
		n := int(binary.BigEndian.Uint32(b[outside.AtLength:])) + 12
		if n > len(b) {
			f.note(at, fmt.Sprintf("cut: %d of %d bytes", len(b), n))
			return
		}
		f.batch(at, b[:n])
		b = b[n:]
	}
}

func (f *flattener) batch(at string, b []byte) {
	var head kmsg.RecordBatch
	if err := head.ReadFrom(b); err != nil {
		f.note(at, "no batch")
		return
	}
	sum := crc32.Checksum(b[outside.AtAttributes:], crc32.MakeTable(crc32.Castagnoli)) == uint32(head.CRC)
	f.note(at, fmt.Sprintf("offset=%d epoch=%d magic=%d sum=%t attributes=%x delta=%d first=%s max=%s %s/%d/%d count=%d records=%s",
		head.FirstOffset, head.PartitionLeaderEpoch, head.Magic, sum, uint16(head.Attributes), head.LastOffsetDelta,
		f.first(head), f.time(head.MaxTimestamp), f.producer(head.ProducerID), head.ProducerEpoch, head.FirstSequence,
		head.NumRecords, f.records(b, head.Records)))
}

// first is a batch's base timestamp, which a batch that is built anew may choose: its records' times say the same.
func (f *flattener) first(b kmsg.RecordBatch) string {
	if f.side.inflated {
		return "any"
	}
	return f.time(b.FirstTimestamp)
}

func (f *flattener) records(whole, records []byte) string {
	if !f.side.inflated {
		return fmt.Sprintf("%08x", crc32.ChecksumIEEE(records))
	}
	var text strings.Builder
	var record stored.Record
	all := stored.Read(stored.View(whole), stored.Limits{}, &stored.Scratch{})
	for all.Next(&record) {
		fmt.Fprintf(&text, " %d:%q=%q@%s%v", record.OffsetDelta, record.Key, record.Value, f.time(record.Timestamp), record.Headers)
	}
	return text.String()
}

// explained says whether there is a text about an error, and an error.
func explained(v reflect.Value) string {
	text := present(v.FieldByName("ErrorMessage"))
	if code := v.FieldByName("ErrorCode"); text == "text" && code.IsValid() && code.Int() == 0 {
		return "text without an error"
	}
	return text
}

func present(v reflect.Value) string {
	if v.Kind() == reflect.Pointer && v.IsNil() {
		return "null"
	}
	return "text"
}
