// Writes kafka.txt: what the assignors of Apache Kafka 4.2.0 say to groups that change at random. Every map is an ordered
// one, and topic ids are small, so that Java's hash sets go through them by rising id, too.
//
//	java -cp "$(bench/interop/jars.sh)/*" core/assign/testdata/Assignors.java > core/assign/testdata/kafka.txt
import java.util.*;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.coordinator.group.api.assignor.*;
import org.apache.kafka.coordinator.group.assignor.*;
import org.apache.kafka.coordinator.group.modern.*;

public class Assignors {
    static class M { String instance; TreeSet<Integer> topics = new TreeSet<>(); TreeMap<Integer, TreeSet<Integer>> target = new TreeMap<>(); }

    static Uuid id(int topic) { return new Uuid(0, topic); }

    static String text(Map<Integer, TreeSet<Integer>> partitions) {
        StringJoiner all = new StringJoiner(" ");
        partitions.forEach((topic, ps) -> {
            StringJoiner some = new StringJoiner(",");
            ps.forEach(p -> some.add("" + p));
            all.add(topic + ":" + some);
        });
        return all.toString();
    }

    // A topic that is made anew has another id, so what there was of it is no one's.
    static void add(Random random, Map<Integer, Integer> topics, Map<String, M> members) {
        int topic = 1 + random.nextInt(8);
        if (topics.putIfAbsent(topic, 1 + random.nextInt(12)) == null) members.values().forEach(m -> m.target.remove(topic));
    }

    public static void main(String[] args) {
        for (int seed = 0; seed < 30; seed++) {
            Random random = new Random(seed);
            ConsumerGroupPartitionAssignor assignor = seed % 5 == 4 ? new RangeAssignor() : new UniformAssignor();
            boolean alike = seed % 5 < 2;
            TreeMap<Integer, Integer> topics = new TreeMap<>();
            TreeMap<String, M> members = new TreeMap<>();
            TreeSet<Integer> shared = new TreeSet<>();
            int next = 0;
            for (int step = 0; step < 12; step++) {
                switch (random.nextInt(6)) {
                    case 0: add(random, topics, members); break;
                    case 1: if (!topics.isEmpty()) topics.merge(topics.firstKey(), random.nextInt(5), Integer::sum); break;
                    case 2: if (topics.size() > 3) topics.remove(topics.lastKey()); break;
                    case 3: if (members.size() > 1) members.remove(random.nextBoolean() ? members.firstKey() : members.lastKey()); break;
                    default: break;
                }
                while (topics.size() < 2) add(random, topics, members);
                for (int i = random.nextInt(4); i > 0 || members.isEmpty(); i--) {
                    M m = new M();
                    if (random.nextInt(3) == 0) m.instance = "i" + (char) ('a' + random.nextInt(26)) + next;
                    members.put((char) ('a' + random.nextInt(26)) + "" + next++, m);
                }
                shared.clear();
                for (int t : topics.keySet()) if (random.nextInt(4) > 0) shared.add(t);
                for (M m : members.values()) {
                    if (alike) { m.topics = new TreeSet<>(shared); continue; }
                    m.topics.retainAll(topics.keySet());
                    for (int t : topics.keySet()) if (random.nextInt(6) == 0) { if (!m.topics.remove(t)) m.topics.add(t); }
                }
                Map<String, MemberSubscriptionAndAssignmentImpl> specs = new TreeMap<>();
                Map<Uuid, Map<Integer, String>> inverted = new HashMap<>();
                TreeSet<Integer> first = members.firstEntry().getValue().topics;
                boolean homogeneous = true;
                StringBuilder out = new StringBuilder(assignor.name() + "|");
                StringJoiner there = new StringJoiner(" ");
                topics.forEach((t, n) -> there.add(t + ":" + n));
                out.append(there).append("\n");
                for (var e : members.entrySet()) {
                    M m = e.getValue();
                    homogeneous &= m.topics.equals(first);
                    Set<Uuid> ids = new TreeSet<>();
                    m.topics.forEach(t -> ids.add(id(t)));
                    Map<Uuid, Set<Integer>> target = new TreeMap<>();
                    StringJoiner subscribed = new StringJoiner(" ");
                    m.topics.forEach(t -> subscribed.add("" + t));
                    m.target.forEach((t, ps) -> {
                        target.put(id(t), new TreeSet<>(ps));
                        ps.forEach(p -> inverted.computeIfAbsent(id(t), x -> new HashMap<>()).put(p, e.getKey()));
                    });
                    specs.put(e.getKey(), new MemberSubscriptionAndAssignmentImpl(Optional.empty(), Optional.ofNullable(m.instance), ids,
                        new Assignment(Collections.unmodifiableMap(target))));
                    out.append(e.getKey()).append("|").append(m.instance == null ? "" : m.instance).append("|").append(subscribed)
                        .append("|").append(text(m.target)).append("|%s\n".formatted("@" + e.getKey() + "@"));
                }
                GroupAssignment given = assignor.assign(
                    new GroupSpecImpl(specs, homogeneous ? SubscriptionType.HOMOGENEOUS : SubscriptionType.HETEROGENEOUS, inverted),
                    new SubscribedTopicDescriber() {
                        public int numPartitions(Uuid topic) { return topics.getOrDefault((int) topic.getLeastSignificantBits(), -1); }
                        public Set<String> racksForPartition(Uuid topic, int partition) { return Set.of(); }
                        public Set<Integer> assignablePartitions(Uuid topic) { throw new IllegalStateException(); }
                    });
                String all = out.toString();
                for (var e : members.entrySet()) {
                    MemberAssignment a = given.members().get(e.getKey());
                    M m = e.getValue();
                    m.target = new TreeMap<>();
                    if (a != null) a.partitions().forEach((t, ps) -> m.target.put((int) t.getLeastSignificantBits(), new TreeSet<>(ps)));
                    all = all.replace("@" + e.getKey() + "@", text(m.target));
                }
                System.out.println(all);
                // Now and then a member has lost what it had, as one that is new under an old name.
                for (M m : members.values()) m.target.keySet().removeIf(t -> random.nextInt(40) == 0);
            }
        }
    }
}
