package core

import (
	"slices"

	"rookery/core/controller"
	"rookery/core/meta"
	"rookery/core/must"
	"rookery/core/seam"
)

// What committed records say of configurations is put to partitions in turns: of one topic, or of every topic after the
// broker's own configuration was altered. The answer to whoever altered them waits.

// configureItems is what resolving one topic's configuration is reckoned as.
const configureItems = 40

// configureAltered begins with what the records of a proposal alter. A topic that they make has its configuration; of that
// only keys without effect are told of, each once. Quotas are told of together: one request alters thousands.
func (b *Broker) configureAltered(q *proposal, fx *seam.Effects) {
	made, last, brokers := "", "", false
	var idle map[string]bool
	quotas := seam.Event{Kind: seam.QuotasAltered}
	for _, r := range q.records {
		switch r := r.(type) {
		case *meta.TopicRecord:
			made = r.Name
		case *meta.ClientQuotaRecord:
			if quotas.A++; !r.Remove && controller.QuotaHasNoEffect(r.Key) {
				quotas.Text = r.Key
			}
		case *meta.ConfigRecord:
			isMade := r.ResourceType == meta.ResourceTopic && r.ResourceName == made
			if isMade && idle == nil {
				idle = controller.IdleTopicKeys()
			}
			if !isMade || idle[r.Name] {
				fx.Events = append(fx.Events, seam.Event{Kind: seam.ConfigAltered, Topic: r.ResourceName, A: int64(r.ResourceType), Text: r.Name})
			}
			switch {
			case isMade:
				delete(idle, r.Name)
			case r.ResourceType == meta.ResourceBroker:
				brokers = true
			case r.ResourceType == meta.ResourceClientMetrics:
				b.clients.Subscribe(r.ResourceName, b.image.Configs(r.ResourceType, r.ResourceName))
			case r.ResourceType == meta.ResourceTopic && r.ResourceName != last:
				if last = r.ResourceName; b.topics[last] != nil {
					b.configure(q, b.configureTopic(b.topics[last]))
				}
			}
		}
	}
	if quotas.A > 0 {
		fx.Events = append(fx.Events, quotas)
	}
	if brokers {
		b.inherit()
		b.configure(q, b.configureEvery())
	}
}

func (b *Broker) configure(q *proposal, work turn) {
	q.open++
	b.turns.put(func(now seam.Now, fx *seam.Effects) bool {
		if !work(now, fx) {
			return false
		}
		b.settled(q, fx)
		return true
	})
}

// configureTopic takes a topic's configuration out of the Image and hands it to its partitions. One that is not there
// yet is made with it.
func (b *Broker) configureTopic(t *topic) turn {
	next := -1
	return func(now seam.Now, fx *seam.Effects) bool {
		image := b.image.TopicByID(t.id)
		if image == nil || b.topicIDs[t.id] != t {
			return true // deleted meanwhile
		}
		if next < 0 {
			b.resolve(t, image)
			b.turns.room -= configureItems
			next = 0
		}
		for ; next < len(t.partitions); next++ {
			if !b.turns.take() {
				return false
			}
			b.configurePartition(now, t.partitions[next], fx)
		}
		return true
	}
}

// configureEvery goes from name to name, because topics come and go between two turns.
func (b *Broker) configureEvery() turn {
	last := ""
	var one turn
	return func(now seam.Now, fx *seam.Effects) bool {
		for {
			if one != nil && !one(now, fx) {
				return false
			}
			names := b.image.TopicNames()
			i, found := slices.BinarySearch(names, last)
			if found {
				i++
			}
			if i == len(names) {
				return true
			}
			if b.turns.room <= 0 {
				one = nil
				return false
			}
			if one, last = nil, names[i]; b.topics[last] != nil {
				one = b.configureTopic(b.topics[last])
			}
		}
	}
}

func (b *Broker) configurePartition(now seam.Now, p *partition, fx *seam.Effects) {
	if p.replica == nil || p.state != partitionOpen && !p.opening { // one that is about to be open has taken its configuration already
		return
	}
	p.replica.Log.Config = b.logConfig(&p.topic.config)
	p.replica.Configure(p.topic.config.FlushMessages, p.topic.config.FlushMillis)
	if !p.topic.config.Compact { // retention would wait for it
		b.stopCleaning(p, fx)
	}
	if c := &p.topic.config; c.Compact && c.MinCleanableDirtyRatioPPM == 0 { // somebody may want it now, and put the ratio back
		p.cleaned.wished = p.replica.Log.End().Segment // closed segments end there; what of them may not be read yet comes later
		p.cleaned.rests = 0
		b.cleaning.at = min(b.cleaning.at, now.Mono)
	}
	if c := p.coordinator; c != nil && c.groups != nil {
		c.groups.Limit(int(p.topic.config.MaxMessageBytes))
	}
	b.touch(p)
}

// inherit takes what follows from the broker's own configuration, as it stands in the Image.
func (b *Broker) inherit() {
	layers := b.config.Controller.Layers(b.image)
	b.defaults, _ = controller.NewDefaults(&layers) // what it was started with was judged when it was read
	if b.limits.inherit(&layers); b.limits.seated < b.limits.connections {
		b.seat()
	}
	b.moves.rate = 0
	if _, set := layers.Own(moveRateKey); set {
		b.moves.rate = layers.Number(moveRateKey)
	}
	b.producerExpiry = b.config.ProducerExpiry
	if _, set := layers.Own("producer.id.expiration.ms"); set {
		b.producerExpiry = seam.Mono(layers.Number("producer.id.expiration.ms")) * seam.Millisecond
	}
	b.inheritCleaner(&layers)
}

// resolve takes a topic's configuration out of the Image.
func (b *Broker) resolve(t *topic, image *meta.Topic) {
	config, err := controller.Resolve(&b.defaults, &image.Configs)
	must.Be(err == nil, "T1: the controller lets no configuration into the log that cannot be resolved")
	if t.config = config; controller.Internal(t.name) {
		t.config.FlushMessages = 1 // durable always, whatever is altered
	}
}
