/// The values of an item's fields, as far as they occurred.
struct ItemFields {
  static let allowed =
    "a statement has sql, params, batch, refs, expect, id; a group has savepoint, on_error, on_commit"

  var sql: JSONNode?
  var params: JSONNode?
  var batch: JSONNode?
  var refs: JSONNode?
  var expect: JSONNode?
  var id: JSONNode?
  var savepoint: JSONNode?
  var onError: JSONNode?
  var onCommit: JSONNode?

  subscript(field: ItemField) -> JSONNode? {
    get {
      switch field {
      case .sql: sql
      case .params: params
      case .batch: batch
      case .refs: refs
      case .expect: expect
      case .id: id
      case .savepoint: savepoint
      case .onError: onError
      case .onCommit: onCommit
      }
    }
    set {
      switch field {
      case .sql: sql = newValue
      case .params: params = newValue
      case .batch: batch = newValue
      case .refs: refs = newValue
      case .expect: expect = newValue
      case .id: id = newValue
      case .savepoint: savepoint = newValue
      case .onError: onError = newValue
      case .onCommit: onCommit = newValue
      }
    }
  }
}
