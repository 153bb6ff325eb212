// swift-tools-version: 6.2
import PackageDescription

let package = Package(
  name: "library-bench",
  dependencies: [.package(name: "transom", path: "../../..")],
  targets: [
    .executableTarget(
      name: "LibraryBench", dependencies: [.product(name: "TransomPostgres", package: "transom")],
      // A connection stays with its task: functions that take one run where their caller runs.
      swiftSettings: [.enableUpcomingFeature("NonisolatedNonsendingByDefault")])
  ]
)
