// Package workload is what clients do to a simulated broker, and what they remember of it.
//
//	Plan (drawn from the seed) ──▶ topics, clients, faults
//	                                 │
//	operator ── CreateTopics         │      each client is a seam.Machine: frames in, frames out
//	producers ─ InitProducerId, Produce (idempotent or plain, acks 0, 1, all; retries of the same batch)
//	readers ─── Fetch with long poll, ListOffsets (the end, the first record at or after a time)
//	stewards ── create, delete, look up, re-create; producer ids
//	auditor ─── reads everything once the faults are over
//	                                 ▼
//	                          check.History ──▶ check.Judge, check.Models
//
// A brief life has the same clients, faults and laws in a quarter of the time.
//
// Rules: a client speaks raw frames made with kmsg and knows nothing of the broker's code; it draws what it does from
// a stream of its own; each record is unique (check.Value), so that every oracle can tell it from all others. What an
// answer that never arrived had said is told to the history, never to the client.
package workload
