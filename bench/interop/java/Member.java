import java.io.PrintStream;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;

import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Members of groups with Kafka's own consumer, as many as are named, each in a thread of its own: a process that can be
 * killed. Each prints what it processes, commits it, and prints what it was told is committed, until standard input ends.
 * A line is group, p or c, partition, offset (c: the one after the last).
 *
 * Arguments: bootstrap, topic, then for each member its group and its configurations (key=value, parted by commas).
 */
public class Member {
    static volatile boolean left;

    public static void main(String[] a) throws Exception {
        Thread[] threads = new Thread[(a.length - 2) / 2];
        for (int i = 0; i < threads.length; i++) {
            String group = a[2 + 2 * i];
            String configurations = a[3 + 2 * i];
            threads[i] = new Thread(() -> belong(a[0], a[1], group, configurations));
            threads[i].start();
        }
        System.in.readAllBytes();
        left = true;
        for (Thread each : threads) {
            each.join();
        }
    }

    static void say(String group, String what, TopicPartition partition, long offset) {
        PrintStream out = System.out;
        synchronized (out) {
            out.println(group + " " + what + " " + partition.partition() + " " + offset);
        }
    }

    static void belong(String bootstrap, String topic, String group, String configurations) {
        Properties p = new Properties();
        p.put("bootstrap.servers", bootstrap);
        p.put("group.id", group);
        p.put("enable.auto.commit", "false");
        p.put("auto.offset.reset", "earliest");
        p.put("fetch.max.wait.ms", "100");
        p.put("reconnect.backoff.max.ms", "200");
        for (String each : configurations.split(",")) {
            p.put(each.substring(0, each.indexOf('=')), each.substring(each.indexOf('=') + 1));
        }
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(p, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(List.of(topic));
            while (!left) {
                try {
                    ConsumerRecords<byte[], byte[]> got = consumer.poll(Duration.ofMillis(200));
                    Map<TopicPartition, OffsetAndMetadata> next = new HashMap<>();
                    for (ConsumerRecord<byte[], byte[]> r : got) {
                        TopicPartition partition = new TopicPartition(r.topic(), r.partition());
                        say(group, "p", partition, r.offset());
                        next.put(partition, new OffsetAndMetadata(r.offset() + 1));
                    }
                    if (!next.isEmpty()) {
                        consumer.commitSync(next);
                        next.forEach((partition, each) -> say(group, "c", partition, each.offset()));
                    }
                } catch (KafkaException e) {
                    System.err.println(group + ": " + e);
                }
            }
        }
    }
}
