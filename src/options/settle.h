/*
 * settle.h - what options say together, when all are set; inside this room only
 */
#ifndef BRAMBLE_OPTIONS_SETTLE_H
#define BRAMBLE_OPTIONS_SETTLE_H

#include "options/options.h"

/*
 * settle_options - check what the table cannot, and give a number where one stands for "as usual"
 *   table  in  of `bramble train`
 * false with err (user).  Not collective.
 */
bool settle_options(const option_entry *table, train_options *options, error *err);

#endif
