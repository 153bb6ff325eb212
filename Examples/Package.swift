// swift-tools-version: 6.2
import PackageDescription

let package = Package(
  name: "examples",
  dependencies: [.package(name: "transom", path: "..")],
  targets: [
    .executableTarget(
      name: "Bank", dependencies: [.product(name: "TransomPostgres", package: "transom")])
  ]
)
