/*
 * output.h - what the subcommands print: JSON (libjansson underneath), and that it got out
 */
#ifndef BRAMBLE_SHOW_OUTPUT_H
#define BRAMBLE_SHOW_OUTPUT_H

#include "base/error.h"
#include "record/summary.h"

#include <jansson.h>
#include <stdio.h>

/* PLURAL - the ending of a noun after a number */
#define PLURAL(n) ((n) == 1 ? "" : "s")

/*
 * output_number - a JSON number; null for what JSON has no number for, NaN and infinity
 * output_count - the same without a fraction, for whole numbers held in a double
 * Return a new reference, or NULL when memory is out (json_object_set_new then fails, too).
 */
json_t *output_number(double value);
json_t *output_count(double value);

/*
 * output_numbers - add the numbers of a list (record/summary.h) to an object, under their names
 * output_summary - those of SUMMARY_JSON, as a new object
 * False, or NULL, when memory is out.  Not collective.
 */
bool output_numbers(json_t *object, enum summary_list list, const record_summary *summary);
json_t *output_summary(const record_summary *summary);

/*
 * output_json - print a value, indented, with a newline, and give its reference up
 *   root  in  NULL: a failed allocation
 * Returns false with err (environment): memory is out, or `to` cannot be written.  Not collective.
 */
bool output_json(json_t *root, FILE *to, error *err);

/*
 * output_finish - write what is still buffered for stdout; the end of every command that prints
 * Returns false with err (environment) when any of it, now or before, could not be written.
 */
bool output_finish(error *err);

#endif
