import Hummingbird
import Logging

/// Answers GET /livez as Transom does, and no more. The port is the only argument.
@main
struct Hello {
  static func main() async throws {
    let router = Router()
    router.get("livez") { _, _ in
      Response(
        status: .ok, headers: [.contentType: "text/plain; charset=utf-8"],
        body: ResponseBody(byteBuffer: ByteBuffer(string: "alive\n")))
    }
    var logger = Logger(label: "hello")
    logger.logLevel = .error
    let port = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 8080
    let application = Application(
      router: router,
      configuration: ApplicationConfiguration(address: .hostname("127.0.0.1", port: port)),
      logger: logger)
    try await application.runService()
  }
}
