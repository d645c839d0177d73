/*
 * confusion.h - what a model took images of each class for, as text and as JSON
 *
 * counts are n x n, [true class][what the model said].
 */
#ifndef BRAMBLE_CLI_CONFUSION_H
#define BRAMBLE_CLI_CONFUSION_H

#include "show/output.h"

#include <stdint.h>

/* The name of class c; `of` is passed on. */
typedef const char *confusion_name(const void *of, int c);

typedef struct confusion {
    const int64_t *counts;
    int n;
    confusion_name *name;
    const void *of;
} confusion;

/* confusion_print - a line for each class: its accuracy, and its row */
void confusion_print(const confusion *self);

/* confusion_put - as class_accuracy and confusion, into an object */
void confusion_put(const confusion *self, json_t *to);

#endif
