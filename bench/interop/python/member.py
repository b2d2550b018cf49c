"""A member of a group with kafka-python, confluent-kafka or aiokafka: it prints what it processes, commits it, prints what it was
told is committed, and leaves when standard input ends. A line is p or c, partition, offset (c: the one after the last).

Arguments: KIND BOOTSTRAP GROUP TOPIC
"""
import asyncio
import sys
import threading

SESSION_MS = 6000
left = threading.Event()


def say(what, partition, offset):
    sys.stdout.write(f"{what} {partition} {offset}\n")


def complain(error):
    print(repr(error), file=sys.stderr, flush=True)


def kafka_python(bootstrap, group, topic, **more):
    from kafka import KafkaConsumer
    from kafka.errors import KafkaError
    consumer = KafkaConsumer(topic, bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False, auto_offset_reset="earliest",
                             session_timeout_ms=SESSION_MS, heartbeat_interval_ms=1000, fetch_max_wait_ms=100, reconnect_backoff_max_ms=500,
                             bootstrap_timeout_ms=30000, **more)
    while not left.is_set():
        try:
            got = consumer.poll(timeout_ms=200)
            for partition, records in got.items():
                for r in records:
                    say("p", r.partition, r.offset)
            sys.stdout.flush()
            if got:
                consumer.commit()
                for partition, records in got.items():
                    say("c", partition.partition, records[-1].offset + 1)
                sys.stdout.flush()
        except KafkaError as error:
            complain(error)
    consumer.close()


def confluent(bootstrap, group, topic, **more):
    from confluent_kafka import Consumer, KafkaException
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": False, "auto.offset.reset": "earliest",
                         "fetch.wait.max.ms": 100, "reconnect.backoff.max.ms": 200, **more})
    consumer.subscribe([topic])
    while not left.is_set():
        last = {}
        for r in consumer.consume(100, timeout=0.2):
            if r.error():
                complain(r.error())
                continue
            say("p", r.partition(), r.offset())
            last[r.partition()] = r
        sys.stdout.flush()
        if last:
            try:
                for r in consumer.commit(asynchronous=False) or []:
                    if r.error is None and r.offset >= 0:
                        say("c", r.partition, r.offset)
                    elif r.error is not None:
                        complain(r.error)
            except KafkaException as error:
                complain(error)
            sys.stdout.flush()
    consumer.close()


async def aiokafka_member(bootstrap, group, topic):
    from aiokafka import AIOKafkaConsumer
    from aiokafka.errors import KafkaError
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False, auto_offset_reset="earliest",
                                session_timeout_ms=SESSION_MS, heartbeat_interval_ms=1000, fetch_max_wait_ms=100)
    await consumer.start()
    while not left.is_set():
        try:
            got = await consumer.getmany(timeout_ms=200)
            for partition, records in got.items():
                for r in records:
                    say("p", r.partition, r.offset)
            sys.stdout.flush()
            if got:
                await consumer.commit({partition: records[-1].offset + 1 for partition, records in got.items()})
                for partition, records in got.items():
                    say("c", partition.partition, records[-1].offset + 1)
                sys.stdout.flush()
        except KafkaError as error:
            complain(error)
    await consumer.stop()


def classic(**more):
    return lambda *a: confluent(*a, **{"session.timeout.ms": SESSION_MS, "heartbeat.interval.ms": 1000, **more})


kinds = {
    "kafka-python": kafka_python,
    "confluent-kafka": classic(),
    "confluent-kafka-cooperative": classic(**{"partition.assignment.strategy": "cooperative-sticky"}),
    "confluent-kafka-consumer": lambda *a: confluent(*a, **{"group.protocol": "consumer"}),
    "aiokafka": lambda *a: asyncio.run(aiokafka_member(*a)),
}


def listen():
    sys.stdin.buffer.read()
    left.set()


threading.Thread(target=listen, daemon=True).start()
kinds[sys.argv[1]](*sys.argv[2:])
