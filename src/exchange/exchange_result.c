#include "exchange/exchange.h"

#include "base/clock.h"
#include "base/memory.h"
#include "host/build.h"
#include "host/machine.h"
#include "record/place.h"
#include "record/record.h"
#include "record/summary.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

/* Nothing was trained, and what there is to it is done. */
static record_summary new_summary(void)
{
    record_summary all = {0};
    for (const summary_number *n = summary_numbers; n < summary_numbers + SUMMARY_COUNT; n++)
        *summary_member(n, &all) = NAN;
    all.rounds = 0.0;
    all.complete = 1.0;
    return all;
}

/* Classes without names are numbered, as those of data sets are. */
static const char **name_classes(const exchange_import *what, char (**numbered)[RECORD_CLASS_BYTES],
                                 error *err)
{
    size_t n = (size_t)what->of->n_classes;
    const char **names = memory_new(n, sizeof *names, err);
    *numbered = memory_new(n, sizeof **numbered, err);
    for (size_t c = 0; names && *numbered && c < n; c++) {
        snprintf((*numbered)[c], sizeof **numbered, "class %zu", c);
        names[c] = what->class_names ? what->class_names[c] : (*numbered)[c];
    }
    return names;
}

static bool write_all(const char *path, const exchange_import *what, const char *const *names,
                      error *err)
{
    char date[32];
    record_machine mine;
    record_summary summary = new_summary();
    clock_date(date);
    const computing with = {engine_choose(0, err), 1};
    if (!with.engine)
        return false;
    machine_describe(&with, &mine);
    mine.is_server = 1;
    mine.is_worker = 0;
    const record_pair config[] = {
        {"model", what->model_name}, {"normalise", what->normalise}, {"imported", what->from}};
    const record_pair build[] = {
        {"version", build_version()}, {"hdf5", record_version()}, {"started", date}};
    record_plan plan = {.n_rounds = 1, /* the least that a result file has room for */
                        .n_ranks = 1,
                        .tensors = what->of->tensors,
                        .n_tensors = (size_t)what->of->n_tensors,
                        .n_weights = what->of->n_weights,
                        .n_classes = what->of->n_classes,
                        .class_names = names,
                        .config = config,
                        .n_config = sizeof config / sizeof *config,
                        .build = build,
                        .n_build = sizeof build / sizeof *build,
                        .machines = &mine,
                        .model_text = what->text};
    record *to = record_create(path, true, &plan, err);
    bool good =
        to && record_add_weights(to, -1, what->w, err) && record_add_summary(to, &summary, err);
    return record_close(to, good ? err : NULL) && good;
}

static bool put_file(const char *path, bool force, const exchange_import *what,
                     const char *const *names, error *err)
{
    char *temporary;
    int fd = place_open(path, &temporary, err);
    if (fd < 0)
        return false;
    close(fd);
    bool good = write_all(temporary, what, names, err) || error_prefix(err, "%s", path);
    good = good &&
           (!what->text_path || exchange_write_text(what->text_path, force, what->text, err)) &&
           place_publish(temporary, path, force, err);
    if (!good)
        unlink(temporary);
    memory_free(temporary);
    return good;
}

bool exchange_result(const char *path, bool force, const exchange_import *what, error *err)
{
    char(*numbered)[RECORD_CLASS_BYTES] = NULL;
    const char **names =
        place_check(path, force, "name", err) ? name_classes(what, &numbered, err) : NULL;
    bool good = names && numbered && put_file(path, force, what, names, err);
    memory_free(names);
    memory_free(numbered);
    return good;
}
