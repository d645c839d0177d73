#include "base/child.h"
#include "base/clock.h"
#include "base/memory.h"
#include "host/build.h"
#include "record/record.h"
#include "self.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct saving {
    const bramble_model *of;
    const char *path;
    bool replace;
} saving;

static record_machine this_machine(const bramble_model *of)
{
    record_machine machine = {.threads = (int32_t)of->settings.threads,
                              .is_server = 1,
                              .is_worker = 1,
                              .memory_bytes = NAN,
                              .clock_max_mhz = NAN,
                              .cpu_quota = NAN};
    (void)gethostname(machine.host, sizeof machine.host - 1);
    snprintf(machine.simd, sizeof machine.simd, "%s", of->engine->isa);
    machine.fused = of->engine->fused;
    return machine;
}

/* A run without rounds, and its model. */
static bool write_record(const saving *self, const char *const *names, error *err)
{
    const bramble_model *of = self->of;
    const model *m = of->model;
    const record_machine machine = this_machine(of);
    char date[32];
    clock_date(date);
    const record_pair config[] = {{"model", m->name}, {"normalise", of->normalisation}};
    const record_pair build[] = {
        {"version", build_version()}, {"preset", build_preset()}, {"compiler", build_compiler()},
        {"flags", build_flags()},     {"hdf5", record_version()}, {"started", date},
    };
    const record_plan plan = {.n_rounds = 1,
                              .n_ranks = 1,
                              .tensors = m->tensors,
                              .n_tensors = (size_t)m->n_tensors,
                              .n_weights = m->n_weights,
                              .n_classes = m->n_classes,
                              .class_names = names,
                              .config = config,
                              .n_config = sizeof config / sizeof *config,
                              .build = build,
                              .n_build = sizeof build / sizeof *build,
                              .machines = &machine,
                              .model_text = of->text,
                              .option = "path"};
    record *to = record_create(self->path, self->replace, &plan, err);
    bool good = to && record_add_weights(to, -1, of->w, err);
    return record_close(to, err) && good;
}

/* In a process of its own, so that HDF5 never runs in the caller's. */
static bool work(void *arg, FILE *out, error *err)
{
    (void)out;
    const saving *self = arg;
    size_t n_classes = (size_t)self->of->model->n_classes;
    const char **names = memory_new(n_classes, sizeof *names, err);
    for (size_t k = 0; names && k < n_classes; k++)
        names[k] = self->of->class_names[k];
    bool good = names && write_record(self, names, err);
    memory_free(names);
    return good;
}

static bool check(const saving *self, error *err)
{
    const model *m = self->of->model;
    if (!self->replace && access(self->path, F_OK) == 0)
        return error_user(err, "%s: exists, and is not to be replaced", self->path);
    for (int i = 0; i < m->n_tensors; i++) {
        const tensor *t = &m->tensors[i];
        for (size_t k = 0; k < t->count; k++)
            if (!isfinite(self->of->w[t->offset + k]))
                return error_user(err, "%s: not saved: %s is not finite (element %zu)", self->path,
                                  t->name, k);
    }
    return true;
}

bool bramble_save(const bramble_model *self, const char *path, bool replace, bramble_error *err)
{
    error found = {0};
    saving how = {self, path, replace};
    const size_t n_classes = (size_t)self->model->n_classes;
    const size_t n_bytes = 4 * self->model->n_weights + 8 * n_classes * n_classes;
    if (check(&how, &found))
        (void)child_write(&(child_task){path, "HDF5", n_bytes}, work, &how, &found);
    return self_answer(&found, err);
}
