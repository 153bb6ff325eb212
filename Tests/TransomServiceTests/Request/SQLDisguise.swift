import TestSupport

/// Writes commands in ways that hide what they are: the attacks of `SQLText`'s tests.
struct SQLDisguise {
  private var generator: SeededGenerator

  init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

  mutating func statement() -> String {
    var text =
      switch Int.random(in: 0..<4, using: &generator) {
      case 0: control()
      case 1: lookalike()
      default: copy()
      }
    text = gap(orNothing: true) + text + gap(orNothing: true)
    for _ in 0..<pick([0, 0, 0, 1, 2]) { text = mutated(text) }
    return text
  }

  private mutating func pick<Element>(_ choices: [Element]) -> Element {
    choices[Int.random(in: choices.indices, using: &generator)]
  }

  /// White space and comments.
  private mutating func gap(orNothing: Bool = false) -> String {
    let pieces = [
      " ", "\t", "\n", "\r", "\u{0C}", "/**/", "/* ' */", "/* /* \" */ */", "/*/**/*/", "/***/",
      "--\n", "-- it's\r", "--/*\n", "/*--*/", "/* $$ */", "-- to 'x'\n", "/* from 'x' */", "/*é*/",
    ]
    var text = orNothing ? "" : pick(pieces)
    for _ in 0..<pick([0, 0, 1, 2]) { text += pick(pieces) }
    return text
  }

  /// The words in random case with gaps between them.
  private mutating func spread(_ words: String) -> String {
    words.split(separator: " ").map { word in
      String(word.map { pick([true, false]) ? Character($0.uppercased()) : $0 })
    }
    .reduce("") { text, word in text.isEmpty ? word : text + gap() + word }
  }

  private mutating func control() -> String {
    let commands = [
      "begin", "begin work", "start transaction", "start transaction read only", "commit",
      "commit and chain", "end work", "rollback", "rollback to savepoint s", "abort",
      "savepoint s", "release s", "release savepoint s", "prepare transaction 'x'",
      "prepare transaction e'x'", "prepare transaction $$x$$", "prepare transaction u&'x'",
      "commit prepared 'x'", "rollback prepared 'x'",
    ]
    var semicolons = ""
    for _ in 0..<pick([0, 0, 1, 3]) { semicolons += ";" + gap(orNothing: true) }
    return semicolons + spread(pick(commands)) + pick(["", "", ";", " ;;"])
  }

  private mutating func lookalike() -> String {
    pick([
      "\"commit\"", "u&\"commit\"", "commits", "commit$", "commité", "'commit'", "(commit)",
      "select 'commit'", "select 1 /* commit */", "select 1 -- commit",
      "prepare transaction as select 1", "prepare transaction (int) as select $1",
      "prepare \"transaction\" as select 1", "set transaction read only", "explain select 1",
      "set session characteristics as transaction read write", "deallocate all", "values (1)",
    ])
  }

  private mutating func copy() -> String {
    let target = pick([
      "stdin", "stdout", "STDIN", "'/no/such/file'", "e'/no/\\'such'", "$$/no/such$$",
      "$a$/no/$$such$a$", "program 'true'", "program $$true$$", "u&'/no/such'", "program stdin",
      "/* 'x' */ stdout", "-- 'x'\nstdin", "'/no'\n'/such'", "n'x'", "\"stdin\"",
    ])
    let way = pick(["from", "to", "FROM", "To"])
    guard pick([true, false]) else {
      return "copy" + gap(orNothing: true) + "(" + query() + ")" + gap(orNothing: true) + way
        + gap() + target
    }
    let table = pick([
      "t", "\"t\"", "u&\"t\"", "s.t", "s.from", "s./**/to", "\"s\" . \"fr\"\"om\"", "\"to 'x'\"",
    ])
    let columns = pick(["", "(a)", " ( a , \"b)\" )", "(\"from\",b)", "(/*)*/a)"])
    return pick(["copy", "COPY", "CopY"]) + gap() + table + columns + gap() + way + gap() + target
      + pick(["", " with (format csv)", " csv", ";"])
  }

  private mutating func query() -> String {
    var terms: [String] = []
    for _ in 0...pick([0, 1, 2]) {
      terms.append(
        pick([
          "1", "'x'", "'it''s'", "')'", "') to ''x'", "e'\\''", "e'\\') to '", "e'\\\\'",
          "e'a'\n'\\'b'", "e'a' -- c\n '\\') to '", "'a'\n'b'", "'\\'", "'\\') to '",
          "u&'\\0041'", "$$)$$", "$a$ $$ ) $b$ $a$", "$$'$$", "b'01'", "x'ff'", "n'x'", "(1)",
          "a$$ from (values (1)) v(a$$)", "\")\"from (values (1)) v(\")\")", "(select ')')",
          "(array[1,2])[1]", "1 /* ) to 'x' */", "1 -- ) to 'x'\n", "1 +/* ' */ 1", "'é'", "1e1",
          "$a$b$a$", "'to' from t", "e''", "''",
        ]))
    }
    return pick(["select ", "select/**/", "SELECT\n", "values ("])
      + terms.joined(separator: pick([",", " , ", "/**/,\n"])) + pick(["", "", ")"])
  }

  /// Changes a character for one that means something to the lexer. Not for a semicolon: what
  /// makes two commands of one is refused by the extended protocol, but not by the tests' oracle.
  private mutating func mutated(_ text: String) -> String {
    var scalars = Array(text.unicodeScalars)
    let place = Int.random(in: 0...scalars.count, using: &generator)
    let scalar = pick(Array("'\"$()/*-\\.eEuU&bxn \n_a1é".unicodeScalars))
    switch pick([0, 1, 2]) {
    case 0: scalars.insert(scalar, at: place)
    case 1 where place < scalars.count: scalars[place] = scalar
    case 2 where place < scalars.count: scalars.remove(at: place)
    default: break
    }
    var result = String.UnicodeScalarView()
    result.append(contentsOf: scalars)
    return String(result)
  }
}
