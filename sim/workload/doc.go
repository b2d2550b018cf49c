// Package workload is what clients do to a simulated broker, and what they remember of it.
//
//	Plan (drawn from the seed) ──▶ topics, clients, faults
//	                                 │
//	operator ── CreateTopics         │      each client is a seam.Machine: frames in, frames out
//	producers ─ InitProducerId, Produce (idempotent or plain, acks 0, 1, all; retries of the same batch; in half of the
//	            seeds with times that go back, come again or lie far apart); batches of epochs that are over, or to come
//	readers ─── Fetch with long poll, most of them in sessions; ListOffsets (the end, the first record at or after a time,
//	            the largest time); OffsetForLeaderEpoch, and Fetches that say what was read last, rightly or wrongly
//	stewards ── create, delete, look up, re-create; producer ids
//	pruner ──── DeleteRecords of the stable topics (in half of the seeds)
//	keepers ─── keyed records and tombstones of a compacted topic (in half of the seeds)
//	passer ──── reads that from its start to its end, again and again
//	tuner ───── alters topics, groups and brokers, adds partitions, describes them
//	spender ─── writes and reads beyond quotas of its own (in half of the seeds)
//	auditor ─── reads everything once the faults are over
//	members ─── JoinGroup, SyncGroup, Heartbeat, OffsetCommit in groups of the classic protocol: late, twice, as who they were
//	grazers ─── the same in a group of the consumer protocol (KIP-848), with names and expressions, in epochs that are over
//	hermit ──── is alone in its group, and does not come back with a member id that it was given (in a quarter of the seeds)
//	loners ──── commit as nobody's members; OffsetDelete, DeleteGroups, offsets that expire
//	programs ── the same and more through a Client machine (core/client), which is judged with the broker
//	workers ─── the same machine as a member of a group: they share "firm", hang, die, leave and come back; in a third of the
//	            seeds some by one protocol and some by the other
//	                                 ▼
//	                          check.History ──▶ check.Judge, check.Models
//
// A brief life has the same clients, faults and laws in a quarter of the time.
//
// Rules: a raw client speaks frames made with kmsg and knows nothing of the broker's code; each client draws what it
// does from a stream of its own; each record is unique (check.Value), so that every oracle can tell it from all others.
// What an answer that never arrived had said is told to the history, never to the client. An error is no excuse: each API
// has a list of those that it may answer with, and most of them a reason that must have been there (H20).
//
// A reader's fetch session (KIP-227) has a twin: what was told last of each partition. What an answer leaves out counts as
// a look at the partition, by which it is as it was (H23), so that a record or a high watermark that is kept from a reader
// is missed by the laws that hold every other look.
//
// What a record bears follows from its value, but for its time: its key, if it has one, and its headers. Whoever reads it,
// from an answer or from the disk, sees whether anything of that is missing (H34, K3).
//
// A program has letters in place of frames: Produce, Assign, Call and what comes back. What it is told enters the same
// history, so that the H laws hold the machine to exactly once and in order, and what it said was surely not written to
// its absence; each letter has its deadline (H18), each partition its next offset (H19). A deputy around the machine
// sees when it owes something, awaits nothing and sleeps too long (V9). Which programs run is the plan's; a tape that
// says nothing has none.
//
// What workers do with the partitions that they are given is held to at-least-once (H27, H28): whoever takes one over
// goes on behind nothing that nobody has processed, and when the faults are over everything was.
package workload
