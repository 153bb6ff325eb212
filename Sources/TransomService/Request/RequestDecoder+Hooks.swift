internal import TransomPostgres
internal import TransomWebhooks

// What is emitted after the commit.
extension RequestDecoder {
  /// Decodes a list of hooks. Their parameters follow those of the statements before them.
  mutating func hooks(
    _ list: JSONNode, _ json: borrowing JSONReader
  ) throws(RequestError) -> [TransactionRequest.Hook] {
    try json.expect(.array, list)
    guard json.count(of: list) > 0 else { return [] }
    guard !hookRules.databases.isEmpty else {
      throw json.error(
        .webhooksNotInstalled, at: list, "no webhooks are installed in this service")
    }
    if firstHooks == nil { firstHooks = list }
    var hooks: [TransactionRequest.Hook] = []
    var children = json.children(of: list)
    while let node = json.next(&children) { hooks.append(try hook(node, json)) }
    return hooks
  }

  /// Checks what depends on the whole document.
  func checkHooks(_ list: JSONNode, _ json: borrowing JSONReader) throws(RequestError) {
    guard hookRules.databases.contains(request.database) else {
      throw json.error(
        .webhooksNotInstalled, at: list,
        request.database == "default"
          ? "no webhooks are installed in the database \"default\""
          : "events are stored in the database \"default\" only, not in \"\(request.database)\"")
    }
    if request.readOnly {
      throw json.error(.invalidRequest, at: list, "a read-only transaction emits no events")
    }
  }

  private mutating func hook(
    _ node: JSONNode, _ json: borrowing JSONReader
  ) throws(RequestError) -> TransactionRequest.Hook {
    try json.expect(.object, node)
    var event: JSONNode?
    var data: JSONNode?
    var refs: JSONNode?
    var url: JSONNode?
    var seen: UInt32 = 0
    var children = json.children(of: node)
    while let key = json.next(&children), let value = json.next(&children) {
      guard let field = HookField(key, in: json) else {
        throw unknownField(key, json, allowed: "allowed are \(HookField.list)")
      }
      try json.note(field, key, in: &seen)
      switch field {
      case .event: event = value
      case .data: data = value
      case .refs: refs = value
      case .url: url = value
      }
    }
    guard let event else {
      throw json.error(.invalidRequest, at: node, "\"event\" is missing")
    }
    let first = request.parameters.count
    request.appendEventID()
    if let url { try decodeAddress(url, json) }
    let name = try eventName(event, json)
    request.parameters.append(name.utf8)
    let template = try decodeData(data, refs, node, json)
    return TransactionRequest.Hook(
      event: name, hasAddress: url != nil,
      parameters: first..<request.parameters.count, template: template)
  }

  private func eventName(
    _ node: JSONNode, _ json: borrowing JSONReader
  ) throws(RequestError) -> String {
    let name = try json.name(node)
    do throws(EventName.Flaw) {
      try EventName.check(name)
    } catch {
      throw json.error(.invalidRequest, at: node, error.description)
    }
    return name
  }

  private mutating func decodeAddress(
    _ node: JSONNode, _ json: borrowing JSONReader
  ) throws(RequestError) {
    let url = try json.name(node)
    guard hookRules.allowsAddresses else {
      throw json.error(
        .invalidRequest, at: node,
        "hooks with a \"url\" are not allowed by this service's configuration")
    }
    do throws(WebhookURL.Flaw) {
      request.parameters.append(try WebhookURL(url).text.utf8)
    } catch {
      throw json.error(.invalidRequest, at: node, error.description)
    }
  }

  /// Appends the data, or NULL if they are made only when the values are there.
  private mutating func decodeData(
    _ data: JSONNode?, _ refs: JSONNode?, _ hook: JSONNode, _ json: borrowing JSONReader
  ) throws(RequestError) -> TransactionRequest.Template? {
    if let data {
      try json.expect(.object, data)
      guard json.span(data).count <= EventData.maximumLength else {
        throw json.error(.invalidRequest, at: data, "must be JSON of at most 1 MiB")
      }
    }
    if let refs {
      let template = try TemplateDecoder.decode(data, refs, json)
      if !template.references.isEmpty {
        request.parameters.appendNull()
        return template
      }
    }
    if let data {
      request.parameters.append { $0.append(copying: json.span(data)) }
    } else {
      request.parameters.append("{}".utf8)
    }
    return nil
  }
}
