/*
 * check.h - do options of `bramble train` go together?
 */
#ifndef BRAMBLE_OPTIONS_CHECK_H
#define BRAMBLE_OPTIONS_CHECK_H

#include "base/error.h"
#include "options/options.h"

/*
 * check_preset - put back to its default what only a preset sets and what does not count: --muon-lr with --optimizer sgd
 * check_options - of all levels together
 * false with err (user; the first: environment, no memory).
 */
bool check_preset(train_options *options, error *err);
bool check_options(const train_options *options, error *err);

#endif
