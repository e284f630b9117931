package contenders;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Counts records over all threads. The clock starts once the first ones, while the machine code is still being made, are
 * past; at the last one it prints what it took, garbage collector and compiler included, and ends the process.
 */
final class Meter {
  private static final OperatingSystemMXBean SYSTEM =
      (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
  private static final AtomicLong SEEN = new AtomicLong();
  private static long warm;
  private static long expected;
  private static volatile long cpu;
  private static volatile long wall;

  private Meter() {}

  static void expect(long warmUp, long records) {
    warm = warmUp;
    expected = records;
  }

  static void add() {
    long seen = SEEN.incrementAndGet();
    if (seen == warm) {
      wall = System.nanoTime();
      cpu = SYSTEM.getProcessCpuTime();
    } else if (seen == expected) {
      finish();
    }
  }

  private static void finish() {
    double used = (SYSTEM.getProcessCpuTime() - cpu) / 1e9;
    double passed = (System.nanoTime() - wall) / 1e9;
    System.out.printf(
        "%n{\"n\": %d, \"cpu\": %.6f, \"wall\": %.6f, \"peak_bytes\": %d}%n",
        expected - warm, used, passed, peak());
    System.out.flush();
    Runtime.getRuntime().halt(0);
  }

  private static long peak() {
    try {
      for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
        if (line.startsWith("VmHWM:")) {
          return Long.parseLong(line.replaceAll("\\D", "")) * 1024;
        }
      }
    } catch (java.io.IOException error) {
      return 0;
    }
    return 0;
  }
}
