#include "results.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/world.h"
#include "host/build.h"
#include "host/machine.h"
#include "place.h"
#include "roster.h"
#include "saved.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum { RUN_BYTES = 17 };

/* What tells this run from all others, and when it first started. */
static void name_run(const preparation *self, char number[RUN_BYTES], char date[32])
{
    const record_file *past = self->from ? self->from->past : NULL;
    const char *before = past ? record_build(past, "run") : NULL;
    const char *started = past ? record_build(past, "started") : NULL;
    unsigned long long chance;
    if (getrandom(&chance, sizeof chance, GRND_NONBLOCK) != sizeof chance)
        chance = (unsigned long long)(1e9 * clock_date_s());
    clock_date(date);
    if (started)
        snprintf(date, 32, "%s", started);
    snprintf(number, RUN_BYTES, "%016llx", chance);
    if (before)
        snprintf(number, RUN_BYTES, "%s", before);
}

/* Those of the former starts, and this one.  Clocks may have been set back meanwhile. */
static record_interruption *list_interruptions(const preparation *self, size_t *n, error *err)
{
    const checkpoint_file *from = self->from;
    size_t before = from ? from->past->n_interruptions : 0;
    record_interruption *all = memory_new(before + 1, sizeof *all, err);
    if (!all || !from)
        return all;
    if (before > 0)
        memcpy(all, from->past->interruptions, before * sizeof *all);
    double lost_s = clock_date_s() - from->position.t_date_s;
    all[before] = (record_interruption){.rounds = (double)self->run->rounds_before,
                                        .t_lost_s = lost_s > 0.0 ? lost_s : 0.0,
                                        .workers_before = (double)from->position.n_workers,
                                        .workers_after = transport_workers(),
                                        .signal = (double)from->position.signal};
    *n = before + 1;
    return all;
}

/* Ranks that are no longer there keep their rows. */
static size_t count_machines(const preparation *self)
{
    size_t n = (size_t)transport_size(), before = self->from ? self->from->past->n_ranks : 0;
    return before > n ? before : n;
}

static void new_machines(const preparation *self, server *to, error *err)
{
    const record_file *past = self->from ? self->from->past : NULL;
    to->machines = memory_new(count_machines(self), sizeof *to->machines, err);
    if (to->machines && past)
        memcpy(to->machines, past->machines, past->n_ranks * sizeof *past->machines);
}

/* The model tested last: it is going to be tested once more. */
static bool add_past_model(const preparation *self, const model *of, server *to, error *err)
{
    const checkpoint_file *from = self->from;
    if (!from || from->past->model_round < 0)
        return true;
    evaluation *e = &to->evaluation;
    return record_read_weights(from->path, of->tensors, (size_t)of->n_tensors, e->w, err) &&
           record_add_weights(to->record, from->past->model_round, e->w, err);
}

/* What has the name of a file that only a death would bring: the user does not know that name. */
static bool check_rescue(const train_options *options, const char *path, bool force, error *err)
{
    if (options->checkpoint[0] || force || access(path, F_OK) != 0)
        return true;
    return error_user(
        err,
        "%s: exists, and would be replaced when a rank dies: a former run has left it; "
        "remove it, choose another --out or add --force",
        path);
}

static bool create_files(const preparation *self, job *to, record_plan plan, error *err)
{
    const run *of = self->run;
    const train_options *o = to->options;
    server *files = &to->server;
    checkpoint_vector vectors[SAVED_MAX];
    const checkpoint_plan kept = {.vectors = vectors,
                                  .n_vectors = saved_plan(to, vectors),
                                  .n_clients = (size_t)to->course.n_clients,
                                  .out = of->out};
    const char *kept_at = o->checkpoint[0] ? o->checkpoint : of->rescue;
    if (kept_at[0]) {
        bool force = o->force || strcmp(kept_at, o->resume) == 0;
        plan.checkpoint = &kept;
        checkpoint_free(files->checkpoint); /* for another name */
        files->checkpoint = NULL;
        if (!check_rescue(o, kept_at, force, err) ||
            !(files->checkpoint = checkpoint_new(kept_at, force, &plan, err)))
            return false;
    }
    plan.checkpoint = NULL;
    files->record = record_create(of->out, o->force || self->replace, &plan, err);
    return files->record != NULL;
}

/* Under the name of the result file, or another where that is taken meanwhile. */
static bool create_somewhere(const preparation *self, job *to, const record_plan *plan, error *err)
{
    error found = {0};
    while (!create_files(self, to, *plan, &found) && place_other(self->run, self->from != NULL))
        found = (error){0};
    if (found.kind != ERROR_NONE)
        *err = found;
    return found.kind == ERROR_NONE;
}

/* What has made the run, and which run it is. */
typedef struct made_by {
    char width[16], date[32], number[RUN_BYTES];
    record_pair pairs[11];
    size_t n;
} made_by;

static void list_made_by(const preparation *self, const engine *on, made_by *list)
{
    name_run(self, list->number, list->date);
    snprintf(list->width, sizeof list->width, "%d", on->width);
    const record_pair pairs[] = {
        {"version", build_version()},
        {"preset", build_preset()},
        {"compiler", build_compiler()},
        {"flags", build_flags()},
        {"simd", on->isa},
        {"vector_width", list->width},
        {"mpi", transport_version()},
        {"hdf5", record_version()},
        {"started", list->date},
        {"run", list->number},
        {"simulated", world_simulation()}, /* the last: only where it was */
    };
    _Static_assert(sizeof pairs == sizeof list->pairs, "all of them");
    memcpy(list->pairs, pairs, sizeof pairs);
    list->n = sizeof pairs / sizeof *pairs - (*world_simulation() ? 0 : 1);
}

static bool create_record(const preparation *self, job *to, const options_pairs *config,
                          const record_interruption *interruptions, size_t n_interruptions,
                          error *err)
{
    const model *m = to->model;
    made_by build;
    list_made_by(self, to->with.engine, &build);
    record_plan plan = {.n_rounds = to->course.rounds,
                        .n_ranks = count_machines(self),
                        .n_present = (size_t)transport_size(),
                        .tensors = m->tensors,
                        .n_tensors = (size_t)m->n_tensors,
                        .n_weights = m->n_weights,
                        .n_classes = m->n_classes,
                        .class_names = self->dealing.class_names,
                        .config = config->pairs,
                        .n_config = config->n,
                        .build = build.pairs,
                        .n_build = build.n,
                        .machines = to->server.machines,
                        .model_text = self->model_text,
                        .past = self->from ? self->from->past : NULL,
                        .interruptions = interruptions,
                        .n_interruptions = n_interruptions,
                        .n_clients = results_clients(to)};
    return create_somewhere(self, to, &plan, err);
}

/* Images by rank and class. */
static bool add_shards(const preparation *self, job *to, error *err)
{
    const course *on = &to->course;
    const size_t n_classes = (size_t)to->input.from.n_classes, n_ranks = (size_t)transport_size();
    int64_t *of_ranks = memory_new(n_ranks * n_classes, sizeof *of_ranks, err);
    for (int k = 0; of_ranks && k < on->n_clients; k++)
        for (size_t c = 0; c < n_classes; c++)
            of_ranks[(size_t)roster_rank(on->worker[k]) * n_classes + c] +=
                self->dealing.labels[(size_t)k * n_classes + c];
    const bool good = of_ranks && record_add_shards(to->server.record, of_ranks, n_ranks, err);
    memory_free(of_ranks);
    return good;
}

size_t results_clients(const job *of)
{
    const train_options *o = of->options;
    return o->clients > 0 || o->eval_clients > 0.0 ? (size_t)of->course.n_clients : 0;
}

/* Who trains which client, and on what. */
static bool add_clients(const preparation *self, job *to, error *err)
{
    const course *on = &to->course;
    const size_t n = results_clients(to);
    record_client *rows = memory_new(n, sizeof *rows, err);
    for (size_t k = 0; rows && k < n; k++)
        rows[k] = (record_client){roster_rank(on->worker[k]), (int32_t)on->tests[k]};
    const bool good =
        rows && (n == 0 || record_add_clients(to->server.record, rows, self->dealing.labels, err));
    memory_free(rows);
    return good;
}

/* What is known before the first step. */
static bool fill_record(const preparation *self, job *to, error *err)
{
    return add_shards(self, to, err) && add_clients(self, to, err) &&
           add_past_model(self, to->model, &to->server, err);
}

bool results_create(preparation *self, job *to, error *err)
{
    record_machine mine;
    machine_describe(&to->with, &mine);
    if (transport_is_server())
        new_machines(self, &to->server, err);
    if (!transport_agree(err))
        return false;
    transport_gather(&mine, sizeof mine, to->server.machines, TRANSPORT_SLEEP);
    options_pairs config;
    if (transport_is_server() && options_pairs_init(&config, to->options, err)) {
        size_t n = 0;
        record_interruption *all = list_interruptions(self, &n, err);
        if (all && create_record(self, to, &config, all, n, err))
            fill_record(self, to, err);
        memory_free(all);
        options_pairs_release(&config);
    }
    return transport_agree(err);
}
