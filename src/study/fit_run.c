#include "study/fit.h"

#include "model/model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A sum and a sum of squares become a deviation relative to the mean. */
static double relative_deviation(double sum, double squares, double n)
{
    double mean = sum / n, variance = (squares - n * mean * mean) / (n - 1.0);
    return n < 2.0 ? NAN : sqrt(fmax(variance, 0.0)) / mean;
}

static double option_number(const record_file *file, const char *name)
{
    const char *value = record_config(file, name);
    return value ? strtod(value, NULL) : 0.0;
}

static double work_s(const record_rank *row)
{
    return row->t_phase_s[PHASE_TRAIN] + row->t_phase_s[PHASE_INPUT];
}

/* A round into its block; returns false where a number is missing. */
static bool add_round(fit_run *self, const record_file *file, size_t round)
{
    const record_rank *rows = file->ranks + round * file->n_ranks;
    fit_block one = {.t_s = file->rounds[round].t_end_s -
                            (round > 0 ? file->rounds[round - 1].t_end_s : 0.0)};
    for (size_t k = 0; k < file->n_ranks; k++) {
        const double *t_s = rows[k].t_phase_s;
        if (!file->machines[k].is_worker)
            continue;
        one.images += rows[k].images;
        one.work_s += work_s(&rows[k]) / self->nodes;
        one.wait_s += t_s[PHASE_WAIT] / self->nodes;
        one.wire_s += t_s[PHASE_WIRE] / self->nodes;
        one.pack_s += t_s[PHASE_PACK] / self->nodes;
        /* A rank alone averages with nobody. */
        size_t bytes = file->n_ranks > 1 ? self->rule->bytes(self->n_weights, (int)k,
                                                             (int)file->n_ranks, self->group)
                                         : 0;
        one.averages = bytes > 0 ? rows[k].bytes_sent / (double)bytes : 0.0;
    }
    one.rest_s = one.t_s - one.work_s - one.wait_s - one.wire_s - one.pack_s;
    one.server_pack_s = rows[0].t_phase_s[PHASE_PACK];
    fit_block_add(&self->blocks[round * self->n_blocks / file->n_rounds], &one);
    return one.work_s > 0.0 && one.images > 0.0 && isfinite(one.rest_s + one.server_pack_s);
}

/* By the model's text: a published record has no weights. */
static size_t count_weights(const record_file *file)
{
    error err = {0};
    model *of = model_new("", file->model_text, &err);
    size_t n = of ? of->n_weights : 0;
    model_free(of);
    return n;
}

/* The host, if all ranks had the same. */
static void note_host(fit_run *self, const record_file *file)
{
    for (size_t k = 1; k < file->n_ranks; k++)
        if (strcmp(file->machines[k].host, file->machines[0].host) != 0)
            return;
    snprintf(self->host, sizeof self->host, "%s", file->machines[0].host);
}

/* As transport_group has chosen them: workers are ranks 1 and up. */
static void note_group(fit_run *self, const record_file *file)
{
    const double asked = option_number(file, "group-size");
    size_t next = 1;
    while (next < file->n_ranks && strcmp(file->machines[next].host, file->machines[1].host) == 0)
        next++;
    const int together = (int)next - 1;
    if (asked > 0.0)
        self->group = (int)fmin(asked, self->nodes);
    else if (together > 1 && together < self->nodes)
        self->group = together;
}

static void note_variation(fit_run *self, const record_file *file)
{
    double sum = 0.0, squares = 0.0, n = 0.0;
    for (size_t k = 0; k < file->n_ranks; k++) {
        double work = 0.0, images = 0.0;
        for (size_t r = 0; r < file->n_rounds && file->machines[k].is_worker; r++) {
            work += work_s(&file->ranks[r * file->n_ranks + k]);
            images += file->ranks[r * file->n_ranks + k].images;
        }
        if (images > 0.0) {
            sum += work / images;
            squares += work / images * (work / images);
            n += 1.0;
        }
    }
    self->node_cv = relative_deviation(sum, squares, n);
    sum = squares = n = 0.0;
    for (size_t k = 0; k < self->n_blocks; k++) {
        double value = self->blocks[k].work_s / self->blocks[k].images;
        sum += value;
        squares += value * value;
        n += 1.0;
    }
    self->round_cv = relative_deviation(sum, squares, n);
}

bool fit_run_read(fit_run *self, const record_file *file, error *err)
{
    const char *rule = record_config(file, "average");
    memset(self, 0, sizeof *self);
    self->rule = rule ? average_rule_find(rule) : NULL;
    if (!self->rule)
        return error_user(err, "averaging rule %.60s is unknown", rule ? rule : "(none)");
    self->n_weights = count_weights(file);
    for (size_t k = 0; k < file->n_ranks; k++)
        self->nodes += file->machines[k].is_worker != 0;
    note_group(self, file);
    self->cores = file->summary.cores / self->nodes;
    self->batch = option_number(file, "batch");
    const char *sync = record_config(file, "sync");
    self->steps =
        sync && strcmp(sync, "gradients") == 0 ? 1.0 : option_number(file, "average-every");
    if (!(self->steps > 0.0))
        self->steps = option_number(file, "local-steps");
    bool whole = self->nodes == (file->n_ranks > 1 ? (int)file->n_ranks - 1 : 1);
    if (!whole || !(self->cores > 0.0 && self->cores < 1e6) || self->n_weights == 0 ||
        !(self->batch >= 1.0 && self->batch <= 65536.0) ||
        !(self->steps >= 0.0 && self->steps <= 1e9))
        return error_user(err, "it does not tell workers, cores, weights, batch and local steps");
    self->rounds = (double)file->n_rounds;
    self->epochs = file->rounds[file->n_rounds - 1].epochs;
    self->n_blocks = file->n_rounds < FIT_BLOCKS ? file->n_rounds : FIT_BLOCKS;
    for (size_t r = 0; r < file->n_rounds; r++)
        if (!add_round(self, file, r))
            return error_user(err,
                              "round %zu lacks times of some rank: the workers have changed; "
                              "give runs without a break",
                              r + 1);
    for (size_t k = 0; k < self->n_blocks; k++)
        self->images += self->blocks[k].images;
    note_variation(self, file);
    note_host(self, file);
    snprintf(self->simulated, sizeof self->simulated, "%s", record_simulated(file));
    return true;
}
