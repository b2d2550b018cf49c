package main

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
)

// producerRow is one producer in a .snapshot file (ProducerSnapshot.json of Kafka, version 1).
type producerRow struct {
	ProducerID       int64 `json:"producerId"`
	Epoch            int16 `json:"producerEpoch"`
	LastSequence     int32 `json:"lastSequence"`
	LastOffset       int64 `json:"lastOffset"`
	OffsetDelta      int32 `json:"offsetDelta"`
	Timestamp        int64 `json:"timestamp"`
	CoordinatorEpoch int32 `json:"coordinatorEpoch"`
	TxnFirstOffset   int64 `json:"currentTxnFirstOffset"`
}

func (p producerRow) String() string {
	return fmt.Sprintf("producerId: %d producerEpoch: %d lastSequence: %d lastOffset: %d offsetDelta: %d timestamp: %d coordinatorEpoch: %d currentTxnFirstOffset: %d",
		p.ProducerID, p.Epoch, p.LastSequence, p.LastOffset, p.OffsetDelta, p.Timestamp, p.CoordinatorEpoch, p.TxnFirstOffset)
}

// readSnapshot reads what the broker knew of its producers: version, CRC-32C, count, entries of 46 bytes.
func readSnapshot(file string) ([]producerRow, error) {
	const headerSize, entrySize = 10, 46
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	switch {
	case len(b) < headerSize:
		return nil, fmt.Errorf("%s: %d bytes are no snapshot", file, len(b))
	case binary.BigEndian.Uint16(b) != 1:
		return nil, fmt.Errorf("%s: version %d; 1 is the one we read", file, binary.BigEndian.Uint16(b))
	case crc32.Checksum(b[6:], crc32.MakeTable(crc32.Castagnoli)) != binary.BigEndian.Uint32(b[2:]):
		return nil, fmt.Errorf("%s: wrong CRC", file)
	case int64(binary.BigEndian.Uint32(b[6:]))*entrySize != int64(len(b)-headerSize):
		return nil, fmt.Errorf("%s: %d entries do not fill %d bytes", file, binary.BigEndian.Uint32(b[6:]), len(b))
	}
	var rows []producerRow
	for b = b[headerSize:]; len(b) > 0; b = b[entrySize:] {
		rows = append(rows, producerRow{
			int64(binary.BigEndian.Uint64(b)), int16(binary.BigEndian.Uint16(b[8:])), int32(binary.BigEndian.Uint32(b[10:])),
			int64(binary.BigEndian.Uint64(b[14:])), int32(binary.BigEndian.Uint32(b[22:])), int64(binary.BigEndian.Uint64(b[26:])),
			int32(binary.BigEndian.Uint32(b[34:])), int64(binary.BigEndian.Uint64(b[38:])),
		})
	}
	return rows, nil
}

// windowRow is one batch of a producer in a .window file, which is ours: the last five of each, the oldest first.
type windowRow struct {
	ProducerID   int64 `json:"producerId"`
	Epoch        int16 `json:"producerEpoch"`
	LastSequence int32 `json:"lastSequence"`
	OffsetDelta  int32 `json:"offsetDelta"`
	LastOffset   int64 `json:"lastOffset"`
	Timestamp    int64 `json:"timestamp"`
}

func (w windowRow) String() string {
	return fmt.Sprintf("producerId: %d producerEpoch: %d lastSequence: %d offsetDelta: %d lastOffset: %d timestamp: %d",
		w.ProducerID, w.Epoch, w.LastSequence, w.OffsetDelta, w.LastOffset, w.Timestamp)
}

// readWindows reads what the broker remembered for duplicates: a magic, version, CRC-32C, the offset of the snapshot that
// it stands beside, and how many producers.
func readWindows(file string) ([]windowRow, error) {
	const headerSize, producerSize, batchSize = 22, 11, 24
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	switch {
	case len(b) < headerSize || string(b[:4]) != "RKPW":
		return nil, fmt.Errorf("%s: %d bytes that are no window", file, len(b))
	case binary.BigEndian.Uint16(b[4:]) != 1:
		return nil, fmt.Errorf("%s: version %d; 1 is the one we read", file, binary.BigEndian.Uint16(b[4:]))
	case crc32.Checksum(b[10:], crc32.MakeTable(crc32.Castagnoli)) != binary.BigEndian.Uint32(b[6:]):
		return nil, fmt.Errorf("%s: wrong CRC", file)
	}
	rows, left := []windowRow{}, binary.BigEndian.Uint32(b[18:])
	for b = b[headerSize:]; len(b) >= producerSize && left > 0; left-- {
		row := windowRow{ProducerID: int64(binary.BigEndian.Uint64(b)), Epoch: int16(binary.BigEndian.Uint16(b[8:]))}
		batches := int(b[10])
		if b = b[producerSize:]; len(b) < batches*batchSize {
			break
		}
		for range batches {
			row.LastSequence, row.OffsetDelta = int32(binary.BigEndian.Uint32(b)), int32(binary.BigEndian.Uint32(b[4:]))
			row.LastOffset, row.Timestamp = int64(binary.BigEndian.Uint64(b[8:])), int64(binary.BigEndian.Uint64(b[16:]))
			rows = append(rows, row)
			b = b[batchSize:]
		}
	}
	if left > 0 || len(b) > 0 {
		return rows, fmt.Errorf("%s: its producers do not fill it", file)
	}
	return rows, nil
}
