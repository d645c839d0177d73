/*
 * data_parts.h - what `bramble data` does, a file for each
 */
#ifndef BRAMBLE_CLI_DATA_PARTS_H
#define BRAMBLE_CLI_DATA_PARTS_H

#include "options/options.h"

/*
 * data_info - read all of a data set and print what it is
 * Returns false with err as source_open and source_read do.  Not collective.
 */
bool data_info(const data_options *options, error *err);

/*
 * data_pack - write all of a data set to an HDF5 file, and say so
 * Returns false with err as source_open, source_read and record_write_images do.  Not collective.
 */
bool data_pack(const data_options *options, error *err);

/*
 * data_partition - print who would train on what: images of each worker and class
 * Returns false with err as source_open, partition_parse and partition do.  Not collective.
 */
bool data_partition(const data_options *options, error *err);

/*
 * data_pictures - write a data set, or so many images of each split, as PNG pictures into a new folder, whole or not
 *                 at all, and say so
 * Returns false with err: as source_open and source_read; the folder exists, images that are no pictures (user); it
 * cannot be written (environment).  Not collective.
 */
bool data_pictures(const data_options *options, error *err);

#endif
