/*
 * suits.h - do a run's options suit its clients, workers and model?
 *
 * All: false with err (user), the same on every rank.  Not collective.
 */
#ifndef BRAMBLE_TRAIN_SUITS_H
#define BRAMBLE_TRAIN_SUITS_H

#include "course.h"
#include "model/model.h"
#include "options/options.h"

/* suits_case - is --case that of so many workers? */
bool suits_case(const option_case *label, error *err);

/* suits_count - how many clients there are: as many as workers, or more, --clients */
bool suits_count(const train_options *o, int *n, error *err);

/* suits_clients - are there as many clients, and have they as many steps, as rounds and aggregate need? */
bool suits_clients(const course *on, const train_options *o, error *err);

/* suits_average - what several clients of a rank have is added up before it travels, but where the server collects it:
 * average becomes a rule that can, unless one was asked for */
bool suits_average(train_options *o, const course *on, error *err);

/* suits_groups - are there as many workers as --group-size says? */
bool suits_groups(const train_options *o, error *err);

/* suits_model - has the model what the options are about? */
bool suits_model(const model *of, const train_options *o, error *err);

/* suits_batches - has each batch what the norms need?  One of single values has no variance to go by. */
bool suits_batches(const course *on, const model *of, error *err);

#endif
