import TestSupport
import TransomCluster

/// A certificate that is its own authority, for some names, and its key; gone with the body.
struct TestCertificate: Sendable {
  let file: String
  let keyFile: String

  /// `names` are as in a certificate: `DNS:localhost`, `IP:127.0.0.1`.
  static func with<Result>(
    _ names: String..., body: (TestCertificate) async throws -> Result
  ) async throws -> Result {
    try await withFolder([:]) { folder in
      let certificate = TestCertificate(
        file: "\(folder)/certificate.pem", keyFile: "\(folder)/key.pem")
      _ = try await Command(
        "/usr/bin/openssl",
        [
          "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
          "-days", "2", "-subj", "/CN=transom test", "-keyout", certificate.keyFile, "-out",
          certificate.file, "-addext", "subjectAltName=" + names.joined(separator: ","),
        ]
      ).runChecked()
      return try await body(certificate)
    }
  }
}
