/// What a start without a database tells a person to do first.
enum FirstTransaction {
  /// A command that works as it stands or, where the service has keys, once one of them is put into it.
  static func text(for address: String, keys: [String]) -> String {
    let place =
      address.hasPrefix("unix:")
      ? "--unix-socket \(address.dropFirst(5)) http://localhost" : "http://\(address)"
    let key = keys.isEmpty ? "" : " -H 'Authorization: Bearer KEY'"
    let keyNote = keys.isEmpty ? "" : ", with the key of \(keys.joined(separator: " or ")) for KEY"
    let page =
      address.hasPrefix("unix:") ? "" : "All calls, and forms to try them: \(place)/docs\n\n"
    return """

      Transom is ready. Post a first transaction\(keyNote):

        curl \(place)/transactions\(key) --json '{"statements": [
          {"sql": "create table if not exists account (id serial primary key, owner text unique)"},
          {"id": "ada", "sql": "insert into account (owner) values ($1) on conflict do nothing returning id", "params": ["ada"]},
          {"savepoint": [{"sql": "insert into account (owner) values ($1)", "params": ["ada"]}], "on_error": "continue"},
          {"sql": "select * from account"}]}'

      \(page)Stop with Ctrl-C. The data stay.

      """
  }
}
