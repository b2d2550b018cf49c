import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicReference;

import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.utils.Exit;

/**
 * Kafka's own Java clients and tools, all in one JVM.
 *
 * A line on standard input is a command, its words parted by tabs: id, what, and what follows. A line on standard
 * output answers it: id, ok or failed, and a text. Console tools run one at a time, for they share System.in and
 * System.out; producers and readers run side by side.
 */
public class Driver {
    static class Exited extends RuntimeException {
        Exited(int status, String message) {
            super(status + ": " + message);
        }
    }

    /** The first status counts: a tool may catch what we throw, and exit once more. */
    static Integer exitStatus;

    static void exit(int status, String message) {
        if (exitStatus == null) {
            exitStatus = status;
        }
        throw new Exited(status, message);
    }

    static final PrintStream answers = System.out;

    /** Where System.out goes now. It is bent here, for Scala's Console keeps the System.out that it saw first. */
    static volatile OutputStream printed = OutputStream.nullOutputStream();

    static final List<Runnable> hooks = new ArrayList<>();

    public static void main(String[] ignored) throws Exception {
        System.setOut(new PrintStream(new OutputStream() {
            @Override
            public void write(int b) throws IOException {
                printed.write(b);
            }

            @Override
            public void write(byte[] b, int from, int length) throws IOException {
                printed.write(b, from, length);
            }
        }, false, "UTF-8"));
        Exit.setExitProcedure(Driver::exit);
        Exit.setHaltProcedure(Driver::exit);
        Exit.setShutdownHookAdder((name, hook) -> hooks.add(hook));
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line; (line = in.readLine()) != null; ) {
            String[] words = line.split("\t", -1);
            Thread thread = new Thread(() -> obey(words));
            thread.setDaemon(true);
            thread.start();
        }
    }

    static void obey(String[] words) {
        String answer;
        try {
            answer = words[0] + "\tok\t" + run(words[1], Arrays.copyOfRange(words, 2, words.length));
        } catch (Throwable e) {
            answer = words[0] + "\tfailed\t" + String.valueOf(e).replaceAll("\\s+", " ");
        }
        synchronized (answers) {
            answers.println(answer);
            answers.flush();
        }
    }

    static String run(String what, String[] a) throws Exception {
        switch (what) {
            case "tool": return tool(a[0], a[1], a[2], Arrays.copyOfRange(a, 3, a.length));
            case "produce": return produce(a[0], a[1], a[2], a[3], a[4]);
            case "read": return read(a[0], a[1], Integer.parseInt(a[2]));
            default: throw new IllegalArgumentException("no command " + what);
        }
    }

    /** Runs main(args) of a tool with its standard streams bent, then the shutdown hooks it left. */
    static synchronized String tool(String name, String inputFile, String outputFile, String[] args) throws Exception {
        InputStream in = System.in;
        PrintStream err = System.err;
        ByteArrayOutputStream complaints = new ByteArrayOutputStream();
        hooks.clear();
        exitStatus = null;
        try (OutputStream bent = new BufferedOutputStream(new FileOutputStream(outputFile), 1 << 16)) {
            System.setIn(inputFile.isEmpty() ? new ByteArrayInputStream(new byte[0]) : new BufferedInputStream(new FileInputStream(inputFile)));
            printed = bent;
            System.setErr(new PrintStream(complaints, true, "UTF-8"));
            for (int i = 0; i < args.length; i++) {
                args[i] = unescape(args[i]);
            }
            try {
                Class.forName(name).getMethod("main", String[].class).invoke(null, (Object) args);
            } catch (java.lang.reflect.InvocationTargetException e) {
                if (!(e.getCause() instanceof Exited)) {
                    throw e.getCause() instanceof Exception ? (Exception) e.getCause() : e;
                }
            }
            for (Runnable hook : new ArrayList<>(hooks)) {
                hook.run();
            }
            System.out.flush();
        } finally {
            printed = OutputStream.nullOutputStream();
            System.setIn(in);
            System.setErr(err);
        }
        String said = complaints.toString("UTF-8").replaceAll("\\s+", " ").trim();
        if (exitStatus != null && exitStatus != 0) {
            throw new IllegalStateException("exit " + exitStatus + ": " + said);
        }
        return said;
    }

    /** \xNN stands for a byte that a line of the protocol cannot carry. */
    static String unescape(String s) {
        StringBuilder b = new StringBuilder();
        for (int i = 0; i < s.length(); i++) {
            if (s.startsWith("\\x", i)) {
                b.append((char) Integer.parseInt(s.substring(i + 2, i + 4), 16));
                i += 3;
            } else {
                b.append(s.charAt(i));
            }
        }
        return b.toString();
    }

    static byte[] nullable(DataInputStream in) throws Exception {
        int length = in.readInt();
        return length < 0 ? null : in.readNBytes(length);
    }

    static final String[] CODECS = {"none", "gzip", "snappy", "lz4", "zstd"};

    static KafkaProducer<byte[], byte[]> producer(String bootstrap, String acks, String idempotence, String codec) {
        Properties p = new Properties();
        p.put("bootstrap.servers", bootstrap);
        p.put("acks", acks);
        p.put("enable.idempotence", idempotence);
        p.put("compression.type", codec);
        p.put("delivery.timeout.ms", "300000");
        p.put("max.block.ms", "300000");
        p.put("batch.size", "131072");
        p.put("reconnect.backoff.max.ms", "200");
        return new KafkaProducer<>(p, new ByteArraySerializer(), new ByteArraySerializer());
    }

    /**
     * Sends a file of records, each to the partition it names, and waits for every answer. Where the codec changes a new
     * producer begins when the old one is done, so the order stays.
     */
    static String produce(String bootstrap, String topic, String file, String acks, String idempotence) throws Exception {
        AtomicReference<Exception> failure = new AtomicReference<>();
        long count = 0;
        int current = -1;
        KafkaProducer<byte[], byte[]> producer = null;
        try (DataInputStream in = new DataInputStream(new BufferedInputStream(new FileInputStream(file), 1 << 20))) {
            while (failure.get() == null) {
                int partition;
                try {
                    partition = in.readInt();
                } catch (EOFException end) {
                    break;
                }
                int codec = in.readInt();
                long time = in.readLong();
                byte[] key = nullable(in);
                byte[] value = nullable(in);
                List<Header> headers = new ArrayList<>();
                for (int left = in.readInt(); left > 0; left--) {
                    headers.add(new RecordHeader(new String(nullable(in), StandardCharsets.UTF_8), nullable(in)));
                }
                if (codec != current) {
                    if (producer != null) {
                        producer.close();
                    }
                    producer = producer(bootstrap, acks, idempotence, CODECS[codec]);
                    current = codec;
                }
                producer.send(new ProducerRecord<>(topic, partition, time == 0 ? null : time, key, value, headers), (metadata, e) -> {
                    if (e != null) {
                        failure.compareAndSet(null, e);
                    }
                });
                count++;
            }
        } finally {
            if (producer != null) {
                producer.close();
            }
        }
        if (failure.get() != null) {
            throw failure.get();
        }
        return String.valueOf(count);
    }

    static void absorb(MessageDigest d, byte[] bytes) {
        d.update(ByteBuffer.allocate(4).putInt(bytes == null ? -1 : bytes.length).array());
        if (bytes != null) {
            d.update(bytes);
        }
    }

    /** Reads every partition to its end; answers partition:count:SHA-256 over offset, time, key, value and headers. */
    static String read(String bootstrap, String topic, int partitions) throws Exception {
        Properties p = new Properties();
        p.put("bootstrap.servers", bootstrap);
        p.put("enable.auto.commit", "false");
        p.put("max.poll.records", "5000");
        Map<Integer, MessageDigest> digests = new TreeMap<>();
        Map<Integer, Long> counts = new TreeMap<>();
        List<TopicPartition> all = new ArrayList<>();
        for (int i = 0; i < partitions; i++) {
            all.add(new TopicPartition(topic, i));
            digests.put(i, MessageDigest.getInstance("SHA-256"));
            counts.put(i, 0L);
        }
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(p, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.assign(all);
            consumer.seekToBeginning(all);
            Map<TopicPartition, Long> ends = consumer.endOffsets(all);
            long deadline = System.currentTimeMillis() + 240_000;
            while (all.stream().anyMatch(each -> consumer.position(each) < ends.get(each))) {
                if (System.currentTimeMillis() > deadline) {
                    throw new IllegalStateException("the end was not reached within 240 s: " + counts + " of " + ends);
                }
                for (ConsumerRecord<byte[], byte[]> r : consumer.poll(Duration.ofMillis(200))) {
                    MessageDigest d = digests.get(r.partition());
                    d.update(ByteBuffer.allocate(8).putLong(r.offset()).array());
                    d.update(ByteBuffer.allocate(8).putLong(r.timestamp()).array());
                    absorb(d, r.key());
                    absorb(d, r.value());
                    for (Header h : r.headers()) {
                        absorb(d, h.key().getBytes(StandardCharsets.UTF_8));
                        absorb(d, h.value());
                    }
                    counts.merge(r.partition(), 1L, Long::sum);
                }
            }
        }
        StringBuilder answer = new StringBuilder();
        for (Map.Entry<Integer, MessageDigest> each : digests.entrySet()) {
            answer.append(each.getKey()).append(':').append(counts.get(each.getKey())).append(':');
            for (byte b : each.getValue().digest()) {
                answer.append(String.format("%02x", b));
            }
            answer.append(' ');
        }
        return answer.toString().trim();
    }
}
