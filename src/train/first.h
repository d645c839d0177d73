/*
 * first.h - the weights that a run begins with; inside this room only
 */
#ifndef BRAMBLE_TRAIN_FIRST_H
#define BRAMBLE_TRAIN_FIRST_H

#include "data/input.h"
#include "deal.h"
#include "model/model.h"

/*
 * first_weights - on the server: drawn by the seed and, where a layer wants that, made of up to 5,000 training images
 *   data   in   opened; images are read from it
 *   input  in   what the network is given of them; sides as the data set has them
 *   w      out  n_weights
 * false with err: memory, a failed read.  Not collective.
 */
bool first_weights(dealing *data, const input_values *input, const model *of, uint64_t seed,
                   float *w, error *err);

#endif
