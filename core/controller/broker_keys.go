package controller

// brokerKeys is one key a line: name, type, mode, whether it has an effect here, bounds, default ("-": none, `""`:
// empty), and what it is for.
//
//	fixed    read at the start only            cluster  may be altered, for all brokers or for one
//	hidden   fixed, described only where set   broker   may be altered, for one broker
//	                                           rate     may be altered, described only where set
//
// These are all that KafkaConfig of Apache Kafka 4.2.0 defines, with its defaults but that of log.flush.interval.messages,
// but also that of group.coordinator.rebalance.protocols, the rates of its replication quotas, and what its StandardAuthorizer
// is told. listeners, listener.security.protocol.map, ssl.client.auth, ssl.enabled.protocols and sasl.enabled.mechanisms may be
// altered there.
const brokerKeys = `add.partitions.to.txn.retry.backoff.max.ms int fixed idle 0.. 100 How long the broker goes on trying to add a partition to a transaction.
add.partitions.to.txn.retry.backoff.ms int fixed idle 1.. 20 The pause before the broker tries again to add a partition to a transaction.
advertised.listeners list fixed works - - The addresses that clients are told, NAME://host:port. Left out, a client is told the one it came by.
allow.everyone.if.no.acl.found boolean hidden idle - false Whether what no ACL speaks of is open to everybody. There are no ACLs here yet, and everything is.
alter.config.policy.class.name class fixed idle - - A Java class that judges changes of configurations.
alter.log.dirs.replication.quota.window.num int fixed idle 1.. 11 How many samples the quota of moves between log directories is averaged over.
alter.log.dirs.replication.quota.window.size.seconds int fixed idle 1.. 1 How long one sample of the quota of moves between log directories lasts.
authorizer.class.name string fixed works - "" The Java class that says who may do what. There are no ACLs here yet: a broker that is to have one does not start.
auto.create.topics.enable boolean fixed works - true Whether a topic that is asked for and not there is made.
auto.leader.rebalance.enable boolean fixed idle - true Whether leaderships go back to the preferred replicas by themselves.
background.threads int cluster idle 1.. 10 How many threads do what nobody waits for.
broker.heartbeat.interval.ms int fixed idle - 2000 How often a broker tells the controller that it lives.
broker.id int fixed works - -1 The number of this node; node.id is its newer name.
broker.rack string fixed works - - Where this broker stands: told to clients, and used to spread replicas.
broker.session.timeout.ms int fixed idle - 9000 How long a broker that sends no heartbeat is taken for alive.
client.quota.callback.class class fixed idle - - A Java class that sets the quotas of clients.
compression.gzip.level int cluster works -1|1..9 -1 The level where batches are compressed anew with gzip: 1 to 9, or -1 for the codec's own.
compression.lz4.level int cluster works 1..17 9 The level where batches are compressed anew with lz4.
compression.type string cluster works uncompressed|zstd|lz4|snappy|gzip|producer producer What batches are stored as, for topics that do not say: the producer's choice, or one codec for all.
compression.zstd.level int cluster works -131072..22 3 The level where batches are compressed anew with zstd.
config.providers list cluster idle - "" Names of Java classes that values of configurations are looked up with.
connection.failed.authentication.delay.ms int fixed idle 0.. 100 How long a connection stays open after its authentication failed.
connections.max.idle.ms long fixed works - 600000 How long a connection may do nothing before it is closed: have no request become whole, and take no answer. Below zero: for ever.
connections.max.reauth.ms long fixed idle - 0 How long a client may go on before it has to authenticate again; 0 is for ever.
controlled.shutdown.enable boolean fixed idle - true Whether a broker gives its leaderships away before it stops.
controller.listener.names list fixed works - - Which listeners are the controller's.
controller.performance.always.log.threshold.ms long hidden idle 0.. 2000 A decision of the controller that takes longer is logged.
controller.performance.sample.period.ms long hidden idle 100.. 60000 How often the controller logs how long its decisions take.
controller.quorum.append.linger.ms int fixed idle 0.. 25 How long the quorum's leader gathers records before it writes them.
controller.quorum.auto.join.enable boolean fixed idle - false Whether a controller makes itself a voter.
controller.quorum.bootstrap.servers list fixed works - "" Where the quorum is found, host:port.
controller.quorum.election.backoff.max.ms int fixed idle 0.. 1000 The longest pause between two elections.
controller.quorum.election.timeout.ms int fixed idle 0.. 1000 How long a voter waits for votes before it stands again.
controller.quorum.fetch.timeout.ms int fixed idle 0.. 2000 How long a voter does without its leader before it stands itself.
controller.quorum.request.timeout.ms int fixed idle 0.. 2000 How long a voter waits for the answer of another.
controller.quorum.retry.backoff.ms int fixed idle 0.. 20 The pause before a request to another voter is sent again.
controller.quorum.voters list fixed works - "" The voters of the quorum, id@host:port.
controller.quota.window.num int fixed idle 1.. 11 How many samples the quota of changes to the cluster is averaged over.
controller.quota.window.size.seconds int fixed idle 1.. 1 How long one sample of the quota of changes to the cluster lasts.
controller.socket.timeout.ms int fixed idle - 30000 How long a request between controller and broker may take.
create.topic.policy.class.name class fixed idle - - A Java class that judges new topics.
default.replication.factor int fixed works - 1 How many replicas a topic gets that is made without saying so.
delegation.token.expiry.check.interval.ms long fixed idle 1.. 3600000 How often delegation tokens that have run out are removed.
delegation.token.expiry.time.ms long fixed idle 1.. 86400000 How long a delegation token is good before it has to be renewed.
delegation.token.max.lifetime.ms long fixed idle 1.. 604800000 How long a delegation token can be renewed.
delegation.token.secret.key password fixed idle - - The secret that delegation tokens are made with.
delete.records.purgatory.purge.interval.requests int fixed idle - 1 How many requests go by before deletions of records that were answered are forgotten.
delete.topic.enable boolean fixed works - true Whether clients may delete topics.
early.start.listeners list fixed idle - - Listeners that open before the authorizer is ready.
fetch.max.bytes int fixed works 1024.. 57671680 The most bytes that one Fetch is answered with, whatever it asks for.
fetch.purgatory.purge.interval.requests int fixed idle - 1000 How many requests go by before fetches that were answered are forgotten.
follower.replication.throttled.rate long rate idle 0.. 9223372036854775807 How many bytes in a second a follower takes of throttled partitions.
group.consumer.assignors list fixed works - uniform,range The assignors of consumer groups that the broker runs, the default first.
group.consumer.heartbeat.interval.ms int fixed works 1.. 5000 How often members of a consumer group are to send heartbeats.
group.consumer.max.heartbeat.interval.ms int fixed works 1.. 15000 The longest heartbeat interval that a consumer group may be given.
group.consumer.max.session.timeout.ms int fixed works 1.. 60000 The longest session timeout that a consumer group may be given.
group.consumer.max.size int fixed works 1.. 2147483647 How many members a consumer group may have.
group.consumer.migration.policy string fixed works ~DISABLED|DOWNGRADE|UPGRADE|BIDIRECTIONAL bidirectional Which ways groups may go between the classic and the consumer protocol while members are there.
group.consumer.min.heartbeat.interval.ms int fixed works 1.. 5000 The shortest heartbeat interval that a consumer group may be given.
group.consumer.min.session.timeout.ms int fixed works 1.. 45000 The shortest session timeout that a consumer group may be given.
group.consumer.regex.refresh.interval.ms int hidden works 10000.. 600000 How often the topics that a regular expression matches are looked up anew.
group.consumer.session.timeout.ms int fixed works 1.. 45000 How long a member of a consumer group that sends no heartbeat is taken for alive.
group.coordinator.append.linger.ms int fixed idle -1.. -1 How long the group coordinator gathers records before it writes them; -1 fits it to the load.
group.coordinator.rebalance.protocols list fixed works consumer|classic|share|streams classic,consumer Which group protocols are on; classic always. share and streams are not served here.
group.coordinator.threads int fixed idle 1.. 4 How many threads coordinate groups.
group.initial.rebalance.delay.ms int fixed works - 3000 How long a new classic group waits for more members before its first rebalance.
group.max.session.timeout.ms int fixed works - 1800000 The longest session timeout that a member of a classic group may ask for.
group.max.size int fixed works 1.. 2147483647 How many members a classic group may have.
group.min.session.timeout.ms int fixed works - 6000 The shortest session timeout that a member of a classic group may ask for.
group.share.assignors list fixed idle - simple The assignor of share groups that the broker runs.
group.share.delivery.count.limit int fixed idle 2..10 5 How often one record is handed to a share group before it is given up.
group.share.enable boolean hidden idle - false Whether share groups are on.
group.share.heartbeat.interval.ms int fixed idle 1.. 5000 How often members of a share group are to send heartbeats.
group.share.initialize.retry.interval.ms int hidden idle 1.. 30000 The pause before the state of a share group's partition is made again.
group.share.max.heartbeat.interval.ms int fixed idle 1.. 15000 The longest heartbeat interval that a share group may be given.
group.share.max.record.lock.duration.ms int fixed idle 30000..3600000 60000 The longest that a share group may be allowed to hold a record.
group.share.max.session.timeout.ms int fixed idle 1.. 60000 The longest session timeout that a share group may be given.
group.share.max.share.sessions int fixed idle 1.. 2000 How many share sessions a broker keeps.
group.share.max.size int fixed idle 1..1000 200 How many members a share group may have.
group.share.min.heartbeat.interval.ms int fixed idle 1.. 5000 The shortest heartbeat interval that a share group may be given.
group.share.min.record.lock.duration.ms int fixed idle 1000..30000 15000 The shortest that a share group may be allowed to hold a record.
group.share.min.session.timeout.ms int fixed idle 1.. 45000 The shortest session timeout that a share group may be given.
group.share.partition.max.record.locks int fixed idle 100..10000 2000 How many records of one partition a share group may hold at a time.
group.share.persister.class.name string hidden idle - org.apache.kafka.server.share.persister.DefaultStatePersister The Java class that keeps the state of share groups.
group.share.record.lock.duration.ms int fixed idle 1000..3600000 30000 How long a member of a share group holds a record before another may have it.
group.share.session.timeout.ms int fixed idle 1.. 45000 How long a member of a share group that sends no heartbeat is taken for alive.
group.streams.heartbeat.interval.ms int fixed idle 1.. 5000 How often members of a streams group are to send heartbeats.
group.streams.initial.rebalance.delay.ms int fixed idle 0.. 3000 How long a new streams group waits for more members before its first rebalance.
group.streams.max.heartbeat.interval.ms int fixed idle 1.. 15000 The longest heartbeat interval that a streams group may be given.
group.streams.max.session.timeout.ms int fixed idle 1.. 60000 The longest session timeout that a streams group may be given.
group.streams.max.size int fixed idle 1.. 2147483647 How many members a streams group may have.
group.streams.max.standby.replicas int fixed idle 0.. 2 The most standby replicas that a streams group may be given.
group.streams.min.heartbeat.interval.ms int fixed idle 1.. 5000 The shortest heartbeat interval that a streams group may be given.
group.streams.min.session.timeout.ms int fixed idle 1.. 45000 The shortest session timeout that a streams group may be given.
group.streams.num.standby.replicas int fixed idle 0.. 0 How many standby replicas a task of a streams group has.
group.streams.session.timeout.ms int fixed idle 1.. 45000 How long a member of a streams group that sends no heartbeat is taken for alive.
initial.broker.registration.timeout.ms int fixed idle - 60000 How long a starting broker tries to register before it gives up.
inter.broker.listener.name string fixed idle - - The listener that brokers talk to each other by.
internal.metadata.delete.delay.millis long hidden idle - 60000 How long files of the metadata log stay after their deletion; for tests.
internal.metadata.log.segment.bytes int hidden idle - - The size of the metadata log's segments; for tests.
internal.metadata.max.batch.size.in.bytes int hidden idle - 8388608 The largest batch of the metadata log; for tests.
internal.metadata.max.fetch.size.in.bytes int hidden idle - 8388608 The most that is read from the metadata log at a time; for tests.
kafka.metrics.polling.interval.secs int fixed idle 1.. 10 How often reporters of Yammer metrics are called.
kafka.metrics.reporters list fixed idle - "" Java classes that report Yammer metrics.
leader.imbalance.check.interval.seconds long fixed idle 1.. 300 How often the controller looks for leaderships that should go back.
leader.replication.throttled.rate long rate idle 0.. 9223372036854775807 How many bytes in a second a leader sends to throttled followers.
listener.security.protocol.map string fixed works nonempty SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT Which security protocol each listener speaks, NAME:PROTOCOL.
listeners list fixed works - PLAINTEXT://:9092 The addresses that are listened on, NAME://host:port.
log.cleaner.backoff.ms long cluster works 0.. 15000 How long the cleaner rests when there is nothing to compact.
log.cleaner.dedupe.buffer.size long cluster works - 134217728 The memory in which the cleaner notes the keys it has seen.
log.cleaner.delete.retention.ms long cluster works 0.. 86400000 How long a tombstone stays in a compacted topic, for topics that do not say.
log.cleaner.enable boolean fixed works - true Whether compacted topics are compacted.
log.cleaner.io.buffer.load.factor double cluster works - 0.9 How full the cleaner's memory may become.
log.cleaner.io.buffer.size int cluster idle 0.. 524288 The memory that the cleaner reads and writes by.
log.cleaner.io.max.bytes.per.second double cluster works - 1.7976931348623157E308 How much the cleaner may read and write in a second.
log.cleaner.max.compaction.lag.ms long cluster works 1.. 9223372036854775807 The longest that a record may wait for its compaction, for topics that do not say.
log.cleaner.min.cleanable.ratio double cluster works 0..1 0.5 What share of a log has to be uncompacted before it is compacted, for topics that do not say.
log.cleaner.min.compaction.lag.ms long cluster works 0.. 0 The shortest that a record stays before it may be compacted away, for topics that do not say.
log.cleaner.threads int cluster works 0.. 1 How many logs are compacted side by side.
log.cleanup.policy list cluster works compact|delete delete What becomes of old records, for topics that do not say: delete them, compact them, or both.
log.dir list fixed works - /tmp/kafka-logs Where the data lies, if log.dirs does not say.
log.dir.failure.timeout.ms long fixed idle 1.. 30000 How long a broker with a failed log directory waits for the controller to hear of it.
log.dirs list fixed works - - Where the data lies: one directory or several, by commas.
log.flush.interval.messages long cluster works 1.. 1 After how many records a log is synced, for topics that do not say. 1, the default here, makes whatever is acknowledged to acks=all survive a power cut.
log.flush.interval.ms long cluster works - - The longest that a record may stay unsynced, for topics that do not say; looked after as often as replica.high.watermark.checkpoint.interval.ms says.
log.flush.offset.checkpoint.interval.ms int fixed idle 0.. 60000 How often it is written down how far each log is synced.
log.flush.scheduler.interval.ms long fixed works - 9223372036854775807 What log.flush.interval.ms is where it is not set. Logs are looked over more often than that.
log.flush.start.offset.checkpoint.interval.ms int fixed idle 0.. 60000 How often it is written down where each log begins.
log.index.interval.bytes int cluster works 0.. 4096 How many bytes of records have one entry in the indexes, for topics that do not say.
log.index.size.max.bytes int cluster works 4.. 10485760 How large an index of one segment may become, for topics that do not say.
log.initial.task.delay.ms long hidden works 0.. 30000 How long after the start the work on logs begins.
log.local.retention.bytes long cluster idle -2.. -2 How many bytes of a tiered log are kept here, for topics that do not say; -2 means retention.bytes.
log.local.retention.ms long cluster idle -2.. -2 How long the records of a tiered log are kept here, for topics that do not say; -2 means retention.ms.
log.message.timestamp.after.max.ms long cluster works 0.. 3600000 How far a record's time may be ahead of the broker's clock, for topics that do not say.
log.message.timestamp.before.max.ms long cluster works 0.. 9223372036854775807 How far a record's time may be behind the broker's clock, for topics that do not say.
log.message.timestamp.type string cluster works CreateTime|LogAppendTime CreateTime Whether a record has the time that its producer gave it or the broker's, for topics that do not say.
log.preallocate boolean cluster idle - false Whether a new segment's file gets its whole size at once, for topics that do not say.
log.retention.bytes long cluster works - -1 How many bytes a partition keeps before its oldest segments go, for topics that do not say; -1 is no bound.
log.retention.check.interval.ms long fixed works 1.. 300000 How often logs are looked over for segments that are too old or too much.
log.retention.hours int fixed works nonzero 168 How many hours records are kept, where neither log.retention.ms nor log.retention.minutes is set.
log.retention.minutes int fixed works nonzero - How many minutes records are kept, where log.retention.ms is not set.
log.retention.ms long cluster works nonzero - How many milliseconds records are kept, for topics that do not say; -1 is for ever.
log.roll.hours int fixed works 1.. 168 After how many hours a new segment begins, where log.roll.ms is not set.
log.roll.jitter.hours int fixed idle 0.. 0 By how many hours at most a roll comes early at random, where log.roll.jitter.ms is not set. Rolls here come when they are due, together or not.
log.roll.jitter.ms long cluster idle 0.. - By how many milliseconds at most a roll comes early at random, for topics that do not say. Rolls here come when they are due, together or not.
log.roll.ms long cluster works 1.. - After how many milliseconds a new segment begins, for topics that do not say.
log.segment.bytes int cluster works 1048576.. 1073741824 How large a segment becomes before the next one begins, for topics that do not say.
log.segment.delete.delay.ms long cluster idle 0.. 60000 How long files of a deleted segment stay. Here they are unlinked at once: readers keep their own reference.
max.connection.creation.rate int cluster works 0.. 2147483647 How many connections may be made in a second; those that would have to wait longer than a second for it are closed.
max.connections int cluster works 0.. 2147483647 How many connections there may be; those beyond it wait, unread, until another leaves.
max.connections.per.ip int cluster works 0.. 2147483647 How many connections there may be from one address; those beyond it are closed.
max.connections.per.ip.overrides string cluster works - "" Other limits than max.connections.per.ip for single addresses, address:number.
max.incremental.fetch.session.cache.slots int fixed works 0.. 1000 How many fetch sessions are kept.
max.request.partition.size.limit int fixed works 1.. 2000 How many partitions one DescribeTopicPartitions is answered with.
message.max.bytes int cluster works 0.. 1048588 The largest batch that is taken, as it is sent, for topics that do not say.
metadata.log.dir string fixed works - - Where the metadata log lies: here always in the first log directory.
metadata.log.max.record.bytes.between.snapshots long fixed idle 1.. 20971520 How much is written to the metadata log before a snapshot is taken.
metadata.log.max.snapshot.interval.ms long fixed idle 0.. 3600000 How long it takes at most until a snapshot of the metadata is taken.
metadata.log.segment.bytes int fixed idle 8388608.. 1073741824 How large a segment of the metadata log becomes.
metadata.log.segment.ms long fixed idle - 604800000 After how long a new segment of the metadata log begins.
metadata.max.idle.interval.ms int fixed idle 0.. 500 How often the controller writes a record that says nothing, so that the metadata log moves on.
metadata.max.retention.bytes long fixed idle - 104857600 How many bytes of metadata log and snapshots are kept.
metadata.max.retention.ms long fixed idle - 604800000 How long metadata log and snapshots are kept.
metric.reporters list cluster idle - org.apache.kafka.common.metrics.JmxReporter Java classes that report metrics.
metrics.num.samples int fixed idle 1.. 2 How many samples a metric is computed of.
metrics.recording.level string fixed idle - INFO How much is measured: INFO, DEBUG, TRACE.
metrics.sample.window.ms long fixed idle 1.. 30000 How long one sample of a metric lasts.
min.insync.replicas int cluster idle 1.. 1 How many replicas have to be in sync for acks=all to be taken, for topics that do not say. A topic's replication factor caps it.
node.id int fixed works 0.. - The number of this node.
num.io.threads int cluster idle 1.. 8 How many threads handle requests.
num.network.threads int cluster idle 1.. 3 How many threads read and write sockets.
num.partitions int fixed works 1.. 1 How many partitions a topic gets that is made without saying so.
num.recovery.threads.per.data.dir int cluster works 1.. 2 How many partitions are recovered side by side at a start.
num.replica.alter.log.dirs.threads int fixed idle - - How many threads move partitions between log directories.
num.replica.fetchers int cluster idle 1.. 1 How many threads fetch from each other broker.
offset.metadata.max.bytes int fixed works - 4096 How much text may come with a committed offset.
offsets.commit.timeout.ms int fixed idle 1.. 5000 How long the commit of an offset may take.
offsets.load.buffer.size int fixed idle 1.. 5242880 How much of the offsets topic is read at a time when a group is loaded.
offsets.retention.check.interval.ms long fixed works 1.. 600000 How often committed offsets are looked over for old ones.
offsets.retention.minutes int fixed works 1.. 10080 How long an offset stays committed when its group is gone.
offsets.topic.compression.codec int fixed idle - 0 The codec of the offsets topic, by its number.
offsets.topic.num.partitions int fixed works 1.. 50 How many partitions the offsets topic is made with.
offsets.topic.replication.factor short fixed works 1.. 3 How many replicas the offsets topic is made with, as far as there are brokers.
offsets.topic.segment.bytes int fixed works 1.. 104857600 How large a segment of the offsets topic becomes.
principal.builder.class class broker idle - org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder The Java class that makes a principal of a connection.
process.roles list fixed works broker|controller - What this node is: broker, controller or both.
producer.id.expiration.check.interval.ms int hidden works 1.. 600000 How often idle producers are looked for.
producer.id.expiration.ms int cluster works 1.. 86400000 How long an idle producer's sequences are remembered.
producer.purgatory.purge.interval.requests int fixed idle - 1000 How many requests go by before produces that were answered are forgotten.
queued.max.request.bytes long fixed works - -1 How many bytes of requests may be in memory before nothing more is read; -1 leaves it to the broker.
queued.max.requests int fixed idle 1.. 500 How many requests may wait for a thread. There is no such queue here: see queued.max.request.bytes.
quota.window.num int fixed idle 1.. 11 How many samples a client's quota is averaged over. There are no samples here: ten seconds of what was not used are kept, as with Kafka's defaults.
quota.window.size.seconds int fixed idle 1.. 1 How long one sample of a client's quota lasts. There are no samples here: see quota.window.num.
remote.fetch.max.wait.ms int cluster idle 1.. 500 How long a Fetch waits for tiered data.
remote.list.offsets.request.timeout.ms long cluster idle 1.. 30000 How long a ListOffsets waits for tiered data.
remote.log.index.file.cache.total.size.bytes long cluster idle 1.. 1073741824 How many bytes of indexes of tiered segments are kept here.
remote.log.manager.copier.thread.pool.size int cluster idle 1.. 10 How many threads copy segments to the tier.
remote.log.manager.copy.max.bytes.per.second long cluster idle 1.. 9223372036854775807 How much may be copied to the tier in a second.
remote.log.manager.copy.quota.window.num int fixed idle 1.. 11 How many samples the quota of copies to the tier is averaged over.
remote.log.manager.copy.quota.window.size.seconds int fixed idle 1.. 1 How long one sample of the quota of copies to the tier lasts.
remote.log.manager.expiration.thread.pool.size int cluster idle 1.. 10 How many threads delete tiered segments that have run out.
remote.log.manager.fetch.max.bytes.per.second long cluster idle 1.. 9223372036854775807 How much may be read from the tier in a second.
remote.log.manager.fetch.quota.window.num int fixed idle 1.. 11 How many samples the quota of reads from the tier is averaged over.
remote.log.manager.fetch.quota.window.size.seconds int fixed idle 1.. 1 How long one sample of the quota of reads from the tier lasts.
remote.log.manager.follower.thread.pool.size int cluster idle 1.. 2 How many threads of followers ask the tier how far it has come.
remote.log.manager.task.interval.ms long fixed idle 1.. 30000 How often work on the tier begins.
remote.log.manager.task.retry.backoff.max.ms long hidden idle 1.. 30000 The longest pause before work on the tier is tried again.
remote.log.manager.task.retry.backoff.ms long hidden idle 1.. 500 The first pause before work on the tier is tried again.
remote.log.manager.task.retry.jitter double hidden idle 0..0.5 0.2 How much the pause before work on the tier is varied at random.
remote.log.manager.thread.pool.size int fixed idle 1.. 2 How many threads do work on the tier.
remote.log.metadata.custom.metadata.max.bytes int fixed idle 0.. 128 How large the metadata of a tiered segment may be that the tier adds.
remote.log.metadata.manager.class.name string fixed idle nonempty org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager The Java class that keeps the metadata of tiered segments.
remote.log.metadata.manager.class.path string fixed idle - - Where the class that keeps the metadata of tiered segments is found.
remote.log.metadata.manager.impl.prefix string fixed idle nonempty rlmm.config. The prefix of configurations for the class that keeps the metadata of tiered segments.
remote.log.metadata.manager.listener.name string fixed idle nonempty - The listener by which the class that keeps the metadata of tiered segments connects.
remote.log.reader.max.pending.tasks int fixed idle 1.. 100 How many reads from the tier may wait.
remote.log.reader.threads int cluster idle 1.. 10 How many threads read from the tier.
remote.log.storage.manager.class.name string fixed idle nonempty - The Java class that is the tier.
remote.log.storage.manager.class.path string fixed idle - - Where the class that is the tier is found.
remote.log.storage.manager.impl.prefix string fixed idle nonempty rsm.config. The prefix of configurations for the class that is the tier.
remote.log.storage.system.enable boolean fixed idle - false Whether tiered storage is on.
replica.alter.log.dirs.io.max.bytes.per.second long rate works 0.. 9223372036854775807 How many bytes in a second may move between log directories.
replica.fetch.backoff.ms int fixed idle 0.. 1000 The pause after a follower's fetch of a partition failed.
replica.fetch.max.bytes int fixed idle 0.. 1048576 How much of one partition a follower fetches at a time.
replica.fetch.min.bytes int fixed idle - 1 How much a follower waits for.
replica.fetch.response.max.bytes int fixed idle 0.. 10485760 How much a follower fetches at a time.
replica.fetch.wait.max.ms int fixed idle - 500 How long a follower waits for data.
replica.high.watermark.checkpoint.interval.ms long fixed works - 5000 How often high watermarks and recovery points are written down.
replica.lag.time.max.ms long fixed idle - 30000 How long a follower may lag before it is out of sync.
replica.selector.class string fixed idle - - A Java class that chooses which replica a consumer reads from.
replica.socket.receive.buffer.bytes int fixed idle - 65536 The receive buffer of sockets between brokers.
replica.socket.timeout.ms int fixed idle - 30000 How long a follower waits for an answer.
replication.quota.window.num int fixed idle 1.. 11 How many samples the quota of replication is averaged over.
replication.quota.window.size.seconds int fixed idle 1.. 1 How long one sample of the quota of replication lasts.
request.timeout.ms int fixed idle - 30000 How long the broker's own requests may take.
sasl.client.callback.handler.class class fixed idle - - A Java class that gives a SASL client what it is asked for.
sasl.enabled.mechanisms list fixed idle - GSSAPI The SASL mechanisms that clients may use. There is no SASL here yet: a broker does not start where this is set for clients' listeners.
sasl.jaas.config password broker idle - - The JAAS configuration of a SASL login.
sasl.kerberos.kinit.cmd string broker idle - /usr/bin/kinit Where kinit is.
sasl.kerberos.min.time.before.relogin long broker idle - 60000 The shortest time between two Kerberos logins.
sasl.kerberos.principal.to.local.rules list broker idle - DEFAULT Rules that make short names of Kerberos principals.
sasl.kerberos.service.name string broker idle - - The Kerberos principal that the broker runs as.
sasl.kerberos.ticket.renew.jitter double broker idle - 0.05 How much the renewal of a Kerberos ticket is varied at random.
sasl.kerberos.ticket.renew.window.factor double broker idle - 0.8 After what share of its life a Kerberos ticket is renewed.
sasl.login.callback.handler.class class fixed idle - - A Java class that gives a SASL login what it is asked for.
sasl.login.class class fixed idle - - The Java class of the SASL login.
sasl.login.connect.timeout.ms int fixed idle - - How long the connection to the provider of a login may take.
sasl.login.read.timeout.ms int fixed idle - - How long the answer of the provider of a login may take.
sasl.login.refresh.buffer.seconds short broker idle - 300 How long before its end a login is renewed at the latest.
sasl.login.refresh.min.period.seconds short broker idle - 60 The shortest time between two renewals of a login.
sasl.login.refresh.window.factor double broker idle - 0.8 After what share of its life a login is renewed.
sasl.login.refresh.window.jitter double broker idle - 0.05 How much the renewal of a login is varied at random.
sasl.login.retry.backoff.max.ms long fixed idle - 10000 The longest pause before a login is tried again.
sasl.login.retry.backoff.ms long fixed idle - 100 The first pause before a login is tried again.
sasl.mechanism.controller.protocol string fixed idle - GSSAPI The SASL mechanism between brokers and controllers.
sasl.mechanism.inter.broker.protocol string broker idle - GSSAPI The SASL mechanism between brokers.
sasl.oauthbearer.assertion.algorithm string fixed idle ~ES256|RS256 RS256 What the assertion that asks for an OAuth token is signed with.
sasl.oauthbearer.assertion.claim.aud string fixed idle - - The audience in the assertion that asks for an OAuth token.
sasl.oauthbearer.assertion.claim.exp.seconds int fixed idle 0..86400 300 How long the assertion that asks for an OAuth token is good.
sasl.oauthbearer.assertion.claim.iss string fixed idle - - The issuer in the assertion that asks for an OAuth token.
sasl.oauthbearer.assertion.claim.jti.include boolean fixed idle - false Whether the assertion that asks for an OAuth token has an id.
sasl.oauthbearer.assertion.claim.nbf.seconds int fixed idle 0..3600 60 How far back the assertion that asks for an OAuth token is good.
sasl.oauthbearer.assertion.claim.sub string fixed idle - - The subject in the assertion that asks for an OAuth token.
sasl.oauthbearer.assertion.file string fixed idle - - A file with a ready assertion that asks for an OAuth token.
sasl.oauthbearer.assertion.private.key.file string fixed idle - - A file with the key that the assertion is signed with.
sasl.oauthbearer.assertion.private.key.passphrase password fixed idle - - The passphrase of the key that the assertion is signed with.
sasl.oauthbearer.assertion.template.file string fixed idle - - A file with more claims for the assertion that asks for an OAuth token.
sasl.oauthbearer.client.credentials.client.id string fixed idle - - The name under which an OAuth token is asked for.
sasl.oauthbearer.client.credentials.client.secret password fixed idle - - The secret with which an OAuth token is asked for.
sasl.oauthbearer.clock.skew.seconds int fixed idle - 30 How far the clock of the OAuth provider may be off.
sasl.oauthbearer.expected.audience list fixed idle - "" The audiences that an OAuth token may be for.
sasl.oauthbearer.expected.issuer string fixed idle - - Who an OAuth token has to be from.
sasl.oauthbearer.jwks.endpoint.refresh.ms long fixed idle - 3600000 How often the keys of the OAuth provider are fetched.
sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms long fixed idle - 10000 The longest pause before the keys of the OAuth provider are fetched again.
sasl.oauthbearer.jwks.endpoint.retry.backoff.ms long fixed idle - 100 The first pause before the keys of the OAuth provider are fetched again.
sasl.oauthbearer.jwks.endpoint.url string fixed idle - - Where the keys of the OAuth provider are.
sasl.oauthbearer.jwt.retriever.class class fixed idle - org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever The Java class that asks for OAuth tokens.
sasl.oauthbearer.jwt.validator.class class fixed idle - org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator The Java class that judges OAuth tokens.
sasl.oauthbearer.scope string fixed idle - - The scope that an OAuth token is asked for.
sasl.oauthbearer.scope.claim.name string fixed idle - scope The name of an OAuth token's claim that holds the scope.
sasl.oauthbearer.sub.claim.name string fixed idle - sub The name of an OAuth token's claim that holds the subject.
sasl.oauthbearer.token.endpoint.url string fixed idle - - Where OAuth tokens are asked for.
sasl.server.callback.handler.class class fixed idle - - A Java class that gives a SASL server what it is asked for.
sasl.server.max.receive.size int fixed idle - 524288 The largest frame that is read before a client is authenticated.
security.inter.broker.protocol string fixed idle PLAINTEXT|SSL|SASL_PLAINTEXT|SASL_SSL PLAINTEXT The security protocol between brokers.
security.providers string fixed idle - - Java classes that provide security algorithms.
server.max.startup.time.ms long hidden idle 0.. 9223372036854775807 How long a start may take; for tests.
share.coordinator.append.linger.ms int fixed idle -1.. -1 How long the share coordinator gathers records before it writes them; -1 fits it to the load.
share.coordinator.cold.partition.snapshot.interval.ms int hidden idle 1.. 300000 How often the state of an idle share partition is written whole.
share.coordinator.load.buffer.size int fixed idle 1.. 5242880 How much of the share state topic is read at a time.
share.coordinator.snapshot.update.records.per.snapshot int fixed idle 0.. 500 How many changes of a share partition's state are written before it is written whole.
share.coordinator.state.topic.compression.codec int fixed idle - 0 The codec of the share state topic, by its number.
share.coordinator.state.topic.min.isr short fixed idle 1.. 2 How many replicas of the share state topic have to be in sync.
share.coordinator.state.topic.num.partitions int fixed idle 1.. 50 How many partitions the share state topic is made with.
share.coordinator.state.topic.prune.interval.ms int hidden idle 1.. 300000 How often the share state topic is freed of what is old.
share.coordinator.state.topic.replication.factor short fixed idle 1.. 3 How many replicas the share state topic is made with.
share.coordinator.state.topic.segment.bytes int fixed idle 1.. 104857600 How large a segment of the share state topic becomes.
share.coordinator.threads int fixed idle 1.. 1 How many threads coordinate share groups.
share.coordinator.write.timeout.ms int fixed idle 1.. 5000 How long a write to the share state topic may take.
share.fetch.purgatory.purge.interval.requests int fixed idle - 1000 How many requests go by before share fetches that were answered are forgotten.
socket.connection.setup.timeout.max.ms long fixed idle - 30000 The longest that the broker's own connections may take to be made.
socket.connection.setup.timeout.ms long fixed idle - 10000 How long the broker's own connections may take to be made at first.
socket.listen.backlog.size int fixed works 1.. 50 How many connections may wait to be accepted. Unless it is set, as many as the system allows.
socket.receive.buffer.bytes int fixed idle - 102400 The receive buffer of clients' sockets; -1 is the system's.
socket.request.max.bytes int fixed works 1.. 104857600 The largest request that is read.
socket.send.buffer.bytes int fixed idle - 102400 The send buffer of clients' sockets; -1 is the system's.
ssl.allow.dn.changes boolean fixed idle - false Whether a certificate may be replaced by one of another name.
ssl.allow.san.changes boolean fixed idle - false Whether a certificate may be replaced by one of other alternative names.
ssl.cipher.suites list broker idle - "" The cipher suites that TLS may use.
ssl.client.auth string fixed works required|requested|none none Whether clients have to show a certificate.
ssl.enabled.protocols list fixed works - TLSv1.2,TLSv1.3 The versions of TLS that are spoken.
ssl.endpoint.identification.algorithm string broker idle - https How the name in a server's certificate is checked.
ssl.engine.factory.class class broker idle - - The Java class that makes TLS engines.
ssl.key.password password broker idle - - The password of the private key.
ssl.keymanager.algorithm string broker idle - SunX509 The algorithm of the Java key manager.
ssl.keystore.certificate.chain password broker works - - The certificates that are shown, as PEM.
ssl.keystore.key password broker works - - The private key, as PEM.
ssl.keystore.location string broker works - - The file with the private key and its certificates.
ssl.keystore.password password broker idle - - The password of the file with the private key.
ssl.keystore.type string broker works - JKS The format of the file with the private key; read here: PEM.
ssl.principal.mapping.rules string fixed idle - DEFAULT Rules that make short names of the names in certificates.
ssl.protocol string broker idle - TLSv1.3 The version of TLS that a Java context is made for.
ssl.provider string broker idle - - The Java security provider of TLS.
ssl.secure.random.implementation string broker idle - - The Java source of random numbers for TLS.
ssl.trustmanager.algorithm string broker idle - PKIX The algorithm of the Java trust manager.
ssl.truststore.certificates password broker works - - The certificates that are trusted, as PEM.
ssl.truststore.location string broker works - - The file with the certificates that are trusted.
ssl.truststore.password password broker idle - - The password of the file with the certificates that are trusted.
ssl.truststore.type string broker works - JKS The format of the file with the certificates that are trusted; read here: PEM.
super.users string hidden idle - "" Who may do everything, whatever the ACLs say. There are no ACLs here yet, and everybody may.
telemetry.max.bytes int fixed works 1.. 1048576 The most that a client may push of its own metrics at a time.
transaction.abort.timed.out.transaction.cleanup.interval.ms int fixed idle 1.. 10000 How often transactions that have run out are aborted.
transaction.max.timeout.ms int fixed idle 1.. 900000 The longest that a client may let a transaction last.
transaction.partition.verification.enable boolean cluster idle - true Whether a partition takes transactional records only after the coordinator has confirmed the transaction.
transaction.remove.expired.transaction.cleanup.interval.ms int fixed idle 1.. 3600000 How often idle transactional ids are removed.
transaction.state.log.load.buffer.size int fixed idle 1.. 5242880 How much of the transaction topic is read at a time.
transaction.state.log.min.isr int fixed idle 1.. 2 How many replicas of the transaction topic have to be in sync.
transaction.state.log.num.partitions int fixed idle 1.. 50 How many partitions the transaction topic is made with.
transaction.state.log.replication.factor short fixed idle 1.. 3 How many replicas the transaction topic is made with, as far as there are brokers.
transaction.state.log.segment.bytes int fixed idle 1.. 104857600 How large a segment of the transaction topic becomes.
transaction.two.phase.commit.enable boolean fixed idle - false Whether transactions may take part in a two-phase commit.
transactional.id.expiration.ms int fixed idle 1.. 604800000 How long an idle transactional id is remembered.
unclean.leader.election.enable boolean cluster idle - false Whether a replica that was out of sync may lead when there is no other, for topics that do not say.
unclean.leader.election.interval.ms long hidden idle 1.. 300000 How often the controller looks for partitions that only an unclean election can give a leader.
unstable.api.versions.enable boolean hidden idle - false Whether versions of APIs are served that are not finished.
unstable.feature.versions.enable boolean hidden idle - false Whether levels of features may be finalized that are not finished.
`
