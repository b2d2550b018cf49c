package main

import (
	"errors"
	"fmt"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// watching is what a node is told about being watched. Kafka has no keys for it: JMX is asked for by its environment.
type watching struct {
	metricsListener string // HOST:PORT of the HTTP port, empty: none
	metricsGiven    bool
	slowMillis      int64
	slowGiven       bool
	telemetry       bool // clients are told that they may push their own metrics

	metricsByDefault bool // nobody asked for this port: any other will do
}

// slowRequest is how long a request may take before it is logged, 0: for ever. Unless it is set it is far above what a
// request takes, and below the timeouts (30 s) that clients have.
func (w *watching) slowRequest() time.Duration {
	if !w.slowGiven {
		return time.Second
	}
	return time.Duration(w.slowMillis) * time.Millisecond
}

// listen chooses the HTTP port: by the flag, by the key, or where the command has it usually.
func (w *watching) listen(flag, usual string) (err error) {
	switch {
	case flag != "":
		if w.metricsListener, err = metricsAddress(flag); err != nil {
			return fmt.Errorf("--metrics-listener %s: %w", flag, err)
		}
	case !w.metricsGiven && usual != "":
		w.metricsListener, w.metricsByDefault = usual, true
	}
	return nil
}

// takeOwn takes a key that is ours alone, and says whether it was one:
//
//	metrics.listener=http://127.0.0.1:9404    /metrics, /healthz, /readyz; off unless it is set
//	slow.request.ms=1000                      requests that take longer are logged; 0: none
//	client.telemetry.enable=false             whether clients may push their own metrics (KIP-714)
func (s *settings) takeOwn(name, value string) (own bool, err error) {
	if !isOwnKey(name) {
		return false, nil
	}
	switch name {
	case "metrics.listener":
		s.metricsListener, err = metricsAddress(value)
		s.metricsGiven = true
	case "client.telemetry.enable":
		s.telemetry, err = strconv.ParseBool(strings.ToLower(value))
	case "slow.request.ms":
		err = number(value, 0, math.MaxInt32, &s.slowMillis)
		s.slowGiven = true
	}
	if err != nil {
		err = fmt.Errorf("%s=%s: %w", name, value, err)
	}
	return true, err
}

// isOwnKey holds for keys that Kafka does not know.
func isOwnKey(name string) bool { return slices.Contains(ownKeys(), name) }

func ownKeys() []string {
	return []string{"client.telemetry.enable", "metrics.listener", "slow.request.ms"}
}

// metricsAddress reads http://host:port, host:port or a port of the loopback; none is empty.
func metricsAddress(value string) (string, error) {
	value = strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(value, "HTTP://"), "http://"), "/")
	switch {
	case value == "", value == "none":
		return "", nil
	case strings.Contains(value, "://"):
		return "", errors.New("only http is served")
	case !strings.Contains(value, ":"):
		value = net.JoinHostPort("127.0.0.1", value)
	}
	_, port, err := net.SplitHostPort(value)
	if err != nil {
		return "", err
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", fmt.Errorf("%s is no port", port)
	}
	return value, nil
}
