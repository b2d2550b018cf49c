package batch

import "encoding/binary"

// ControlType is what a control record says. Its key is {int16 version, int16 type}.
type ControlType int16

const (
	AbortMarker    ControlType = 0
	CommitMarker   ControlType = 1
	LeaderChange   ControlType = 2
	SnapshotHeader ControlType = 3
	SnapshotFooter ControlType = 4
	KRaftVersion   ControlType = 5
	KRaftVoters    ControlType = 6
)

// AppendControlKey appends the key of a control record.
func AppendControlKey(dst []byte, kind ControlType) []byte {
	return append(dst, 0, 0, byte(kind>>8), byte(kind))
}

// ParseControlKey reads the key of a control record of any version.
func ParseControlKey(key []byte) (kind ControlType, ok bool) {
	if len(key) < 4 || int16(binary.BigEndian.Uint16(key)) < 0 {
		return 0, false
	}
	return ControlType(binary.BigEndian.Uint16(key[2:])), true
}

// ParseEndMarker reads the value of a commit or abort marker: {int16 version, int32 coordinatorEpoch}.
func ParseEndMarker(value []byte) (coordinatorEpoch int32, ok bool) {
	if len(value) < 6 || int16(binary.BigEndian.Uint16(value)) < 0 {
		return 0, false
	}
	return int32(binary.BigEndian.Uint32(value[2:])), true
}

// Voter is one member of the quorum as a LeaderChange names it.
type Voter struct {
	ID        int32
	Directory [16]byte // written from version 1 on (KIP-853)
}

// LeaderChangeMessage is what a new leader of the quorum writes first. Version 1 goes with kraft.version 1.
type LeaderChangeMessage struct {
	Version  int16
	LeaderID int32
	Voters   []Voter
	Granting []Voter // those whose votes made it leader
}

// AppendLeaderChange appends the value of a LeaderChange record.
func AppendLeaderChange(dst []byte, m *LeaderChangeMessage) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(m.Version))
	dst = binary.BigEndian.AppendUint32(dst, uint32(m.LeaderID))
	dst = appendVoters(dst, m.Version, m.Voters)
	dst = appendVoters(dst, m.Version, m.Granting)
	return append(dst, 0) // no tagged fields
}

func appendVoters(dst []byte, version int16, voters []Voter) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(voters))+1)
	for _, v := range voters {
		dst = binary.BigEndian.AppendUint32(dst, uint32(v.ID))
		if version >= 1 {
			dst = append(dst, v.Directory[:]...)
		}
		dst = append(dst, 0)
	}
	return dst
}

// BuildLeaderChange makes the control batch that begins a leader's epoch, as KRaft writes it.
func (b *Builder) BuildLeaderChange(timestamp int64, m *LeaderChangeMessage) View {
	return b.BuildControl(Plain(None), timestamp, LeaderChange, AppendLeaderChange(nil, m))
}

// BuildControl makes a control batch of one record.
func (b *Builder) BuildControl(spec Spec, timestamp int64, kind ControlType, value []byte) View {
	spec.Control, spec.Codec = true, None
	b.Begin(spec)
	b.Add(timestamp, AppendControlKey(nil, kind), value, nil)
	return b.Finish()
}

// Control reads the one record of a control batch.
func Control(v View) (kind ControlType, value []byte, ok bool) {
	var record Record
	records := Read(v, Limits{}, nil)
	if !v.IsControl() || !records.Next(&record) {
		return 0, nil, false
	}
	kind, ok = ParseControlKey(record.Key)
	return kind, record.Value, ok
}
