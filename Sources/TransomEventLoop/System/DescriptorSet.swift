internal import CTransomLinux

/// Descriptors that belong to a library, which is told what they are ready for as long as they are (level-triggered).
///
/// They have an epoll instance of their own, which the loop watches as one descriptor: a `DescriptorWatch` for each
/// would need whoever reads to read until nothing is left, and a library does as it likes.
///
/// `@unchecked Sendable`: used on its loop's thread only, as its watch checks.
@safe
package final class DescriptorSet: @unchecked Sendable {
  /// What a descriptor is ready for.
  package struct Event: Sendable {
    package var descriptor: CInt
    package var canRead: Bool
    package var canWrite: Bool
    package var hasFailed: Bool
  }

  private static let capacity = 64

  private let epoll: FileDescriptor
  private let watch: DescriptorWatch
  private var members: Set<CInt> = []
  private let events: UnsafeMutablePointer<epoll_event>

  /// On the loop only.
  package init(on loop: EventLoop) throws(SystemError) {
    let epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
    guard epoll >= 0 else { throw .last("epoll_create1") }
    self.epoll = FileDescriptor(adopting: epoll)
    watch = try DescriptorWatch(epoll, on: loop)
    unsafe events = .allocate(capacity: Self.capacity)
  }

  deinit { unsafe events.deallocate() }

  /// Waits for a descriptor, for reading, writing or both, from now on.
  package func insert(_ descriptor: CInt, reading: Bool, writing: Bool) {
    let interest = (reading ? EPOLLIN.rawValue : 0) | (writing ? EPOLLOUT.rawValue : 0)
    let token = UInt64(UInt32(bitPattern: descriptor))
    if members.contains(descriptor),
      ctransom_epoll_modify(epoll.rawValue, descriptor, interest, token) == 0
    {
      return
    }
    // Or its number is that of a new one: the kernel forgot the old one when it was closed.
    if ctransom_epoll_add(epoll.rawValue, descriptor, interest, token) == 0 {
      members.insert(descriptor)
    }
  }

  package func remove(_ descriptor: CInt) {
    guard members.remove(descriptor) != nil else { return }
    _ = ctransom_epoll_remove(epoll.rawValue, descriptor)
  }

  /// Waits until some descriptor is ready. In its caller's isolation, which must be on the loop.
  package func wait() async -> Wake { await watch.readable() }

  /// Those that are ready now; none: then the next `wait` waits.
  package func ready() -> [Event] {
    watch.didDrain()
    let count = unsafe epoll_wait(epoll.rawValue, events, CInt(Self.capacity), 0)
    return (0..<max(0, Int(count))).map { index in
      let readiness = unsafe events[index].events
      return Event(
        descriptor: CInt(bitPattern: UInt32(unsafe ctransom_epoll_token(events + index))),
        canRead: readiness & EPOLLIN.rawValue != 0, canWrite: readiness & EPOLLOUT.rawValue != 0,
        hasFailed: readiness & (EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0)
    }
  }

  /// Ends all waits. To be called before the set is dropped.
  package func close() { watch.close() }
}
