package log

import "rookery/core/seam"

// SearchRequest is the letter that starts a Search.
type SearchRequest struct {
	ID        uint64
	Timestamp int64 // the first record at or after it
	Latest    bool  // instead: the first record with the largest timestamp
	Limit     Mark
}

// Searched is the answer.
type Searched struct {
	ID        uint64
	Found     bool
	Offset    int64
	Timestamp int64
	Epoch     int32
	Fault     seam.Fault
}

// SearchRequest describes what may be read up to limit; the caller adds the question.
func (l *Log) SearchRequest(limit Mark) *SearchRequest { return &SearchRequest{Limit: limit} }
