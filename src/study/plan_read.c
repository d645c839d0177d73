#include "study/plan.h"

#include <stdio.h>
#include <string.h>

/* What changes the time of an image; all else is fitted per image and per average. */
static bool check_alike(const record_file *first, const record_file *file, const char *path,
                        const char *first_path, error *err)
{
    static const char *const names[] = {"batch", "model"};
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        const char *a = record_config(first, names[k]), *b = record_config(file, names[k]);
        if (strcmp(a ? a : "", b ? b : "") != 0 ||
            (k == 1 && strcmp(first->model_text, file->model_text) != 0))
            return error_user(
                err, "%.200s: --%s is not that of %.200s: plan from runs with one model and batch",
                path, names[k], first_path);
    }
    return true;
}

/* The first run is kept, to compare the others with. */
static bool read_run(plan *self, const char *path, record_file **first, error *err)
{
    fit_run *run = &self->runs[self->n_runs];
    record_file *file = record_read(path, err);
    bool good = file != NULL;
    if (good && (file->summary.complete != 1.0 || file->n_rounds == 0)) {
        fprintf(stderr, "bramble: %s: left out: %s\n", path,
                file->summary.complete == 1.0 ? "it was imported, and no run"
                                              : "the run has not come to its end");
    } else if (good) {
        good = (!*first || check_alike(*first, file, path, self->runs[0].path, err)) &&
               (fit_run_read(run, file, err) || error_prefix(err, "%.200s", path));
        run->path = path;
        self->n_runs += good;
        if (good && !*first) {
            *first = file;
            return true;
        }
    }
    record_file_free(file);
    return good;
}

/* Neither a machine's times with a simulation's, nor those of two platforms. */
static bool check_simulated(const plan *self, error *err)
{
    const fit_run *first = &self->runs[0];
    for (size_t k = 1; k < self->n_runs; k++) {
        const char *how = self->runs[k].simulated;
        if (strcmp(how, first->simulated) != 0)
            return error_user(
                err, "%.200s: was %s%s, and %.200s was %s%s: plan from runs of one kind",
                self->runs[k].path, *how ? "simulated: " : "measured", how, first->path,
                *first->simulated ? "simulated: " : "measured", first->simulated);
    }
    return true;
}

/* Either all runs with several workers had one host, or all had links. */
static bool check_hosts(plan *self, const plan_options *o, error *err)
{
    const fit_run *one = NULL, *several = NULL;
    for (size_t k = 0; k < self->n_runs; k++)
        if (self->runs[k].nodes > 1)
            *(self->runs[k].host[0] ? &one : &several) = &self->runs[k];
    if (!one && !several)
        return error_user(err,
                          "%.200s%s: no finished run with two or more workers: nothing tells what "
                          "averaging takes",
                          o->files[0], o->n_files > 1 ? " and the others" : "");
    if (one && several)
        return error_user(err,
                          "%.200s: all its ranks had one host, those of %.200s several: plan from "
                          "runs of one kind",
                          one->path, several->path);
    if (one && o->link > 0.0)
        return error_user(err,
                          "--link %g: all ranks of %.200s had one host, %s: nothing tells of a "
                          "link; give runs on several hosts",
                          o->link, one->path, one->host);
    self->host = one ? one->host : NULL;
    return true;
}

bool plan_read(plan *self, const plan_options *o, error *err)
{
    record_file *first = NULL;
    bool good = true;
    for (size_t k = 0; k < o->n_files && good; k++)
        good = read_run(self, o->files[k], &first, err);
    record_file_free(first);
    return good && check_simulated(self, err) && check_hosts(self, o, err);
}
