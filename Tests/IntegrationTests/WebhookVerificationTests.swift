import FoundationEssentials
import TestSupport
import Testing

/// Our signatures, checked by the package `standardwebhooks` of PyPI.
@Suite(.timeLimit(.minutes(3))) struct WebhookVerificationTests {
  /// Where the package is; nil if it cannot be had. pip keeps what it has downloaded.
  private static func installPackage() async throws -> String? {
    let folder = "/tmp/transom-standardwebhooks"
    if FileManager.default.fileExists(atPath: folder + "/standardwebhooks/webhooks.py") {
      return folder
    }
    let pip = try await TransomProcess.start(
      [
        "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder,
        "standardwebhooks==1.1.0",
      ],
      executable: "/usr/bin/python3")
    return try await pip.waitForExit() == 0 ? folder : nil
  }

  @Test func `another implementation verifies what we sign`() async throws {
    guard let folder = try await Self.installPackage() else {
      try Test.cancel("pip cannot install standardwebhooks here")
    }
    try await withDatabase { db in
      try await withService(
        for: db.connectionString, ["--webhooks-allow-networks", "127.0.0.0/8"],
        // Sealed at rest: the key is 32 bytes of zero.
        environment: [
          "TRANSOM_WEBHOOKS_SECRET_KEYS": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
        ]
      ) { service in
        // The port of the receiver is not known before its secret is: it is told by PATCH.
        let webhook = try await service.addWebhook("http://127.0.0.1:9/verify")
        let path = "/webhooks/\(webhook["id"].text ?? "")"
        let old = webhook["secret"].text ?? ""
        let rotated = try await service.request("POST", path + "/rotate-secret").body
        let new = rotated["secret"].text ?? ""
        #expect(old != new)
        #expect(
          try await db.query(
            "select distinct get_byte(secret, 0), get_byte(previous_secret, 0) from transom.webhooks"
          )
            == [["1", "1"]])
        for secret in [old, new] {
          try await verify(service, path, folder, secret, isValid: true)
        }
        let other = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
        try await verify(service, path, folder, other, isValid: false)
      }
    }
  }

  private func verify(
    _ service: Service, _ path: String, _ folder: String, _ secret: String, isValid: Bool
  ) async throws {
    try await WebhookReceiver.with(environment: ["PYTHONPATH": folder, "SECRET": secret]) {
      receiver in
      _ = try await service.request(
        "PATCH", path, body: #"{"url": "\#(receiver.url("/verify"))"}"#)
      let document = #"""
        {"statements": [], "on_commit": [{"event": "a", "data": {"n": 1.50, "text": "\u00fc \" \ud83d\ude00"}}]}
        """#
      _ = try await service.post(document)
      let message = try await receiver.messages(1)[0]
      #expect((message["verified"] == true) == isValid, "\(message["verified"])")
    }
  }
}
