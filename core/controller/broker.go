package controller

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/meta"
	"rookery/core/wire"
)

// RegisterBroker registers a broker's process. NextOffset is where the first of the records will be appended: it
// becomes the broker's epoch. SessionLive says whether the process registered under this id still heartbeats.
//
// Every registration but a repeated one (same incarnation) begins a new leader epoch for each partition that the broker
// leads or is to lead: a replica leads only in an epoch granted to this incarnation, so that (epoch, offset) is unique
// however much of its log the last incarnation lost.
func (c *Controller) RegisterBroker(req *kmsg.BrokerRegistrationRequest, nextOffset int64, sessionLive bool) (rs []meta.Record, epoch int64, code wire.Code) {
	if req.ClusterID != c.config.ClusterID {
		return nil, -1, wire.InconsistentClusterID
	}
	before := c.image.Broker(req.BrokerID)
	again := before != nil && before.IncarnationID == req.IncarnationID
	if before != nil && !again && sessionLive {
		return nil, -1, wire.DuplicateBrokerRegistration
	}
	if !c.registrable(req) {
		return nil, -1, wire.InvalidRegistration
	}
	if !c.runsHere(req) {
		return nil, -1, wire.UnsupportedVersion
	}
	r := registration(req, nextOffset)
	if again { // amended: the epoch and the leaderships stay
		r.BrokerEpoch, r.Fenced, r.InControlledShutdown = before.Epoch, before.Fenced, before.InControlledShutdown
		return []meta.Record{r}, r.BrokerEpoch, wire.None
	}
	return append([]meta.Record{r}, c.newLeaderEpochs(r)...), r.BrokerEpoch, wire.None
}

func registration(req *kmsg.BrokerRegistrationRequest, epoch int64) *meta.RegisterBrokerRecord {
	r := &meta.RegisterBrokerRecord{
		BrokerID: req.BrokerID, IncarnationID: req.IncarnationID, BrokerEpoch: epoch, Rack: req.Rack, Fenced: true,
	}
	for _, l := range req.Listeners {
		r.EndPoints = append(r.EndPoints, meta.EndPoint{Name: l.Name, Host: l.Host, Port: l.Port, SecurityProtocol: l.SecurityProtocol})
	}
	for _, f := range req.Features {
		r.Features = append(r.Features, meta.SupportedFeature{Name: f.Name, Min: f.MinSupportedVersion, Max: f.MaxSupportedVersion})
	}
	for _, dir := range req.LogDirs {
		r.LogDirs = append(r.LogDirs, dir)
	}
	return r
}

// registrable: at least one log directory, each with an id of its own that no other broker has (KIP-858), and a
// metadata.version among the features.
func (c *Controller) registrable(req *kmsg.BrokerRegistrationRequest) bool {
	for i, dir := range req.LogDirs {
		if IsReserved(dir) || slices.Contains(req.LogDirs[:i], dir) || c.ownedByAnother(req.BrokerID, dir) {
			return false
		}
	}
	named := func(f kmsg.BrokerRegistrationRequestFeature) bool { return f.Name == MetadataVersion }
	return len(req.LogDirs) > 0 && slices.ContainsFunc(req.Features, named)
}

// IsReserved holds for the first hundred UUIDs, which mean something else than a directory's id (KIP-858, and Uuid.RESERVED of
// Kafka).
func IsReserved(id meta.UUID) bool {
	return id[15] < 100 && meta.UUID(id) == meta.UUID{15: id[15]}
}

func (c *Controller) ownedByAnother(broker int32, dir meta.UUID) bool {
	for id, b := range c.image.Brokers() {
		if id != broker && slices.Contains(b.LogDirs, dir) {
			return true
		}
	}
	return false
}

// runsHere: the broker can run at every level that is finalized.
func (c *Controller) runsHere(req *kmsg.BrokerRegistrationRequest) bool {
	for name, level := range c.image.Features() {
		i := slices.IndexFunc(req.Features, func(f kmsg.BrokerRegistrationRequestFeature) bool { return f.Name == name })
		if i < 0 || level < req.Features[i].MinSupportedVersion || level > req.Features[i].MaxSupportedVersion {
			return false
		}
	}
	return true
}

// newLeaderEpochs: what lies in a directory that the broker comes without has no leader.
func (c *Controller) newLeaderEpochs(by *meta.RegisterBrokerRecord) []meta.Record {
	var rs []meta.Record
	broker := by.BrokerID
	for _, t := range c.image.Topics() {
		for i := range t.Partitions {
			p := &t.Partitions[i]
			if p.Leader != broker && !(p.Leader == meta.NoLeader && slices.Contains(p.ISR, broker)) {
				continue
			}
			change := meta.NewPartitionChange(t.ID, p.ID)
			if change.Leader = broker; !meta.Online(by.LogDirs, p.Directory(broker)) {
				change.Leader = meta.NoLeader
			}
			if change.Leader != p.Leader || p.Leader == broker {
				rs = append(rs, change)
			}
		}
	}
	return rs
}

// BrokerHeartbeat judges a broker's sign of life. A fenced broker that has folded its own registration and wants to
// serve is unfenced.
func (c *Controller) BrokerHeartbeat(req *kmsg.BrokerHeartbeatRequest) (rs []meta.Record, fenced bool, code wire.Code) {
	if code := c.present(req.BrokerID, req.BrokerEpoch); code.Failed() {
		return nil, true, code
	}
	b := c.image.Broker(req.BrokerID)
	if !b.Fenced || req.WantFence || req.CurrentMetadataOffset < b.Epoch {
		return nil, b.Fenced, wire.None
	}
	return []meta.Record{&meta.BrokerRegistrationChangeRecord{
		BrokerID: b.ID, BrokerEpoch: b.Epoch, Fenced: meta.NowUnfenced,
	}}, false, wire.None
}
