import java.util.List;
import java.util.Map;

import org.apache.kafka.common.metrics.KafkaMetric;
import org.apache.kafka.common.metrics.MetricsReporter;
import org.apache.kafka.server.telemetry.ClientTelemetry;
import org.apache.kafka.server.telemetry.ClientTelemetryReceiver;

/** Kafka's broker with a plugin that receives clients' telemetry, without which it announces none (KIP-714). */
@SuppressWarnings("removal") // 4.2 has nothing else
public class Receiver implements MetricsReporter, ClientTelemetry {
    public static void main(String[] arguments) {
        Thread.currentThread().setContextClassLoader(Receiver.class.getClassLoader()); // which knows this class
        kafka.Kafka.main(arguments);
    }

    @Override
    public ClientTelemetryReceiver clientReceiver() {
        return (context, payload) -> { };
    }

    @Override
    public void configure(Map<String, ?> configs) { }

    @Override
    public void init(List<KafkaMetric> metrics) { }

    @Override
    public void metricChange(KafkaMetric metric) { }

    @Override
    public void metricRemoval(KafkaMetric metric) { }

    @Override
    public void close() { }
}
