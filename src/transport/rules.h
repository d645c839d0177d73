/*
 * rules.h - the averaging rules, a file each (average_NAME.c), and what they share
 */
#ifndef BRAMBLE_TRANSPORT_RULES_H
#define BRAMBLE_TRANSPORT_RULES_H

#include "transport/average.h"
#include "transport/transport.h"

#include <stdint.h>

/*
 * rule_add_rows - the sum over the ranks of shares[r] * row r, rank after rank
 *   mine  inout  n floats: this rank's row, afterwards the sum
 *   rows  in     [size][n]; neither my own row nor one whose share is 0 is read
 * Not collective.
 */
void rule_add_rows(float *mine, const float *rows, size_t n, const double *shares);

/* rule_weigh - q[i] = w[i] * share as a fixed-point number; 0, whatever w is, where the share is */
void rule_weigh(int64_t *q, const float *w, size_t n, double share);

/* rule_unweigh - back to floats */
void rule_unweigh(float *w, const int64_t *q, size_t n);

/* average_allreduce - for rules of which it is a part */
extern const average_rule average_allreduce;

/* rule_broadcast - to how many workers the server itself sends what all get, or in how much time */
double rule_broadcast(int workers);

/* rule_depth - of a tree of the workers and the server */
double rule_depth(int workers);

#endif
