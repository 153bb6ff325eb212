// swift-tools-version: 6.2
import PackageDescription

/// Every Swift target is built alike: see "Toolchain" in CONTRIBUTING.md.
let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  .enableUpcomingFeature("InferIsolatedConformances"),
  .enableExperimentalFeature("Lifetimes"),
]

/// The fuzz targets are built by `make fuzz` only: libFuzzer brings its own `main`.
let fuzz: [Target] =
  Context.environment["TRANSOM_FUZZ"] == nil
  ? []
  : [
    .executableTarget(
      name: "Fuzz",
      dependencies: [
        "CTransomCurl", "TransomHTTP", "TransomPostgres", "TransomService", "TransomWebhooks",
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "HTTPTypes", package: "swift-http-types"),
      ],
      path: "Tests/Fuzz",
      exclude: ["corpus", "dictionaries"],
      swiftSettings: strict)
  ]

let package = Package(
  name: "transom",
  products: [
    .executable(name: "transom", targets: ["transom"]),
    .library(name: "TransomPostgres", targets: ["TransomPostgres"]),
    .library(name: "TransomTesting", targets: ["TransomTesting"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
    .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    .package(url: "https://github.com/apple/swift-distributed-tracing", from: "1.7.0"),
    .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.0"),
    .package(url: "https://github.com/apple/swift-system", from: "1.6.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    .package(url: "https://github.com/vapor/jwt-kit", from: "5.7.1"),
  ],
  targets: [
    // The C libraries: a module map each, and shims for what Swift cannot call.
    .systemLibrary(name: "CTransomLinux"),
    .systemLibrary(
      name: "CTransomPQ", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
    .systemLibrary(
      name: "CTransomZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(
      name: "CTransomCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
    .target(
      name: "CTransomJSON", linkerSettings: [.linkedLibrary("simdjson")]),

    .target(name: "TransomIsolation", swiftSettings: strict),
    .target(
      name: "TransomMetrics",
      dependencies: [.product(name: "CoreMetrics", package: "swift-metrics")],
      swiftSettings: strict),
    .target(
      name: "TransomEventLoop",
      dependencies: [
        "CTransomLinux", "TransomIsolation",
        .product(name: "DequeModule", package: "swift-collections"),
      ], swiftSettings: strict),
    .target(
      name: "TransomPostgres",
      dependencies: [
        "CTransomPQ", "TransomEventLoop",
        .product(name: "DequeModule", package: "swift-collections"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "Metrics", package: "swift-metrics"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
        .product(name: "Tracing", package: "swift-distributed-tracing"),
      ], swiftSettings: strict),
    .target(
      name: "TransomHTTP",
      dependencies: [
        "CTransomZlib", "TransomEventLoop",
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "Logging", package: "swift-log"),
      ], swiftSettings: strict),
    .target(
      name: "TransomWebhooks",
      dependencies: [
        "CTransomCurl", "TransomEventLoop", .product(name: "Crypto", package: "swift-crypto"),
      ], swiftSettings: strict),
    .target(
      name: "TransomService",
      dependencies: [
        "CTransomJSON", "TransomEventLoop", "TransomHTTP", "TransomMetrics", "TransomPostgres",
        "TransomWebhooks",
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "JWTKit", package: "jwt-kit"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "Metrics", package: "swift-metrics"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
        .product(name: "Yams", package: "Yams"),
      ],
      resources: [
        // A link to the document at the top, which GET /openapi.yaml serves.
        .embedInCode("Resources/openapi.yaml"),
        // The page that GET /docs serves.
        .embedInCode("Resources/reference.html"), .embedInCode("Resources/reference.css"),
        .embedInCode("Resources/reference.js"), .embedInCode("Resources/reference-form.js"),
      ], swiftSettings: strict),
    .target(
      name: "TransomLogging",
      dependencies: [
        .product(name: "Logging", package: "swift-log"),
        .product(name: "SystemPackage", package: "swift-system"),
      ], swiftSettings: strict),
    .target(
      name: "TransomConfiguration",
      dependencies: [
        "TransomLogging", "TransomService",
        .product(name: "Configuration", package: "swift-configuration"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "Yams", package: "Yams"),
      ], swiftSettings: strict),
    .target(
      name: "TransomCluster",
      dependencies: [
        .product(name: "Logging", package: "swift-log"),
        .product(name: "Subprocess", package: "swift-subprocess"),
        .product(name: "SystemPackage", package: "swift-system"),
      ], swiftSettings: strict),
    .target(
      name: "TransomTesting",
      dependencies: [
        "TransomCluster", "TransomPostgres", .product(name: "Logging", package: "swift-log"),
      ], swiftSettings: strict),
    .executableTarget(
      name: "transom",
      dependencies: [
        "TransomCluster", "TransomConfiguration", "TransomEventLoop", "TransomLogging",
        "TransomMetrics", "TransomService",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "CoreMetrics", package: "swift-metrics"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
        .product(name: "UnixSignals", package: "swift-service-lifecycle"),
      ], exclude: ["Profile"], swiftSettings: strict),

    .target(
      name: "TestSupport",
      dependencies: [
        "TransomCluster",
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "CryptoExtras", package: "swift-crypto"),
        .product(name: "Subprocess", package: "swift-subprocess"),
        .product(name: "SystemPackage", package: "swift-system"),
      ], path: "Tests/TestSupport", swiftSettings: strict),
    .testTarget(
      name: "TransomEventLoopTests",
      dependencies: ["CTransomLinux", "TransomEventLoop", "TestSupport"],
      swiftSettings: strict),
    .testTarget(
      name: "TransomHTTPTests",
      dependencies: [
        "CTransomZlib", "TransomEventLoop", "TransomHTTP",
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "Logging", package: "swift-log"),
      ], swiftSettings: strict),
    .testTarget(
      name: "TransomPostgresTests",
      dependencies: [
        "TransomEventLoop", "TransomPostgres", "TestSupport",
        .product(name: "Subprocess", package: "swift-subprocess"),
        .product(name: "SystemPackage", package: "swift-system"),
        .product(name: "InMemoryTracing", package: "swift-distributed-tracing"),
        .product(name: "Tracing", package: "swift-distributed-tracing"),
        .product(name: "Metrics", package: "swift-metrics"),
        .product(name: "MetricsTestKit", package: "swift-metrics"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: strict),
    .testTarget(
      name: "TransomLoggingTests",
      dependencies: ["TransomLogging", .product(name: "Logging", package: "swift-log")],
      swiftSettings: strict),
    .testTarget(
      name: "TransomMetricsTests",
      dependencies: ["TransomMetrics", .product(name: "CoreMetrics", package: "swift-metrics")],
      swiftSettings: strict),
    .testTarget(
      name: "TransomTestingTests", dependencies: ["TransomPostgres", "TransomTesting"],
      swiftSettings: strict),
    .testTarget(
      name: "TransomWebhooksTests", dependencies: ["TransomWebhooks"], swiftSettings: strict),
    .testTarget(
      name: "TransomServiceTests",
      dependencies: [
        "TransomCluster", "TransomEventLoop", "TransomMetrics", "TransomPostgres", "TransomService",
        "TransomWebhooks", "TestSupport", .product(name: "Logging", package: "swift-log"),
      ], swiftSettings: strict),
    .testTarget(
      name: "TransomConfigurationTests",
      dependencies: ["TransomConfiguration", "TransomService", "TestSupport"],
      swiftSettings: strict),
    .testTarget(
      name: "TransomClusterTests", dependencies: ["TransomCluster", "TestSupport"],
      swiftSettings: strict),
    .testTarget(
      name: "IntegrationTests",
      dependencies: ["TestSupport", "TransomCluster", "TransomEventLoop", "TransomPostgres"],
      swiftSettings: strict),
  ] + fuzz
)
