package telemetry

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"rookery/core/meta"
	"rookery/core/ordered"
)

// IntervalMillis is how often clients push where no subscription says otherwise.
const IntervalMillis = 300_000

// all is the metric that stands for every metric.
const all = "*"

// Subscription is one resource of client metrics.
type Subscription struct {
	name           string
	metrics        []string // in the order of Kafka's set
	intervalMillis int32
	patterns       []pattern
}

// pattern is an attribute of a client and what the whole of it has to match.
type pattern struct {
	attribute  string
	expression *regexp.Regexp
}

// Client is who asks, as patterns see it. What it did not say is nil.
type Client struct {
	ID              *string
	SoftwareName    string
	SoftwareVersion string
	Address         string
	Port            string
}

// parse reads what was found good when it was set.
func parse(name string, values *ordered.Map[string, string]) *Subscription {
	s := &Subscription{name: name, intervalMillis: IntervalMillis}
	for key, text := range values.All() {
		switch key {
		case "interval.ms":
			if n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 32); err == nil {
				s.intervalMillis = int32(n)
			}
		case "metrics":
			metrics := Elements(text)
			s.metrics = hashSet(metrics, capacityFor(len(metrics)))
		case "match":
			s.patterns, _ = parsePatterns(Elements(text))
		}
	}
	return s
}

// Elements are those of a list, without the blanks around them.
func Elements(list string) []string {
	list = strings.TrimSpace(list)
	if list == "" {
		return nil
	}
	elements := strings.Split(list, ",")
	for i := range elements {
		elements[i] = strings.TrimSpace(elements[i])
	}
	return elements
}

// CheckPatterns judges a list of patterns.
func CheckPatterns(patterns []string) error {
	_, err := parsePatterns(patterns)
	return err
}

// parsePatterns reads patterns like client_id=app-.*; of several for one attribute the last holds, as in Kafka.
func parsePatterns(patterns []string) (parsed []pattern, err error) {
	for _, text := range patterns {
		attribute, expression, _ := strings.Cut(text, "=")
		attribute = strings.TrimSpace(attribute)
		compiled, err := regexp.Compile(`\A(?:` + strings.TrimSpace(expression) + `)\z`)
		if _, loose := regexp.Compile(strings.TrimSpace(expression)); err != nil || loose != nil || !isAttribute(attribute) || expression == "" || strings.Contains(expression, "=") {
			return nil, fmt.Errorf("Illegal client matching pattern: %s", text)
		}
		at := 0
		for at < len(parsed) && parsed[at].attribute != attribute {
			at++
		}
		if at == len(parsed) {
			parsed = append(parsed, pattern{attribute: attribute})
		}
		parsed[at].expression = compiled
	}
	return parsed, nil
}

func isAttribute(name string) bool {
	switch name {
	case "client_instance_id", "client_id", "client_software_name", "client_software_version", "client_source_address", "client_source_port":
		return true
	}
	return false
}

// matches says whether the client is meant: without patterns everybody is.
func (s *Subscription) matches(id meta.UUID, c *Client) bool {
	for _, p := range s.patterns {
		if text, known := c.attribute(id, p.attribute); !known || !p.expression.MatchString(text) {
			return false
		}
	}
	return true
}

func (c *Client) attribute(id meta.UUID, name string) (text string, known bool) {
	switch name {
	case "client_instance_id":
		return id.String(), true
	case "client_id":
		if c.ID == nil {
			return "", false
		}
		return *c.ID, true
	case "client_software_name":
		return c.SoftwareName, true
	case "client_software_version":
		return c.SoftwareVersion, true
	case "client_source_address":
		return c.Address, true
	}
	return c.Port, true
}

// bytes is what is kept of a client.
func (c *Client) bytes() int {
	n := len(c.SoftwareName) + len(c.SoftwareVersion) + len(c.Address) + len(c.Port)
	if c.ID != nil {
		n += len(*c.ID)
	}
	return n
}
