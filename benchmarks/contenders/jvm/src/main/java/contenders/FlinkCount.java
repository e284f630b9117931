package contenders;

import java.io.IOException;
import java.util.UUID;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.serialization.AbstractDeserializationSchema;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.StateBackendOptions;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;
import org.apache.flink.util.Collector;

/**
 * Flink in one process: reads, parses, shuffles by cell, counts in keyed state on the heap; a checkpoint into a folder every ten
 * seconds, exactly once. {@code BOOTSTRAP TOPIC WARM COUNT}.
 */
public final class FlinkCount {
  private FlinkCount() {}

  private static final class CellSchema extends AbstractDeserializationSchema<String> {
    private static final long serialVersionUID = 1;

    @Override
    public String deserialize(byte[] value) throws IOException {
      return Cell.of(value);
    }
  }

  private static final class Count extends KeyedProcessFunction<String, String, Long> {
    private static final long serialVersionUID = 1;
    private transient ValueState<Long> count;

    @Override
    public void open(OpenContext context) {
      count = getRuntimeContext().getState(new ValueStateDescriptor<>("count", Types.LONG));
    }

    @Override
    public void processElement(String cell, Context context, Collector<Long> out) throws IOException {
      Long before = count.value();
      count.update(before == null ? 1L : before + 1);
      Meter.add();
    }
  }

  public static void main(String[] arguments) throws Exception {
    Meter.expect(Long.parseLong(arguments[2]), Long.parseLong(arguments[3]));
    Configuration settings = new Configuration();
    settings.set(StateBackendOptions.STATE_BACKEND, "hashmap");
    settings.set(CheckpointingOptions.CHECKPOINT_STORAGE, "filesystem");
    settings.set(
        CheckpointingOptions.CHECKPOINTS_DIRECTORY,
        "file://" + System.getProperty("java.io.tmpdir") + "/checkpoints");
    StreamExecutionEnvironment flow = StreamExecutionEnvironment.createLocalEnvironment(2, settings);
    flow.enableCheckpointing(10_000);
    flow.getConfig().enableObjectReuse();
    KafkaSource<String> source =
        KafkaSource.<String>builder()
            .setBootstrapServers(arguments[0])
            .setTopics(arguments[1])
            .setGroupId("bench-" + UUID.randomUUID())
            .setStartingOffsets(OffsetsInitializer.earliest())
            .setValueOnlyDeserializer(new CellSchema())
            .build();
    flow.fromSource(source, WatermarkStrategy.noWatermarks(), "results", Types.STRING)
        .keyBy(cell -> cell)
        .process(new Count())
        .sinkTo(new DiscardingSink<>());
    flow.execute();
  }
}
