/*
 * dataset.h - the dataset of a column: made, and its elements between rows and file
 *
 * Private to src/record.
 */
#ifndef BRAMBLE_RECORD_DATASET_H
#define BRAMBLE_RECORD_DATASET_H

#include "hdf.h"
#include "record/column.h"

/* dataset_bytes - of an element in the file, and in dataset_type; n_text_bytes: of a column without a length */
size_t dataset_bytes(const record_column *column, size_t n_text_bytes);

/*
 * dataset_new - a dataset that is there to be filled (hdf_new_dataset), with unit and about
 *   dims  in  n_dims of them; 0: a single value
 * Returns a new id or negative.
 */
hid_t dataset_new(hid_t group, const record_column *column, size_t n_text_bytes, int n_dims,
                  const size_t *dims);

/*
 * dataset_type - the type to write and read elements of n_bytes in, dataset_bytes each; text of n_bytes ends
 *                with a NUL
 * Returns a new id or negative.
 */
hid_t dataset_type(hid_t dataset, enum record_type type, size_t n_bytes);

/*
 * dataset_gather - n elements of a column out of as many rows, one behind the other
 * dataset_scatter - back into rows; false: one is too large for the row's member
 *   n_bytes  in  of an element, dataset_bytes
 */
void dataset_gather(const record_column *column, size_t n_bytes, const void *rows, size_t row_bytes,
                    size_t n, void *elements);
bool dataset_scatter(const record_column *column, size_t n_bytes, const void *elements, size_t n,
                     void *rows, size_t row_bytes);

/* dataset_unknown - NaN, -1 or "" into n rows */
void dataset_unknown(const record_column *column, size_t n, void *rows, size_t row_bytes);

#endif
