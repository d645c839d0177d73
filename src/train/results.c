#include "results.h"

#include "base/memory.h"
#include "host/build.h"
#include "host/machine.h"
#include "kernels/simd.h"
#include "saved.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum { RUN_BYTES = 17 };

double results_date(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* What tells this run from all others, and when it first started. */
static void name_run(const job *self, char run[RUN_BYTES], char date[32])
{
    const record_file *past = self->from ? self->from->past : NULL;
    const char *before = past ? record_build(past, "run") : NULL;
    const char *started = past ? record_build(past, "started") : NULL;
    unsigned long long number;
    if (getrandom(&number, sizeof number, GRND_NONBLOCK) != sizeof number)
        number = (unsigned long long)(1e9 * results_date());
    clock_date(date);
    if (started)
        snprintf(date, 32, "%s", started);
    snprintf(run, RUN_BYTES, "%016llx", number);
    if (before)
        snprintf(run, RUN_BYTES, "%s", before);
}

/* Those of the former starts, and this one.  Clocks may have been set back meanwhile. */
static record_interruption *list_interruptions(const job *self, size_t *n, error *err)
{
    const checkpoint_file *from = self->from;
    size_t before = from ? from->past->n_interruptions : 0;
    record_interruption *all = memory_new(before + 1, sizeof *all, err);
    if (!all || !from)
        return all;
    memcpy(all, from->past->interruptions, before * sizeof *all);
    double lost_s = results_date() - from->position.t_date_s;
    all[before] = (record_interruption){.rounds = (double)self->rounds_before,
                                        .t_lost_s = lost_s > 0.0 ? lost_s : 0.0,
                                        .workers_before = (double)from->position.n_workers,
                                        .workers_after = transport_workers(),
                                        .signal = (double)from->position.signal};
    *n = before + 1;
    return all;
}

/* Ranks that are no longer there keep their rows. */
static bool new_machines(job *self, error *err)
{
    const record_file *past = self->from ? self->from->past : NULL;
    self->n_machines = (size_t)transport_size();
    if (past && past->n_ranks > self->n_machines)
        self->n_machines = past->n_ranks;
    self->machines = memory_new(self->n_machines, sizeof *self->machines, err);
    if (self->machines && past)
        memcpy(self->machines, past->machines, past->n_ranks * sizeof *past->machines);
    return self->machines != NULL;
}

/* The model tested last: it is going to be tested once more. */
static bool add_past_model(job *self, error *err)
{
    const checkpoint_file *from = self->from;
    if (!from || from->past->model_round < 0)
        return true;
    evaluation *e = &self->evaluation;
    return record_read_weights(from->path, self->model->tensors, (size_t)self->model->n_tensors,
                               e->w, err) &&
           record_add_weights(self->record, from->past->model_round, e->w, err);
}

/* What has the name of a file that only a death would bring: the user does not know that name. */
static bool check_rescue(const job *self, const char *path, bool force, error *err)
{
    if (self->options.checkpoint[0] || force || access(path, F_OK) != 0)
        return true;
    return error_user(
        err,
        "%s: exists, and would be replaced when a rank dies: a former run has left it; "
        "remove it, choose another --out or add --force",
        path);
}

static bool create_files(job *self, record_plan plan, error *err)
{
    const train_options *o = &self->options;
    checkpoint_vector vectors[SAVED_MAX];
    const checkpoint_plan kept = {.vectors = vectors,
                                  .n_vectors = saved_list(self, (saved_values){0}, vectors),
                                  .n_workers = (size_t)transport_workers(),
                                  .out = self->out};
    const char *kept_at = o->checkpoint[0] ? o->checkpoint : self->rescue;
    if (kept_at[0]) {
        bool force = o->force || strcmp(kept_at, o->resume) == 0;
        plan.checkpoint = &kept;
        checkpoint_free(self->checkpoint); /* for another name */
        self->checkpoint = NULL;
        if (!check_rescue(self, kept_at, force, err) ||
            !(self->checkpoint = checkpoint_new(kept_at, force, &plan, err)))
            return false;
    }
    plan.checkpoint = NULL;
    self->record = record_create(self->out, o->force || self->replace, &plan, err);
    return self->record != NULL;
}

static bool create_record(job *self, const options_pairs *config,
                          const record_interruption *interruptions, size_t n_interruptions,
                          error *err)
{
    char width[16], date[32], run[RUN_BYTES];
    name_run(self, run, date);
    const char *names[256];
    snprintf(width, sizeof width, "%d", VEC_WIDTH);
    for (int c = 0; c < self->model->n_classes; c++)
        names[c] = self->class_names[c];
    const record_pair build[] = {
        {"version", build_version()},
        {"preset", build_preset()},
        {"compiler", build_compiler()},
        {"flags", build_flags()},
        {"simd", SIMD_NAME},
        {"vector_width", width},
        {"mpi", transport_version()},
        {"hdf5", record_version()},
        {"started", date},
        {"run", run},
    };
    record_plan plan = {.n_rounds = self->options.rounds,
                        .n_ranks = self->n_machines,
                        .n_present = (size_t)transport_size(),
                        .tensors = self->model->tensors,
                        .n_tensors = (size_t)self->model->n_tensors,
                        .n_weights = self->model->n_weights,
                        .n_classes = self->model->n_classes,
                        .class_names = names,
                        .config = config->pairs,
                        .n_config = config->n,
                        .build = build,
                        .n_build = sizeof build / sizeof *build,
                        .machines = self->machines,
                        .model_text = self->model_text,
                        .past = self->from ? self->from->past : NULL,
                        .interruptions = interruptions,
                        .n_interruptions = n_interruptions};
    error found = {0};
    while (!create_files(self, plan, &found) && job_rename(self))
        found = (error){0};
    if (found.kind != ERROR_NONE)
        *err = found;
    return found.kind == ERROR_NONE && add_past_model(self, err);
}

bool results_create(job *self, error *err)
{
    record_machine mine;
    machine_describe(self->n_threads, &mine);
    if (transport_is_server())
        new_machines(self, err);
    if (!transport_agree(err))
        return false;
    transport_gather(&mine, sizeof mine, self->machines, TRANSPORT_SLEEP);
    options_pairs config;
    if (transport_is_server() && options_pairs_init(&config, &self->options, err)) {
        size_t n = 0;
        record_interruption *all = list_interruptions(self, &n, err);
        if (all)
            create_record(self, &config, all, n, err);
        memory_free(all);
        options_pairs_release(&config);
    }
    return transport_agree(err);
}
