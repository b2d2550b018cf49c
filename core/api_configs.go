package core

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/conn"
	"rookery/core/controller"
	"rookery/core/meta"
	"rookery/core/seam"
	"rookery/core/wire"
)

// describedConfigsMax is how many configurations one answer describes: those of thirty thousand topics. A resource may be
// named again and again, and groups that nobody has made are described too.
const describedConfigsMax = 1 << 20

// describing is a DescribeConfigs (32) under way. It reads the committed Image; each turn as it is then.
type describing struct {
	conn    seam.Conn
	slot    conn.Slot
	corr    int32
	request *kmsg.DescribeConfigsRequest
	answer  *kmsg.DescribeConfigsResponse
	entries int   // in the answer
	told    int64 // bytes of them
}

func (b *Broker) describeConfigs(now seam.Now, c *connection, slot conn.Slot, r *conn.Request, request *kmsg.DescribeConfigsRequest, fx *seam.Effects) {
	answer := request.ResponseKind().(*kmsg.DescribeConfigsResponse)
	d := &describing{conn: c.id, slot: slot, corr: r.Correlation, request: request, answer: answer}
	for i := range request.Resources {
		if !isResource(int8(request.Resources[i].ResourceType)) {
			d.refuse() // of one type that is none, nothing is described, as in Kafka
			break
		}
	}
	b.inTurns(now, c, func(_ seam.Now, fx *seam.Effects) bool { return c.gone || d.turn(b, fx) }, fx)
}

func isResource(kind int8) bool {
	switch kind {
	case meta.ResourceTopic, meta.ResourceBroker, meta.ResourceBrokerLogger, meta.ResourceClientMetrics, meta.ResourceGroup:
		return true
	}
	return false
}

func (d *describing) refuse() {
	for i := range d.request.Resources {
		d.add(&d.request.Resources[i], nil, wire.InvalidRequest, "A resource of the request has a type that is none.")
	}
}

func (d *describing) turn(b *Broker, fx *seam.Effects) (done bool) {
	layers := b.config.Controller.Layers(b.image)
	for len(d.answer.Resources) < len(d.request.Resources) {
		if b.turns.room <= 0 {
			return false
		}
		asked := &d.request.Resources[len(d.answer.Resources)]
		entries, code, message := []controller.Entry(nil), wire.PolicyViolation, "Excessively many configurations per request."
		if d.entries < describedConfigsMax && d.told < b.tellable() {
			entries, code, message = b.describeResource(&layers, asked, d.request.IncludeSynonyms)
		}
		d.entries += len(entries)
		d.add(asked, entries, code, message)
		b.turns.room -= 1 + len(entries) + len(asked.ConfigNames)
	}
	b.cold(d.conn, d.slot, d.corr, d.answer, fx)
	return true
}

func (b *Broker) describeResource(layers *controller.Layers, r *kmsg.DescribeConfigsRequestResource, synonyms bool) ([]controller.Entry, wire.Code, string) {
	refused := func(code wire.Code, message string) ([]controller.Entry, wire.Code, string) {
		return nil, code, message
	}
	if len(r.ConfigNames) > controller.NamesMax {
		return refused(wire.InvalidRequest, "More keys are named than there are.")
	}
	asked, name := controller.Selected(r.ConfigNames), r.ResourceName
	switch int8(r.ResourceType) {
	case meta.ResourceTopic:
		if why := controller.InvalidName(name); why != "" {
			return refused(wire.InvalidTopicException, "Topic name is invalid: "+why)
		}
		if b.image.Topic(name) == nil {
			return refused(wire.UnknownTopicOrPartition, "")
		}
		return controller.DescribeTopic(layers, b.image.Configs(meta.ResourceTopic, name), asked, synonyms), wire.None, ""
	case meta.ResourceBroker:
		if name == "" {
			return controller.DescribeDefaultBroker(layers, asked), wire.None, ""
		}
		if code, message := b.controller.OwnBroker("Broker", name); code != wire.None {
			return refused(code, message)
		}
		return controller.DescribeBroker(layers, asked), wire.None, ""
	case meta.ResourceBrokerLogger: // there is none whose level could be changed (KIP-412)
		if name == "" {
			return refused(wire.InvalidRequest, "Broker id must not be empty")
		}
		code, message := b.controller.OwnBroker("Broker", name)
		return nil, code, message
	case meta.ResourceClientMetrics:
		if name == "" {
			return refused(wire.InvalidRequest, "Client metrics subscription name must not be empty")
		}
		return controller.DescribeClientMetrics(b.image, name, asked), wire.None, ""
	}
	if name == "" {
		return refused(wire.InvalidRequest, "Group name must not be empty")
	}
	return controller.DescribeGroup(layers, b.image, name, asked), wire.None, ""
}

func (d *describing) add(asked *kmsg.DescribeConfigsRequestResource, entries []controller.Entry, code wire.Code, message string) {
	out := kmsg.NewDescribeConfigsResponseResource()
	out.ResourceType, out.ResourceName, out.ErrorCode = asked.ResourceType, asked.ResourceName, int16(code)
	message = wire.Clip(message)
	out.ErrorMessage = &message // Kafka's is empty, not null
	out.Configs = make([]kmsg.DescribeConfigsResponseResourceConfig, 0, len(entries))
	for i := range entries {
		one := d.config(&entries[i])
		d.told += toldOf(&one)
		out.Configs = append(out.Configs, one)
	}
	d.told += int64(rowBytes + len(out.ResourceName) + len(message))
	d.answer.Resources = append(d.answer.Resources, out)
}

func (d *describing) config(e *controller.Entry) kmsg.DescribeConfigsResponseResourceConfig {
	out := kmsg.NewDescribeConfigsResponseResourceConfig()
	out.Name, out.Value, out.ReadOnly, out.IsSensitive = e.Name, nullable(e.Value, e.Null), e.ReadOnly, e.Sensitive
	out.Source, out.ConfigType = kmsg.ConfigSource(e.Source), kmsg.ConfigType(e.Kind)
	if d.request.IncludeDocumentation {
		documentation := e.Documentation()
		out.Documentation = &documentation
	}
	if d.request.IncludeSynonyms {
		for i := range e.Synonyms {
			s := &e.Synonyms[i]
			synonym := kmsg.NewDescribeConfigsResponseResourceConfigConfigSynonym()
			synonym.Name, synonym.Value, synonym.Source = s.Name, nullable(s.Value, s.Null), kmsg.ConfigSource(s.Source)
			out.ConfigSynonyms = append(out.ConfigSynonyms, synonym)
		}
	}
	return out
}

// toldOf is what a configuration takes in an answer.
func toldOf(config *kmsg.DescribeConfigsResponseResourceConfig) int64 {
	size := func(text *string) int64 {
		if text == nil {
			return 0
		}
		return int64(len(*text))
	}
	told := rowBytes + int64(len(config.Name)) + size(config.Value) + size(config.Documentation)
	for i := range config.ConfigSynonyms {
		told += rowBytes + int64(len(config.ConfigSynonyms[i].Name)) + size(config.ConfigSynonyms[i].Value)
	}
	return told
}

func nullable(text string, null bool) *string {
	if null {
		return nil
	}
	return &text
}

// altering is an AlterConfigs (33) or an IncrementalAlterConfigs (44) under way. What one turn decides is one atomic
// batch of the metadata log; the answer waits for the last of them.
type altering struct {
	conn    seam.Conn
	slot    conn.Slot
	corr    int32
	changes []controller.Change
	twice   []bool
	only    bool // validate
	results []controller.Altered
	open    int // batches that are not committed, and one for the turns that are left
	answer  func(*altering) wire.Answer
}

// alteredPart is the share of an altering that one proposal carries.
type alteredPart struct {
	of       *altering
	from, to int
}

func (b *Broker) alterConfigs(now seam.Now, c *connection, slot conn.Slot, r *conn.Request, request *kmsg.AlterConfigsRequest, fx *seam.Effects) {
	a := &altering{changes: controller.ReplacingChanges(request), only: request.ValidateOnly}
	a.answer = func(a *altering) wire.Answer {
		answer := request.ResponseKind().(*kmsg.AlterConfigsResponse)
		for i := range a.results {
			out := kmsg.NewAlterConfigsResponseResource()
			out.ResourceType, out.ResourceName = request.Resources[i].ResourceType, request.Resources[i].ResourceName
			out.ErrorCode, out.ErrorMessage = int16(a.results[i].Code), nullable(a.results[i].Message, a.results[i].Message == "")
			answer.Resources = append(answer.Resources, out)
		}
		return answer
	}
	b.alter(now, c, slot, r, a, fx)
}

func (b *Broker) incrementalAlterConfigs(now seam.Now, c *connection, slot conn.Slot, r *conn.Request, request *kmsg.IncrementalAlterConfigsRequest, fx *seam.Effects) {
	a := &altering{changes: controller.IncrementalChanges(request), only: request.ValidateOnly}
	a.answer = func(a *altering) wire.Answer {
		answer := request.ResponseKind().(*kmsg.IncrementalAlterConfigsResponse)
		for i := range a.results {
			out := kmsg.NewIncrementalAlterConfigsResponseResource()
			out.ResourceType, out.ResourceName = request.Resources[i].ResourceType, request.Resources[i].ResourceName
			out.ErrorCode, out.ErrorMessage = int16(a.results[i].Code), nullable(a.results[i].Message, a.results[i].Message == "")
			answer.Resources = append(answer.Resources, out)
		}
		return answer
	}
	b.alter(now, c, slot, r, a, fx)
}

func (b *Broker) alter(now seam.Now, c *connection, slot conn.Slot, r *conn.Request, a *altering, fx *seam.Effects) {
	a.conn, a.slot, a.corr, a.open, a.twice = c.id, slot, r.Correlation, 1, controller.Twice(a.changes)
	b.inTurns(now, c, func(now seam.Now, fx *seam.Effects) bool { return a.turn(b, now, fx) }, fx)
}

// checkItems is what the check of one resource is reckoned as: it looks at every key that there is. Of long values there are
// lists, each element of which may be an expression to be compiled.
const (
	checkItems = 40
	checkBytes = 32 // of a value are an item
)

func reckoned(change *controller.Change) int {
	items := checkItems + len(change.Edits)
	for i := range change.Edits {
		if value := change.Edits[i].Value; value != nil {
			items += len(*value) / checkBytes
		}
	}
	return items
}

func (a *altering) turn(b *Broker, now seam.Now, fx *seam.Effects) (done bool) {
	if b.phase >= phaseStopping {
		return true // not answered, as what comes from now on
	}
	from := len(a.results)
	var records []meta.Record
	for len(a.results) < len(a.changes) && b.turns.room > 0 {
		change := &a.changes[len(a.results)]
		result := controller.Altered{Code: wire.InvalidRequest, Message: "Each resource must appear at most once."}
		switch {
		case a.twice[len(a.results)]:
		case len(change.Edits) > controller.NamesMax:
			result.Message = "More keys are named than there are."
		default:
			var rs []meta.Record
			if rs, result = b.controller.AlterConfigs(change); !a.only {
				records = append(records, rs...)
			}
		}
		a.results = append(a.results, result)
		b.turns.room -= reckoned(change)
	}
	a.open++
	b.offer(now, &proposal{records: records, kind: proposedAlteration, part: alteredPart{a, from, len(a.results)}}, fx)
	if len(a.results) < len(a.changes) {
		return false
	}
	a.settled(b, fx)
	return true
}

func (a *altering) settled(b *Broker, fx *seam.Effects) {
	if a.open--; a.open == 0 {
		b.cold(a.conn, a.slot, a.corr, a.answer(a), fx)
	}
}

// refused: the share of a proposal was not written.
func (p alteredPart) refused(b *Broker, fx *seam.Effects) {
	for i := p.from; i < p.to; i++ {
		p.of.results[i] = controller.Altered{Code: wire.KafkaStorageError}
	}
	p.of.settled(b, fx)
}

// listConfigResources (74) names what has, or can have, configurations. Version 0 was for clients' metrics only.
func (b *Broker) listConfigResources(request *kmsg.ListConfigResourcesRequest) wire.Answer {
	answer := request.ResponseKind().(*kmsg.ListConfigResourcesResponse)
	kinds := []int8{meta.ResourceGroup, meta.ResourceClientMetrics, meta.ResourceBrokerLogger, meta.ResourceBroker, meta.ResourceTopic}
	asked := request.ResourceTypes
	if request.Version == 0 {
		asked = []int8{meta.ResourceClientMetrics}
	}
	wanted := [128]bool{}
	for _, kind := range asked {
		if !isResource(kind) {
			answer.ErrorCode = int16(wire.UnsupportedVersion)
			return answer
		}
		wanted[kind] = true
	}
	for _, kind := range kinds {
		if len(asked) > 0 && !wanted[kind] {
			continue
		}
		for _, name := range b.resourceNames(kind) {
			out := kmsg.NewListConfigResourcesResponseConfigResource()
			out.Name, out.Type = name, kind
			answer.ConfigResources = append(answer.ConfigResources, out)
		}
	}
	return answer
}

func (b *Broker) resourceNames(kind int8) (names []string) {
	switch kind {
	case meta.ResourceTopic:
		return b.image.TopicNames()
	case meta.ResourceBroker, meta.ResourceBrokerLogger:
		for id, broker := range b.image.Brokers() {
			if !broker.Fenced {
				names = append(names, decimal(int64(id)))
			}
		}
		return names
	}
	for name := range b.image.Configured(kind) {
		names = append(names, name)
	}
	return names
}
