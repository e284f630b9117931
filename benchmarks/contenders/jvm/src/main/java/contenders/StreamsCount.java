package contenders;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Properties;
import java.util.UUID;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * Kafka Streams, Processor API: reads, parses, counts by cell. What it counts is kept in memory, and, as is its default, in a
 * changelog topic; offsets are committed every 30 seconds. {@code BOOTSTRAP TOPIC WARM COUNT}.
 */
public final class StreamsCount {
  private StreamsCount() {}

  private static final class Count implements Processor<byte[], byte[], Void, Void> {
    private KeyValueStore<String, Long> counts;

    @Override
    public void init(ProcessorContext<Void, Void> context) {
      counts = context.getStateStore("counts");
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
      try {
        String cell = Cell.of(record.value());
        Long before = counts.get(cell);
        counts.put(cell, before == null ? 1L : before + 1);
      } catch (IOException error) {
        throw new UncheckedIOException(error);
      }
      Meter.add();
    }
  }

  public static void main(String[] arguments) {
    Meter.expect(Long.parseLong(arguments[2]), Long.parseLong(arguments[3]));
    Properties settings = new Properties();
    settings.put(StreamsConfig.APPLICATION_ID_CONFIG, "bench-" + UUID.randomUUID());
    settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments[0]);
    settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 2);
    settings.put(StreamsConfig.STATE_DIR_CONFIG, System.getProperty("java.io.tmpdir"));
    settings.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
    Topology topology = new Topology();
    var bytes = Serdes.ByteArray().deserializer();
    topology.addSource("in", bytes, bytes, arguments[1]);
    topology.addProcessor("count", Count::new, "in");
    topology.addStateStore(
        Stores.keyValueStoreBuilder(
                Stores.inMemoryKeyValueStore("counts"), Serdes.String(), Serdes.Long())
            .withCachingEnabled(),
        "count");
    new KafkaStreams(topology, settings).start();
  }
}
