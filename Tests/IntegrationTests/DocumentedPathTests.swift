import TestSupport
import Testing

/// The paths of openapi.yaml are those that there are.
@Suite(.timeLimit(.minutes(2))) struct DocumentedPathTests {
  private static let methods = ["get", "head", "post", "put", "patch", "delete"]

  @Test func `each path takes the methods that the document has for it, and no other`()
    async throws
  {
    try await withService(for: "postgresql:///none") { service in
      let document = try await service.request("GET", "/openapi.json").body
      guard case .object(let paths) = document["paths"] else {
        Issue.record("the document has no paths")
        return
      }
      #expect(paths.count >= 10)
      for (path, item) in paths {
        let documented = Set(Self.methods.filter { item[$0] != .absent }.map { $0.uppercased() })
        let target = path.replacing("{webhook}", with: "wh_1")
          .replacing("{delivery}", with: "dlv_1_1").replacing("{transaction}", with: "transfer")
        let answer = try await service.request("OPTIONS", target)
        #expect(answer.status == 204, "\(path)")
        let allowed = (answer.response["Allow"] ?? "").split(separator: ", ").map(String.init)
        // HEAD is there wherever GET is (RFC 9110, section 9.3.2), be it in the document or not.
        #expect(
          Set(allowed).subtracting(["OPTIONS", "HEAD"]) == documented.subtracting(["HEAD"]),
          "\(path)")
        if documented.contains("HEAD") { #expect(allowed.contains("HEAD"), "\(path)") }
      }
    }
  }
}
