// simdjson finds the structure and unescapes the strings; what On Demand leaves to its caller is
// checked here: numbers and literals (it does not look at a token that is only passed on), the
// nesting, and that nothing follows the document. Rules of this file:
//
// * No exception leaves it: simdjson is built without them, and memory comes from realloc.
// * The padding after the document is NUL: On Demand then stops at the first token past the end.
// * A string is always consumed with get_raw_json_string. On Demand steps over one that is not as
//   if it might be a key, and so would take `[["a":1]]]` for well-formed.

#define SIMDJSON_EXCEPTIONS 0
#define SIMDJSON_DEVELOPMENT_CHECKS 0
#include "CTransomJSON.h"

#include <simdjson.h>

#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "grammar.h"
#include "locate.h"

namespace ondemand = simdjson::ondemand;
using transom_json::is_number;
using transom_json::is_space;

namespace {

constexpr size_t maximum_length = (size_t(1) << 28) - 1;

/// What is kept between documents: a reader that met a large one gives the rest back.
constexpr size_t kept_length = size_t(256) << 10;

}  // namespace

struct TransomJSONReader {
  ondemand::parser parser{maximum_length + 1};
  uint8_t *source = nullptr;
  size_t source_capacity = 0;
  size_t length = 0;
  TransomJSONNode *nodes = nullptr;
  size_t node_capacity = 0;
  size_t node_count = 0;
  const uint8_t *unescaped = nullptr;
  size_t unescaped_length = 0;
  uint32_t max_depth = 0;
  const char *message = nullptr;
  int64_t offset = -1;

  ~TransomJSONReader() {
    std::free(source);
    std::free(nodes);
  }

  TransomJSONStatus read(const uint8_t *octets, size_t count);

 private:
  bool keep(const uint8_t *octets, size_t count);
  TransomJSONStatus root(ondemand::document &document);
  TransomJSONStatus value(ondemand::value value, uint32_t depth);
  TransomJSONStatus array(ondemand::array elements, size_t start, uint32_t depth);
  TransomJSONStatus object(ondemand::object members, size_t start, uint32_t depth);
  TransomJSONStatus key(ondemand::field &field);
  TransomJSONStatus string(ondemand::value &value, std::string_view token);
  TransomJSONStatus unescape(simdjson::simdjson_result<std::string_view> text, int64_t where);
  TransomJSONStatus scalar(std::string_view token);
  TransomJSONStatus close(size_t node, char bracket, uint32_t count);
  TransomJSONNode *append(TransomJSONKind kind, size_t start, size_t size);

  TransomJSONStatus fail(const char *text, int64_t where) {
    message = text;
    offset = where;
    return TransomJSONMalformed;
  }
  TransomJSONStatus no_memory() {
    message = "no memory for a document of this size";
    return TransomJSONTooLarge;
  }
  TransomJSONStatus refused(simdjson::error_code error);
  int64_t offset_of(const void *place) const {
    return static_cast<const uint8_t *>(place) - source;
  }

  ondemand::document *document = nullptr;
};

/// Copies the document and pads it; gives back what a much larger one before it needed.
bool TransomJSONReader::keep(const uint8_t *octets, size_t count) {
  // Twice: capacity grows ahead of need, and must not be given back for a document that needs it.
  if (source_capacity > 2 * kept_length && count <= kept_length) {
    std::free(source);
    std::free(nodes);
    source = nullptr;
    nodes = nullptr;
    source_capacity = node_capacity = 0;
    parser = ondemand::parser{maximum_length + 1};
  }
  if (source == nullptr || source_capacity < count) {
    size_t capacity = count < 4096 ? 4096 : count + count / 2;
    if (capacity > maximum_length) capacity = maximum_length;
    auto *larger =
        static_cast<uint8_t *>(std::realloc(source, capacity + simdjson::SIMDJSON_PADDING));
    if (larger == nullptr) return false;
    source = larger;
    source_capacity = capacity;
  }
  if (parser.capacity() < source_capacity && parser.allocate(source_capacity)) return false;
  if (count > 0) std::memcpy(source, octets, count);
  std::memset(source + count, 0, simdjson::SIMDJSON_PADDING);
  length = count;
  return true;
}

TransomJSONStatus TransomJSONReader::read(const uint8_t *octets, size_t count) {
  node_count = 0;
  unescaped = nullptr;
  unescaped_length = 0;
  message = nullptr;
  offset = -1;
  length = 0;
  if (count > maximum_length) return no_memory();
  if (!keep(octets, count)) return no_memory();
  if (count >= 3 && std::memcmp(source, "\xEF\xBB\xBF", 3) == 0) {
    return fail("a byte order mark is no part of JSON", 0);
  }
  ondemand::document found;
  auto error = parser.iterate(source, count, source_capacity + simdjson::SIMDJSON_PADDING)
                   .get(found);
  if (error) return refused(error);
  document = &found;
  auto status = root(found);
  document = nullptr;
  return status;
}

/// Says what is wrong and where, for the errors that simdjson finds before the first token.
TransomJSONStatus TransomJSONReader::refused(simdjson::error_code error) {
  switch (error) {
    case simdjson::EMPTY:
      message = "the document is empty";
      offset = 0;
      return TransomJSONEmpty;
    case simdjson::UTF8_ERROR:
      message = "the text is not UTF-8";
      offset = transom_json::first_invalid_utf8(source, length);
      return TransomJSONNotUTF8;
    case simdjson::UNESCAPED_CHARS:
      return fail("a control character in a string must be escaped",
                  transom_json::first_control_in_string(source, length));
    case simdjson::UNCLOSED_STRING:
      return fail("a string does not end", transom_json::unclosed_quote(source, length));
    case simdjson::MEMALLOC:
    case simdjson::CAPACITY:
      return no_memory();
    default:
      break;
  }
  const char *place = nullptr;
  if (document == nullptr || document->current_location().get(place)) {
    return fail("the document ends too early", int64_t(length));
  }
  int64_t where = offset_of(place);
  if (where >= int64_t(length)) return fail("the document ends too early", int64_t(length));
  switch (error) {
    case simdjson::INCOMPLETE_ARRAY_OR_OBJECT:
      return fail("an array or object does not end", -1);
    default:
      return fail("this is not what JSON allows here", where);
  }
}

TransomJSONNode *TransomJSONReader::append(TransomJSONKind kind, size_t start, size_t size) {
  if (node_count == node_capacity) {
    size_t capacity = node_capacity == 0 ? 128 : node_capacity * 2;
    auto *larger =
        static_cast<TransomJSONNode *>(std::realloc(nodes, capacity * sizeof(TransomJSONNode)));
    if (larger == nullptr) return nullptr;
    nodes = larger;
    node_capacity = capacity;
  }
  TransomJSONNode *node = &nodes[node_count];
  node_count++;
  node->start = uint32_t(start);
  node->length = uint32_t(size);
  node->next = uint32_t(node_count);
  node->count = 0;
  node->escaped = 0;
  node->kind = kind;
  return node;
}

TransomJSONStatus TransomJSONReader::root(ondemand::document &found) {
  ondemand::json_type type;
  if (auto error = found.type().get(type)) return refused(error);
  if (type == ondemand::json_type::array || type == ondemand::json_type::object) {
    ondemand::value whole;
    if (auto error = found.get_value().get(whole)) return refused(error);
    if (auto status = value(whole, 0)) return status;
    const char *rest = nullptr;
    if (found.current_location().get(rest) == simdjson::OUT_OF_BOUNDS) return TransomJSONSuccess;
    return fail("text follows the document", offset_of(rest));
  }
  std::string_view token;
  if (auto error = found.raw_json_token().get(token)) return refused(error);
  int64_t start = offset_of(token.data());
  if (size_t(start) + token.size() < length) {
    return fail("text follows the document", start + int64_t(token.size()));
  }
  if (type != ondemand::json_type::string) return scalar(token);
  // On Demand reads a lone string through its document, which has no raw form: always unescaped.
  return unescape(found.get_string(), start);
}

TransomJSONStatus TransomJSONReader::value(ondemand::value found, uint32_t depth) {
  ondemand::json_type type;
  if (auto error = found.type().get(type)) return refused(error);
  std::string_view token = found.raw_json_token();
  switch (type) {
    case ondemand::json_type::string:
      return string(found, token);
    case ondemand::json_type::array:
    case ondemand::json_type::object:
      break;
    default:
      return scalar(token);
  }
  int64_t start = offset_of(token.data());
  if (depth == max_depth) {
    offset = start;
    message = "arrays and objects are nested too deep";
    return TransomJSONTooDeep;
  }
  if (type == ondemand::json_type::array) {
    ondemand::array elements;
    if (auto error = found.get_array().get(elements)) return refused(error);
    return array(elements, size_t(start), depth + 1);
  }
  ondemand::object members;
  if (auto error = found.get_object().get(members)) return refused(error);
  return object(members, size_t(start), depth + 1);
}

TransomJSONStatus TransomJSONReader::array(
    ondemand::array elements, size_t start, uint32_t depth) {
  size_t node = node_count;
  if (append(TransomJSONKindArray, start, 0) == nullptr) return no_memory();
  uint32_t count = 0;
  for (auto each : elements) {
    ondemand::value element;
    if (auto error = std::move(each).get(element)) return refused(error);
    if (auto status = value(element, depth)) return status;
    count++;
  }
  return close(node, ']', count);
}

TransomJSONStatus TransomJSONReader::object(
    ondemand::object members, size_t start, uint32_t depth) {
  size_t node = node_count;
  if (append(TransomJSONKindObject, start, 0) == nullptr) return no_memory();
  uint32_t count = 0;
  for (auto each : members) {
    ondemand::field member;
    if (auto error = std::move(each).get(member)) return refused(error);
    if (auto status = key(member)) return status;
    if (auto status = value(member.value(), depth)) return status;
    count++;
  }
  return close(node, '}', count);
}

/// Completes the node of an array or object whose last child has been read. Its closing bracket
/// is the last octet before the next token: only white space stands between tokens.
TransomJSONStatus TransomJSONReader::close(size_t node, char bracket, uint32_t count) {
  const char *next = nullptr;
  size_t end = length;
  if (!document->current_location().get(next)) end = size_t(offset_of(next));
  while (end > 0 && is_space(source[end - 1])) end--;
  if (end <= nodes[node].start || source[end - 1] != uint8_t(bracket)) {
    return fail("an array or object does not end", -1);
  }
  nodes[node].length = uint32_t(end - nodes[node].start);
  nodes[node].next = uint32_t(node_count);
  nodes[node].count = count;
  return TransomJSONSuccess;
}

TransomJSONStatus TransomJSONReader::key(ondemand::field &member) {
  const char *text = member.key().raw();
  const char *end = text;
  // It ends: simdjson has refused a document whose last string does not.
  while (*end != '"' && *end != '\\') end++;
  if (*end == '\\') return unescape(member.unescaped_key(), offset_of(text));
  if (append(TransomJSONKindString, size_t(offset_of(text)), size_t(end - text)) == nullptr) {
    return no_memory();
  }
  return TransomJSONSuccess;
}

/// `token` begins with the opening quote and ends where the next token begins, so that the
/// string's end is found without looking at its octets.
TransomJSONStatus TransomJSONReader::string(ondemand::value &found, std::string_view token) {
  if (std::memchr(token.data(), '\\', token.size()) != nullptr) {
    return unescape(found.get_string(), offset_of(token.data()));
  }
  size_t size = token.size();
  while (size > 0 && is_space(uint8_t(token[size - 1]))) size--;
  if (size < 2 || token[size - 1] != '"') {
    return fail("a string does not end", offset_of(token.data()));
  }
  ondemand::raw_json_string consumed;
  if (auto error = found.get_raw_json_string().get(consumed)) return refused(error);
  size_t start = size_t(offset_of(token.data())) + 1;
  if (append(TransomJSONKindString, start, size - 2) == nullptr) return no_memory();
  return TransomJSONSuccess;
}

/// Takes a string that simdjson has written to its own buffer, one after the other.
TransomJSONStatus TransomJSONReader::unescape(
    simdjson::simdjson_result<std::string_view> found, int64_t where) {
  std::string_view text;
  if (std::move(found).get(text)) return fail("a string has an escape that is not allowed", where);
  auto *octets = reinterpret_cast<const uint8_t *>(text.data());
  if (unescaped == nullptr) unescaped = octets;
  auto *node = append(TransomJSONKindString, size_t(octets - unescaped), text.size());
  if (node == nullptr) return no_memory();
  node->escaped = 1;
  unescaped_length = size_t(octets - unescaped) + text.size();
  return TransomJSONSuccess;
}

/// On Demand tells these by their first octet only.
TransomJSONStatus TransomJSONReader::scalar(std::string_view token) {
  auto *text = reinterpret_cast<const uint8_t *>(token.data());
  size_t size = token.size();
  while (size > 0 && is_space(text[size - 1])) size--;
  std::string_view word = token.substr(0, size);
  TransomJSONKind kind;
  if (is_number(text, size)) {
    kind = TransomJSONKindNumber;
  } else if (word == "null") {
    kind = TransomJSONKindNull;
  } else if (word == "true") {
    kind = TransomJSONKindTrue;
  } else if (word == "false") {
    kind = TransomJSONKindFalse;
  } else {
    return fail("this is neither a number nor null, true or false", offset_of(text));
  }
  if (append(kind, size_t(offset_of(text)), size) == nullptr) return no_memory();
  return TransomJSONSuccess;
}

TransomJSONReader *transom_json_reader_create(void) {
  return new (std::nothrow) TransomJSONReader();
}

void transom_json_reader_destroy(TransomJSONReader *reader) { delete reader; }

void transom_json_reader_read(
    TransomJSONReader *reader, const uint8_t *octets, size_t length, uint32_t max_depth,
    TransomJSONDocument *document) {
  reader->max_depth = max_depth;
  document->status = reader->read(octets, length);
  document->message = reader->message;
  document->offset = reader->offset;
  // What was read before an error is not offered: nobody may take a part for the whole.
  document->nodes = reader->nodes;
  document->node_count = document->status == TransomJSONSuccess ? reader->node_count : 0;
  document->source = reader->source;
  document->source_length = reader->length;
  document->unescaped = reader->unescaped;
  document->unescaped_length = reader->unescaped_length;
}
