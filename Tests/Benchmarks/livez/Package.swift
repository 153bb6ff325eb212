// swift-tools-version: 6.2
import PackageDescription

// What `scripts/bench-livez` compares with: a package of its own, so that nobody else resolves its dependencies.
let package = Package(
  name: "hello",
  dependencies: [
    .package(url: "https://github.com/hummingbird-project/hummingbird", exact: "2.28.1")
  ],
  targets: [
    .executableTarget(
      name: "hello", dependencies: [.product(name: "Hummingbird", package: "hummingbird")])
  ]
)
