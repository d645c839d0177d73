#include "app/cases.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/*
 * Until cases_finish the deviations are sums of squares, and mean.speedup is the mean of 1 / T_time.
 * Source: B. P. Welford, "Note on a method for calculating corrected sums of squares and products", 1962.
 */
static void add(double *mean, double *squares, double value, double n)
{
    double difference = value - *mean;
    *mean += difference / n;
    if (squares)
        *squares += difference * (value - *mean);
}

/* Members of which only the mean is of interest. */
static const size_t means[] = {
    offsetof(record_summary, loss),          offsetof(record_summary, images_per_s),
    offsetof(record_summary, o_pack_s),      offsetof(record_summary, o_wire_s),
    offsetof(record_summary, o_wait_s),      offsetof(record_summary, o_serve_s),
    offsetof(record_summary, o_other_s),     offsetof(record_summary, bytes_sent),
    offsetof(record_summary, t_start_s),     offsetof(record_summary, t_start_mpi_s),
    offsetof(record_summary, t_start_data_s)};

static double *member(record_summary *summary, size_t offset)
{
    return (double *)(void *)((char *)summary + offset);
}

void cases_add(cases *self, const record_summary *run)
{
    size_t k = 0;
    while (k < self->n &&
           (self->all[k].mean.nodes != run->nodes || self->all[k].mean.cores != run->cores))
        k++;
    run_case *c = &self->all[k];
    record_summary *m = &c->mean, one = *run;
    if (k == self->n) {
        memset(c, 0, sizeof *c);
        m->nodes = run->nodes;
        m->cores = run->cores;
        self->n++;
    }
    double n = m->repeats += 1.0;
    add(&m->t_time_s, &c->t_time_std_s, run->t_time_s, n);
    add(&m->w_time_s, &c->w_time_std_s, run->w_time_s, n);
    add(&m->overhead_fraction, &c->overhead_fraction_std, run->overhead_fraction, n);
    add(&m->speedup, &c->speedup_std, 1.0 / run->t_time_s, n);
    add(&m->accuracy, &c->accuracy_std, run->accuracy, n);
    for (size_t i = 0; i < sizeof means / sizeof *means; i++)
        add(member(m, means[i]), NULL, *member(&one, means[i]), n);
}

static double deviation(double squares, double n)
{
    return n < 2.0 ? NAN : sqrt(squares / (n - 1.0));
}

static int by_size(const void *a, const void *b)
{
    const record_summary *x = &((const run_case *)a)->mean, *y = &((const run_case *)b)->mean;
    if (x->nodes != y->nodes)
        return x->nodes < y->nodes ? -1 : 1;
    return x->cores < y->cores ? -1 : x->cores > y->cores;
}

static const run_case *find_base(const cases *self, option_case base)
{
    const run_case *best = NULL;
    for (size_t k = 0; k < self->n; k++) {
        const record_summary *m = &self->all[k].mean;
        if (base.nodes > 0) {
            if (m->nodes == (double)base.nodes && m->cores == (double)base.cores)
                return &self->all[k];
        } else if (!best || m->cores < best->mean.cores ||
                   (m->cores == best->mean.cores && m->nodes < best->mean.nodes)) {
            best = &self->all[k];
        }
    }
    return best;
}

static void finish(run_case *c)
{
    record_summary *m = &c->mean;
    m->o_time_s = m->t_time_s - m->w_time_s;
    m->work_fraction = m->w_time_s / m->t_time_s;
    m->overhead_fraction = m->o_time_s / m->t_time_s;
    c->t_time_std_s = deviation(c->t_time_std_s, m->repeats);
    c->w_time_std_s = deviation(c->w_time_std_s, m->repeats);
    c->overhead_fraction_std = deviation(c->overhead_fraction_std, m->repeats);
    c->speedup_std = deviation(c->speedup_std, m->repeats);
    c->accuracy_std = deviation(c->accuracy_std, m->repeats);
}

static void compare(run_case *c, double base_t_s, double base_cores)
{
    double p = c->mean.cores / base_cores, s = base_t_s / c->mean.t_time_s;
    c->mean.speedup = s;
    c->speedup_std *= base_t_s;
    c->efficiency = s / p;
    c->serial_fraction = p > 1.0 ? (1.0 / s - 1.0 / p) / (1.0 - 1.0 / p) : NAN;
}

bool cases_finish(cases *self, option_case base, error *err)
{
    for (size_t k = 0; k < self->n; k++)
        finish(&self->all[k]);
    qsort(self->all, self->n, sizeof *self->all, by_size);
    const run_case *first = find_base(self, base);
    if (!first)
        return error_user(err, "--base %llu:%llu: none of the files is of that case",
                          (unsigned long long)base.nodes, (unsigned long long)base.cores);
    double base_t_s = first->mean.t_time_s, base_cores = first->mean.cores;
    for (size_t k = 0; k < self->n; k++)
        compare(&self->all[k], base_t_s, base_cores);
    return true;
}
