/*
 * cifar10_hint.h - where CIFAR-10's files are when they are not where they should be
 */
#ifndef BRAMBLE_DATA_CIFAR10_HINT_H
#define BRAMBLE_DATA_CIFAR10_HINT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * cifar10_hint - write what there is in place of a missing file, and what to do: it lies one folder below, is
 * compressed, or one of the versions for Python or Matlab, or another data set that is to be named otherwise, is there
 *   name  one of cifar10_files
 *   text  out  n_bytes; unchanged where the answer is false
 * Returns whether there is such a thing.  Not collective.
 */
bool cifar10_hint(const char *folder, const char *name, char *text, size_t n_bytes);

/*
 * cifar10_hint_file - what a file is that was named in place of a folder, and what to do: an archive, a pickle, a picture
 *   text  out  n_bytes; unchanged where the answer is false
 * Returns whether it is one of those.  Not collective.
 */
bool cifar10_hint_file(const char *path, char *text, size_t n_bytes);

#endif
