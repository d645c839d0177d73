/*
 * quantile.h - how numbers are spread
 */
#ifndef BRAMBLE_BASE_QUANTILE_H
#define BRAMBLE_BASE_QUANTILE_H

#include <stddef.h>

/* quantile_sort - the finite ones of n values, ascending, in front; returns how many they are */
size_t quantile_sort(double *values, size_t n);

/* quantile - of n sorted values, below which a share of them lies, 0 to 1: between two neighbours as much of each as the
 * place says; NaN where n is 0 */
double quantile(const double *sorted, size_t n, double share);

#endif
