/// A strict JSON reader (RFC 8259) over simdjson's On Demand, as a small C interface.
///
/// A document becomes one flat array of nodes in the order of the text, so that a reader in
/// another language walks it by index: no callbacks, no allocation for each value, and numbers
/// keep every digit. A reader reuses its memory from one document to the next.

#ifndef CTRANSOM_JSON_H
#define CTRANSOM_JSON_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum __attribute__((enum_extensibility(closed))) : uint8_t {
  TransomJSONKindNull = 0,
  TransomJSONKindFalse = 1,
  TransomJSONKindTrue = 2,
  TransomJSONKindNumber = 3,
  TransomJSONKindString = 4,
  TransomJSONKindArray = 5,
  TransomJSONKindObject = 6,
} TransomJSONKind;

/// A value, or an object's key. An object's children are key, value, key, value, …
typedef struct {
  /// Where its text begins: in `source`, or in `unescaped` if `escaped` is set.
  uint32_t start;
  /// A string's octets without its quotes; any other value's octets as they stand in the source.
  uint32_t length;
  /// The index of the node after this one and all that is inside it.
  uint32_t next;
  /// The elements of an array, the members of an object; otherwise 0.
  uint32_t count : 28;
  /// A string that was written with escapes: its text is in `unescaped`.
  uint32_t escaped : 1;
  /// A `TransomJSONKind`.
  uint32_t kind : 3;
} TransomJSONNode;

typedef enum __attribute__((enum_extensibility(closed))) : uint8_t {
  TransomJSONSuccess = 0,
  /// Nothing but white space.
  TransomJSONEmpty,
  /// The octets are not UTF-8.
  TransomJSONNotUTF8,
  /// The octets are UTF-8 but not one JSON text.
  TransomJSONMalformed,
  /// Arrays and objects are nested deeper than the caller allows.
  TransomJSONTooDeep,
  /// Longer than 256 MiB, or no memory was left.
  TransomJSONTooLarge,
} TransomJSONStatus;

/// What the last read found; valid until the next one.
typedef struct {
  TransomJSONStatus status;
  /// After an error: what is wrong, in plain ASCII. A literal, never freed.
  const char *message;
  /// After an error: the offset of the octet where it was noticed; -1 if that cannot be told.
  int64_t offset;
  const TransomJSONNode *nodes;
  size_t node_count;
  const uint8_t *source;
  size_t source_length;
  const uint8_t *unescaped;
  size_t unescaped_length;
} TransomJSONDocument;

typedef struct TransomJSONReader TransomJSONReader;

/// Makes a reader; null if no memory was left.
TransomJSONReader *transom_json_reader_create(void);
void transom_json_reader_destroy(TransomJSONReader *reader);

/// Reads one whole document. The octets are copied; `document` points into the reader.
/// `max_depth` is the number of arrays and objects that may stand inside one another.
void transom_json_reader_read(
    TransomJSONReader *reader, const uint8_t *octets, size_t length, uint32_t max_depth,
    TransomJSONDocument *document);

#ifdef __cplusplus
}
#endif

#endif
