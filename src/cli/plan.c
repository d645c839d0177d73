#include "study/plan.h"
#include "commands.h"
#include "show/output.h"

#include <math.h>

static const int shown[] = {1,  2,  3,  4,   6,   8,   12,  16,  24,  32,
                            48, 64, 96, 128, 192, 256, 384, 512, 768, 1024};
enum { N_SHOWN = sizeof shown / sizeof *shown };

/* ---- as text ------------------------------------------------------------------------------------ */

static bool is_rough(const plan *self)
{
    return self->worst > PLAN_ROUGH;
}

static void print_model(const plan *self)
{
    const fit *f = &self->fit;
    const fit_case *c = &self->now;
    printf("Planned: %.0f images, %zu weights, %g core%s a node, averaged by %s, ", c->images,
           c->n_weights, c->cores, c->cores == 1.0 ? "" : "s", c->rule->name);
    if (self->steps > 0.0)
        printf("every %.0f step%s\n", self->steps, self->steps == 1.0 ? "" : "s");
    else
        printf("%.0f time%s\n", c->averages, c->averages == 1.0 ? "" : "s");
    printf("\nFitted to %zu run%s\n", self->n_runs, self->n_runs == 1 ? "" : "s");
    if (*self->runs[0].simulated)
        printf("SIMULATED, not measured: %s\n", self->runs[0].simulated);
    printf("compute      %.0f images/s on a core; on c cores c^%.2f times that\n", 1.0 / f->w_s,
           f->power);
    for (size_t k = 0; k < self->n_runs; k++) {
        const fit_run *run = &self->runs[k];
        if (run->nodes == c->nodes && !isnan(run->node_cv) &&
            (k + 1 == self->n_runs || run->cores == c->cores)) {
            printf("             varies by %.1f %% between nodes", 100.0 * run->node_cv);
            if (!isnan(run->round_cv)) /* of a run of several rounds */
                printf(", %.1f %% between rounds", 100.0 * run->round_cv);
            printf(" (%d:%g)\n", run->nodes, run->nodes * run->cores);
            break;
        }
    }
    printf("waiting      %.1f %% of the work x expected maximum of N normal draws\n",
           100.0 * f->spread);
    printf("an average   %.2f ms + %.2f ms a worker to agree; %.2f ms a message, %.2f ns a byte; "
           "%.2f ns to add a weight\n",
           1e3 * f->serve_s[0], 1e3 * f->serve_s[1], 1e3 * f->message_s, 1e9 * f->byte_s,
           1e9 * f->add_s);
    printf("largest difference between a measured T and the model's: %.1f %%\n",
           100.0 * self->worst);
}

/* What must be known before the table is believed. */
static void print_doubts(const plan *self)
{
    if (self->host)
        printf(
            "\nAll ranks had one host, %s: no network was measured. What averaging takes is that "
            "of one\nmachine's memory, and more workers than its cores will be slower than "
            "predicted.\n",
            self->host);
    if (is_rough(self))
        printf(
            "\nROUGH: the model is %.0f %% off for %.200s, so it does not describe these runs. Two "
            "digits are\nshown, and even those are a guess. More repeats on a quiet machine, or "
            "fewer kinds of runs, may help.\n",
            100.0 * self->worst, self->runs[self->i_worst].path);
    putchar('\n');
}

/* Where predictions are rough: two digits. */
static void print_number(const plan *self, double value, int width, int digits)
{
    int whole = value > 0.0 ? (int)floor(log10(value)) + 1 : 1;
    if (is_rough(self)) {
        double unit = pow(10.0, whole - 2);
        value = round(value / unit) * unit;
        digits = whole >= 2 ? 0 : 2 - whole < digits ? 2 - whole : digits;
    }
    if (isnan(value))
        printf("%*s", width, "-");
    else
        printf("%*.*f", width, digits, value);
}

static void print_table(const plan *self)
{
    printf("%4s %9s %19s %6s %7s   T s by rule:", "N", "T s", "90 % interval", "O%", "S");
    for (size_t k = 0; k < PLAN_RULES && average_rules[k]; k++)
        printf(" %9s", average_rules[k]->name);
    putchar('\n');
    for (int k = 0; k < N_SHOWN && shown[k] <= self->n_rows; k++) {
        const plan_row *row = &self->rows[shown[k] - 1];
        printf("%4d ", shown[k]);
        print_number(self, row->t_s.value, 9, 2);
        putchar(' ');
        print_number(self, row->t_s.low, 9, 2);
        putchar('-');
        print_number(self, row->t_s.high, 9, 2);
        putchar(' ');
        print_number(self, 100.0 * row->overhead.value, 6, 1);
        putchar(' ');
        print_number(self, row->speedup.value, 7, 2);
        printf("              ");
        for (size_t j = 0; j < PLAN_RULES && average_rules[j]; j++) {
            putchar(' ');
            print_number(self, row->t_rule_s[j], 9, 2);
        }
        putchar('\n');
    }
}

static void print_count(const plan *self, double n)
{
    if (isfinite(n))
        printf("%.0f", n);
    else
        printf("over %d", self->n_rows);
}

/* Of what the fit's own spread tells nothing that holds, none. */
static void print_bounds(const plan *self, const plan_value *value)
{
    if (is_rough(self)) {
        fputs(".\n", stdout);
        return;
    }
    fputs(" (", stdout);
    print_count(self, value->low);
    fputs(" to ", stdout);
    print_count(self, value->high);
    fputs(").\n", stdout);
}

static void print_findings(const plan *self)
{
    const char *about = is_rough(self) ? "about " : "";
    if (isfinite(self->overtaken.value))
        printf("\nFrom %s%.0f worker%s on overhead takes more time than work", about,
               self->overtaken.value, self->overtaken.value == 1.0 ? "" : "s");
    else
        printf("\nUp to %d workers overhead takes less time than work", self->n_rows);
    print_bounds(self, &self->overtaken);
    if (isfinite(self->enough.value))
        printf("With %s%.0f worker%s or more the next one saves less than 5 %%", about,
               self->enough.value, self->enough.value == 1.0 ? "" : "s");
    else
        printf("Up to %d workers the next one saves 5 %% or more", self->n_rows);
    print_bounds(self, &self->enough);
    printf("What would help %d worker%s most (share of T saved%s):\n", self->now.nodes,
           self->now.nodes == 1 ? "" : "s", *about ? "" : ", 90 % interval");
    for (size_t k = 0; k < self->n_changes; k++) {
        const plan_change *c = &self->changes[k];
        printf("  %-30s T ", c->what);
        print_number(self, c->t_s, 9, 2);
        if (*about)
            printf(" s  %6.0f %%\n", 100.0 * c->saving.value);
        else
            printf(" s  %6.1f %%  (%.1f to %.1f)\n", 100.0 * c->saving.value, 100.0 * c->saving.low,
                   100.0 * c->saving.high);
    }
    printf("Intervals are from %d bootstrap samples of runs and rounds. They know nothing of what "
           "was not "
           "measured:\nmore workers than %d, other %scores or rules are predicted by the "
           "model alone.\n",
           PLAN_DRAWS, self->now.nodes, self->host ? "" : "links, ");
}

/* ---- as JSON ------------------------------------------------------------------------------------ */

static void set(json_t *object, const char *name, double value)
{
    json_object_set_new(object, name, output_number(value));
}

/* NAME, NAME_low, NAME_high */
static void set_value(json_t *object, const char *name, const plan_value *value,
                      json_t *(*make)(double value))
{
    char text[64];
    json_object_set_new(object, name, make(value->value));
    snprintf(text, sizeof text, "%s_low", name);
    json_object_set_new(object, text, make(value->low));
    snprintf(text, sizeof text, "%s_high", name);
    json_object_set_new(object, text, make(value->high));
}

static json_t *json_model(const plan *self)
{
    const fit *f = &self->fit;
    json_t *object = json_object();
    set(object, "images_per_s_core", 1.0 / f->w_s);
    set(object, "core_exponent", f->power);
    set(object, "spread", f->spread);
    set(object, "serve_s", f->serve_s[0]);
    set(object, "serve_worker_s", f->serve_s[1]);
    set(object, "message_s", f->message_s);
    set(object, "byte_s", f->byte_s);
    set(object, "link_byte_s", self->host ? NAN : f->link_byte_s);
    set(object, "add_s", f->add_s);
    set(object, "largest_error", self->worst);
    json_object_set_new(object, "rough", json_boolean(is_rough(self)));
    json_object_set_new(object, "simulated", json_string(self->runs[0].simulated));
    json_object_set_new(object, "one_host", self->host ? json_string(self->host) : json_null());
    return object;
}

static json_t *json_case(const plan *self)
{
    const fit_case *c = &self->now;
    json_t *object = json_object();
    json_object_set_new(object, "nodes", output_count(c->nodes));
    set(object, "cores", c->cores);
    json_object_set_new(object, "average", json_string(c->rule->name));
    set(object, "images", c->images);
    set(object, "averages", c->averages);
    set(object, "steps", self->steps > 0.0 ? self->steps : NAN);
    set(object, "link_ratio", self->host ? NAN : c->link_ratio);
    return object;
}

static json_t *json_row(const plan_row *row, int nodes)
{
    json_t *object = json_object(), *rules = json_object();
    json_object_set_new(object, "nodes", output_count(nodes));
    set_value(object, "t_time_s", &row->t_s, output_number);
    set_value(object, "overhead_fraction", &row->overhead, output_number);
    set_value(object, "speedup", &row->speedup, output_number);
    set(object, "w_time_s", row->parts.work_s);
    set(object, "wait_s", row->parts.wait_s);
    set(object, "serve_s", row->parts.serve_s);
    set(object, "wire_s", row->parts.wire_s);
    set(object, "pack_s", row->parts.pack_s);
    for (size_t k = 0; k < PLAN_RULES && average_rules[k]; k++)
        set(rules, average_rules[k]->name, row->t_rule_s[k]);
    json_object_set_new(object, "t_time_s_by_rule", rules);
    return object;
}

static json_t *json_measured(const plan *self)
{
    json_t *array = json_array();
    for (size_t k = 0; k < self->n_runs; k++) {
        const fit_run *run = &self->runs[k];
        fit_sample all;
        fit_sample_all(&all, run);
        json_t *object = json_object();
        json_object_set_new(object, "file", json_string(run->path));
        json_object_set_new(object, "nodes", output_count(run->nodes));
        set(object, "cores", run->cores);
        json_object_set_new(object, "average", json_string(run->rule->name));
        set(object, "averages", all.sum.averages);
        set(object, "t_time_s", all.sum.t_s);
        set(object, "overhead_fraction", 1.0 - all.sum.work_s / all.sum.t_s);
        set(object, "images_per_s_core", run->images / (all.sum.work_s * run->nodes * run->cores));
        set(object, "node_deviation", run->node_cv);
        set(object, "round_deviation", run->round_cv);
        set(object, "error", self->error[k]);
        json_array_append_new(array, object);
    }
    return array;
}

static bool print_json(const plan *self, error *err)
{
    json_t *root = json_object(), *rows = json_array(), *changes = json_array();
    for (int n = 1; n <= self->n_rows; n++)
        json_array_append_new(rows, json_row(&self->rows[n - 1], n));
    for (size_t k = 0; k < self->n_changes; k++) {
        json_t *change = json_object();
        json_object_set_new(change, "what", json_string(self->changes[k].what));
        set(change, "t_time_s", self->changes[k].t_s);
        set_value(change, "saving", &self->changes[k].saving, output_number);
        json_array_append_new(changes, change);
    }
    json_object_set_new(root, "planned", json_case(self));
    json_object_set_new(root, "model", json_model(self));
    json_object_set_new(root, "measured", json_measured(self));
    json_object_set_new(root, "rows", rows);
    set_value(root, "overhead_exceeds_work_from", &self->overtaken, output_count);
    set_value(root, "next_saves_under_5_percent_from", &self->enough, output_count);
    json_object_set_new(root, "changes", changes);
    return output_json(root, stdout, err);
}

/* ---- the command -------------------------------------------------------------------------------- */

int command_plan(int argc, char **argv)
{
    error err = {0};
    static plan_options o; /* large: many files */
    static plan result;
    if (options_parse_plan(argc, argv, true, &o, &err) == PARSE_RUN) {
        if (plan_make(&result, &o, &err) && o.json) {
            print_json(&result, &err);
        } else if (err.kind == ERROR_NONE) {
            print_model(&result);
            print_doubts(&result);
            print_table(&result);
            print_findings(&result);
        }
        output_finish(&err);
        plan_release(&result);
    }
    if (err.kind != ERROR_NONE)
        error_print(&err);
    return (int)err.kind;
}
