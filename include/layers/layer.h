/*
 * layer.h - what a layer is, and everything needed to add one
 *
 * A kind of layer is a table of functions; shape inference, initial weights, forward and backward pass
 * stand side by side in one file of src/layers.  To add a kind: one such file, one line in
 * src/layers/registry.c.
 *
 * Data between layers are blocks of VEC_WIDTH images side by side: [block][channels][height][width] of
 * vec.  A layer without geometry (dense) sees channels * height * width features in that order, which is
 * PyTorch's flatten.
 */
#ifndef BRAMBLE_LAYERS_LAYER_H
#define BRAMBLE_LAYERS_LAYER_H

#include "base/error.h"
#include "base/tensor.h"
#include "kernels/simd.h"
#include "kernels/team.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LAYER_MAX_INPUTS = 4,
    LAYER_MAX_TENSORS = 4,
    LAYER_NAME_BYTES = 48,
    LAYER_MAX_SETTINGS = 16
};
enum { LAYER_SETTING_BYTES = 32 };
enum { LAYER_IMAGES = -1 }; /* as an input: the images themselves */

/* Limits on what a model file may ask for; sums and products of these fit in an int. */
enum { LAYER_MAX_CHANNELS = 8192, LAYER_MAX_SIDE = 1024, LAYER_MAX_FEATURES = 1 << 24 };
enum { LAYER_MAX_UNITS = 1 << 16 }; /* of a dense layer: as many as there may be classes */

typedef struct layer_shape {
    int channels, height, width;
} layer_shape;

/* layer_features - channels * height * width; at most LAYER_MAX_FEATURES in a model */
size_t layer_features(layer_shape shape);

/* A `name = text` of a layer's section, with the number of its line. */
typedef struct layer_setting {
    char name[24], text[LAYER_SETTING_BYTES];
    int line;
} layer_setting;

/* How its weights begin (layer_init_read). */
enum layer_init { LAYER_INIT_TORCH = 0, LAYER_INIT_HE, LAYER_INIT_DIRAC, LAYER_INIT_WHITENING };

typedef struct layer_kind layer_kind;

typedef struct layer {
    const layer_kind *kind;
    char name[LAYER_NAME_BYTES]; /* the section's */
    int line;                    /* of the section's first key */
    uint32_t number;             /* of the layer in its file, from 0; chance depends on it */
    layer_setting settings[LAYER_MAX_SETTINGS];
    int n_settings;

    /* The graph: where the data come from, numbers of layers before this one, all different. */
    int inputs[LAYER_MAX_INPUTS], n_inputs;
    int inputs_line; /* of what names them: their key, or the section's first */
    layer_shape in[LAYER_MAX_INPUTS], out;
    /* offsets are within the layer's own trained weights, or statistics */
    tensor tensors[LAYER_MAX_TENSORS];
    int n_tensors;
    size_t n_trained, n_statistics;
    enum layer_init init;
    float statistic_rate; /* of a step: statistic += rate * (the batch's - statistic) */
    int min_images;       /* a batch must have for training; 0: any number will do */
    /* the kind's own numbers, from infer to forward and backward */
    long values[LAYER_MAX_SETTINGS];
    double reals[LAYER_MAX_SETTINGS];
    /* multiplications and additions for one image; backward with the gradient of the input */
    double flops_forward, flops_backward;
    double flops_weights; /* the part of flops_backward that is the gradient of the weights */
    /*
     * Set by infer, or by plan where they depend on the width of a block:
     *   by_blocks  may run by blocks (see layer_kind), where it pays
     *   at_once    and then takes all of a thread's blocks in one pass: a single one has too little work for each weight
     *   n_sums     vecs per block in sums: what backward leaves when run by blocks, or reduces; 0: collect reads gy, and x unless forgets_x
     */
    bool by_blocks, at_once;
    size_t n_sums;
    const char *algorithm; /* which of several it is computed by; NULL: there is one */
    bool forgets_x,
        forgets_y; /* on the way back x, y is read no more: others may have the memory */
    /*
     * Of the same size, element k of y is made of elements k of the inputs alone, and that of a gx of those of gy, x and
     * y; collect reads no gy.  So y may have the memory of one of its inputs, and the gx of one that of gy.
     */
    bool in_place;
} layer;

/*
 * What one forward or backward pass works on: the blocks block_begin .. block_end - 1, all, or, by blocks, some.
 * numbers, x, y, gy, gx and sums begin with block_begin, n_images, n_blocks and the workspace are the whole batch's.
 */
typedef struct layer_pass {
    size_t n_images, n_blocks; /* n_blocks = ceil(n_images / VEC_WIDTH) */
    bool by_blocks;            /* the gradient of the weights is left to collect */
    size_t block_begin, block_end;
    bool training; /* a backward pass follows */
    /* training: all that chance may depend on, besides the layer and the element */
    uint64_t seed;
    uint32_t epoch;
    const uint32_t *numbers;     /* of the images in the whole training set: [block][VEC_WIDTH] */
    const float *w, *statistics; /* the layer's trained weights, and its statistics */
    /* the gradient of w; backward overwrites all of it.  NULL: not wanted, of weights that stand still, or there is none */
    float *g;
    float *measured;  /* the batch's statistics, by whoever reduces; NULL: go by self's own */
    const void *plan; /* what the kind's plan has made */
    const vec *x[LAYER_MAX_INPUTS]; /* its inputs */
    vec *y;                         /* its output */
    const vec *gy;                  /* gradient of its output */
    /* gradients of its inputs; NULL: not wanted, of the images or where nothing that is trained is behind */
    vec *gx[LAYER_MAX_INPUTS];
    bool add[LAYER_MAX_INPUTS]; /* gx has another reader's gradient: add to it, else overwrite it */
    void *workspace;            /* workspace_bytes, kept from forward to backward */
    void *scratch;              /* scratch_bytes, the calling thread's own; nothing in it is kept */
    vec *sums;                  /* by blocks, or when reducing: [block][n_sums] */
} layer_pass;

typedef void layer_function(const layer *self, const layer_pass *pass, const team *us);

struct layer_kind {
    const char *name; /* `kind = name` */
    /* tables that infer may put in the place of this one, NULL-terminated; NULL: none */
    const layer_kind *const *others;
    const char *
        settings[LAYER_MAX_SETTINGS]; /* names it knows, NULL-terminated, beside layer_training's */
    int min_inputs, max_inputs;       /* how many it takes, 1 .. LAYER_MAX_INPUTS */

    /*
     * infer - read the settings (layer_setting_get, ...), check them against self->in, fill out, tensors,
     * values and flops.  false with err (user), without file and line: the caller adds them.
     */
    bool (*infer)(layer *self, error *err);
    /* absorb - may this layer do the work of `previous`, its only input, as well?  Then it has noted so;
     * else false.  Asked where nobody else reads previous.  NULL: never. */
    bool (*absorb)(layer *self, const layer *previous);
    /* extend - the other way round: may this layer do the work of `next`, its only reader, which reads nothing else?
     * Asked after all absorb.  NULL: never. */
    bool (*extend)(layer *self, const layer *next);
    /*
     * init - initial weights, drawn; those of whitening are only for who has no images (whitening.h)
     *   w, statistics  out  n_trained and n_statistics floats
     *   first_stream   in   number of the layer's first tensor
     * NULL: no weights.
     */
    void (*init)(const layer *self, float *w, float *statistics, uint64_t seed,
                 uint32_t first_stream);
    /*
     * to_moments, from_moments - from the layer's statistics to what their average over several models may be taken
     * of, and back: a variance is none of that.  Both may be the same array.  NULL: the statistics themselves.
     */
    void (*to_moments)(const layer *self, const float *statistics, float *moments);
    void (*from_moments)(const layer *self, const float *moments, float *statistics);
    /*
     * plan - what follows from shapes alone is decided once, when a network is made: tiles, which kernel
     *   self       inout  the network's own copy, whose by_blocks and n_sums may be set here
     *   n_threads  in     of the teams that will run it: how work is cut may depend on it
     *   plan       out    plan_bytes, zeroed; nothing in it is released
     * NULL: nothing to decide.
     */
    size_t plan_bytes;
    void (*plan)(layer *self, int n_threads, void *plan);
    /* workspace_bytes - memory for n_blocks blocks; NULL: none.  false on overflow. */
    bool (*workspace_bytes)(const layer *self, const void *plan, size_t n_blocks, bool training,
                            size_t *bytes);
    /* scratch_bytes - memory that forward, backward and collect need on each thread; NULL: none */
    size_t (*scratch_bytes)(const layer *self, const void *plan);
    /*
     * prepare, forward, backward, collect - called by every thread of a team at once; each does its share.
     * They begin and end without a barrier; where one of their parts needs another's result they set a
     * barrier between.  The caller sets one after each.  The bits may not depend on the number of threads.
     *
     * By blocks: each thread takes blocks of its own, as a team of one, through several layers, forward and
     * backward, so that they stay in its core's cache and nobody waits.  Then backward leaves the gradient
     * of the weights to collect, again of the whole team; what it needs besides x and gy waits in the
     * workspace or, n_sums for each block, in sums.
     *   prepare  what depends on the weights alone; of all layers, before the first forward (NULL: nothing)
     *   collect  all of g, from all blocks, after backward has run by blocks (NULL: no weights); a layer with sums
     *            reads no x, y or gy there: their memory may have had the next block by then
     * Where neither g nor a gx is wanted there is no backward, without g no collect.
     */
    layer_function *prepare, *forward, *backward, *collect;
    /*
     * For a kind that must know the whole batch before it can go on (batch norm); NULL for all others.  In training,
     * and forward where a batch is only measured, forward and backward, which run by blocks then, come after
     *   *_sums     what each of the pass's blocks adds: to the block's sums
     *   *_combine  between two barriers, of the whole team: the blocks' sums put together in the order of
     *              the images; forward's writes measured, backward's g
     */
    layer_function *forward_sums, *forward_combine, *backward_sums, *backward_combine;
};

/* layer_kinds - all kinds, NULL-terminated; layer_kind_find - by name, or NULL */
extern const layer_kind *const layer_kinds[];
const layer_kind *layer_kind_find(const char *name);

/* ---- for the kinds ----------------------------------------------------------------------------- */

/*
 * layer_setting_get, _get_real - a whole or a real number, or the fallback where it is not given
 * false with err (user) when it is none, or outside low .. high, self->line then being the setting's;
 * fallback below low: the setting is required.
 */
bool layer_setting_get(layer *self, const char *name, long fallback, long low, long high,
                       long *value, error *err);
bool layer_setting_get_real(layer *self, const char *name, double fallback, double low, double high,
                            double *value, error *err);

/*
 * layer_setting_get_or - a whole number as above, or a word, which stands for low - 1
 * layer_setting_get_word - which of words, NULL-terminated, it is, or the fallback; below 0: required
 * layer_setting_get_yes - yes or no
 */
typedef struct layer_number {
    const char *name, *word;
    long fallback, low, high;
} layer_number;
bool layer_setting_get_or(layer *self, const layer_number *what, long *value, error *err);
bool layer_setting_get_word(layer *self, const char *name, const char *const words[], int fallback,
                            int *index, error *err);
bool layer_setting_get_yes(layer *self, const char *name, bool fallback, bool *yes, error *err);

/*
 * layer_training_read - what a layer with weights may be given whatever its kind: into its tensors' training
 *   trained       no, or for how many epochs: from then on its weights stand still
 *   lr            factor on the run's learning rate
 *   weight-decay  factor on the run's weight decay
 * After infer; where that has said how a tensor is trained, factors are multiplied and the fewer epochs count.
 * false with err (user), also where one is given to a layer that has no weights.
 * layer_training_knows - is it the name of one?
 */
bool layer_training_read(layer *self, error *err);
bool layer_training_knows(const char *name);

/* layer_same_shapes - have all inputs the first's shape?  Else false with err (user), self->line being their line. */
bool layer_same_shapes(layer *self, error *err);

/* layer_pass_of - the pass by blocks through blocks begin .. end - 1 of a batch, of which `all` is the whole pass */
layer_pass layer_pass_of(const layer *self, const layer_pass *all, size_t begin, size_t end);

/* layer_kept - where the pass's blocks begin in a workspace that holds block_bytes for each */
void *layer_kept(const layer_pass *pass, size_t block_bytes);

/* layer_share - this thread's items begin .. end - 1 of the pass's blocks, each of `per_block` items, from 0 */
void layer_share(const layer_pass *pass, const team *us, size_t per_block, size_t *begin,
                 size_t *end);

/* layer_collect - the end of a backward pass that leaves sums: collect, after all threads, unless that comes later or nobody
 * wants g */
void layer_collect(const layer *self, const layer_pass *pass, const team *us);

/* layer_tensor_add - append a tensor of the layer: "NAME.suffix" */
void layer_tensor_add(layer *self, enum tensor_role role, const char *suffix, int n_dims,
                      const size_t *dims);

/*
 * layer_bias - where the biases begin, a layer's second tensor behind its weight; NULL: it has none
 *   of  in  the layer's weights, or their gradient
 */
float *layer_bias(const layer *self, const float *of);

/*
 * layer_init_read - the setting `init` of a layer whose first tensor is its weight
 *   torch      all trained tensors uniform in +-1/sqrt(fan_in), as torch.nn.Conv2d and Linear are
 *   he         normal, of variance 2 / fan_in; biases 0 (He et al., arXiv:1502.01852)
 *   dirac      of each group's first filters, as many as it has in channels, each hands on one; the others as torch
 *   whitening  from patches of training images
 *   of_images  in  a convolution, for which there are all four; else the first two
 * layer_init_weights - what follows from it
 */
bool layer_init_read(layer *self, bool of_images, error *err);
void layer_init_weights(const layer *self, float *w, size_t fan_in, uint64_t seed,
                        uint32_t first_stream);

#endif
