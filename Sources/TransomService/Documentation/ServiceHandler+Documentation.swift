internal import HTTPTypes
internal import TransomHTTP

/// The service's description of itself, in all its forms.
struct Documentation: Sendable {
  let document: OpenAPIDocument
  let page = ReferencePage()

  init(document: OpenAPIDocument = OpenAPIDocument()) { self.document = document }
}

/// What shows the description.
enum DocumentForm {
  case yaml
  case json
  /// For people.
  case page
}

extension ServiceHandler {
  func document(_ form: DocumentForm, _ exchange: Exchange) async -> Response {
    var response: Response
    switch form {
    case .yaml:
      response = exchange.makeResponse(.ok, contentType: .yaml)
      response.body += documentation.document.yaml
    case .json:
      do {
        let json = try await documentation.document.json()
        response = exchange.makeResponse(.ok, contentType: .json)
        response.body += json
      } catch {
        return problem(
          .internalError(detail: "The document is no YAML: \(error)", outcome: .notStarted),
          exchange)
      }
    case .page:
      response = exchange.makeResponse(.ok, contentType: .html)
      response.fields.append(documentation.page.fields)
      response.body += documentation.page.body
    }
    return response
  }
}
