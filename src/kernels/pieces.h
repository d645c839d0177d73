/*
 * pieces.h - cutting a length into pieces that differ by one at most; inside this module only
 */
#ifndef BRAMBLE_KERNELS_PIECES_H
#define BRAMBLE_KERNELS_PIECES_H

/* pieces - how many it takes when none may be longer than `largest` */
static inline int pieces(int length, int largest)
{
    return (length + largest - 1) / largest;
}

/* piece_begin - where piece k of n begins; piece n begins at the end */
static inline int piece_begin(int length, int n, int k)
{
    return (int)((long)length * k / n);
}

#endif
