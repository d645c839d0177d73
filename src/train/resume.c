#include "resume.h"

#include "base/ini.h"
#include "base/memory.h"
#include "base/world.h"
#include "data/normalise.h"
#include "model/schedule.h"
#include "options/resume.h"
#include "roster.h"
#include "saved.h"
#include "transport/transport.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- options ----------------------------------------------------------------------------------- */

static bool is_given(const train_options *self, const char *name)
{
    return self->given[option_find(option_train_table, name) - option_train_table];
}

/* Rounds may be added where the learning rate does not know of the last one. */
static bool check_rounds(const preparation *self, error *err)
{
    const checkpoint_file *from = self->from;
    const train_options *o = &self->run->options;
    uint64_t done = from->past->n_rounds, planned = from->past->n_rounds_planned;
    if (o->rounds != planned && schedule_ends((enum schedule_kind)o->schedule))
        return error_user(err,
                          "--rounds %llu: the run in %s was planned for %llu, over which its "
                          "learning rate falls; leave --rounds out",
                          (unsigned long long)o->rounds, from->path, (unsigned long long)planned);
    if (o->rounds < done)
        return error_user(err, "--rounds %llu: the run in %s has done %llu already",
                          (unsigned long long)o->rounds, from->path, (unsigned long long)done);
    return true;
}

/* Times of a machine and of a simulation, or of two platforms, make no run together. */
static bool check_world(const preparation *self, error *err)
{
    const char *former = record_simulated(self->from->past);
    return strcmp(world_simulation(), former) == 0 ||
           error_user(
               err, "the run in %s was %s%.200s: its weights alone can go on here, by --init",
               self->from->path, *former ? "simulated by " : "measured, not simulated", former);
}

/* Has an option the value it had in the former start? */
static bool is_as_before(const preparation *self, const char *name, error *err)
{
    const char *former = record_config(self->from->past, name);
    char *now = memory_new(1, OPTION_FORMAT_BYTES, err);
    if (now)
        option_format(option_find(option_train_table, name), &self->run->options, now);
    bool same = now && strcmp(now, former ? former : "") == 0;
    memory_free(now);
    return same;
}

/* --clients is a number of its own; without it each worker is one. */
static bool has_same_clients(const preparation *self)
{
    return self->run->options.clients > 0 || self->from->position.n_workers == transport_workers();
}

/* Shards belong to a number of clients, the name of the case to one of workers. */
static bool settle_shards(preparation *self, error *err)
{
    train_options *o = &self->run->options;
    const bool same = has_same_clients(self);
    if (self->from->position.n_workers != transport_workers() && !is_given(o, "case"))
        o->label = (option_case){0, 0};
    if (!is_given(o, "shards")) {
        if (!same)
            o->shards.n = 0;
        return true;
    }
    if (!same)
        return true;
    return is_as_before(self, "shards", err) ||
           error_user(err,
                      "--shards: the run in %s has others, and its result depends on "
                      "them; leave the option out",
                      self->from->path);
}

/* What was measured then holds; to ask for it again is no other wish. */
static bool settle_normalise(preparation *self, error *err)
{
    train_options *o = &self->run->options;
    const option_entry *entry = option_find(option_train_table, "normalise");
    const char *former = record_config(self->from->past, "normalise");
    former = former ? former : option_former(entry);
    bool numbers = strchr(former, '/') != NULL;
    if (is_given(o, "normalise") && strcmp(o->normalise, former) != 0 &&
        !(numbers && normalise_is_measured(o->normalise)))
        return error_user(err,
                          "--normalise %.60s: the run in %s has %.200s, and its result depends on "
                          "it; leave the option out",
                          o->normalise, self->from->path, former);
    return option_set(entry, o, former, err);
}

/* The result file that the run would replace: the one named now, else the one it had. */
static record_file *read_result(const preparation *self)
{
    error none = {0};
    const char *out =
        is_given(&self->run->options, "out") ? self->run->options.out : self->from->out;
    record_file *there = record_read(out, &none);
    const char *mine = record_build(self->from->past, "run");
    const char *its = there ? record_build(there, "run") : NULL;
    if (mine && its && strcmp(mine, its) == 0)
        return there;
    record_file_free(there);
    return NULL;
}

/* Its result file is complete, and nothing more is asked for: a row in it would be one too many. */
static void look_for_end(preparation *self)
{
    const train_options *o = &self->run->options;
    record_file *there = read_result(self);
    bool reached =
        there && !isnan(there->summary.t_target_s) && is_as_before(self, "target-accuracy", NULL);
    self->run->finished = there && there->summary.complete == 1.0 &&
                          (there->n_rounds == o->rounds || reached) &&
                          there->n_rounds_planned == o->rounds;
    if (self->run->finished) {
        self->run->n_test = (uint64_t)self->from->position.n_test;
        self->run->summary = there->summary;
        snprintf(self->run->out, sizeof self->run->out, "%s",
                 is_given(o, "out") ? o->out : self->from->out);
    }
    record_file_free(there);
}

static bool read_checkpoint(preparation *self, error *err)
{
    error warning = {0};
    train_options *o = &self->run->options;
    self->from = checkpoint_read(o->resume, &warning, err);
    if (!self->from)
        return error_prefix(err, "--resume");
    if (warning.kind != ERROR_NONE) {
        error_prefix(&warning, "warning");
        error_print(&warning);
    }
    const record_file *past = self->from->past;
    if (!options_resume(o, past->config, past->n_config, self->from->path, err) ||
        !check_world(self, err) || !check_rounds(self, err) || !settle_shards(self, err) ||
        !settle_normalise(self, err))
        return false;
    if (!is_given(o, "checkpoint") && !self->run->rescued)
        snprintf(o->checkpoint, sizeof o->checkpoint, "%s", o->resume);
    self->run->rounds_before = past->n_rounds;
    look_for_end(self);
    return true;
}

bool resume_begin(preparation *self, error *err)
{
    if (!self->run->options.resume[0])
        return true;
    if (transport_is_server())
        read_checkpoint(self, err);
    if (!transport_agree(err))
        return false;
    transport_broadcast(&self->run->options, sizeof self->run->options, 0, TRANSPORT_SLEEP);
    transport_broadcast(&self->run->rounds_before, sizeof self->run->rounds_before, 0,
                        TRANSPORT_SLEEP);
    transport_broadcast(&self->run->finished, sizeof self->run->finished, 0, TRANSPORT_SLEEP);
    return true;
}

/* ---- model, data, result file ------------------------------------------------------------------ */

char *resume_model(const preparation *self, const char *path, error *err)
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

bool resume_model_given(const preparation *self)
{
    return is_given(&self->run->options, "model");
}

bool resume_place(preparation *self, error *err)
{
    const checkpoint_file *from = self->from;
    bool named = is_given(&self->run->options, "out");
    if (!named)
        snprintf(self->run->out, sizeof self->run->out, "%s", from->out);
    record_file *there = read_result(self);
    self->replace = there != NULL;
    record_file_free(there);
    if (!self->replace &&
        !named) /* a path out of a file is not to be written to on its word alone */
        return error_user(err,
                          "%s: is not there or is not the result file of the run in %s; name one "
                          "with --out",
                          self->run->out, from->path);
    return true;
}

bool resume_check_data(const preparation *self, const job *now, error *err)
{
    const checkpoint_file *from = self->from;
    const record_position *was = &from->position;
    const char *data = now->options->data;
    uint64_t n_train = now->course.n_train, n_test = now->server.test.n;
    if (was->n_test != (int64_t)n_test)
        return error_user(err, "--data %s: %llu test images, but the run in %s has %lld", data,
                          (unsigned long long)n_test, from->path, (long long)was->n_test);
    if (was->n_train != (int64_t)n_train) {
        if (!has_same_clients(self) && now->options->shards.n > 0)
            return true; /* other shards: other images */
        return error_user(err, "--data %s: %llu images to train on, but the run in %s has %lld",
                          data, (unsigned long long)n_train, from->path, (long long)was->n_train);
    }
    return was->data_checksum == now->server.data_checksum ||
           error_user(err, "--data %s: these are not the images of the run in %s", data,
                      from->path);
}

/* ---- vectors ------------------------------------------------------------------------------------ */

/* Has the checkpoint what the run goes on from, in its shape? */
static bool check_vector(const checkpoint_file *from, const saved_vector *v)
{
    const checkpoint_values *its = checkpoint_find(from, v->name);
    return its ? its->n == v->n && (its->n_rows != 0) == v->per_client : v->may_be_missing;
}

bool resume_check_vectors(const preparation *self, const job *to, error *err)
{
    saved_vector list[SAVED_MAX];
    size_t n = saved_list(to, list);
    for (size_t i = 0; i < n; i++)
        if (!check_vector(self->from, &list[i]))
            return error_user(err, "%s: its vector `%s` is missing or not one of its model",
                              self->from->path, list[i].name);
    return true;
}

/* With other clients no row is anybody's own: all begin with the mean, as with the weights. */
static void average_rows(const checkpoint_values *from)
{
    for (size_t i = 0; i < from->n; i++) {
        double sum = 0.0;
        for (size_t k = 0; k < from->n_rows; k++)
            sum += (double)from->values[k * from->n + i];
        from->values[i] = (float)(sum / (double)from->n_rows);
    }
}

/* A row from the server, NULL elsewhere, to a client, which may be the server's own. */
static void give_row(const job *to, const saved_vector *v, int k, const float *row)
{
    const size_t n_bytes = v->n * sizeof *row;
    const int rank = roster_rank(to->course.worker[k]);
    float *at = NULL;
    for (int c = 0; rank == transport_rank() && c < to->worker.n_clients; c++)
        if (to->worker.clients[c].number == k)
            at = v->own(to, c, v->which);
    if (at && row)
        memcpy(at, row, n_bytes);
    else if (at)
        transport_receive(at, n_bytes, 0, TRANSPORT_SLEEP);
    else if (row)
        transport_send(row, n_bytes, rank, TRANSPORT_SLEEP);
}

/* Every client its row; with another number of clients the mean. */
static void deal_rows(const checkpoint_values *from, const job *to, const saved_vector *v)
{
    const bool serves = transport_is_server();
    assert(from || !serves);
    const bool same = serves && from->n_rows == (size_t)to->course.n_clients;
    if (serves && !same)
        average_rows(from);
    for (int k = 0; k < to->course.n_clients; k++)
        give_row(to, v, k, serves ? from->values + (same ? (size_t)k * v->n : 0) : NULL);
}

void resume_vectors(const preparation *self, job *to)
{
    saved_vector list[SAVED_MAX];
    size_t n = saved_list(to, list);
    bool there[SAVED_MAX] = {false}; /* as the server sees it */
    for (size_t i = 0; i < n; i++)
        there[i] = self->from && checkpoint_find(self->from, list[i].name);
    transport_broadcast(there, sizeof there, 0, TRANSPORT_SLEEP);
    for (size_t i = 0; i < n; i++) {
        const size_t n_bytes = list[i].n * sizeof(float);
        const checkpoint_values *from =
            self->from ? checkpoint_find(self->from, list[i].name) : NULL;
        if (!there[i])
            continue;
        if (list[i].per_client) {
            deal_rows(from, to, &list[i]);
            continue;
        }
        if (from)
            memcpy(list[i].at, from->values, n_bytes);
        if (!list[i].server_alone)
            transport_broadcast(list[i].at, n_bytes, 0, TRANSPORT_SLEEP);
    }
}
