"""kafka-python, confluent-kafka and aiokafka: each sends a file of records, each record to the partition and in the codec
it names, or reads partitions to their ends. Where the codec changes a new producer begins when the old one is done, so the
order stays.

Arguments: CLIENT produce BOOTSTRAP TOPIC FILE | CLIENT read BOOTSTRAP TOPIC PARTITIONS | CLIENT admin BOOTSTRAP TOPIC

Admin makes a topic, adds a partition, prints what it is told of them and of one configuration, and deletes the topic.
"""
import asyncio
import hashlib
import struct
import sys

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]


def records(path):
    with open(path, "rb", buffering=1 << 20) as f:
        def nullable():
            length, = struct.unpack(">i", f.read(4))
            return None if length < 0 else f.read(length)

        while head := f.read(16):
            partition, codec, time = struct.unpack(">iiq", head)
            key, value = nullable(), nullable()
            headers = [(nullable().decode(), nullable()) for _ in range(struct.unpack(">i", f.read(4))[0])]
            yield partition, CODECS[codec], time or None, key, value, headers


class Digest:
    """What a partition holds: count and SHA-256 over offset, time, key, value and headers."""

    def __init__(self, partition):
        self.partition, self.count, self.sum = partition, 0, hashlib.sha256()

    def add(self, offset, time, key, value, headers):
        self.sum.update(struct.pack(">qq", offset, time))
        self.absorb(key)
        self.absorb(value)
        for name, each in headers or []:
            self.absorb(name.encode())
            self.absorb(each)
        self.count += 1

    def absorb(self, data):
        self.sum.update(struct.pack(">i", -1 if data is None else len(data)) + (data or b""))

    def __str__(self):
        return f"{self.partition}:{self.count}:{self.sum.hexdigest()}"


def kafka_python_produce(bootstrap, topic, path):
    from kafka import KafkaProducer
    current, producer, answers = None, None, []
    for partition, codec, time, key, value, headers in records(path):
        if codec != current:
            if producer:
                producer.flush(timeout=300)
                producer.close()
            current = codec
            producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all", delivery_timeout_ms=300000, max_block_ms=300000, linger_ms=5,
                                     bootstrap_timeout_ms=120000, compression_type=None if codec == "none" else codec)
        answers.append(producer.send(topic, value=value, key=key, headers=headers, partition=partition, timestamp_ms=time))
    producer.flush(timeout=300)
    for answer in answers:
        answer.get(timeout=300)
    return len(answers)


def kafka_python_read(bootstrap, topic, partitions):
    from kafka import KafkaConsumer, TopicPartition
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest", consumer_timeout_ms=60000)
    for number in partitions:
        partition, digest = TopicPartition(topic, number), Digest(number)
        consumer.assign([partition])
        consumer.seek_to_beginning(partition)
        end = consumer.end_offsets([partition])[partition]
        while consumer.position(partition) < end:
            r = next(consumer)
            digest.add(r.offset, r.timestamp, r.key, r.value, r.headers)
        yield digest


def confluent_produce(bootstrap, topic, path):
    from confluent_kafka import Producer
    current, producer, count, failures = None, None, 0, []

    def answered(error, _):
        if error is not None:
            failures.append(error)

    for partition, codec, time, key, value, headers in records(path):
        if codec != current:
            if producer and producer.flush(300):
                raise SystemExit("not all was sent")
            current = codec
            producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "compression.type": codec, "linger.ms": 5,
                                 "message.timeout.ms": 300000, "reconnect.backoff.max.ms": 200, "queue.buffering.max.messages": 1000})
        while True:
            try:
                producer.produce(topic, value=value, key=key, partition=partition, headers=headers, timestamp=time or 0, on_delivery=answered)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
        count += 1
    if producer.flush(300):
        raise SystemExit("not all was sent")
    if failures:
        raise SystemExit(f"{len(failures)} failed, the first with {failures[0]}")
    return count


def confluent_read(bootstrap, topic, partitions):
    from confluent_kafka import Consumer, OFFSET_BEGINNING, TopicPartition
    # It refuses to be made without a group, which is not used: partitions are assigned, nothing is committed.
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "unused", "enable.auto.commit": False})
    for number in partitions:
        digest = Digest(number)
        _, end = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=30)
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING)])
        at = 0
        while at < end:
            batch = consumer.consume(min(500, end - at), timeout=30)
            if not batch:
                raise SystemExit(f"nothing came for 30 s at offset {at} of {end}")
            for r in batch:
                if r.error():
                    raise SystemExit(str(r.error()))
                digest.add(r.offset(), r.timestamp()[1], r.key(), r.value(), r.headers())
                at = r.offset() + 1
        yield digest


async def aiokafka_started(make):
    """It gives up at once where nobody listens."""
    from aiokafka.errors import KafkaConnectionError
    for attempt in range(1200):
        producer = make()
        try:
            await producer.start()
            return producer
        except KafkaConnectionError:
            await producer.stop()
            await asyncio.sleep(0.1)
    raise SystemExit("no broker for two minutes")


async def aiokafka_send(bootstrap, topic, path):
    from aiokafka import AIOKafkaProducer
    current, producer, answers = None, None, []
    for partition, codec, time, key, value, headers in records(path):
        if codec != current:
            if producer:
                await producer.stop()
            current = codec
            producer = await aiokafka_started(lambda: AIOKafkaProducer(
                bootstrap_servers=bootstrap, enable_idempotence=True, retry_backoff_ms=100, request_timeout_ms=120000,
                compression_type=None if codec == "none" else codec))
        answers.append(await producer.send(topic, value=value, key=key, headers=headers, partition=partition, timestamp_ms=time))
    await producer.stop()
    for answer in answers:
        await answer
    return len(answers)


async def aiokafka_digests(bootstrap, topic, partitions):
    from aiokafka import AIOKafkaConsumer, TopicPartition
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    digests = []
    for number in partitions:
        partition, digest = TopicPartition(topic, number), Digest(number)
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        end = (await consumer.end_offsets([partition]))[partition]
        while await consumer.position(partition) < end:
            r = await asyncio.wait_for(consumer.getone(), 60)
            digest.add(r.offset, r.timestamp, r.key, r.value, r.headers)
        digests.append(digest)
    await consumer.stop()
    return digests


def kafka_python_admin(bootstrap, topic):
    from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, NewTopic
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    admin.create_topics([NewTopic(topic, 2, 1, topic_configs={"retention.ms": "777777"})])
    admin.create_partitions({topic: 3})
    partitions = len(admin.describe_topics([topic])[0]["partitions"])
    described = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    retention = described["topic"][topic]["retention.ms"]["value"]
    admin.delete_topics([topic])
    return retention, partitions, topic in admin.list_topics()


def confluent_admin(bootstrap, topic):
    from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(topic, 2, 1, config={"retention.ms": "777777"})])[topic].result(30)
    admin.create_partitions([NewPartitions(topic, 3)])[topic].result(30)
    partitions = len(admin.list_topics(topic, timeout=30).topics[topic].partitions)
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    retention = admin.describe_configs([resource])[resource].result(30)["retention.ms"].value
    admin.delete_topics([topic])[topic].result(30)
    return retention, partitions, topic in admin.list_topics(timeout=30).topics


async def aiokafka_topic(bootstrap, topic):
    from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
    from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 2, 1, topic_configs={"retention.ms": "777777"})])
    await admin.create_partitions({topic: NewPartitions(3)})
    partitions = len((await admin.describe_topics([topic]))[0]["partitions"])
    described = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    retention = next(each[1] for each in described[0].resources[0][4] if each[0] == "retention.ms")
    await admin.delete_topics([topic])
    left = await admin.list_topics()
    await admin.close()
    return retention, partitions, topic in left


clients = {
    "kafka-python": (kafka_python_produce, kafka_python_read, kafka_python_admin),
    "confluent-kafka": (confluent_produce, confluent_read, confluent_admin),
    "aiokafka": tuple(lambda *a, each=each: asyncio.run(each(*a)) for each in (aiokafka_send, aiokafka_digests, aiokafka_topic)),
}
name, what, *rest = sys.argv[1:]
produce, read, admin = clients[name]
if what == "produce":
    print(produce(*rest))
elif what == "admin":
    print("retention {}, {} partitions, still there: {}".format(*admin(*rest)))
else:
    print(" ".join(str(each) for each in read(rest[0], rest[1], [int(n) for n in rest[2].split(",")])))
