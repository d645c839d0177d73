/*
 * cifar10.h - CIFAR-10's binary files
 *
 * data_batch_1.bin .. data_batch_5.bin and test_batch.bin, 10,000 records of 3,073 bytes each: a label,
 * then 1,024 bytes of red, green and blue, rows from the top.
 * Source: A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009, and
 * https://www.cs.toronto.edu/~kriz/cifar.html.
 */
#ifndef BRAMBLE_DATA_CIFAR10_H
#define BRAMBLE_DATA_CIFAR10_H

#include "base/error.h"
#include "data/source.h"

#include <stdio.h>

enum { CIFAR10_RECORD_BYTES = 3073, CIFAR10_FILE_IMAGES = 10000 };
enum { CIFAR10_TRAIN_FILES = 5, CIFAR10_FILES = 6, CIFAR10_CLASSES = 10 };

/* cifar10_files - names of the training files in their order, then of the test file; classes: their names,
 * a line each (a folder without this one has the official names; a line that is no name gives "class 3") */
extern const char *const cifar10_files[CIFAR10_FILES];
extern const char *const cifar10_names_file;

/*
 * cifar10_check - read every record of the files in folder and write a line per file to out: images,
 * images per class, and whether the file is the official one (by a checksum) or just well-formed
 * Returns false with err (user) at the first missing or bad file.  A folder may hold fewer or shorter
 * training files than the official set (any number of whole records, at least one; files 1..k without
 * a gap): `bramble data synth` writes such.  Not collective.
 */
bool cifar10_check(const char *folder, FILE *out, error *err);

/* cifar10_fetch - the command that gets the files, for messages: `make data`, until the program knows better */
extern const char *cifar10_fetch;

/*
 * cifar10_write - write all of a source in CIFAR-10's form into folder (made when missing)
 * Existing files of those names are refused (user); each file appears whole or not at all.
 * Not collective.
 */
bool cifar10_write(source *from, const char *folder, error *err);

#endif
