#include "shown.h"

#include "transport/transport.h"

#include <math.h>

static const double SHOW_S = 1.0;

/* Tests of rounds done .. n that hold the run up: a server among several ranks tests meanwhile, but the last. */
static double tests_to_come(const training *t)
{
    uint64_t n = t->job->course.rounds, every = t->job->course.eval_every,
             done = t->books.shown.rounds;
    uint64_t n_tests = done < n;
    if (transport_size() == 1)
        n_tests = n / every - done / every + (done < n && n % every != 0);
    double begun =
        t->books.testing.done || isnan(t->books.shown.tested) ? 0.0 : 1.0 - t->books.shown.tested;
    return (double)n_tests + begun;
}

/* Forward is a third of a step; a guess until a test has shown what it takes. */
static double guess_test(const training *t)
{
    double images = t->books.shown.images + t->books.shown.round_images;
    return images > 0.0 ? t->books.shown.t_now_s / images * transport_workers() *
                              (double)(t->job->server.test.n + t->job->server.validation.n) / 3.0
                        : 0.0;
}

/* Where the run is. */
static void take_stock(training *t)
{
    progress_state *s = &t->books.shown;
    const evaluation *e = &t->job->server.evaluation;
    bool waits = transport_size() == 1 || s->rounds == t->job->course.rounds;
    bool tests = !t->books.testing.done && waits;
    s->round_images = tests || t->present.round < s->rounds ? 0.0 : present_images(&t->present);
    s->share = fmin(1.0, s->round_images / t->present.round_images);
    s->tested = tests ? evaluation_share(e) : NAN;
    s->t_now_s = tests ? s->t_s : clock_now() - t->books.t_zero_s - t->books.t_inline_s;
    s->t_tests_s =
        tests_to_come(t) * (t->books.testing.t_s > 0.0 ? t->books.testing.t_s : guess_test(t));
    record_progress row = {(double)t->present.round,
                           s->round_images,
                           t->present.round_images,
                           s->tested,
                           s->t_now_s,
                           s->t_tests_s};
    record_add_progress(t->job->server.record, &row, &t->books.error);
    t->books.t_shown_s = clock_now();
}

void shown_round(training *t)
{
    take_stock(t);
    progress_show(&t->books.progress, &t->books.shown);
}

void shown_present(training *t)
{
    if (clock_now() - t->books.t_shown_s < SHOW_S)
        return;
    take_stock(t);
    progress_within(&t->books.progress, &t->books.shown);
}

void shown_begin(training *t)
{
    books *b = &t->books;
    progress_start(&b->progress, t->job->options->quiet, t->job->course.rounds);
    b->shown.accuracy = b->shown.tested = NAN;
    b->t_shown_s = clock_now();
}
