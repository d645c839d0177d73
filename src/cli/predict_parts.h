/*
 * predict_parts.h - the files of bramble predict
 *
 * Private to src/cli.
 */
#ifndef BRAMBLE_CLI_PREDICT_PARTS_H
#define BRAMBLE_CLI_PREDICT_PARTS_H

#include "base/error.h"
#include "options/options.h"
#include "predict/predictor.h"

#include <stdint.h>

/* Names of the classes. */
typedef struct predict_names {
    char (*names)[RECORD_CLASS_BYTES];
    int n;
} predict_names;

/*
 * predict_names_init - of --classes FILE, else those of the file itself
 * false with err (user): there are none, or not as many as classes.
 */
bool predict_names_init(predict_names *self, const saved_model *of, const char *path, error *err);
void predict_names_release(predict_names *self);
const char *predict_names_name(const void *self, int c);

/* What is printed of each picture, in their order. */
typedef struct predict_print {
    const predict_options *options;
    const predict_names *names;
    double *shares; /* of the classes */
    int *order;     /* of them, the most probable first */
    size_t n;       /* pictures printed */
} predict_print;

/* predict_print_init - and what stands before the first; predict_print_end - what stands behind the last */
bool predict_print_init(predict_print *self, const predict_options *options,
                        const predict_names *names, error *err);
void predict_print_end(predict_print *self);
void predict_print_release(predict_print *self);

/* predict_print_picture - picture k of the predictor's last group; predict_print_bad - one that could not be read */
void predict_print_picture(predict_print *self, const predictor *by, size_t k, const char *name);
void predict_print_bad(predict_print *self, const char *name, const error *err);

#endif
