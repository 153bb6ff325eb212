/// A fixed set of event loops, usually one for each core.
package final class EventLoopGroup: Sendable {
  /// The loops, in a fixed order: an index names a loop.
  package let loops: [EventLoop]

  /// Starts `count` loops, at least one.
  package init(count: Int) throws(SystemError) {
    var loops: [EventLoop] = []
    for index in 0..<max(1, count) {
      loops.append(try EventLoop(name: "loop-\(index)"))
    }
    self.loops = loops
  }

  /// Some loops of another group, which ends them: for what is to live on those only.
  package init(of loops: [EventLoop]) { self.loops = loops }

  /// Ends every loop's thread. Whatever lived on the loops must be closed before.
  package func shutdown() async {
    for loop in loops { await loop.shutdown() }
  }
}
