package workload

import (
	"slices"

	"rookery/core/seam"
	"rookery/core/wire"
	"rookery/sim/check"
	"rookery/sim/world"
)

// question is what an error answers, as far as it decides whether there may be one.
type question struct {
	key      int16  // of the API
	topic    string // empty: it names none
	sent     seam.Mono
	patience seam.Mono // of a Produce
}

// accepted are the errors that an API may answer with here, where every client asks for what there is, or was a moment
// ago. Everything else is a fault of the broker, however well a client could live with it.
var accepted = map[int16][]int16{
	wire.KeyProduce:                 {unknownTopic, notLeader, timedOut, outOfOrderSequence, storageError, unknownTopicID},
	wire.KeyFetch:                   {offsetOutOfRange, corruptMessage, unknownTopic, notLeader, storageError, unknownTopicID, idNotFound, epochWrong, inconsistentID},
	wire.KeyListOffsets:             {unknownTopic, leaderNotAvailable, notLeader, storageError, offsetNotAvailable},
	wire.KeyOffsetForLeaderEpoch:    {unknownTopic, notLeader, storageError, fencedEpochOfLeader, unknownEpochOfLeader},
	wire.KeyMetadata:                {unknownTopic},
	wire.KeyCreateTopics:            {topicExists, storageError},
	wire.KeyDeleteTopics:            {unknownTopic, storageError, unknownTopicID},
	wire.KeyDeleteRecords:           {offsetOutOfRange, unknownTopic, notLeader, storageError},
	wire.KeyInitProducerID:          {storageError},
	wire.KeyCreatePartitions:        {unknownTopic, invalidPartitions, storageError},
	wire.KeyAlterClientQuotas:       {storageError},
	wire.KeyAlterReplicaLogDirs:     {unknownTopic, replicaNotAvailable, storageError},
	wire.KeyDescribeLogDirs:         {storageError},
	wire.KeyDescribeConfigs:         {unknownTopic},
	wire.KeyIncrementalAlterConfigs: {unknownTopic, storageError},
	wire.KeyFindCoordinator:         {coordinatorNotAvailable},
	wire.KeyJoinGroup:               {loadInProgress, notCoordinator, inconsistentProtocol, unknownMember, rebalanceInProgress, memberIDRequired, groupFull, fencedInstance},
	wire.KeySyncGroup:               {loadInProgress, notCoordinator, illegalGeneration, unknownMember, rebalanceInProgress, fencedInstance},
	wire.KeyHeartbeat:               {notCoordinator, illegalGeneration, unknownMember, rebalanceInProgress, fencedInstance},
	wire.KeyLeaveGroup:              {loadInProgress, notCoordinator, unknownMember, fencedInstance},
	wire.KeyOffsetCommit:            {unknownTopic, loadInProgress, notCoordinator, illegalGeneration, unknownMember, rebalanceInProgress, groupNotFound, fencedInstance, staleEpoch},
	wire.KeyOffsetFetch:             {loadInProgress, notCoordinator},
	wire.KeyConsumerGroupHeartbeat:  {loadInProgress, notCoordinator, unknownMember, groupNotFound, fencedInstance, groupFull, fencedEpoch, unreleasedInstance},
	wire.KeyOffsetDelete:            {unknownTopic, loadInProgress, notCoordinator, groupNotFound, nonEmptyGroup, subscribedToTopic},
	wire.KeyDeleteGroups:            {loadInProgress, notCoordinator, groupNotFound, nonEmptyGroup},
}

// What groups are answered with.
const (
	loadInProgress          = 14
	coordinatorNotAvailable = 15
	notCoordinator          = 16
	illegalGeneration       = 22
	inconsistentProtocol    = 23
	unknownMember           = 25
	rebalanceInProgress     = 27
	nonEmptyGroup           = 68
	groupNotFound           = 69
	subscribedToTopic       = 86
	memberIDRequired        = 79
	groupFull               = 81
	fencedInstance          = 82
	fencedEpoch             = 110
	unreleasedInstance      = 111
	staleEpoch              = 113
)

// told counts an answer's code. An error must be one that can be so, and beside it nothing may be told: each number that
// the answer has is -1.
func (r *Run) told(q question, code int16, at seam.Mono, beside ...int64) {
	if r.result.Codes[code]++; code == none {
		return
	}
	r.require(slices.Contains(accepted[q.key], code) && r.mayBe(&q, code, at), check.ErrorsAreDue, "%s of %q, sent at %v, was answered at %v with %v",
		wire.Name(q.key), q.topic, q.sent, at, wire.Code(code))
	r.require(!slices.ContainsFunc(beside, func(n int64) bool { return n != -1 }), check.ErrorsAreDue, "%s of %q was answered with %v, and with %v beside it",
		wire.Name(q.key), q.topic, wire.Code(code), beside)
}

// mayBe says whether an error that is known can have its reason.
func (r *Run) mayBe(q *question, code int16, at seam.Mono) bool {
	since, there := r.there[q.topic]
	passing := !there || q.sent <= since || r.plan.isFleeting(q.topic)
	switch code {
	case unknownTopic:
		return passing
	case unknownTopicID, inconsistentID:
		return r.plan.isFleeting(q.topic)
	case offsetOutOfRange: // of durable topics S3 knows more
		return passing || r.plan.prunes(q.topic) || len(r.facts.Losses) > 0 || r.mayRot()
	case idNotFound: // it made room for another, grew too large, or was of another life
		s := &r.plan.Sessions
		return s.Slots > 0 || s.Bytes > 0 || r.World.Node.Life > 1
	case epochWrong:
		return r.plan.Sessions.Stammer
	case corruptMessage:
		return r.mayRot()
	case leaderNotAvailable, offsetNotAvailable: // what was recovered is not on the disk yet
		return r.World.Node.Life > 1
	case timedOut:
		return at-q.sent >= q.patience
	case storageError:
		return r.diskFailed()
	case groupFull:
		return r.plan.Limits.room(q.key) > 0
	case loadInProgress: // after a start, or a write that failed
		return r.World.Node.Life > 1 || r.diskFailed() || q.key != wire.KeyHeartbeat
	}
	return true // of what the models and H16 know more, and of a partition that is being opened
}

// diskInTheWay says whether a Fetch was told that the disk is in the way. Before version 6 clients do not know the error that
// says so, and are told of another.
func (r *Run) diskInTheWay(version, code int16) bool {
	r.require(code != storageError || version >= 6, check.ErrorsAreDue, "a Fetch of version %d was answered with %v", version, wire.Code(code))
	return code == storageError || code == notLeader && version < 6
}

// diskFailed says whether anything was ever wrong with the disk that a broker could notice.
func (r *Run) diskFailed() bool {
	for _, fault := range []world.Fault{world.WriteFailed, world.WriteCutShort, world.SyncFailed, world.FolderSyncFailed, world.ReadFailed, world.FileOpFailed,
		world.DiskFull, world.AnsweredLate, world.BitRotted, world.DirMissing, world.DirPowerLost} {
		if r.World.Counts[fault] > 0 {
			return true
		}
	}
	return false
}
