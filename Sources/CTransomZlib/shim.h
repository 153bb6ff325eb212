// zlib's deflate. What it declares as macros is called here.
#ifndef CTRANSOM_ZLIB_H
#define CTRANSOM_ZLIB_H

#include <zlib.h>

/// Prepares a stream whose output has gzip's header and trailer (zlib.h, deflateInit2).
static inline int ctransom_gzip_init(z_stream *stream, int level) {
  return deflateInit2(stream, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
}

/// Prepares a stream that reads what the other makes (zlib.h, inflateInit2).
static inline int ctransom_gunzip_init(z_stream *stream) { return inflateInit2(stream, 15 + 16); }

#endif
