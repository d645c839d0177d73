#include "deal.h"

#include "base/memory.h"
#include "show/output.h"
#include "train/evaluate.h"
#include "transport/transport.h"

#include <stdio.h>

enum { PIECE_IMAGES = 1024 }; /* read and sent at a time */

/* ---- the data set ------------------------------------------------------------------------------- */

static bool limit(const char *name, uint64_t asked, size_t there, uint64_t *n, error *err)
{
    if (asked > there)
        return error_user(err, "--limit-%s %llu: the data set has %zu such images", name,
                          (unsigned long long)asked, there);
    *n = asked > 0 ? asked : there;
    return true;
}

/* Shards that are equal but for one image. */
static bool deal_evenly(uint64_t n_train, uint64_t n_workers, uint64_t *images, error *err)
{
    if (n_train < n_workers)
        return error_user(
            err, "%llu workers for %llu training images: start fewer ranks or use more images",
            (unsigned long long)n_workers, (unsigned long long)n_train);
    for (uint64_t k = 0; k < n_workers; k++)
        images[k] = n_train / n_workers + (k < n_train % n_workers);
    return true;
}

static bool deal_as_given(const option_list *given, uint64_t n_train, uint64_t n_workers,
                          uint64_t *images, error *err)
{
    if (given->n != n_workers)
        return error_user(err, "--shards: %zu size%s for %llu worker%s: give one for each",
                          given->n, PLURAL(given->n), (unsigned long long)n_workers,
                          PLURAL(n_workers));
    uint64_t sum = 0;
    for (uint64_t k = 0; k < n_workers; k++)
        sum += images[k] = given->values[k];
    return sum <= n_train ||
           error_user(err, "--shards: %llu images together, but there are %llu to train on",
                      (unsigned long long)sum, (unsigned long long)n_train);
}

static bool deal_shards(const option_list *given, uint64_t n_train, uint64_t *images, error *err)
{
    uint64_t n_workers = (uint64_t)transport_workers();
    return given->n == 0 ? deal_evenly(n_train, n_workers, images, err)
                         : deal_as_given(given, n_train, n_workers, images, err);
}

static bool read_test_set(dealing *self, uint64_t n, dataset *test, error *err)
{
    if (!dataset_init(test, source_shape(self->from), (size_t)n, err) ||
        !source_read(self->from, SPLIT_TEST, 0, (size_t)n, test->images, test->labels, err))
        return false;
    data_checksum_add(&self->test_sum, test->shape, test->images, test->labels, test->n);
    return true;
}

static void name_classes(dealing *self, int n_classes)
{
    for (int c = 0; c < n_classes; c++) {
        const char *name = source_class_name(self->from, c);
        if (name)
            snprintf(self->class_names[c], sizeof *self->class_names, "%s", name);
        else
            snprintf(self->class_names[c], sizeof *self->class_names, "class %d", c);
    }
}

bool deal_open(dealing *self, const train_options *options, const model *of, input_rule *input,
               uint64_t *images, dataset *test, error *err)
{
    const train_options *o = options;
    uint64_t n_train = 0, n_test = 0;
    source *from = self->from = source_open(o->data, o->seed, err);
    if (!from || !input_rule_init(input, source_shape(from), NULL, NULL, err) ||
        !evaluation_check(of, o->model, input, o->data, err) ||
        !limit("train", o->limit_train, source_count(from, SPLIT_TRAIN), &n_train, err) ||
        !limit("test", o->limit_test, source_count(from, SPLIT_TEST), &n_test, err) ||
        !deal_shards(&o->shards, n_train, images, err) || !read_test_set(self, n_test, test, err))
        return false;
    name_classes(self, of->n_classes);
    return true;
}

void deal_release(dealing *self)
{
    source_free(self->from);
    *self = (dealing){0};
}

int64_t deal_checksum(const dealing *self)
{
    uint64_t labels = self->train_sum.labels ^ (uint64_t)self->test_sum.labels << 1;
    uint64_t images = self->train_sum.images ^ (uint64_t)self->test_sum.images << 1;
    return (int64_t)(labels << 31 ^ images);
}

/* ---- to the workers ------------------------------------------------------------------------------ */

/* Send a worker its shard.  A byte before each piece says whether the server could read it. */
static bool send_shard(dealing *self, size_t first, size_t left, int to, error *err)
{
    image_shape shape = source_shape(self->from);
    size_t bytes = image_bytes(shape);
    uint8_t *images = memory_new(PIECE_IMAGES, bytes, err), good;
    uint16_t *labels = memory_new(PIECE_IMAGES, sizeof *labels, err);
    good = images && labels;
    while (left > 0) {
        size_t n = left < PIECE_IMAGES ? left : PIECE_IMAGES;
        good = good && source_read(self->from, SPLIT_TRAIN, first, n, images, labels, err);
        transport_send(&good, 1, to, TRANSPORT_SLEEP);
        if (!good)
            break;
        data_checksum_add(&self->train_sum, shape, images, labels, n);
        transport_send(images, n * bytes, to, TRANSPORT_SLEEP);
        transport_send(labels, n * sizeof *labels, to, TRANSPORT_SLEEP);
        first += n;
        left -= n;
    }
    memory_free(images);
    memory_free(labels);
    return good;
}

static bool receive_shard(dataset *shard, error *err)
{
    size_t bytes = image_bytes(shard->shape), total = shard->n;
    for (size_t done = 0; done < total; done += PIECE_IMAGES) {
        size_t n = total - done < PIECE_IMAGES ? total - done : PIECE_IMAGES;
        uint8_t good;
        transport_receive(&good, 1, 0, TRANSPORT_SLEEP);
        if (!good) /* the server has the error */
            return error_environment(err, "the server could not read the training images");
        transport_receive(shard->images + done * bytes, n * bytes, 0, TRANSPORT_SLEEP);
        transport_receive(shard->labels + done, n * sizeof *shard->labels, 0, TRANSPORT_SLEEP);
    }
    return true;
}

static bool read_shard(dealing *self, dataset *shard, error *err)
{
    if (!source_read(self->from, SPLIT_TRAIN, 0, shard->n, shard->images, shard->labels, err))
        return false;
    data_checksum_add(&self->train_sum, shard->shape, shard->images, shard->labels, shard->n);
    return true;
}

void deal_out(dealing *self, const course *on, worker *mine, error *err)
{
    size_t first = 0;
    if (transport_size() == 1)
        read_shard(self, &mine->shard, err);
    else if (!transport_is_server())
        receive_shard(&mine->shard, err);
    else
        for (int k = 0; k < transport_workers(); k++) {
            send_shard(self, first, (size_t)on->images[k], k + 1, err); /* once failed: just that */
            first += (size_t)on->images[k];
        }
}
