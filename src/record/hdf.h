/*
 * hdf.h - HDF5 as this module wants it: silent, with one-line causes, distrustful of what it opens
 *
 * Private to src/record.  A `file name` is only for messages; objects are named by absolute paths.
 */
#ifndef BRAMBLE_RECORD_HDF_H
#define BRAMBLE_RECORD_HDF_H

#include "record/record.h"

#include <hdf5.h>

/* More dims than a tensor of ours has, to say what was found. */
enum { HDF_CAUSE_BYTES = 256, HDF_MAX_DIMS = 8, HDF_SHAPE_BYTES = 24 * HDF_MAX_DIMS };

/* hdf_quiet - HDF5 prints nothing in this thread from here on; comes before any other call to it */
void hdf_quiet(void);

/* hdf_cause - the innermost description of the last failed HDF5 call, in text; returns text */
const char *hdf_cause(char text[HDF_CAUSE_BYTES]);

/* hdf_close - release any id; a negative one is ignored.  false when HDF5 says it failed */
bool hdf_close(hid_t id);

/* hdf_new_file - an empty file that every reader understands, open for writing; or negative */
hid_t hdf_new_file(const char *temporary);

/*
 * hdf_new_dataset - a contiguous dataset that is there to be filled: NaN, or -1, or empty texts by now
 *   type  in  in the file;  dims  in  n_dims of them; 0: a single value
 * Returns a new id or negative.
 */
hid_t hdf_new_dataset(hid_t group, const char *name, const char *unit, const char *about,
                      hid_t type, int n_dims, const size_t *dims);

/* hdf_text_type - NUL-terminated UTF-8 of n_bytes, or H5T_VARIABLE; a new id or negative */
hid_t hdf_text_type(size_t n_bytes);

/*
 * hdf_write_text, hdf_write_int - a new attribute of an object
 * hdf_write_note - the same for people and Python: a string of variable length, a str in h5py
 *
 * Notes are never read back: variable lengths lie in the one part of a file that has no checksum,
 * and HDF5 1.10 crashes when that is damaged.
 */
bool hdf_write_text(hid_t object, const char *name, const char *value);
bool hdf_write_note(hid_t object, const char *name, const char *value);
bool hdf_write_int(hid_t object, const char *name, int64_t value);

/* ---- reading: errors are the user's, -1 or false with err ------------------------------------ */

/* A shape and a type, checked and bounded. */
typedef struct hdf_shape {
    int n_dims; /* 0: a single value */
    size_t dims[HDF_MAX_DIMS];
    size_t n_elements, element_bytes; /* their product does not overflow */
    H5T_class_t class;
    bool variable; /* a string of variable length */
} hdf_shape;

/* hdf_open - open a regular file for reading, whoever has it locked; *n_bytes is its size */
hid_t hdf_open(const char *path, size_t *n_bytes, error *err);

/* hdf_check_size - is the file still as long as it was when it was opened? */
bool hdf_check_size(hid_t file, const char *path, size_t n_bytes, error *err);

/* hdf_has - is there a link of that name in a group? */
bool hdf_has(hid_t group, const char *name);

/* hdf_open_object - follow an absolute path through hard links only */
hid_t hdf_open_object(hid_t file, const char *file_name, const char *path, error *err);

/* hdf_lacks - does an absolute path lead nowhere, through hard links?  No, where another kind of link is on it */
bool hdf_lacks(hid_t file, const char *path);

/*
 * hdf_open_dataset - as hdf_open_object, for a dataset whose numbers lie in the file itself, in at
 * most HDF_MAX_DIMS dims, in chunks no larger than is reasonable, packed by known filters alone
 */
hid_t hdf_open_dataset(hid_t file, const char *file_name, const char *path, hdf_shape *shape,
                       error *err);

/* hdf_check_written - are all numbers of a dataset there?  HDF5 gives zeros for those nobody wrote */
bool hdf_check_written(hid_t dataset, const char *file_name, const char *path,
                       const hdf_shape *shape, error *err);

/* hdf_shape_text - "6 x 3 x 5 x 5", in text; returns text */
const char *hdf_shape_text(char text[HDF_SHAPE_BYTES], int n_dims, const size_t *dims);

/*
 * hdf_read_text - a string attribute of fixed length; memory_free it
 * Returns NULL when it is missing, no such string or longer than max_bytes; describes nothing.
 */
char *hdf_read_text(hid_t object, const char *name, size_t max_bytes);

/* hdf_read_int - an integer attribute; false when it is missing or none; describes nothing */
bool hdf_read_int(hid_t object, const char *name, int64_t *value);

#endif
