/*
 * labels.h - who has how many images of each class, as a map: a line for each worker, darker where there are more
 */
#ifndef BRAMBLE_SHOW_LABELS_H
#define BRAMBLE_SHOW_LABELS_H

#include <stddef.h>
#include <stdint.h>

/* labels_heads - the line above: `first`, the word for workers, then names; control characters are not printed
 * labels_line  - name, images in all, counts of each class
 *   names, counts  in  n_classes of them */
void labels_heads(const char *first, const char *const *names, size_t n_classes);
void labels_line(const char *name, const int64_t *counts, const char *const *names,
                 size_t n_classes);

#endif
