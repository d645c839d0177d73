#include "train/resume.h"

#include "base/ini.h"
#include "base/memory.h"
#include "model/schedule.h"
#include "saved.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- options ----------------------------------------------------------------------------------- */

/* One option: the former value, unless another may be and is given. */
static bool merge_option(train_options *now, const train_options *former, const option_entry *entry,
                         bool given, const char *where, error *err)
{
    if (entry->resume == RESUME_NEW || (given && entry->resume == RESUME_FREE))
        return true;
    char *texts = memory_new(2, OPTION_FORMAT_BYTES, err);
    if (!texts)
        return false;
    char *was = texts, *is = texts + OPTION_FORMAT_BYTES;
    option_format(entry, former, was);
    option_format(entry, now, is);
    bool good = !given || strcmp(was, is) == 0;
    if (!good)
        error_user(err,
                   "--%s %.60s: the run in %.200s has %.60s, and its result depends on it; leave "
                   "the option out or start a new run",
                   entry->name, *is ? is : "\"\"", where, *was ? was : "\"\"");
    good = good && option_set(entry, now, was, err);
    memory_free(texts);
    return good;
}

bool options_resume(train_options *self, const record_pair *former, size_t n_former,
                    const char *where, error *err)
{
    static train_options before;
    const option_entry *table = option_train_table;
    if (!option_set_defaults(table, &before, err))
        return false;
    for (size_t i = 0; i < n_former; i++) {
        const option_entry *entry = option_find(table, former[i].name);
        if (!entry)
            return error_user(err,
                              "%.200s: was written by another version of Bramble: %.60s is no "
                              "option of this one",
                              where, former[i].name);
        if (!option_set(entry, &before, former[i].value, err))
            return error_prefix(err, "%.200s: %s = %.60s", where, entry->name, former[i].value);
    }
    if ((before.local_epochs == 0) == (before.local_steps == 0))
        return error_user(err, "%.200s: its options do not say how long a round is", where);
    for (size_t i = 0; table[i].name; i++)
        if (!merge_option(self, &before, &table[i], self->given[i], where, err))
            return false;
    return true;
}

static bool is_given(const train_options *self, const char *name)
{
    return self->given[option_find(option_train_table, name) - option_train_table];
}

/* Rounds may be added where the learning rate does not know of the last one. */
static bool check_rounds(const job *self, error *err)
{
    const checkpoint_file *from = self->from;
    const train_options *o = &self->options;
    uint64_t done = from->past->n_rounds, planned = from->past->n_rounds_planned;
    if (o->rounds != planned && o->schedule != SCHEDULE_CONSTANT)
        return error_user(err,
                          "--rounds %llu: the run in %s was planned for %llu, over which its "
                          "learning rate falls; leave --rounds out",
                          (unsigned long long)o->rounds, from->path, (unsigned long long)planned);
    if (o->rounds < done)
        return error_user(err, "--rounds %llu: the run in %s has done %llu already",
                          (unsigned long long)o->rounds, from->path, (unsigned long long)done);
    return true;
}

/* Has an option the value it had in the former start? */
static bool is_as_before(const job *self, const char *name, error *err)
{
    const char *former = record_config(self->from->past, name);
    char *now = memory_new(1, OPTION_FORMAT_BYTES, err);
    if (now)
        option_format(option_find(option_train_table, name), &self->options, now);
    bool same = now && strcmp(now, former ? former : "") == 0;
    memory_free(now);
    return same;
}

/* Shards and the name of the case belong to a number of workers. */
static bool settle_shards(job *self, error *err)
{
    train_options *o = &self->options;
    bool same_workers = self->from->position.n_workers == transport_workers();
    if (!same_workers && !is_given(o, "case"))
        o->label = (option_case){0, 0};
    if (!is_given(o, "shards")) {
        if (!same_workers)
            o->shards.n = 0;
        return true;
    }
    if (!same_workers)
        return true;
    return is_as_before(self, "shards", err) ||
           error_user(err,
                      "--shards: the run in %s has others, and its result depends on "
                      "them; leave the option out",
                      self->from->path);
}

/* The result file that the run would replace: the one named now, else the one it had. */
static record_file *read_result(const job *self)
{
    error none = {0};
    const char *out = is_given(&self->options, "out") ? self->options.out : self->from->out;
    record_file *there = record_read(out, &none);
    const char *mine = record_build(self->from->past, "run");
    const char *run = there ? record_build(there, "run") : NULL;
    if (mine && run && strcmp(mine, run) == 0)
        return there;
    record_file_free(there);
    return NULL;
}

/* Its result file is complete, and nothing more is asked for: a row in it would be one too many. */
static void look_for_end(job *self)
{
    const train_options *o = &self->options;
    record_file *there = read_result(self);
    bool reached =
        there && !isnan(there->summary.t_target_s) && is_as_before(self, "target-accuracy", NULL);
    self->finished = there && there->summary.complete == 1.0 &&
                     (there->n_rounds == o->rounds || reached) &&
                     there->n_rounds_planned == o->rounds;
    if (self->finished) {
        self->n_test = (uint64_t)self->from->position.n_test;
        self->past_summary = there->summary;
        snprintf(self->out, sizeof self->out, "%s", is_given(o, "out") ? o->out : self->from->out);
    }
    record_file_free(there);
}

static bool read_checkpoint(job *self, error *err)
{
    error warning = {0};
    train_options *o = &self->options;
    self->from = checkpoint_read(o->resume, &warning, err);
    if (!self->from)
        return error_prefix(err, "--resume");
    if (warning.kind != ERROR_NONE) {
        error_prefix(&warning, "warning");
        error_print(&warning);
    }
    const record_file *past = self->from->past;
    if (!options_resume(o, past->config, past->n_config, self->from->path, err) ||
        !check_rounds(self, err) || !settle_shards(self, err))
        return false;
    if (!is_given(o, "checkpoint") && !self->rescued)
        snprintf(o->checkpoint, sizeof o->checkpoint, "%s", o->resume);
    self->rounds_before = past->n_rounds;
    look_for_end(self);
    return true;
}

bool resume_begin(job *self, error *err)
{
    if (!self->options.resume[0])
        return true;
    if (transport_is_server())
        read_checkpoint(self, err);
    if (!transport_agree(err))
        return false;
    transport_broadcast(&self->options, sizeof self->options, 0, TRANSPORT_SLEEP);
    transport_broadcast(&self->rounds_before, sizeof self->rounds_before, 0, TRANSPORT_SLEEP);
    transport_broadcast(&self->finished, sizeof self->finished, 0, TRANSPORT_SLEEP);
    return true;
}

/* ---- model, data, result file ------------------------------------------------------------------ */

char *resume_model(const job *self, const char *path, error *err)
{
    const char *text = self->from->past->model_text;
    if (path) {
        char *given = ini_read_file(path, err);
        bool same = given && strcmp(given, text) == 0;
        memory_free(given);
        if (!same) {
            error_user(err, "--model %s: is not the model of the run in %s; leave the option out",
                       path, self->from->path);
            return NULL;
        }
    }
    char *copy = memory_new(strlen(text) + 1, 1, err);
    return copy ? strcpy(copy, text) : NULL;
}

bool resume_model_given(const job *self)
{
    return is_given(&self->options, "model");
}

bool resume_place(job *self, error *err)
{
    const checkpoint_file *from = self->from;
    bool named = is_given(&self->options, "out");
    if (!named)
        snprintf(self->out, sizeof self->out, "%s", from->out);
    record_file *there = read_result(self);
    self->replace = there != NULL;
    record_file_free(there);
    if (!self->replace &&
        !named) /* a path out of a file is not to be written to on its word alone */
        return error_user(err,
                          "%s: is not there or is not the result file of the run in %s; name one "
                          "with --out",
                          self->out, from->path);
    return true;
}

bool resume_check_data(const job *self, error *err)
{
    const record_position *was = &self->from->position;
    if (was->n_test != (int64_t)self->n_test)
        return error_user(err, "--data %s: %llu test images, but the run in %s has %lld",
                          self->options.data, (unsigned long long)self->n_test, self->from->path,
                          (long long)was->n_test);
    if (was->n_train != (int64_t)self->n_train) {
        if (was->n_workers != transport_workers() && self->options.shards.n > 0)
            return true; /* other shards: other images */
        return error_user(err, "--data %s: %llu images to train on, but the run in %s has %lld",
                          self->options.data, (unsigned long long)self->n_train, self->from->path,
                          (long long)was->n_train);
    }
    if (was->data_checksum != job_data_checksum(self))
        return error_user(err, "--data %s: these are not the images of the run in %s",
                          self->options.data, self->from->path);
    return true;
}

/* ---- weights ----------------------------------------------------------------------------------- */

bool resume_weights(job *self, error *err)
{
    const checkpoint_file *from = self->from;
    const size_t n = self->model->n_weights;
    const checkpoint_values *w = checkpoint_find(from, SAVED_WEIGHTS);
    const checkpoint_values *v = checkpoint_find(from, SAVED_MOMENTUM);
    if (!w || w->n != n || w->n_rows != 0 || (v && (v->n != n || v->n_rows == 0)) ||
        (self->options.keep_momentum && !v))
        return error_user(err, "%s: its weights or momentum are not those of its model",
                          from->path);
    memcpy(self->w, w->values, n * sizeof *self->w);
    return true;
}

/* With other workers no momentum is anybody's own: all begin with the mean, as with the weights. */
static void average_velocities(const checkpoint_values *from)
{
    for (size_t i = 0; i < from->n; i++) {
        double sum = 0.0;
        for (size_t k = 0; k < from->n_rows; k++)
            sum += (double)from->values[k * from->n + i];
        from->values[i] = (float)(sum / (double)from->n_rows);
    }
}

void resume_momentum(job *self)
{
    size_t n = self->model->n_weights;
    if (!self->options.keep_momentum)
        return;
    if (!transport_is_server()) {
        transport_receive(self->v, n * sizeof *self->v, 0, TRANSPORT_SLEEP);
        return;
    }
    const checkpoint_values *from = checkpoint_find(self->from, SAVED_MOMENTUM);
    bool same = from->n_rows == (size_t)transport_workers();
    if (!same)
        average_velocities(from);
    for (int k = 0; k < transport_workers(); k++) {
        const float *v = from->values + (same ? (size_t)k * n : 0);
        if (transport_size() > 1)
            transport_send(v, n * sizeof *v, k + 1, TRANSPORT_SLEEP);
        else
            memcpy(self->v, v, n * sizeof *v);
    }
}
