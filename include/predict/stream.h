/*
 * stream.h - pictures from a pipe, one behind the other, as they come
 */
#ifndef BRAMBLE_PREDICT_STREAM_H
#define BRAMBLE_PREDICT_STREAM_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

typedef struct stream stream;

/* stream_new - of an open descriptor, which stays the caller's; NULL with err (environment); stream_free: NULL is legal */
stream *stream_new(int fd, error *err);
void stream_free(stream *self);

/*
 * stream_next - the next picture, waited for
 *   data  out  n bytes, the caller's to free; NULL at the end of the stream
 * Zeros and line ends between pictures are passed over.
 * Returns false with err, and there is no going on: no picture begins here, it is cut off or too long (user, the byte
 * of the stream where it begins is named); it cannot be read (environment).
 */
bool stream_next(stream *self, uint8_t **data, size_t *n, error *err);

/* stream_is_idle - is there nothing to be read at the moment, and no whole picture left? */
bool stream_is_idle(stream *self);

#endif
