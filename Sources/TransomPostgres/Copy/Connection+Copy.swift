extension Connection {
  /// Executes `COPY … FROM STDIN` with the bytes of a sequence, in the format that the statement chooses, and returns the
  /// number of rows.
  ///
  ///     try await connection.copy("copy account from stdin (format csv)", from: parts)
  ///
  /// The next part is asked for when the socket has taken those before: no more than 64 KiB and one part are in memory.
  /// Where a part ends means nothing. Outside of an atomic block it is a transaction of its own: all is stored, or
  /// nothing. What is wrong with the data the server tells at their end.
  ///
  /// - Throws: what the sequence throws: then the COPY fails, and with it the transaction. `PostgresError`, of kind
  ///   `.copy` if the statement is no such COPY. `CancellationError` if the task is cancelled meanwhile.
  @discardableResult
  public func copy<Parts: AsyncSequence>(
    _ statement: Statement, from parts: Parts
  ) async throws -> Int where Parts.Element: Sequence<UInt8> {
    try checkNotExpired()
    return try await scope.copyIn(statement) { writer in
      for try await part in parts { try await writer.write(part) }
    }
  }

  /// Executes `COPY … FROM STDIN` with a row for each element of a sequence, in the text format, and returns the number
  /// of rows.
  ///
  ///     try await connection.copy("copy person (name, age) from stdin", rows: people) {
  ///       CopyRow($0.name, $0.age)
  ///     }
  ///
  /// - Throws: as ``copy(_:from:)``, and what the closure throws.
  @discardableResult
  public func copy<Elements: Sequence>(
    _ statement: Statement, rows elements: Elements,
    _ row: (Elements.Element) throws -> CopyRow
  ) async throws -> Int {
    try checkNotExpired()
    return try await scope.copyIn(statement) { writer in
      for element in elements { try await writer.write(row(element)) }
    }
  }

  /// Executes `COPY … FROM STDIN` with a row for each element of an asynchronous sequence, as ``copy(_:rows:_:)``.
  @discardableResult
  public func copy<Elements: AsyncSequence>(
    _ statement: Statement, rows elements: Elements,
    _ row: (Elements.Element) throws -> CopyRow
  ) async throws -> Int {
    try checkNotExpired()
    return try await scope.copyIn(statement) { writer in
      for try await element in elements { try await writer.write(row(element)) }
    }
  }
}

extension CopyWriter {
  fileprivate func write(_ row: CopyRow) async throws {
    if let flaw = row.flaw { throw flaw }
    try await write(row.bytes)
  }
}
