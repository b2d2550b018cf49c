package batch

// Fault is what is wrong with a record set that a client sent. The order is the order in which Kafka 4.2 comes upon
// them, so that the checks which need the configuration find their place between them:
//
//	NoBatch .. SecondBatch         while the request is validated (ProduceRequest.validateRecords). Between OldMagic and
//	                               TrailingCorrupt: zstd needs Produce v7 (76)
//	BaseOffset                     while it is appended; then max.message.bytes against Facts.Size (10)
//	WrongCRC                       then every other fault below it
//	TooLarge                       the last; then the null key on a compacted topic (87) and the range of timestamps (32),
//	                               record by record: see Refusals
type Fault uint8

const (
	// Fine: nothing is wrong.
	Fine Fault = iota
	// BadLength: the length field is below that of any message: 2 CORRUPT_MESSAGE.
	BadLength
	// UnknownMagic: a version that never was, above 2 or negative: 2 CORRUPT_MESSAGE.
	UnknownMagic
	// NoBatch: not one whole batch is there: 87 INVALID_RECORD.
	NoBatch
	// OldMagic: version 0 or 1: 87 INVALID_RECORD.
	OldMagic
	// TrailingCorrupt: what follows the batch looks like a batch with an impossible length or version: 2 CORRUPT_MESSAGE.
	TrailingCorrupt
	// SecondBatch: a second whole batch follows: 87 INVALID_RECORD.
	SecondBatch
	// BaseOffset: a client's batch must begin at offset 0: 87 INVALID_RECORD.
	BaseOffset
	// ShortHeader: the length leaves no room for a header: 2 CORRUPT_MESSAGE.
	ShortHeader
	// WrongCRC: 2 CORRUPT_MESSAGE.
	WrongCRC
	// UnknownCodec: codec 5, 6 or 7: 87 INVALID_RECORD (Kafka: -1).
	UnknownCodec
	// Empty: no records by either count: 87 INVALID_RECORD.
	Empty
	// WrongCount: the last offset delta and the count do not fit: 87 INVALID_RECORD.
	WrongCount
	// ControlBatch: only a broker writes control batches: 87 INVALID_RECORD.
	ControlBatch
	// NegativeSequence: a producer id without a sequence: 87 INVALID_RECORD.
	NegativeSequence
	// Malformed: the records do not decompress, do not decode, or are more or fewer than counted: 87 INVALID_RECORD (Kafka: -1).
	Malformed
	// NotDense: a record's offset delta is not its index: 87 INVALID_RECORD (Kafka accepts such an uncompressed batch).
	NotDense
	// TooLarge: inflated, the records pass the limit: 10 MESSAGE_TOO_LARGE, upon which clients split the batch (Kafka has no limit).
	TooLarge
)

// Codes of the wire that a batch can be refused with.
const (
	codeCorruptMessage  int16 = 2
	codeMessageTooLarge int16 = 10
	codeInvalidTime     int16 = 32
	codeInvalidRecord   int16 = 87
)

// Code is the error that the fault is answered with; 0 for Fine.
func (f Fault) Code() int16 {
	switch f {
	case Fine:
		return 0
	case BadLength, UnknownMagic, TrailingCorrupt, ShortHeader, WrongCRC:
		return codeCorruptMessage
	case TooLarge:
		return codeMessageTooLarge
	default:
		return codeInvalidRecord
	}
}

// WithLogStart says whether the refusal carries the partition's log start offset: faults found while appending do, those
// found before, and a wrong CRC, carry -1 (Kafka 4.2).
func (f Fault) WithLogStart() bool {
	return f == BaseOffset || f > WrongCRC && f != TooLarge
}

// BeforeAppend says whether Kafka finds the fault while it validates the request, before it asks for anything else.
func (f Fault) BeforeAppend() bool { return f != Fine && f <= SecondBatch }

// BeforeSize says whether Kafka finds the fault before it compares the batch's size with max.message.bytes.
func (f Fault) BeforeSize() bool { return f != Fine && f <= BaseOffset }

// BeforeTopic says whether Kafka comes upon the fault while it looks through a request for transactional batches, before
// it asks whether there is such a topic.
func (f Fault) BeforeTopic() bool { return f == BadLength || f == UnknownMagic }

// BeforeCodec says whether Kafka finds the fault before it asks whether the request's version may carry zstd.
func (f Fault) BeforeCodec() bool { return f != Fine && f <= OldMagic }

func (f Fault) String() string {
	switch f {
	case Fine:
		return "fine"
	case BadLength:
		return "impossible batch length"
	case UnknownMagic:
		return "unknown magic"
	case NoBatch:
		return "no whole record batch"
	case OldMagic:
		return "magic 0 or 1"
	case TrailingCorrupt:
		return "corrupt bytes behind the batch"
	case SecondBatch:
		return "more than one batch"
	case BaseOffset:
		return "base offset is not zero"
	case ShortHeader:
		return "batch is shorter than its header"
	case WrongCRC:
		return "wrong CRC"
	case UnknownCodec:
		return "unknown compression codec"
	case Empty:
		return "no records"
	case WrongCount:
		return "record count and last offset delta differ"
	case ControlBatch:
		return "control batch from a client"
	case NegativeSequence:
		return "producer id without a sequence"
	case Malformed:
		return "malformed records"
	case NotDense:
		return "record offset deltas are not dense"
	case TooLarge:
		return "records inflate beyond the limit"
	}
	return "unknown fault"
}
