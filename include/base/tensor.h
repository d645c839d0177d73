/*
 * tensor.h - a named piece of a flat vector of floats
 *
 * All weights of a model lie in one array, all gradients in another of the same layout.  A tensor says
 * which part of it is which parameter, named and shaped as in PyTorch's state_dict ("conv1.weight",
 * [out][in][ky][kx]), row-major.  The list of tensors has the state_dict's order; in the array what is
 * trained comes first, statistics (PyTorch's buffers, as batch norm's running mean) behind.
 */
#ifndef BRAMBLE_BASE_TENSOR_H
#define BRAMBLE_BASE_TENSOR_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

enum { TENSOR_NAME_BYTES = 64, TENSOR_MAX_DIMS = 4, TENSOR_ALGORITHM_BYTES = 16 };

enum tensor_role { TENSOR_TRAINED = 0, TENSOR_STATISTIC };

/* How a trained tensor is trained: factors on the run's learning rate and weight decay, and for how many epochs. */
typedef struct tensor_training {
    float lr, weight_decay;
    int epochs; /* 0: never; TENSOR_ALWAYS */
} tensor_training;

enum { TENSOR_ALWAYS = INT_MAX };

/* tensor_trains - is it trained in a step of this epoch, from 0? */
static inline bool tensor_trains(const tensor_training *self, double epoch)
{
    return epoch < (double)self->epochs;
}

typedef struct tensor {
    char name[TENSOR_NAME_BYTES]; /* [A-Za-z0-9_.-], unique in its model */
    int n_dims;                   /* 1..TENSOR_MAX_DIMS */
    size_t dims[TENSOR_MAX_DIMS]; /* each >= 1 */
    size_t offset;                /* of the first element in the flat vector */
    size_t count;                 /* product of dims */
    enum tensor_role role;
    tensor_training training;
    char algorithm[TENSOR_ALGORITHM_BYTES]; /* that its layer computes by; empty: there is one */
} tensor;

#endif
