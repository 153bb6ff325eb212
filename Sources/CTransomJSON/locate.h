// Where a document went wrong, for the three errors that simdjson reports without a place.
// Called once for a document that is refused anyway, so simple beats fast.

#ifndef TRANSOM_JSON_LOCATE_H
#define TRANSOM_JSON_LOCATE_H

#include <cstddef>
#include <cstdint>

namespace transom_json {

/// The length of the UTF-8 sequence that begins here; 0 if none does (RFC 3629, section 4).
inline size_t utf8_sequence(const uint8_t *text, size_t left) {
  uint8_t first = text[0];
  if (first < 0x80) return 1;
  size_t size = first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
  if (size == 0 || size > left) return 0;
  // The second octet's range excludes overlong forms, surrogates and what is past U+10FFFF.
  uint8_t low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
  uint8_t high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
  if (text[1] < low || text[1] > high) return 0;
  for (size_t i = 2; i < size; i++) {
    if ((text[i] & 0xC0) != 0x80) return 0;
  }
  return size;
}

inline int64_t first_invalid_utf8(const uint8_t *text, size_t length) {
  size_t i = 0;
  while (i < length) {
    size_t size = utf8_sequence(text + i, length - i);
    if (size == 0) return int64_t(i);
    i += size;
  }
  return -1;
}

struct StringScan {
  int64_t control = -1;
  int64_t open_quote = -1;
};

/// Follows the quotes: the first control character inside them, and the quote that stays open.
inline StringScan scan_strings(const uint8_t *text, size_t length) {
  StringScan found;
  for (size_t i = 0; i < length; i++) {
    if (found.open_quote < 0) {
      if (text[i] == '"') found.open_quote = int64_t(i);
    } else if (text[i] == '"') {
      found.open_quote = -1;
    } else {
      // Behind a backslash, a quote is none, but a control character is as wrong as elsewhere.
      if (text[i] == '\\' && i + 1 < length) i++;
      if (text[i] < 0x20 && found.control < 0) found.control = int64_t(i);
    }
  }
  return found;
}

inline int64_t first_control_in_string(const uint8_t *text, size_t length) {
  return scan_strings(text, length).control;
}

inline int64_t unclosed_quote(const uint8_t *text, size_t length) {
  return scan_strings(text, length).open_quote;
}

}  // namespace transom_json

#endif
