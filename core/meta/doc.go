// Package meta is the cluster's metadata: the records of the metadata log, and the Image that folding them makes.
//
//	__cluster_metadata-0:  record  record  record  record ...
//	                         │       │       │
//	                         ▼       ▼       ▼
//	                       Image ─ Image ─ Image            brokers, topics, partitions, configurations, features,
//	                                                        the next producer id
//
// The records are Kafka's own, byte for byte (metadata/src/main/resources/common/metadata of Apache Kafka 4.2): a value
// is uvarint frame version 1, uvarint kind, uvarint version, and a flexible body (KIP-482). Every version that 4.2 knows
// is read; what is written is what metadata.version 4.2-IV1 writes.
//
// Rules: an Image is a function of the records folded and of nothing else, so that two folds of one log are Equal;
// whatever walks it does so in one order (brokers by id, topics by name, partitions by number); a record's slices are
// never changed after it was folded, so that two Images may share them.
package meta
