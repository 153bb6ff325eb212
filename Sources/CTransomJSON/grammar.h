// What simdjson leaves to its caller of the grammar of a token (RFC 8259).

#ifndef TRANSOM_JSON_GRAMMAR_H
#define TRANSOM_JSON_GRAMMAR_H

#include <cstddef>
#include <cstdint>

namespace transom_json {

/// RFC 8259, section 2: ws.
inline bool is_space(uint8_t octet) {
  return octet == ' ' || octet == '\t' || octet == '\n' || octet == '\r';
}

inline bool is_digit(uint8_t octet) { return octet >= '0' && octet <= '9'; }

/// RFC 8259, section 6: [ minus ] int [ frac ] [ exp ].
inline bool is_number(const uint8_t *text, size_t length) {
  size_t i = 0;
  auto digits = [&] {
    size_t first = i;
    while (i < length && is_digit(text[i])) i++;
    return i > first;
  };
  if (i < length && text[i] == '-') i++;
  if (i < length && text[i] == '0') {
    i++;
  } else if (!digits()) {
    return false;
  }
  if (i < length && text[i] == '.') {
    i++;
    if (!digits()) return false;
  }
  if (i < length && (text[i] == 'e' || text[i] == 'E')) {
    i++;
    if (i < length && (text[i] == '+' || text[i] == '-')) i++;
    if (!digits()) return false;
  }
  return i == length;
}

}  // namespace transom_json

#endif
