#include "app/cases.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Until cases_finish the means are sums and the deviations sums of squares. */
void cases_add(cases *self, const record_summary *run)
{
    size_t k = 0;
    while (k < self->n && (self->all[k].mean.nodes != run->nodes || self->all[k].mean.cores != run->cores))
        k++;
    run_case *c = &self->all[k];
    if (k == self->n) {
        memset(c, 0, sizeof *c);
        c->mean.nodes = run->nodes;
        c->mean.cores = run->cores;
        self->n++;
    }
    c->mean.t_time_s += run->t_time_s;
    c->mean.w_time_s += run->w_time_s;
    c->mean.accuracy += run->accuracy;
    c->mean.loss += run->loss;
    c->mean.images_per_s += run->images_per_s;
    c->mean.repeats += 1.0;
    c->t_time_std_s += run->t_time_s * run->t_time_s;
    c->accuracy_std += run->accuracy * run->accuracy;
}

static double deviation(double squares, double mean, double n)
{
    return n < 2.0 ? NAN : sqrt(fmax(0.0, (squares - n * mean * mean) / (n - 1.0)));
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

bool cases_finish(cases *self, option_case base, error *err)
{
    for (size_t k = 0; k < self->n; k++) {
        run_case *c = &self->all[k];
        record_summary *m = &c->mean;
        m->t_time_s /= m->repeats;
        m->w_time_s /= m->repeats;
        m->accuracy /= m->repeats;
        m->loss /= m->repeats;
        m->images_per_s /= m->repeats;
        m->o_time_s = m->t_time_s - m->w_time_s;
        m->work_fraction = m->w_time_s / m->t_time_s;
        m->overhead_fraction = m->o_time_s / m->t_time_s;
        c->t_time_std_s = deviation(c->t_time_std_s, m->t_time_s, m->repeats);
        c->accuracy_std = deviation(c->accuracy_std, m->accuracy, m->repeats);
    }
    qsort(self->all, self->n, sizeof *self->all, by_size);
    const run_case *first = find_base(self, base);
    if (!first)
        return error_user(err, "--base %llu:%llu: none of the files is of that case",
                          (unsigned long long)base.nodes, (unsigned long long)base.cores);
    for (size_t k = 0; k < self->n; k++)
        self->all[k].mean.speedup = first->mean.t_time_s / self->all[k].mean.t_time_s;
    return true;
}
