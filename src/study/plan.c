#include "study/plan.h"

#include "base/memory.h"
#include "base/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what is asked ------------------------------------------------------------------------------ */

static double averages_of(const plan *self, int nodes)
{
    const fit_run *first = &self->runs[0];
    if (self->steps > 0.0)
        return fmax(1.0, first->images / (nodes * first->batch * self->steps));
    return self->now.averages;
}

static void ask(plan *self, const plan_options *o)
{
    const fit_run *first = &self->runs[0], *largest = first;
    for (size_t k = 1; k < self->n_runs; k++) {
        const fit_run *run = &self->runs[k];
        if (run->nodes > largest->nodes ||
            (run->nodes == largest->nodes && run->cores > largest->cores))
            largest = run;
    }
    self->now = (fit_case){.nodes = o->nodes > 0                  ? (int)o->nodes
                                    : largest->nodes < PLAN_NODES ? largest->nodes
                                                                  : PLAN_NODES,
                           .cores = o->cores > 0.0 ? o->cores : largest->cores,
                           .rule = o->average > 0 ? average_rules[o->average - 1] : largest->rule,
                           .n_weights = first->n_weights,
                           .images = first->images,
                           .group = largest->group,
                           .link_ratio = o->link > 0.0 ? o->link / o->link_measured : 1.0};
    self->steps = o->local_steps > 0    ? (double)o->local_steps
                  : o->local_epochs > 0 ? 0.0
                                        : first->steps;
    self->now.averages =
        o->local_epochs > 0 ? fmax(1.0, first->epochs / (double)o->local_epochs) : first->rounds;
    self->now.averages = averages_of(self, self->now.nodes);
    self->n_rows = self->now.nodes > PLAN_FEW ? self->now.nodes : PLAN_FEW;
}

static fit_case with_nodes(const plan *self, int nodes)
{
    fit_case c = self->now;
    c.nodes = nodes;
    c.averages = averages_of(self, nodes);
    return c;
}

/* ---- the answers of one fit --------------------------------------------------------------------- */

static void answer_rows(const plan *self, const fit *f, fit_time rows[PLAN_NODES])
{
    for (int n = 1; n <= self->n_rows; n++) {
        fit_case c = with_nodes(self, n);
        rows[n - 1] = fit_predict(f, &c);
    }
}

static double overhead(const fit_time *t)
{
    return 1.0 - t->work_s / t->t_s;
}

static double overtaken(const fit_time *rows, int n_rows)
{
    for (int n = 1; n <= n_rows; n++)
        if (overhead(&rows[n - 1]) > 0.5)
            return n;
    return INFINITY;
}

static double enough(const fit_time *rows, int n_rows)
{
    for (int n = 1; n < n_rows; n++)
        if (rows[n].t_s > 0.95 * rows[n - 1].t_s)
            return n;
    return INFINITY;
}

enum { CHANGE_LINKS = 2 };

/* The case with one thing changed; rules: the best one. */
static fit_case changed(const plan *self, const fit *f, int which, char what[48])
{
    static const char *const words[PLAN_CHANGES] = {"another node", "twice the cores on every node",
                                                    "links ten times as fast",
                                                    "half as many averages", "--average "};
    fit_case c = self->now;
    if (which == 0)
        c = with_nodes(self, c.nodes + 1);
    else if (which == 1)
        c.cores *= 2.0;
    else if (which == CHANGE_LINKS)
        c.link_ratio *= 10.0;
    else if (which == 3)
        c.averages *= 0.5;
    double best = INFINITY;
    for (size_t k = 0; which == 4 && average_rules[k]; k++) {
        fit_case other = self->now;
        other.rule = average_rules[k];
        double t_s = fit_predict(f, &other).t_s;
        if (average_rules[k] != self->now.rule && average_rules[k]->exact && t_s < best) {
            best = t_s;
            c = other;
        }
    }
    snprintf(what, 48, "%s%s", words[which], which == 4 ? c.rule->name : "");
    return c;
}

/* ---- the bootstrap ------------------------------------------------------------------------------ */

/* Of each draw: T, O, S for every number of workers; overtaken, enough; the savings. */
enum {
    OF_ROW = 3,
    AT_OVERTAKEN = OF_ROW * PLAN_NODES,
    AT_ENOUGH,
    AT_CHANGES,
    N_ANSWERS = AT_CHANGES + PLAN_CHANGES
};

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void set_bounds(plan_value *value, double *answers)
{
    qsort(answers, PLAN_DRAWS, sizeof *answers, by_value);
    value->low = answers[PLAN_DRAWS / 20];
    value->high = answers[PLAN_DRAWS - 1 - PLAN_DRAWS / 20];
}

static void note_draw(const plan *self, const fit *f, uint64_t draw, double (*answers)[PLAN_DRAWS])
{
    fit_time rows[PLAN_NODES];
    uint64_t stream = random_stream(RANDOM_PLAN, 1, (uint32_t)draw);
    double wider = sqrt((double)self->n_runs / fmax((double)self->n_runs - 2.0, 0.5));
    answer_rows(self, f, rows);
    for (int n = 0; n < self->n_rows; n++) {
        double e = self->error[random_below(0, stream, (uint64_t)n, self->n_runs)] * wider;
        double t_s = fmax(rows[n].t_s * (1.0 + e), 0.0);
        answers[OF_ROW * n][draw] = t_s;
        answers[OF_ROW * n + 1][draw] = overhead(&rows[n]);
        answers[OF_ROW * n + 2][draw] = t_s > 0.0 ? rows[0].t_s / t_s : INFINITY;
    }
    answers[AT_OVERTAKEN][draw] = overtaken(rows, self->n_rows);
    answers[AT_ENOUGH][draw] = enough(rows, self->n_rows);
    double now_s = fit_predict(f, &self->now).t_s;
    for (int k = 0; k < PLAN_CHANGES; k++) {
        fit_case c = changed(self, &self->fit, k, (char[48]){""});
        answers[AT_CHANGES + k][draw] = 1.0 - fit_predict(f, &c).t_s / now_s;
    }
}

static bool bootstrap(plan *self, fit_sample *samples, double link_s, error *err)
{
    double(*answers)[PLAN_DRAWS] = memory_new(N_ANSWERS, sizeof *answers, err);
    if (!answers)
        return false;
    for (uint64_t draw = 0; draw < PLAN_DRAWS; draw++) {
        fit f;
        for (size_t k = 0; k < self->n_runs; k++)
            fit_sample_draw(&samples[k], self->runs, self->n_runs, k, draw * self->n_runs + k);
        fit_make(&f, samples, self->n_runs, self->now.cores, link_s);
        note_draw(self, &f, draw, answers);
    }
    for (int n = 0; n < self->n_rows; n++) {
        set_bounds(&self->rows[n].t_s, answers[OF_ROW * n]);
        set_bounds(&self->rows[n].overhead, answers[OF_ROW * n + 1]);
        set_bounds(&self->rows[n].speedup, answers[OF_ROW * n + 2]);
    }
    set_bounds(&self->overtaken, answers[AT_OVERTAKEN]);
    set_bounds(&self->enough, answers[AT_ENOUGH]);
    for (int k = 0; k < PLAN_CHANGES; k++)
        set_bounds(&self->changes[k].saving, answers[AT_CHANGES + k]);
    memory_free(answers);
    return true;
}

/* ---- together ----------------------------------------------------------------------------------- */

static void predict(plan *self)
{
    fit_time rows[PLAN_NODES];
    answer_rows(self, &self->fit, rows);
    for (int n = 1; n <= self->n_rows; n++) {
        plan_row *row = &self->rows[n - 1];
        fit_case c = with_nodes(self, n);
        row->parts = rows[n - 1];
        row->t_s.value = rows[n - 1].t_s;
        row->overhead.value = overhead(&rows[n - 1]);
        row->speedup.value = rows[0].t_s / rows[n - 1].t_s;
        for (size_t k = 0; k < PLAN_RULES && (c.rule = average_rules[k]); k++)
            row->t_rule_s[k] = fit_predict(&self->fit, &c).t_s;
    }
    self->overtaken.value = overtaken(rows, self->n_rows);
    self->enough.value = enough(rows, self->n_rows);
    self->n_changes = PLAN_CHANGES;
    double now_s = fit_predict(&self->fit, &self->now).t_s;
    for (int k = 0; k < PLAN_CHANGES; k++) {
        fit_case c = changed(self, &self->fit, k, self->changes[k].what);
        self->changes[k].t_s = fit_predict(&self->fit, &c).t_s;
        self->changes[k].saving.value = 1.0 - self->changes[k].t_s / now_s;
    }
    if (self->host) { /* sorted last, and not counted */
        self->changes[CHANGE_LINKS].t_s = INFINITY;
        self->n_changes--;
    }
}

static int by_saving(const void *a, const void *b)
{
    double x = ((const plan_change *)a)->t_s, y = ((const plan_change *)b)->t_s;
    return x < y ? -1 : x > y;
}

/* Each run against what the model, asked about its case, says. */
static void compare(plan *self, const fit_sample *samples, double link_s)
{
    for (size_t k = 0; k < self->n_runs; k++) {
        const fit_run *run = &self->runs[k];
        fit f;
        fit_make(&f, samples, self->n_runs, run->cores, link_s);
        fit_case c = {
            run->nodes, run->cores, run->rule, run->n_weights, run->images, samples[k].sum.averages,
            1.0,        run->group};
        self->error[k] = samples[k].sum.t_s / fit_predict(&f, &c).t_s - 1.0;
        if (fabs(self->error[k]) > self->worst) {
            self->worst = fabs(self->error[k]);
            self->i_worst = k;
        }
    }
}

bool plan_make(plan *self, const plan_options *o, error *err)
{
    memset(self, 0, sizeof *self);
    self->runs = memory_new(o->n_files, sizeof *self->runs, err);
    self->error = memory_new(o->n_files, sizeof *self->error, err);
    fit_sample *samples = memory_new(o->n_files, sizeof *samples, err);
    bool good = self->runs && self->error && samples && plan_read(self, o, err);
    if (good) {
        double link_s = 8e-6 / (0.94 * o->link_measured); /* Ethernet, IP and TCP take 6 % */
        link_s = self->host ? INFINITY : link_s;
        ask(self, o);
        for (size_t k = 0; k < self->n_runs; k++)
            fit_sample_all(&samples[k], &self->runs[k]);
        fit_make(&self->fit, samples, self->n_runs, self->now.cores, link_s);
        compare(self, samples, link_s);
        predict(self);
        good = bootstrap(self, samples, link_s, err);
        qsort(self->changes, PLAN_CHANGES, sizeof *self->changes, by_saving);
    }
    memory_free(samples);
    return good;
}

void plan_release(plan *self)
{
    memory_free(self->runs);
    memory_free(self->error);
}
