@main
struct Transom {
  static func main() async throws {}
}
