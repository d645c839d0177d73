/*
 * peak.h - what the machine could do at best, measured
 */
#ifndef BRAMBLE_KERNELS_PEAK_H
#define BRAMBLE_KERNELS_PEAK_H

/*
 * peak_flops - fused multiply-adds on registers alone, on n_threads threads at once for about t_s seconds
 * Returns floating point operations per second, all threads together (a multiply-add counts as two).
 */
double peak_flops(int n_threads, double t_s);

#endif
