#include "cases.h"

#include "base/memory.h"
#include "record/summary.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- keys ---------------------------------------------------------------------------------------- */

bool case_key_is_size(const option_entry *key)
{
    return key->type == OPTION_CASE;
}

const char *case_key_title(const option_entry *key)
{
    return case_key_is_size(key) ? "N:C" : key->name;
}

bool case_keys_have(const case_keys *self, const option_entry *entry)
{
    for (size_t k = 0; k < self->n; k++)
        if (self->all[k] == entry)
            return true;
    return false;
}

bool case_keys_set(case_keys *self, const char *names, error *err)
{
    self->n = 0;
    for (const char *next = names; next;) {
        char name[64] = "";
        size_t length = strcspn(next, ",");
        memcpy(name, next, length < sizeof name ? length : 0);
        const option_entry *entry = option_find(option_train_table, name);
        const char *nearest = entry ? NULL : option_nearest(option_train_table, name);
        if (nearest)
            return error_user(err, "--by %.60s: unknown option; did you mean %s?", name, nearest);
        if (!entry)
            return error_user(err,
                              "--by %.60s: expected case (N:C) or options of bramble train, as in "
                              "case,lr",
                              names);
        if (case_keys_have(self, entry))
            return error_user(err, "--by %.60s: %s stands there twice", names, name);
        self->all[self->n++] = entry;
        next = next[length] ? next + length + 1 : NULL;
    }
    return true;
}

const char *case_setting(const record_file *run, const option_entry *entry)
{
    const char *value = record_config(run, entry->name);
    return value ? value : option_former(entry);
}

const char *case_value(const run_case *self, size_t k)
{
    const char *value = self->values;
    for (; k > 0; k--)
        value += strlen(value) + 1;
    return value;
}

const char *case_simulated(const cases *self, const run_case *of)
{
    return case_value(of, self->keys.n);
}

/* ---- means --------------------------------------------------------------------------------------- */

/*
 * Until cases_finish the spreads are sums of squares, and mean.speedup is the mean of 1 / T_time.
 * Source: B. P. Welford, "Note on a method for calculating corrected sums of squares and products", 1962.
 */
static void add(const summary_number *self, double *mean, double *squares, double value, double n)
{
    double difference = value - *mean;
    switch ((enum summary_mean)self->mean) {
    case SUMMARY_SAME:
        *mean = n == 1.0 || difference == 0.0 ? value : NAN;
        break;
    case SUMMARY_SPREAD:
    case SUMMARY_MEAN:
        *mean += difference / n;
        *squares += difference * (value - *mean);
        break;
    case SUMMARY_RUNS: /* n is counted by who calls */
    case SUMMARY_NO_MEAN:
        break;
    }
}

/* The values of the keys, and what has simulated the run; NULL with err. */
static char *values_of(const case_keys *keys, const record_file *run, size_t *n_bytes, error *err)
{
    char size[32];
    const char *all[OPTION_MAX + 1];
    snprintf(size, sizeof size, "%.0f:%.0f", run->summary.nodes, run->summary.cores);
    *n_bytes = 0;
    for (size_t k = 0; k <= keys->n; k++) {
        all[k] = k == keys->n                     ? record_simulated(run)
                 : case_key_is_size(keys->all[k]) ? size
                                                  : case_setting(run, keys->all[k]);
        *n_bytes += strlen(all[k]) + 1;
    }
    char *values = memory_new(*n_bytes, 1, err), *at = values;
    for (size_t k = 0; values && k <= keys->n; k++)
        at = stpcpy(at, all[k]) + 1;
    return values;
}

/* The case with these values, which are ours from here on. */
static run_case *find_case(cases *self, char *values, size_t n_bytes)
{
    for (size_t k = 0; k < self->n; k++) {
        const char *last = case_simulated(self, &self->all[k]);
        size_t n = (size_t)(last - self->all[k].values) + strlen(last) + 1;
        if (n == n_bytes && memcmp(self->all[k].values, values, n) == 0) {
            memory_free(values);
            return &self->all[k];
        }
    }
    self->all[self->n].values = values;
    return &self->all[self->n++];
}

bool cases_add(cases *self, const record_file *file, error *err)
{
    record_summary one = file->summary;
    size_t n_bytes;
    char *values = values_of(&self->keys, file, &n_bytes, err);
    if (!values)
        return false;
    run_case *c = find_case(self, values, n_bytes);
    record_summary *m = &c->mean;
    one.speedup = 1.0 / one.t_time_s;
    m->repeats += 1.0;
    for (const summary_number *n = summary_numbers; n < summary_numbers + SUMMARY_COUNT; n++)
        add(n, summary_member(n, m), summary_member(n, &c->spread), summary_value(n, &one),
            m->repeats);
    return true;
}

bool cases_init(cases *self, const case_keys *keys, size_t room, error *err)
{
    *self = (cases){.keys = *keys, .all = memory_new(room, sizeof *self->all, err)};
    return self->all != NULL;
}

void cases_release(cases *self)
{
    for (size_t k = 0; k < self->n; k++)
        memory_free(self->all[k].values);
    memory_free(self->all);
    *self = (cases){0};
}

/* ---- order and base ------------------------------------------------------------------------------ */

static double deviation(double squares, double n)
{
    return n < 2.0 ? NAN : sqrt(squares / (n - 1.0));
}

static int by_number(double x, double y)
{
    return x < y ? -1 : x > y;
}

static int by_value(const option_entry *key, const char *x, const char *y)
{
    bool is_number = key->type == OPTION_WHOLE || key->type == OPTION_REAL;
    return is_number ? by_number(strtod(x, NULL), strtod(y, NULL)) : strcmp(x, y);
}

static int by_keys(const void *a, const void *b, void *arg)
{
    const case_keys *keys = arg;
    const run_case *x = a, *y = b;
    int order = 0;
    for (size_t k = 0; k < keys->n && order == 0; k++) {
        if (!case_key_is_size(keys->all[k])) {
            order = by_value(keys->all[k], case_value(x, k), case_value(y, k));
            continue;
        }
        order = by_number(x->mean.nodes, y->mean.nodes);
        if (order == 0)
            order = by_number(x->mean.cores, y->mean.cores);
    }
    return order != 0 ? order : strcmp(case_value(x, keys->n), case_value(y, keys->n));
}

/* Is text the values with commas between them? */
static bool is_case(const run_case *self, size_t n_keys, const char *text)
{
    for (size_t k = 0; k < n_keys; k++) {
        const char *value = case_value(self, k);
        size_t length = strlen(value);
        if (strncmp(text, value, length) != 0 || text[length] != (k + 1 < n_keys ? ',' : '\0'))
            return false;
        text += length + 1;
    }
    return true;
}

/* Of those that were measured, or simulated, as this one. */
static const run_case *smallest(const cases *self, const run_case *like)
{
    const run_case *best = NULL;
    for (size_t k = 0; k < self->n; k++) {
        const record_summary *m = &self->all[k].mean;
        if (strcmp(case_simulated(self, &self->all[k]), case_simulated(self, like)) != 0)
            continue;
        if (!best || m->cores < best->mean.cores ||
            (m->cores == best->mean.cores && m->nodes < best->mean.nodes))
            best = &self->all[k];
    }
    return best;
}

/* NULL: there is none of its kind. */
static const run_case *base_of(const cases *self, const char *base, const run_case *like)
{
    if (!*base)
        return smallest(self, like);
    for (size_t k = 0; k < self->n; k++)
        if (is_case(&self->all[k], self->keys.n, base) &&
            strcmp(case_simulated(self, &self->all[k]), case_simulated(self, like)) == 0)
            return &self->all[k];
    return NULL;
}

static bool check_base(const cases *self, const char *base, error *err)
{
    for (size_t k = 0; k < self->n; k++)
        if (base_of(self, base, &self->all[k]))
            return true;
    char titles[256] = "", first[256] = "";
    for (size_t k = 0, used = 0, end = 0; k < self->keys.n; k++) {
        const char *comma = k > 0 ? "," : "";
        int n = snprintf(titles + used, sizeof titles - used, "%s%s", comma,
                         case_key_title(self->keys.all[k]));
        used += n > 0 && (size_t)n < sizeof titles - used ? (size_t)n : 0;
        n = snprintf(first + end, sizeof first - end, "%s%.60s", comma,
                     case_value(&self->all[0], k));
        end += n > 0 && (size_t)n < sizeof first - end ? (size_t)n : 0;
    }
    error_user(err, "--base %.60s: none of the files is of that case; expected %s, such as %s",
               base, titles, first);
    return false;
}

static void finish(run_case *c)
{
    record_summary *m = &c->mean;
    m->o_time_s = m->t_time_s - m->w_time_s;
    m->work_fraction = m->w_time_s / m->t_time_s;
    m->overhead_fraction = m->o_time_s / m->t_time_s;
    for (const summary_number *n = summary_numbers; n < summary_numbers + SUMMARY_COUNT; n++) {
        double *squares = summary_member(n, &c->spread);
        *squares = deviation(*squares, m->repeats);
    }
}

static void compare(run_case *c, double base_t_s, double base_cores)
{
    double p = c->mean.cores / base_cores, s = base_t_s / c->mean.t_time_s;
    c->mean.speedup = s;
    c->spread.speedup *= base_t_s;
    c->efficiency = s / p;
    c->serial_fraction = p > 1.0 ? (1.0 / s - 1.0 / p) / (1.0 - 1.0 / p) : NAN;
}

bool cases_finish(cases *self, const char *base, error *err)
{
    for (size_t k = 0; k < self->n; k++)
        finish(&self->all[k]);
    qsort_r(self->all, self->n, sizeof *self->all, by_keys, &self->keys);
    if (!check_base(self, base, err))
        return false;
    for (size_t k = 0; k < self->n; k++) {
        const run_case *first = base_of(self, base, &self->all[k]);
        compare(&self->all[k], first ? first->mean.t_time_s : NAN, first ? first->mean.cores : NAN);
    }
    return true;
}
