package log

// Footprint is how many segments there are and how many bytes of batches they hold.
func (l *Log) Footprint() (segments int, bytes int64) {
	for i := range l.segments {
		bytes += l.segments[i].size
	}
	return len(l.segments), bytes
}
