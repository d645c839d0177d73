/*
 * bramble.h - Bramble's networks in other programs: predict, train, take weights out and put them in
 *
 * A bramble_model is a network with its weights, what its images are normalised by, the names of its classes, and the
 * memory and threads to run it.  Images are bytes, one image after the other, each [channels][height][width]; labels are
 * numbers of classes, from 0.  The library ends no process and prints nothing: a call that can fail returns false or
 * NULL and describes the failure in a bramble_error, which the caller owns; NULL in its place is legal.
 *
 * Threads: a model is for one thread at a time.  Several models are independent of each other, and may be used at the
 * same time by several threads; each gives the bits that it gives alone, for any number of its own threads.
 * docs/library.md says the rest: how to build and link, what files are read by, what a version promises.
 */
#ifndef BRAMBLE_H
#define BRAMBLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The number in the library's name, libbramble.so.0: it grows when a program built before would no longer run. */
#define BRAMBLE_ABI 0

#define BRAMBLE_API __attribute__((visibility("default")))

enum { BRAMBLE_ERROR_BYTES = 1024, BRAMBLE_MAX_DIMS = 4, BRAMBLE_MAX_BATCH = 65536 };

/* What became of the last call it was given to. */
typedef struct bramble_error {
    int kind; /* 0: it succeeded; 1: the environment's failure; 2: a mistake */
    char text[BRAMBLE_ERROR_BYTES]; /* one line: where, what is wrong, what to do; "" for 0 */
} bramble_error;

typedef struct bramble_model bramble_model;

/* bramble_abi - BRAMBLE_ABI of the library that is loaded; bramble_version - "0.1.0" */
BRAMBLE_API int bramble_abi(void);
BRAMBLE_API const char *bramble_version(void);

/* ---- models -------------------------------------------------------------------------------------- */

/*
 * bramble_load - the model of a result file (bramble train, bramble_save), with its weights, its normalisation and
 *                the names of its classes
 * bramble_new  - one from a model file (an INI file), with first weights drawn by seed, normalised half and half, its
 *                classes named by their numbers
 * bramble_copy - another one like this, with what it has been set to; an optimizer's states begin anew
 * Return NULL with err: a file that cannot be read or is none of these, memory, a processor that lacks what the library
 * is built for.  Release with bramble_free (NULL is legal).
 */
BRAMBLE_API bramble_model *bramble_load(const char *path, bramble_error *err);
BRAMBLE_API bramble_model *bramble_new(const char *path, uint64_t seed, bramble_error *err);
BRAMBLE_API bramble_model *bramble_copy(const bramble_model *self, bramble_error *err);
BRAMBLE_API void bramble_free(bramble_model *self);

/*
 * bramble_save - as a result file, for bramble_load, `bramble test`, `--init` and h5py
 *   replace  in  whether a file that stands at path may be replaced
 * The file gets its name when it is whole.  false with err: path is taken, cannot be written, weights are not finite.
 */
BRAMBLE_API bool bramble_save(const bramble_model *self, const char *path, bool replace,
                              bramble_error *err);

/* bramble_name - of the model; the others: the shape of an image, and how many classes there are */
BRAMBLE_API const char *bramble_name(const bramble_model *self);
BRAMBLE_API int bramble_channels(const bramble_model *self);
BRAMBLE_API int bramble_height(const bramble_model *self);
BRAMBLE_API int bramble_width(const bramble_model *self);
BRAMBLE_API int bramble_classes(const bramble_model *self);

/* bramble_class_name - of a class, until it is renamed; NULL: there is none of that number
 * bramble_set_class_names - as many as there are classes, each of 1 to 63 bytes; false with err */
BRAMBLE_API const char *bramble_class_name(const bramble_model *self, int class_number);
BRAMBLE_API bool bramble_set_class_names(bramble_model *self, const char *const *names,
                                         bramble_error *err);

/* bramble_normalisation - mean and deviation of each channel, of 1, as the option --normalise: "half" or
 * "M1,M2,.../D1,D2,..."; bramble_set_normalisation - other ones; false with err */
BRAMBLE_API const char *bramble_normalisation(const bramble_model *self);
BRAMBLE_API bool bramble_set_normalisation(bramble_model *self, const char *text,
                                           bramble_error *err);

/* ---- weights ------------------------------------------------------------------------------------- */

/* A piece of the weights, named and shaped as in PyTorch's state_dict. */
typedef struct bramble_tensor {
    const char *name; /* "conv1.weight"; the model's */
    int n_dims;
    size_t dims[BRAMBLE_MAX_DIMS];
    size_t offset, count; /* floats offset .. offset + count - 1 of all weights, row-major */
    bool trained;         /* false: statistics, as batch norm's running mean */
} bramble_tensor;

/* bramble_tensors - how many there are; bramble_tensor_at - the k-th, in the state_dict's order
 * bramble_tensor_find - by name; both false: there is none */
BRAMBLE_API size_t bramble_tensors(const bramble_model *self);
BRAMBLE_API bool bramble_tensor_at(const bramble_model *self, size_t k, bramble_tensor *tensor);
BRAMBLE_API bool bramble_tensor_find(const bramble_model *self, const char *name,
                                     bramble_tensor *tensor);

/*
 * bramble_weights     - how many floats all weights are
 * bramble_get_weights - copy them to w, in one flat array: bramble_tensor says what is where
 * bramble_set_weights - take them from w; false with err: one is NaN or infinite
 * bramble_get_tensor, bramble_set_tensor - the same of one, by name; count: of w, for safety.  false with err, nothing
 *                       being changed: no such tensor, another count, a value that is not finite
 */
BRAMBLE_API size_t bramble_weights(const bramble_model *self);
BRAMBLE_API void bramble_get_weights(const bramble_model *self, float *w);
BRAMBLE_API bool bramble_set_weights(bramble_model *self, const float *w, bramble_error *err);
BRAMBLE_API bool bramble_get_tensor(const bramble_model *self, const char *name, float *w,
                                    size_t count, bramble_error *err);
BRAMBLE_API bool bramble_set_tensor(bramble_model *self, const char *name, const float *w,
                                    size_t count, bramble_error *err);

/*
 * bramble_read_weights - from a result file or any HDF5 file with PyTorch's names, "FILE" or "FILE:/group", as --init
 * What a result file says of normalisation is taken over with them.  false with err, nothing being changed.
 */
BRAMBLE_API bool bramble_read_weights(bramble_model *self, const char *path, bramble_error *err);

/*
 * bramble_init_images - first weights that are made of n >= 1 training images, in layers with `init = whitening`; a
 *                       model without such layers stays as it is.  false with err: memory, no image
 */
BRAMBLE_API bool bramble_init_images(bramble_model *self, const uint8_t *images, size_t n,
                                     bramble_error *err);

/* ---- running ------------------------------------------------------------------------------------- */

/*
 * bramble_set - give a setting a value, at any time; bramble_get - what it is, NaN where there is none of that name
 *   threads   1; at least 1, of the team that computes, on top of whoever calls
 *   seed, epoch  1, 0; whole numbers: what dropout draws from; epoch also counts for layers that are trained for some
 *             epochs only.  Images are counted from 0 again when the epoch is set.
 *   rate      1; factor on the learning rates of the steps to come: what a schedule gives
 *   lr, momentum, nesterov, weight-decay, decoupled, beta1, beta2, epsilon, muon-lr, muon-momentum, muon-dense, clip-norm,
 *   label-smoothing: as the options of bramble train, with the same values at first; 0 and 1 for no and yes
 * false with err: no such setting, or a value that is out of its bounds.
 */
BRAMBLE_API bool bramble_set(bramble_model *self, const char *name, double value,
                             bramble_error *err);
BRAMBLE_API double bramble_get(const bramble_model *self, const char *name);

/* bramble_set_optimizer - "sgd" (at first), "adamw" or "muon", with states that are 0; false with err */
BRAMBLE_API bool bramble_set_optimizer(bramble_model *self, const char *name, bramble_error *err);

/*
 * bramble_predict - probabilities of n images: out, [n][classes] floats, sums of 1
 * bramble_logits  - what they are the softmax of
 * Any n >= 1.  false with err: memory.
 */
BRAMBLE_API bool bramble_predict(bramble_model *self, const uint8_t *images, size_t n, float *out,
                                 bramble_error *err);
BRAMBLE_API bool bramble_logits(bramble_model *self, const uint8_t *images, size_t n, float *out,
                                bramble_error *err);

/* What a step has found before it changed the weights: means over the batch. */
typedef struct bramble_step {
    double loss, accuracy;
} bramble_step;

/*
 * bramble_train - one step of the optimizer on a batch of 1 .. BRAMBLE_MAX_BATCH images
 *   labels  in   n, below bramble_classes
 *   step    out  may be NULL
 * false with err: a label that is none, a batch that a norm cannot do with, memory, when nothing has changed; a loss
 * that is not finite (the training has diverged), when the weights are worth nothing any more.
 */
BRAMBLE_API bool bramble_train(bramble_model *self, const uint8_t *images, const uint16_t *labels,
                               size_t n, bramble_step *step, bramble_error *err);

#ifdef __cplusplus
}
#endif

#endif
