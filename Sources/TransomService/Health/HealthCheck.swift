internal import TransomEventLoop

/// Asks a service that runs whether it works, as load balancers do: over a socket of its own.
package struct HealthCheck: Sendable {
  /// Why it does not.
  package struct Failure: Error, CustomStringConvertible {
    package let description: String
  }

  /// How much of an answer is read.
  fileprivate static let answerLimit = 64 << 10

  private let address: String
  private let path: String
  private let limit: Duration

  /// - Parameters:
  ///   - address: Where the service listens, as it was told; every address of the machine is asked for on loopback.
  ///   - path: Such as `/readyz`.
  ///   - limit: How long all of it may take.
  package init(address: String, path: String, limit: Duration) {
    self.address = Self.reachable(address)
    self.path = path
    self.limit = limit
  }

  /// Returns the address that has answered 200.
  ///
  /// - Throws: ``Failure``.
  @discardableResult
  package func run() async throws -> String {
    let target: SocketAddress
    do {
      target = try SocketAddress(parsing: address)
    } catch {
      throw Failure(description: "\(error)")
    }
    guard !address.hasSuffix(":0") else {
      throw Failure(
        description: "\(address) is any free port, which cannot be asked: --listen tells another")
    }
    let group = try EventLoopGroup(count: 1)
    let loop = group.loops[0]
    let task = Task(executorPreference: loop) { await ask(target, on: loop) }
    let result = await task.value
    await group.shutdown()
    let answer = try result.get()
    guard answer.hasPrefix("HTTP/1.1 200") || answer.hasPrefix("HTTP/1.0 200") else {
      throw Failure(description: "\(address)\(path) answers: \(Self.gist(answer))")
    }
    return address
  }

  private func ask(_ target: SocketAddress, on loop: EventLoop) async -> Result<String, Failure> {
    await Asking(on: loop).ask(target, path, within: limit)
  }

  /// Where a program on the same machine reaches what listens at an address.
  private static func reachable(_ address: String) -> String {
    for (all, one) in [("0.0.0.0:", "127.0.0.1:"), ("[::]:", "[::1]:")]
    where address.hasPrefix(all) {
      return one + address.dropFirst(all.count)
    }
    return address
  }

  /// The status line, and what a problem says.
  private static func gist(_ answer: String) -> String {
    let lines = answer.split(separator: "\r\n")
    let detail = answer.firstMatch(of: #/"detail":"([^"]*)"/#).map { ": \($0.output.1)" } ?? ""
    return (lines.first.map { String($0) } ?? "nothing") + detail
  }
}

/// One request on an event loop.
private actor Asking: EventLoopActor {
  nonisolated let loop: EventLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.executor }

  init(on loop: EventLoop) { self.loop = loop }

  func ask(
    _ target: SocketAddress, _ path: String, within limit: Duration
  ) async -> Result<String, HealthCheck.Failure> {
    let deadline = loop.now + limit
    do {
      let socket = try await Socket.connect(to: target, on: loop, until: deadline)
      defer { socket.close() }
      let request = Array(
        "GET \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".utf8)
      var sent = 0
      while sent < request.count {
        sent += try socket.write(request, from: sent)
        if sent == request.count { break }
        guard await socket.writable(until: deadline) == .ready else {
          return .failure(.init(description: "\(target) takes no request"))
        }
      }
      var answer: [UInt8] = []
      while answer.count < HealthCheck.answerLimit {
        switch try socket.read(into: &answer, atMost: 4096) {
        case .bytes: continue
        case .endOfStream: return .success(String(decoding: answer, as: UTF8.self))
        case .wouldBlock:
          guard await socket.readable(until: deadline) == .ready else {
            return .failure(.init(description: "\(target)\(path) does not answer within \(limit)"))
          }
        }
      }
      return .success(String(decoding: answer, as: UTF8.self))
    } catch {
      return .failure(.init(description: "\(error)"))
    }
  }
}
