/*
 * check.h - do options of `bramble train` go together?
 */
#ifndef BRAMBLE_OPTIONS_CHECK_H
#define BRAMBLE_OPTIONS_CHECK_H

#include "base/error.h"
#include "options/options.h"

/* check_options - of all levels together; false with err (user) */
bool check_options(const train_options *options, error *err);

#endif
