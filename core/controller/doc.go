// Package controller decides about the cluster's metadata: topics, brokers, blocks of producer ids, configurations.
//
//	request ──▶ handle(state) ──▶ records ──▶ metadata log ──▶ replay ──▶ state
//	                    └───────▶ answer, held back until the records are committed
//
// Rules: a handler reads the state and returns records and an answer, and changes nothing; only Replay changes the
// state, when the records are appended, so that the next request is judged with this one's records in mind. The records
// of one call are one atomic batch. On loss of leadership, or when the append fails, the state is thrown away and folded
// anew from the log. The only randomness is the source handed to New: it draws topic ids and where a topic's replicas begin.
//
// Configurations come in layers: Kafka's default, what a broker was started with, what was altered for all brokers, what
// was altered for one, what a topic sets itself. A change is judged by what the resource would come to, and is taken
// whole or not at all. The tables are those of Kafka 4.2, but for log.flush.interval.messages, which is 1 here: an answer
// to acks=all survives a power cut unless somebody asks for less. regexp judges the patterns of clients' metrics.
package controller
