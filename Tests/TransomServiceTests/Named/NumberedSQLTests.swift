import Testing
import TransomService

@Suite struct NumberedSQLTests {
  private static let types = ["a": "bigint", "b": "text", "n": "int4", "tags": "text[]"]

  private static func number(
    _ sql: String, given: Int = 0
  ) throws(NumberedSQL.UnknownName) -> NumberedSQL {
    try NumberedSQL(sql, given: given) { types[$0] }
  }

  @Test(arguments: [
    ("select :a", 0, "select ($1::bigint)", ["a"]),
    (
      "update t set x = x - :a where y = :b and x >= :a", 0,
      "update t set x = x - ($1::bigint) where y = ($2::text) and x >= ($1::bigint)", ["a", "b"]
    ),
    ("values(:b,:a)", 0, "values(($1::text),($2::bigint))", ["b", "a"]),
    ("select $2, :a", 0, "select $2, ($3::bigint)", ["a"]),
    ("select $1, :a", 3, "select $1, ($4::bigint)", ["a"]),
    ("select :a::int8", 0, "select ($1::bigint)::int8", ["a"]),
    ("select x = any (:tags)", 0, "select x = any (($1::text[]))", ["tags"]),
    ("select x[:n], x[1:n]", 0, "select x[($1::int4)], x[1($1::int4)]", ["n"]),
    (":a", 0, "($1::bigint)", ["a"]),
  ]) func `a name becomes a number that has its type`(
    _ sql: String, _ given: Int, _ expected: String, _ names: [String]
  ) throws {
    let numbered = try Self.number(sql, given: given)
    #expect(numbered.text == expected && numbered.names == names)
  }

  @Test(arguments: [
    "select 1::a", "select 1 :: a", "select ':a'", "select e'\\':a'", "select $$ :a $$",
    "select $x$ :a $x$", "select \":a\" from t", "-- :a\nselect 1", "/* :a /* :b */ :a */ select 1",
    "select f(x := 1)", "select x[1 : n]", "select 'é' : : a", "", ":", "::", ": a",
    "select U&':a', B':a'",
  ]) func `what is no name stays as it is`(_ sql: String) throws {
    let numbered = try Self.number(sql)
    #expect(numbered.text == sql && numbered.names.isEmpty)
  }

  @Test(arguments: [("select :c", "c"), ("select x[1:m]", "m"), ("select :A", "A"), (":é", "é")])
  func `a name that is no parameter's is refused`(_ sql: String, _ name: String) {
    let error = #expect(throws: NumberedSQL.UnknownName.self) { try Self.number(sql) }
    #expect(error?.name == name)
  }

  @Test func `the last number is that of the statement itself`() throws {
    #expect(try Self.number("select $7, '$9', :a").lastNumber == 7)
    #expect(try Self.number("select $7, '$9', :a").text == "select $7, '$9', ($8::bigint)")
  }
}
