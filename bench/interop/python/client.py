"""kafka-python: sends a file of records, each to the partition it names, or reads partitions to their ends.

Arguments: produce BOOTSTRAP TOPIC FILE | read BOOTSTRAP TOPIC PARTITIONS
"""
import hashlib
import struct
import sys

from kafka import KafkaConsumer, KafkaProducer, TopicPartition


def records(path):
    with open(path, "rb") as f:
        def number():
            return struct.unpack(">i", f.read(4))[0]

        def nullable():
            length = number()
            return None if length < 0 else f.read(length)

        while head := f.read(4):
            key, value = nullable(), nullable()
            headers = [(nullable().decode(), nullable()) for _ in range(number())]
            yield struct.unpack(">i", head)[0], key, value, headers


def produce(bootstrap, topic, path):
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all", delivery_timeout_ms=300000, max_block_ms=300000, linger_ms=5,
                             bootstrap_timeout_ms=120000)
    answers = []
    for partition, key, value, headers in records(path):
        if value is None and key is None:
            raise SystemExit("kafka-python cannot send a null key with a null value")
        answers.append(producer.send(topic, value=value, key=key, headers=headers, partition=partition))
    producer.flush(timeout=300)
    for answer in answers:
        answer.get(timeout=300)
    print(len(answers))


def absorb(digest, data):
    digest.update(struct.pack(">i", -1 if data is None else len(data)) + (data or b""))


def read(bootstrap, topic, partitions):
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest", consumer_timeout_ms=60000)
    answer = []
    for number in partitions:
        partition = TopicPartition(topic, number)
        consumer.assign([partition])
        consumer.seek_to_beginning(partition)
        end = consumer.end_offsets([partition])[partition]
        digest, count = hashlib.sha256(), 0
        while consumer.position(partition) < end:
            record = next(consumer)
            digest.update(struct.pack(">q", record.offset))
            absorb(digest, record.key)
            absorb(digest, record.value)
            for name, value in record.headers:
                absorb(digest, name.encode())
                absorb(digest, value)
            count += 1
        answer.append(f"{number}:{count}:{digest.hexdigest()}")
    print(" ".join(answer))


if sys.argv[1] == "produce":
    produce(*sys.argv[2:5])
else:
    read(sys.argv[2], sys.argv[3], [int(n) for n in sys.argv[4].split(",")])
