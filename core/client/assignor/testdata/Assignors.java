// Writes java.json: what the assignors of Kafka's Java client give for drawn groups. Run it with
//   java -cp "$(../../../../bench/interop/jars.sh)/*" Assignors.java > java.json
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.*;
import java.util.stream.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.*;
import org.apache.kafka.common.*;

public class Assignors {
    public static void main(String[] args) {
        Random random = new Random(1);
        ConsumerPartitionAssignor[] all = {new RangeAssignor(), new RoundRobinAssignor(), new StickyAssignor(), new CooperativeStickyAssignor()};
        for (int n = 0; n < 240; n++) {
            one(random, all[n % all.length], n % 3 != 0);
        }
    }

    static void one(Random random, ConsumerPartitionAssignor assignor, boolean alike) {
        Map<String, Integer> topics = new TreeMap<>();
        for (int i = 1 + random.nextInt(4); i > 0; i--) {
            topics.put("t" + i, 1 + random.nextInt(6));
        }
        List<String> names = new ArrayList<>(topics.keySet());
        int count = 1 + random.nextInt(5);
        List<String> common = subset(random, names);
        Map<String, List<TopicPartition>> owned = new TreeMap<>();
        Map<String, Subscription> subscriptions = new TreeMap<>();
        List<String> members = new ArrayList<>();
        List<TopicPartition> free = new ArrayList<>();
        topics.forEach((topic, size) -> IntStream.range(0, size).forEach(p -> free.add(new TopicPartition(topic, p))));
        Collections.shuffle(free, random);
        boolean sticky = assignor instanceof StickyAssignor, cooperative = assignor instanceof CooperativeStickyAssignor;
        for (int i = 0; i < count; i++) {
            String id = "m" + i;
            List<String> subscribed = alike ? common : subset(random, names);
            List<TopicPartition> mine = new ArrayList<>();
            if (sticky || cooperative) {
                for (int k = random.nextInt(6); k > 0 && !free.isEmpty(); k--) {
                    TopicPartition p = free.get(free.size() - 1);
                    if (!subscribed.contains(p.topic())) break;
                    free.remove(free.size() - 1);
                    mine.add(p);
                }
            }
            int generation = sticky || cooperative ? 4 : -1;
            ByteBuffer data = sticky ? memory(mine, generation) : null;
            Subscription s = new Subscription(subscribed, data, cooperative ? mine : List.of(), generation, Optional.empty());
            String instance = random.nextInt(4) == 0 ? "i" + (9 - i) : "";
            if (!instance.isEmpty()) s.setGroupInstanceId(Optional.of(instance));
            subscriptions.put(id, s);
            members.add("{\"id\":\"" + id + "\",\"instance\":\"" + instance + "\",\"topics\":" + quoted(subscribed)
                + ",\"owned\":" + quoted(texts(mine)) + ",\"generation\":" + generation + "}");
        }
        List<PartitionInfo> infos = new ArrayList<>();
        topics.forEach((topic, size) -> IntStream.range(0, size).forEach(p -> infos.add(new PartitionInfo(topic, p, Node.noNode(), new Node[0], new Node[0]))));
        Cluster cluster = new Cluster("c", List.of(), infos, Set.of(), Set.of());
        Map<String, Assignment> given = new TreeMap<>(assignor.assign(cluster, new GroupSubscription(subscriptions)).groupAssignment());
        System.out.println("{\"assignor\":\"" + assignor.name() + "\",\"topics\":{"
            + topics.entrySet().stream().map(e -> "\"" + e.getKey() + "\":" + e.getValue()).collect(Collectors.joining(","))
            + "},\"members\":[" + String.join(",", members) + "],\"given\":{"
            + given.entrySet().stream().map(e -> "\"" + e.getKey() + "\":" + quoted(texts(e.getValue().partitions()))).collect(Collectors.joining(",")) + "}}");
    }

    // What a StickyAssignor remembers between two rounds: topics and partitions, then the generation.
    static ByteBuffer memory(List<TopicPartition> mine, int generation) {
        ByteBuffer b = ByteBuffer.allocate(1000);
        Map<String, List<Integer>> byTopic = new TreeMap<>();
        mine.forEach(p -> byTopic.computeIfAbsent(p.topic(), t -> new ArrayList<>()).add(p.partition()));
        b.putInt(byTopic.size());
        byTopic.forEach((topic, partitions) -> {
            byte[] name = topic.getBytes(StandardCharsets.UTF_8);
            b.putShort((short) name.length).put(name).putInt(partitions.size());
            partitions.forEach(b::putInt);
        });
        b.putInt(generation).flip();
        return b;
    }

    static List<String> subset(Random random, List<String> names) {
        List<String> some = new ArrayList<>(names);
        Collections.shuffle(some, random);
        return some.subList(0, 1 + random.nextInt(some.size()));
    }

    static List<String> texts(List<TopicPartition> list) {
        return list.stream().map(p -> p.topic() + "-" + p.partition()).sorted().collect(Collectors.toList());
    }

    static String quoted(List<String> list) {
        return list.stream().map(t -> "\"" + t + "\"").collect(Collectors.joining(",", "[", "]"));
    }
}
