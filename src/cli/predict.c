#include "base/clock.h"
#include "base/memory.h"
#include "commands.h"
#include "confusion.h"
#include "host/machine.h"
#include "host/threads.h"
#include "predict/listing.h"
#include "predict/predictor.h"
#include "predict/sheet.h"
#include "predict/stream.h"
#include "predict_parts.h"
#include "show/progress.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A model, pictures, and what came of them. */
typedef struct predicting {
    predict_options options;
    saved_model model;
    predict_names names;
    predictor by;
    predict_print print;
    progress progress;
    double t_start_s;
    listing list;
    stream *in;   /* instead of the list, standard input */
    sheet *sheet; /* NULL: none */

    size_t n_good, n_bad, n_correct, n_correct_tta;
    int64_t *confusion; /* with --evaluate */
    enum error_kind first_kind;
} predicting;

/* ---- a picture -------------------------------------------------------------------------------------- */

static void leave_out(predicting *p, const char *name, const error *err)
{
    if (p->n_bad++ == 0)
        p->first_kind = err->kind;
    progress_break(&p->progress);
    error_print(err);
    if (!p->options.evaluate)
        predict_print_bad(&p->print, name, err);
}

static void put_on_sheet(predicting *p, size_t k)
{
    char lines[SHEET_LINES][SHEET_LINE_BYTES];
    int guess = predictor_guess(&p->by, k);
    snprintf(lines[0], sizeof lines[0], "%.23s", predict_names_name(&p->names, guess));
    snprintf(lines[1], sizeof lines[1], "%.1f %%", 100.0 * predictor_share(&p->by, k, guess));
    sheet_add(p->sheet, predictor_image(&p->by, k), lines);
}

static void take_in(predicting *p, size_t k, const char *name, uint16_t label)
{
    p->n_good++;
    if (p->sheet)
        put_on_sheet(p, k);
    if (!p->options.evaluate) {
        predict_print_picture(&p->print, &p->by, k, name);
        return;
    }
    int plain = predictor_plain(&p->by, k);
    p->confusion[(size_t)label * (size_t)p->names.n + (size_t)plain]++;
    p->n_correct += plain == label;
    p->n_correct_tta += predictor_guess(&p->by, k) == label;
}

/* labels: NULL, or of each */
static void look_at(predicting *p, predictor_picture *group, const uint16_t *labels, size_t n)
{
    predictor_run(&p->by, group, n);
    for (size_t k = 0; k < n; k++) {
        if (group[k].err.kind != ERROR_NONE)
            leave_out(p, group[k].name, &group[k].err);
        else
            take_in(p, k, group[k].name, labels ? labels[k] : 0);
    }
    progress_count(&p->progress, "pictures", p->n_good + p->n_bad, p->in ? 0 : p->list.n,
                   clock_now() - p->t_start_s);
}

/* ---- pictures of a list, and from a pipe ------------------------------------------------------------ */

static void go_through_list(predicting *p)
{
    static predictor_picture group[PREDICTOR_GROUP];
    for (size_t first = 0, n; first < p->list.n; first += n) {
        n = p->list.n - first < PREDICTOR_GROUP ? p->list.n - first : PREDICTOR_GROUP;
        for (size_t k = 0; k < n; k++)
            group[k] = (predictor_picture){.name = p->list.paths[first + k]};
        look_at(p, group, p->list.labels + first, n);
    }
}

/* What has come is told before more is waited for. */
static bool go_through_stream(predicting *p, error *err)
{
    enum { NAME_BYTES = 32 };
    static predictor_picture group[PREDICTOR_GROUP];
    static char names[PREDICTOR_GROUP][NAME_BYTES];
    uint8_t *data = NULL;
    size_t n = 0, n_bytes = 0, n_all = 0;
    bool good = true, ended = false;
    while (good && !ended) {
        good = stream_next(p->in, &data, &n_bytes, err);
        ended = !data;
        if (data) {
            snprintf(names[n], sizeof names[n], "-:%zu", ++n_all);
            group[n] = (predictor_picture){.name = names[n], .data = data, .n = n_bytes};
            n++;
        }
        if (n == PREDICTOR_GROUP || (n > 0 && (ended || stream_is_idle(p->in)))) {
            look_at(p, group, NULL, n);
            while (n > 0)
                memory_free((void *)group[--n].data);
            fflush(stdout); /* somebody may wait for it; output_finish sees failures */
        }
    }
    return good && (n_all > 0 || error_user(err, "standard input: no picture came"));
}

/* ---- before and after ------------------------------------------------------------------------------- */

static bool find_pictures(predicting *p, error *err)
{
    const predict_options *o = &p->options;
    if (strcmp(o->pictures[0], "-") == 0) {
        p->in = stream_new(STDIN_FILENO, err);
        return p->in != NULL;
    }
    if (o->evaluate)
        return listing_add_classes(&p->list, o->pictures[0], predict_names_name, &p->names,
                                   p->names.n, err);
    for (size_t i = 0; i < o->n_pictures; i++)
        if (!listing_add(&p->list, o->pictures[i], err))
            return false;
    return true;
}

static bool prepare(predicting *p, error *err)
{
    const predict_options *o = &p->options;
    const saved_request asked = {o->file, o->model, o->normalise};
    computing with = {.engine = engine_choose(o->isa, err)};
    if (!with.engine || !saved_read(&p->model, &asked, err) ||
        !predict_names_init(&p->names, &p->model, o->classes, err) || !find_pictures(p, err) ||
        !saved_weights(&p->model, err) || !threads_alone(o->threads, &with.n_threads, err) ||
        !predictor_init(&p->by, &p->model, (enum views_kind)o->tta, &with, err))
        return false;
    machine_note_own_bits(&with, o->isa > 0);
    const size_t n = o->evaluate ? (size_t)p->names.n : 0;
    p->confusion = memory_new(n * n, sizeof *p->confusion, err);
    if (o->sheet[0] && !(p->sheet = sheet_new(o->sheet, o->force, p->by.images.shape, err)))
        return false;
    return p->confusion && (o->evaluate || predict_print_init(&p->print, o, &p->names, err));
}

static bool show_evaluation(const predicting *p, error *err)
{
    const confusion table = {p->confusion, p->names.n, predict_names_name, &p->names};
    const bool sees = p->options.tta != VIEWS_NONE;
    const double n = (double)p->n_good, accuracy = (double)p->n_correct / n,
                 accuracy_tta = sees ? (double)p->n_correct_tta / n : NAN;
    if (p->options.json) {
        json_t *root = json_object();
        json_object_set_new(root, "file", json_string(p->options.file));
        json_object_set_new(root, "folder", json_string(p->options.pictures[0]));
        json_object_set_new(root, "accuracy", output_number(accuracy));
        json_object_set_new(root, "accuracy_tta", output_number(accuracy_tta));
        json_object_set_new(root, "images", json_integer((json_int_t)p->n_good));
        json_object_set_new(root, "skipped", json_integer((json_int_t)p->n_bad));
        confusion_put(&table, root);
        return output_json(root, stdout, err);
    }
    printf("%-12s %.2f %%  (%zu of %zu pictures)\n", "accuracy", 100.0 * accuracy, p->n_correct,
           p->n_good);
    if (sees)
        printf("%-12s %.2f %%  (mean of views: %s)\n", "with TTA", 100.0 * accuracy_tta,
               views_names[p->options.tta]);
    putchar('\n');
    confusion_print(&table);
    return true;
}

static bool predict(predicting *p, error *err)
{
    /* Where the pictures' own lines go to the terminal, they are progress enough. */
    progress_start(&p->progress, !p->options.evaluate && isatty(STDOUT_FILENO), 1);
    p->t_start_s = clock_now();
    bool good = true;
    if (p->in)
        good = go_through_stream(p, err);
    else
        go_through_list(p);
    progress_stop(&p->progress);
    if (p->options.evaluate)
        good = good && (p->n_good == 0 || show_evaluation(p, err));
    else
        predict_print_end(&p->print);
    good = good && (!p->sheet || sheet_write(p->sheet, err));
    return output_finish(good ? err : NULL) && good;
}

static void release(predicting *p)
{
    stream_free(p->in);
    sheet_free(p->sheet);
    listing_release(&p->list);
    predict_print_release(&p->print);
    predict_names_release(&p->names);
    predictor_release(&p->by);
    saved_release(&p->model);
    memory_free(p->confusion);
}

/* Some pictures were not: 1.  None was: what was wrong with the first. */
int command_predict(int argc, char **argv)
{
    error err = {0};
    static predicting p; /* large: the options hold paths */
    enum parse_outcome outcome = options_parse_predict(argc, argv, true, &p.options, &err);
    if (outcome == PARSE_RUN && prepare(&p, &err))
        predict(&p, &err);
    if (err.kind != ERROR_NONE)
        error_print(&err);
    int status = p.n_good > 0 && (p.n_bad > 0 || err.kind != ERROR_NONE) ? ERROR_ENVIRONMENT
                 : err.kind != ERROR_NONE                                ? (int)err.kind
                                                                         : (int)p.first_kind;
    release(&p);
    return status;
}
