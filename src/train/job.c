#include "train/job.h"

#include "base/ini.h"
#include "base/memory.h"
#include "host/files.h"
#include "results.h"
#include "show/output.h"
#include "train/resume.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PIECE_IMAGES = 1024 }; /* read and sent at a time */

/* ---- model ------------------------------------------------------------------------------------- */

static bool check_case(const job *self, error *err)
{
    uint64_t n_workers = (uint64_t)transport_workers();
    const option_case *label = &self->options.label;
    return label->nodes == 0 || label->nodes == n_workers ||
           error_user(
               err,
               "--case %llu:%llu: this run has %llu worker%s; start %llu ranks or name the case "
               "%llu:%llu",
               (unsigned long long)label->nodes, (unsigned long long)label->cores,
               (unsigned long long)n_workers, n_workers > 1 ? "s" : "",
               (unsigned long long)label->nodes + 1, (unsigned long long)n_workers,
               (unsigned long long)label->cores);
}

static bool prepare_model(job *self, error *err)
{
    char path[OPTION_TEXT_BYTES] = "";
    if (transport_is_server() && self->from && !resume_model_given(self)) {
        snprintf(path, sizeof path, "%s", self->from->path);
        self->model_text = resume_model(self, NULL, err);
    } else if (transport_is_server() &&
               files_find_model(self->options.model, path, sizeof path, err))
        self->model_text = self->from ? resume_model(self, path, err) : ini_read_file(path, err);
    if (!transport_agree(err))
        return false;
    self->model_text = transport_broadcast_text(self->model_text);
    transport_broadcast(path, sizeof path, 0, TRANSPORT_SLEEP);
    self->model = model_new(path, self->model_text, err);
    return transport_agree(err);
}

/* ---- data -------------------------------------------------------------------------------------- */

static bool limit(const char *name, uint64_t asked, size_t there, uint64_t *n, error *err)
{
    if (asked > there)
        return error_user(err, "--limit-%s %llu: the data set has %zu such images", name,
                          (unsigned long long)asked, there);
    *n = asked > 0 ? asked : there;
    return true;
}

/* Explicit shards as given, else equal but for one image. */
static bool deal_shards(job *self, error *err)
{
    uint64_t n_workers = (uint64_t)transport_workers();
    const option_list *given = &self->options.shards;
    if (given->n == 0) {
        if (self->n_train < n_workers)
            return error_user(err,
                              "%llu workers for %llu training images: start fewer ranks or use "
                              "more images",
                              (unsigned long long)n_workers, (unsigned long long)self->n_train);
        for (uint64_t k = 0; k < n_workers; k++)
            self->shards[k] = self->n_train / n_workers + (k < self->n_train % n_workers);
        return true;
    }
    if (given->n != n_workers)
        return error_user(err, "--shards: %zu size%s for %llu worker%s: give one for each",
                          given->n, PLURAL(given->n), (unsigned long long)n_workers,
                          PLURAL(n_workers));
    uint64_t sum = 0;
    for (uint64_t k = 0; k < n_workers; k++)
        sum += self->shards[k] = given->values[k];
    if (sum > self->n_train)
        return error_user(err, "--shards: %llu images together, but there are %llu to train on",
                          (unsigned long long)sum, (unsigned long long)self->n_train);
    self->n_train = sum;
    return true;
}

static bool read_test_set(job *self, source *from, error *err)
{
    if (!dataset_init(&self->test, source_shape(from), (size_t)self->n_test, err) ||
        !source_read(from, SPLIT_TEST, 0, (size_t)self->n_test, self->test.images,
                     self->test.labels, err))
        return false;
    data_checksum_add(&self->test_sum, self->test.shape, self->test.images, self->test.labels,
                      self->test.n);
    return true;
}

int64_t job_data_checksum(const job *self)
{
    uint64_t labels = self->train_sum.labels ^ (uint64_t)self->test_sum.labels << 1;
    uint64_t images = self->train_sum.images ^ (uint64_t)self->test_sum.images << 1;
    return (int64_t)(labels << 31 ^ images);
}

/* Everything the server checks before anybody takes memory. */
static bool open_data(job *self, source **from, error *err)
{
    const train_options *o = &self->options;
    *from = source_open(o->data, o->seed, err);
    if (!*from || !input_rule_init(&self->input, source_shape(*from), NULL, NULL, err) ||
        !evaluation_check(self->model, o->model, &self->input, o->data, err) ||
        !limit("train", o->limit_train, source_count(*from, SPLIT_TRAIN), &self->n_train, err) ||
        !limit("test", o->limit_test, source_count(*from, SPLIT_TEST), &self->n_test, err) ||
        !deal_shards(self, err) || !read_test_set(self, *from, err))
        return false;
    for (int c = 0; c < self->model->n_classes; c++) {
        const char *name = source_class_name(*from, c);
        if (name)
            snprintf(self->class_names[c], sizeof *self->class_names, "%s", name);
        else
            snprintf(self->class_names[c], sizeof *self->class_names, "class %d", c);
    }
    return true;
}

/* Send a worker its shard.  A byte before each piece says whether the server could read it. */
static bool send_shard(job *self, source *from, size_t first, int worker, error *err)
{
    size_t bytes = image_bytes(self->shard.shape), left = self->shards[worker];
    uint8_t *images = memory_new(PIECE_IMAGES, bytes, err), good;
    uint16_t *labels = memory_new(PIECE_IMAGES, sizeof *labels, err);
    good = images && labels;
    while (left > 0) {
        size_t n = left < PIECE_IMAGES ? left : PIECE_IMAGES;
        good = good && source_read(from, SPLIT_TRAIN, first, n, images, labels, err);
        transport_send(&good, 1, worker + 1, TRANSPORT_SLEEP);
        if (!good)
            break;
        data_checksum_add(&self->train_sum, self->shard.shape, images, labels, n);
        transport_send(images, n * bytes, worker + 1, TRANSPORT_SLEEP);
        transport_send(labels, n * sizeof *labels, worker + 1, TRANSPORT_SLEEP);
        first += n;
        left -= n;
    }
    memory_free(images);
    memory_free(labels);
    return good;
}

static bool receive_shard(job *self, error *err)
{
    size_t bytes = image_bytes(self->shard.shape), total = self->shard.n;
    for (size_t done = 0; done < total; done += PIECE_IMAGES) {
        size_t n = total - done < PIECE_IMAGES ? total - done : PIECE_IMAGES;
        uint8_t good;
        transport_receive(&good, 1, 0, TRANSPORT_SLEEP);
        if (!good) /* the server has the error */
            return error_environment(err, "the server could not read the training images");
        transport_receive(self->shard.images + done * bytes, n * bytes, 0, TRANSPORT_SLEEP);
        transport_receive(self->shard.labels + done, n * sizeof *self->shard.labels, 0,
                          TRANSPORT_SLEEP);
    }
    return true;
}

/* From the files on the server to the workers' memory. */
static bool distribute(job *self, source *from, error *err)
{
    double since_s = clock_now();
    if (transport_size() == 1) {
        if (source_read(from, SPLIT_TRAIN, 0, self->shard.n, self->shard.images, self->shard.labels,
                        err))
            data_checksum_add(&self->train_sum, self->shard.shape, self->shard.images,
                              self->shard.labels, self->shard.n);
    } else if (transport_is_server()) {
        size_t first = 0;
        for (int k = 0; k < transport_workers(); k++) {
            send_shard(self, from, first, k, err); /* after a failure it sends just that */
            first += self->shards[k];
        }
    } else {
        receive_shard(self, err);
    }
    if (self->from && err->kind == ERROR_NONE)
        resume_check_data(self, err);
    bool good = transport_agree(err);
    self->t_start_data_s += clock_now() - since_s;
    return good;
}

/* ---- memory ------------------------------------------------------------------------------------ */

uint64_t job_steps(const job *self, int worker)
{
    const train_options *o = &self->options;
    if (o->local_steps > 0)
        return o->local_steps;
    return o->local_epochs * ((self->shards[worker] + o->batch - 1) / o->batch);
}

uint64_t job_segments(const job *self)
{
    uint64_t every = self->options.average_every, most = 0;
    for (int k = 0; k < transport_workers(); k++)
        most = job_steps(self, k) > most ? job_steps(self, k) : most;
    return every == 0 ? 1 : (most + every - 1) / every;
}

uint64_t job_eval_every(const job *self)
{
    const train_options *o = &self->options;
    if (o->eval_every > 0)
        return o->eval_every;
    if (o->local_steps == 0)
        return 1;
    uint64_t epoch = (self->shards[0] + o->batch - 1) / o->batch; /* steps */
    return (epoch + o->local_steps - 1) / o->local_steps;
}

static bool prepare_worker(job *self, error *err)
{
    const train_options *o = &self->options;
    int worker = transport_worker();
    size_t n = (size_t)self->shards[worker], batch = o->batch < n ? o->batch : n;
    if (!transport_is_server() &&
        !input_rule_init(&self->input, self->shard.shape, NULL, NULL, err))
        return false;
    self->net = network_new(self->model, batch, true, self->n_threads, err);
    self->v = memory_new(self->model->n_weights, sizeof *self->v, err);
    self->g = memory_new(self->model->n_weights, sizeof *self->g, err);
    if (!self->net || !self->v || !self->g ||
        !dataset_init(&self->shard, self->shard.shape, n, err) ||
        !sampler_init(&self->sampler, n, o->seed, (uint32_t)worker, (enum sampler_order)o->order,
                      err))
        return false;
    double steps = (double)job_steps(self, worker);
    self->schedule = (schedule){.kind = (enum schedule_kind)o->schedule,
                                .lr = o->lr,
                                .warmup_steps = o->warmup * steps,
                                .total_steps = (double)o->rounds * steps};
    self->step = self->rounds_before * job_steps(self, worker);
    uint64_t per_epoch = (n + o->batch - 1) / o->batch;
    sampler_seek(&self->sampler, (uint32_t)(self->step / per_epoch),
                 (size_t)(self->step % per_epoch * o->batch));
    return true;
}

static bool prepare_memory(job *self, error *err)
{
    size_t scratch = average_scratch_bytes(self->model->n_weights, transport_size());
    if (!threads_choose(self->options.threads, &self->n_threads, &self->advice, err))
        return false;
    self->w = memory_new(self->model->n_weights, sizeof *self->w, err);
    self->scratch = memory_new(scratch, 1, err);
    if (self->w && self->scratch && transport_is_worker())
        prepare_worker(self, err);
    if (err->kind == ERROR_NONE && transport_is_server())
        evaluation_init(&self->evaluation, self->model, &self->input, &self->test, self->n_threads,
                        err);
    error_prefix(err, "rank %d on %s: a smaller --batch than %llu or --model than %s is needed",
                 transport_rank(), transport_host(), (unsigned long long)self->options.batch,
                 self->options.model);
    return transport_agree(err);
}

static bool prepare_weights(job *self, error *err)
{
    if (transport_is_server()) {
        if (self->from)
            resume_weights(self, err);
        else if (self->options.init[0])
            record_read_weights(self->options.init, self->model->tensors,
                                (size_t)self->model->n_tensors, self->w, err);
        else
            model_init(self->model, self->w, self->options.seed);
    }
    if (!transport_agree(err))
        return false;
    transport_broadcast(self->w, self->model->n_weights * sizeof *self->w, 0, TRANSPORT_SLEEP);
    if (self->options.resume[0])
        resume_momentum(self);
    return true;
}

/* ---- all of it --------------------------------------------------------------------------------- */

/* The date, and a number where another run of the same second has that. */
static void name_by_date(job *self)
{
    char date[32];
    clock_date(date);
    for (char *c = date; *c; c++)
        if (*c == ':')
            *c = '-';
    snprintf(self->out, sizeof self->out, "bramble-%s.h5", date);
    for (int n = 2; n < 1000 && access(self->out, F_OK) == 0; n++)
        snprintf(self->out, sizeof self->out, "bramble-%s-%d.h5", date, n);
}

/* Where the server keeps the rounds done when a rank dies and the others go on. */
static void name_rescue(job *self)
{
    static const char suffix[] = ".rescue.h5";
    const char *kept = self->options.checkpoint;
    if (!transport_guards() || transport_size() == 1)
        return;
    if (kept[0])
        snprintf(self->rescue, sizeof self->rescue, "%s", kept);
    else
        snprintf(self->rescue, sizeof self->rescue, "%.*s%s",
                 OPTION_TEXT_BYTES - (int)sizeof suffix, self->out, suffix);
}

bool job_rename(job *self)
{
    if (self->options.out[0] || self->from || access(self->out, F_OK) != 0)
        return false;
    name_by_date(self);
    name_rescue(self);
    return true;
}

static bool prepare_data(job *self, source **from, error *err)
{
    double since_s = clock_now();
    self->shards = memory_new((size_t)transport_workers(), sizeof *self->shards, err);
    if (err->kind == ERROR_NONE && transport_is_server()) {
        if (self->options.out[0])
            snprintf(self->out, sizeof self->out, "%s", self->options.out);
        else
            name_by_date(self);
        if ((!self->from || resume_place(self, err)) &&
            record_check_new(self->out, self->replace || self->options.force, err))
            open_data(self, from, err);
    }
    name_rescue(self);
    if (!transport_agree(err))
        return false;
    self->t_start_data_s += clock_now() - since_s;
    transport_broadcast(&self->n_train, sizeof self->n_train, 0, TRANSPORT_SLEEP);
    transport_broadcast(self->shards, (size_t)transport_workers() * sizeof *self->shards, 0,
                        TRANSPORT_SLEEP);
    self->shard.shape = self->input.from;
    transport_broadcast(&self->shard.shape, sizeof self->shard.shape, 0, TRANSPORT_SLEEP);
    return true;
}

/* When nothing else can go wrong; who names the case with --case knows what its threads get. */
static void give_advice(const job *self)
{
    const threads_advice *advice = &self->advice;
    if (transport_is_server() && advice->left_out[0])
        fprintf(stderr, "bramble: warning: %s\n", advice->left_out);
    if (transport_is_server() && advice->crowded[0] && self->options.label.nodes == 0)
        fprintf(stderr, "bramble: warning: %s\n", advice->crowded);
}

bool job_prepare(job *self, error *err)
{
    source *from = NULL;
    self->rule = average_rules[self->options.average];
    bool good = check_case(self, err) && prepare_model(self, err) &&
                prepare_data(self, &from, err) && prepare_memory(self, err) &&
                prepare_weights(self, err) && distribute(self, from, err) &&
                results_create(self, err);
    source_free(from);
    if (good)
        give_advice(self);
    return good;
}

void job_release(job *self)
{
    error err = {0};
    if (!record_close(self->record, &err))
        error_print(&err); /* besides the failure that has brought us here */
    checkpoint_free(self->checkpoint);
    stall_release(&self->stall);
    checkpoint_file_free(self->from);
    evaluation_release(&self->evaluation);
    input_rule_release(&self->input);
    dataset_release(&self->test);
    dataset_release(&self->shard);
    sampler_release(&self->sampler);
    network_free(self->net);
    memory_free(self->machines);
    memory_free(self->shards);
    memory_free(self->scratch);
    memory_free(self->w);
    memory_free(self->v);
    memory_free(self->g);
    memory_free(self->model_text);
    model_free(self->model);
}
