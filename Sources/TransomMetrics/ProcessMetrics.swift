internal import FoundationEssentials
internal import Glibc

/// What the kernel knows of this process (proc(5)), by the names that all of Prometheus's own libraries use
/// (https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics).
package enum ProcessMetrics {
  /// Read anew by each call. What cannot be read is left out.
  package static func read() -> [MetricFamily] {
    var families: [MetricFamily] = []
    func add(_ name: String, _ kind: MetricFamily.Kind, _ help: String, _ value: Double?) {
      guard let value else { return }
      var family = MetricFamily(name, kind, help)
      family.add([], value)
      families.append(family)
    }
    // The fields behind the name in parentheses, which may hold anything: the first of them is number 3.
    let stat = text("/proc/self/stat").flatMap { text in
      text.lastIndex(of: ")").map { text[text.index(after: $0)...].split(separator: " ") }
    }
    func field(_ number: Int) -> Double? {
      guard let stat, stat.indices.contains(number - 3) else { return nil }
      return Double(stat[number - 3])
    }
    let ticks = Double(sysconf(Int32(_SC_CLK_TCK)))
    let page = Double(sysconf(Int32(_SC_PAGESIZE)))
    let cpu = field(14).flatMap { user in field(15).map { (user + $0) / ticks } }
    add("process_cpu_seconds", .counter, "CPU time of the process, user and system.", cpu)
    add(
      "process_resident_memory_bytes", .gauge, "Memory that is resident.",
      field(24).map { $0 * page })
    add("process_virtual_memory_bytes", .gauge, "Address space.", field(23))
    add("process_threads", .gauge, "Threads of the process.", field(20))
    let start = field(22).flatMap { ticksAfterBoot in
      bootTime.map { $0 + ticksAfterBoot / ticks }
    }
    add(
      "process_start_time_seconds", .gauge, "When the process was started, in seconds since 1970.",
      start)
    let descriptors = try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
    // One of them is that of the folder itself.
    add("process_open_fds", .gauge, "Open file descriptors.", descriptors.map { Double($0 - 1) })
    add("process_max_fds", .gauge, "File descriptors that may be open.", descriptorLimit)
    return families
  }

  private static var bootTime: Double? {
    text("/proc/stat")?.split(separator: "\n").first { $0.hasPrefix("btime ") }
      .flatMap { Double($0.dropFirst(6)) }
  }

  private static var descriptorLimit: Double? {
    text("/proc/self/limits")?.split(separator: "\n").first { $0.hasPrefix("Max open files") }
      .flatMap { $0.split(separator: " ").dropFirst(3).first }
      .flatMap { $0 == "unlimited" ? .infinity : Double($0) }
  }

  private static func text(_ path: String) -> String? {
    FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) }
  }
}
