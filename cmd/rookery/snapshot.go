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
