// A query stores nothing, unless a function does it that it calls.
extension SQLScanner {
  /// What the rest of a query makes of it: one that changes rows if it calls a function that is not known to store nothing,
  /// and one that makes a table if it is a SELECT INTO.
  ///
  /// What an operator, a cast, a view, a row security policy or `row.function` calls is not seen.
  mutating func kindOfQuery(from first: SQLText.Kind) -> SQLText.Kind {
    var kind = first
    var before = Token.other
    var previous = Token.other
    var isAfterQuotedName = false
    while true {
      let token = next()
      switch token {
      case .end: return kind
      // In a WITH an INSERT or MERGE can stand; elsewhere these words are names.
      case .word(let name)
      where word(name, is: "into") && (first == .reads || !beginsChange(previous)):
        return .defines
      case .open where sql[position - 1] == UInt8(ascii: "("):
        switch previous {
        // With a schema it is somebody's own, most likely.
        case .word(let name):
          if before == .dot || !Self.storesNothing(lowercased(name)) { kind = .changes }
        case .other where isAfterQuotedName: kind = .changes
        // The end of a name with UESCAPE: no other string has a parenthesis behind it.
        case .string: kind = .changes
        case .parameter, .open, .close, .dot, .other, .end: break
        }
      case .word, .string, .parameter, .open, .close, .dot, .other: break
      }
      isAfterQuotedName = token == .other && sql[position - 1] == UInt8(ascii: "\"")
      (before, previous) = (previous, token)
    }
  }

  /// Whether the word before INTO is the INSERT or MERGE of a WITH.
  private func beginsChange(_ token: Token) -> Bool {
    guard case .word(let name) = token else { return false }
    return word(name, is: "insert") || word(name, is: "merge")
  }

  private func lowercased(_ word: Range<Int>) -> String {
    String(
      decoding: word.map { index in
        let letter = sql[index]
        return 0x41...0x5a ~= letter ? letter | 0x20 : letter
      }, as: UTF8.self)
  }

  private static func storesNothing(_ word: String) -> Bool {
    keywords.contains(word) || functions.contains(word)
  }

  /// Keywords and types that a parenthesis may follow without a call.
  private static let keywords: Set<String> = [
    "all", "and", "any", "array", "as", "between", "bit", "by", "case", "cast", "char", "character",
    "decimal", "dec", "distinct", "else", "end", "except", "exists", "fetch", "filter",
    "float", "from", "group", "having", "ilike", "in", "intersect", "interval", "is", "join",
    "lateral",
    "like", "limit", "materialized", "not", "numeric", "offset", "on", "only", "operator",
    "or",
    "over", "precision", "row", "select", "sets", "similar", "some", "table", "then",
    "time",
    "timestamp", "to", "union", "using", "values", "varchar", "varying", "when", "where", "window",
    "with", "within",
  ]

  /// The functions of PostgreSQL that queries call most (manual, chapter 9). One that is missing costs a question for
  /// the transaction's id, no more.
  private static let functions: Set<String> = [
    "abs", "age", "array_agg", "array_length", "array_position", "array_to_string", "avg",
    "bool_and",
    "bool_or", "btrim", "cardinality", "ceil", "ceiling", "char_length", "clock_timestamp",
    "coalesce",
    "concat", "concat_ws", "count", "cume_dist", "current_setting", "date_part", "date_trunc",
    "dense_rank",
    "encode", "every", "extract", "first_value", "floor", "format", "generate_series", "greatest",
    "grouping", "json_agg", "json_array_elements", "json_build_array", "json_build_object",
    "json_object_agg",
    "jsonb_agg", "jsonb_array_elements", "jsonb_array_length", "jsonb_build_array",
    "jsonb_build_object",
    "jsonb_each", "jsonb_object_agg", "jsonb_set", "lag", "last_value", "lead", "least", "left",
    "length",
    "lower", "lpad", "ltrim", "make_date", "max", "md5", "min", "mod", "nth_value", "ntile", "now",
    "nullif",
    "percent_rank", "percentile_cont", "percentile_disc", "position", "power", "random", "rank",
    "regexp_match", "regexp_matches", "regexp_replace", "regexp_split_to_table", "repeat",
    "replace",
    "reverse", "right", "round", "row_number", "row_to_json", "rpad", "rtrim", "sign", "split_part",
    "sqrt",
    "starts_with", "string_agg", "string_to_array", "strpos", "substr", "substring", "sum",
    "to_char",
    "to_date", "to_json", "to_jsonb", "to_number", "to_timestamp", "to_tsquery", "to_tsvector",
    "trim",
    "trunc", "ts_rank", "unnest", "upper", "width_bucket",
  ]
}
