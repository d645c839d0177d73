/*
 * average.h - the averaging rules, a file each (src/transport/average_*.c); inside this module only
 *
 * A new rule is a file that defines an average_rule, and a line each here and in average.c.
 */
#ifndef BRAMBLE_TRANSPORT_AVERAGE_H
#define BRAMBLE_TRANSPORT_AVERAGE_H

#include "transport/transport.h"

extern const average_rule average_gather, average_reduce, average_allreduce, average_slices;

/*
 * average_rows - the sum over the ranks of shares[r] * row r, rank after rank
 *   mine  inout  n floats: this rank's row, afterwards the sum
 *   rows  in     [size][n]; neither my own row nor one whose share is 0 is read
 * Not collective.
 */
void average_rows(float *mine, const float *rows, size_t n, const double *shares);

#endif
