package batch

// Intact says whether a whole batch's checksum is right. Callers have checked that Size bytes are there.
func (v View) Intact() bool { return v.CRC() == checksum(v[:v.Size()]) }
