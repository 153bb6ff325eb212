import Testing

@testable import TransomService

struct RightsTests {
  private static func request(
    database: String = "default", role: String? = nil, settings: [(String, String)] = []
  ) -> TransactionRequest {
    var request = TransactionRequest()
    request.database = database
    request.role = role
    request.settings = settings.map { .init(name: $0, value: $1) }
    return request
  }

  private static let narrow = {
    var rights = Rights()
    rights.databases = Names(["default", "report_*"])
    rights.roles = Names(["reader"])
    rights.settings = Names(["app.*", "role", "work_mem"])
    return rights
  }()

  @Test(arguments: [
    request(), request(database: "report_2026"), request(role: "reader"),
    request(settings: [("app.tenant", "1"), ("APP.tenant", "1"), ("WORK_MEM", "1MB")]),
    request(settings: [("role", "reader"), ("Role", "reader")]),
  ]) func `what rights hold passes unchanged`(_ request: TransactionRequest) throws {
    var constrained = request
    try Self.narrow.constrain(&constrained)
    #expect(constrained == request)
  }

  @Test(arguments: [
    (request(database: "other"), "/database"), (request(database: "Default"), "/database"),
    (request(database: "report"), "/database"), (request(database: ""), "/database"),
    (request(role: "admin"), "/role"), (request(role: "READER"), "/role"),
    (request(role: "none"), "/role"),
    (request(settings: [("app.a", "1"), ("search_path", "x")]), "/settings/search_path"),
    (request(settings: [("application_name", "x")]), "/settings/application_name"),
    (request(settings: [("rOLE", "admin")]), "/settings/rOLE"),
    (request(settings: [("session_authorization", "reader")]), "/settings/session_authorization"),
  ]) func `what they do not hold is refused, with its place`(
    _ request: TransactionRequest, _ place: String
  ) {
    var constrained = request
    let error = #expect(throws: ServiceError.self) { try Self.narrow.constrain(&constrained) }
    #expect(error?.problem.status == 403 && error?.problem.pointer == place, "\(error as Any)")
    #expect(error?.problem.outcome == .notStarted)
  }

  /// Texts that Unicode takes for one, and PostgreSQL does not.
  private static let twins = [
    ("caf\u{e9}", "cafe\u{301}"), ("cafe\u{301}", "caf\u{e9}"), ("K", "\u{212a}"),
    ("\u{e9}*", "e\u{301}1"), ("\u{c5}", "\u{212b}"),
  ]

  @Test(arguments: twins) func `a name of other bytes is another name`(
    _ allowed: String, _ other: String
  ) {
    #expect(!Names([allowed]).contains(other))
    var rights = Rights()
    rights.databases = Names(["default", allowed])
    rights.roles = Names([allowed])
    rights.settings = Names([allowed.lowercased(), "role"])
    for request in [
      Self.request(database: other), Self.request(role: other),
      Self.request(settings: [("role", other)]), Self.request(settings: [(other, "1")]),
    ] {
      var constrained = request
      #expect(throws: ServiceError.self) { try rights.constrain(&constrained) }
    }
    rights.transactions = Names([allowed])
    #expect(rights.refusal(of: .named(other)) != nil)
  }

  @Test func `a name that begins as one with a star does, byte by byte, is one of those`() {
    #expect(Names(["caf\u{e9}*"]).contains("caf\u{e9}s"))
    #expect(Names(["caf\u{e9}"]).contains("caf\u{e9}"))
    #expect(Names(["e*"]).contains("e\u{301}"))
    #expect(!Names(["app.*"]).contains("app"))
  }

  @Test func `with any setting allowed, the role is still one of those that are`() {
    var rights = Rights()
    rights.roles = Names(["reader"])
    var request = Self.request(settings: [("ROLE", "admin")])
    #expect(throws: ServiceError.self) { try rights.constrain(&request) }
  }

  @Test(arguments: [true, false]) func `read-only rights make any request READ ONLY`(_ asks: Bool)
    throws
  {
    var rights = Rights()
    rights.isReadOnly = true
    var request = Self.request()
    request.readOnly = asks
    try rights.constrain(&request)
    #expect(request.readOnly && request.storesNothing)
  }
}
