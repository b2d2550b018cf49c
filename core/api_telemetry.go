package core

import (
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/conn"
	"rookery/core/meta"
	"rookery/core/seam"
	"rookery/core/telemetry"
	"rookery/core/wire"
)

// software is what a client says of itself in ApiVersions (KIP-511).
type software struct{ name, version string }

const (
	softwareUnknown = "unknown" // Kafka's word for it
	softwareMax     = 128       // bytes that are kept of each
)

func (s software) called() (name, version string) {
	if name, version = s.name, s.version; name == "" {
		name = softwareUnknown
	}
	if version == "" {
		version = softwareUnknown
	}
	return name, version
}

// introduced keeps what the client says it is.
func (c *connection) introduced(r *kmsg.ApiVersionsRequest) {
	c.software = software{}
	if r.Version >= 3 {
		c.software = software{kept(r.ClientSoftwareName), kept(r.ClientSoftwareVersion)}
	}
}

func kept(text string) string { return strings.Clone(text[:min(len(text), softwareMax)]) }

// unannounce takes out of ApiVersions what is answered but, as in Kafka, announced only to be used: telemetry where
// nobody receives any.
func (b *Broker) unannounce(answer *kmsg.ApiVersionsResponse) {
	if b.clients.Receives() {
		return
	}
	rows := answer.ApiKeys[:0]
	for _, row := range answer.ApiKeys {
		if row.ApiKey != wire.KeyGetTelemetry && row.ApiKey != wire.KeyPushTelemetry {
			rows = append(rows, row)
		}
	}
	answer.ApiKeys = rows
}

// subscribeAll takes the subscriptions that the metadata log had when it was read.
func (b *Broker) subscribeAll() {
	for name := range b.image.Configured(meta.ResourceClientMetrics) {
		b.clients.Subscribe(name, b.image.Configs(meta.ResourceClientMetrics, name))
	}
}

func (b *Broker) ringTelemetry(now seam.Now) {
	for b.clients.Next() <= now.Mono && b.turns.take() {
		b.clients.Expire(now)
	}
}

// inInstance finds a client's instance, in turns, and answers with what then does.
func (b *Broker) inInstance(now seam.Now, c *connection, r *conn.Request, id meta.UUID, then func(now seam.Now, i *telemetry.Instance, fx *seam.Effects), fx *seam.Effects) {
	s := &telemetry.Search{ID: id, Conn: c.id}
	if r.ClientID != nil {
		name := string(r.ClientID)
		s.Client.ID = &name
	}
	s.Client.SoftwareName, s.Client.SoftwareVersion = c.software.called()
	s.Client.Address, s.Client.Port = c.address, strings.TrimPrefix(c.remote[strings.LastIndexByte(c.remote, ':')+1:], ":")
	b.inTurns(now, c, func(now seam.Now, fx *seam.Effects) bool {
		i := b.clients.Find(now, s, &b.turns.room)
		if i == nil {
			return false
		}
		if i.Conn == c.id {
			if c.telemetry = i.ID; c.gone {
				b.clients.Left(c.id, i.ID)
			}
		}
		then(now, i, fx)
		return true
	}, fx)
}

// telemetrySubscriptions (71) says which metrics the client is to push, and how often. One without an id is given one.
func (b *Broker) telemetrySubscriptions(now seam.Now, c *connection, slot conn.Slot, r *conn.Request, request *kmsg.GetTelemetrySubscriptionsRequest, fx *seam.Effects) {
	answer := request.ResponseKind().(*kmsg.GetTelemetrySubscriptionsResponse)
	corr, id := r.Correlation, meta.UUID(request.ClientInstanceID)
	if id == (meta.UUID{}) {
		id = b.clients.NewID()
	}
	b.inInstance(now, c, r, id, func(now seam.Now, i *telemetry.Instance, fx *seam.Effects) {
		if code := b.clients.Ask(now, i); code != wire.None {
			answer.ErrorCode = int16(code)
		} else {
			answer.ClientInstanceID, answer.SubscriptionID = i.ID, i.Subscription
			answer.AcceptedCompressionTypes = []int8{4, 3, 1, 2} // zstd first: clients take the first that they know
			answer.PushIntervalMillis, answer.TelemetryMaxBytes, answer.DeltaTemporality = i.IntervalMillis, b.clients.BytesMax(), true
			answer.RequestedMetrics = i.Metrics()
		}
		b.cold(c.id, slot, corr, answer, fx)
	}, fx)
}

// pushTelemetry (72) takes what a client says of itself: it is counted.
func (b *Broker) pushTelemetry(now seam.Now, c *connection, slot conn.Slot, r *conn.Request, request *kmsg.PushTelemetryRequest, fx *seam.Effects) {
	answer := request.ResponseKind().(*kmsg.PushTelemetryResponse)
	corr, id := r.Correlation, meta.UUID(request.ClientInstanceID)
	if telemetry.Reserved(id) {
		answer.ErrorCode = int16(wire.InvalidRequest)
		b.cold(c.id, slot, corr, answer, fx)
		return
	}
	pushed := telemetry.Pushed{
		Subscription: request.SubscriptionID, Terminating: request.Terminating, Codec: request.CompressionType,
		Bytes: len(request.Metrics), Payload: r.Payload,
	}
	b.inInstance(now, c, r, id, func(now seam.Now, i *telemetry.Instance, fx *seam.Effects) {
		code := b.clients.Push(now, i, pushed)
		if answer.ErrorCode = int16(code); code == wire.None {
			fx.Events = append(fx.Events, seam.Event{Kind: seam.TelemetryPushed, Topic: i.Software(), A: int64(pushed.Bytes), Text: i.ID.String()})
		}
		b.cold(c.id, slot, corr, answer, fx)
	}, fx)
}
