#include "base/clock.h"
#include "commands.h"
#include "host/files.h"
#include "options/options.h"
#include "show/output.h"
#include "show/progress.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

typedef struct watching {
    watch_options options;
    progress progress;
    progress_state state; /* what has been shown */
    record_progress last; /* seen */
    double t_news_s;      /* clock_now() when something was last heard of the run */
    bool told;            /* that it waits */
} watching;

static void nap(void)
{
    const struct timespec half_a_second = {.tv_nsec = 500000000};
    nanosleep(&half_a_second, NULL);
}

static bool is_patient(const watching *self)
{
    return clock_now() - self->t_news_s < self->options.patience;
}

/* Silence is explained, where it is going to last. */
static void tell_waiting(watching *self, const char *why)
{
    double left_s = self->options.patience - (clock_now() - self->t_news_s);
    if (!self->told && left_s >= 1.0) {
        progress_stop(&self->progress);
        fprintf(stderr, "bramble: %s: %s; waiting for %.0f s (--patience)\n", self->options.file,
                why, left_s);
    }
    self->told = true;
}

/* What it does not find at all it waits for; whatever else is wrong is said at once. */
static void wait_for_file(watching *self)
{
    struct stat status;
    while (stat(self->options.file, &status) != 0 && errno == ENOENT && is_patient(self)) {
        tell_waiting(self, "is not there yet");
        nap();
    }
    self->told = false;
}

static void take_round(watching *self, const record_file *run, size_t round)
{
    self->state.rounds = round + 1;
    self->state.t_s = run->rounds[round].t_end_s;
    self->state.loss = run->rounds[round].loss;
    self->state.images += run->rounds[round].images;
}

/* A test comes later than its round. */
static void take_tests(watching *self, const record_file *run, size_t n)
{
    for (size_t k = self->state.accuracy_round; k < n; k++)
        if (!isnan(run->tests[k].accuracy)) {
            self->state.accuracy = run->tests[k].accuracy;
            self->state.held_out = run->tests[k].accuracy_validation;
            self->state.accuracy_round = k + 1;
        }
}

static void start(watching *self, const record_file *run)
{
    progress_stop(&self->progress);
    progress_start_on(&self->progress, stdout, run->n_rounds_planned);
    self->state = (progress_state){.accuracy = NAN, .tested = NAN};
}

/* What the run has said last within a round. */
static void take_progress(watching *self, const record_progress *now)
{
    progress_state *s = &self->state;
    bool is_present = now->round == (double)s->rounds;
    s->t_now_s = now->t_s;
    s->round_images = is_present ? now->images : 0.0;
    s->share = is_present ? fmin(1.0, now->images / now->round_images) : 0.0;
    s->tested = now->tested;
    s->t_tests_s = isnan(now->t_tests_s) ? 0.0 : now->t_tests_s;
}

static bool is_same(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

static bool is_news(const record_progress *now, const record_progress *last)
{
    return !is_same(now->round, last->round) || !is_same(now->images, last->images) ||
           !is_same(now->tested, last->tested) || !is_same(now->t_s, last->t_s);
}

/* Show what is new, of which a live line needs the last only. */
static void show(watching *self, const record_file *run)
{
    if (!self->progress.to || run->n_rounds < self->state.rounds)
        start(self, run); /* for the first time, or with a run that has taken the other's place */
    bool news = is_news(&run->progress, &self->last);
    self->last = run->progress;
    if (news || run->n_rounds > self->state.rounds)
        self->t_news_s = clock_now();
    take_progress(self, &run->progress);
    while (self->state.rounds < run->n_rounds) {
        take_round(self, run, self->state.rounds);
        if (self->progress.live && self->state.rounds < run->n_rounds)
            continue;
        take_tests(self, run, self->state.rounds);
        progress_show(&self->progress, &self->state);
    }
    take_progress(self, &run->progress);
    if (news && self->state.t_now_s > 0.0)
        progress_within(&self->progress, &self->state);
}

static bool conclude(watching *self, const record_file *run, error *err)
{
    progress_stop(&self->progress);
    if (run->summary.complete == 1.0 && run->n_rounds == 0)
        error_user(err, "%s: was imported, and is no run", self->options.file);
    else if (run->summary.complete == 1.0)
        printf("the run has come to its end: %zu round%s in %.1f s, test accuracy %.2f %%%s\n",
               run->n_rounds, PLURAL(run->n_rounds), run->summary.t_time_s,
               100.0 * run->summary.accuracy,
               isnan(run->summary.t_target_s) ? "" : ", as it was to reach");
    else
        error_environment(
            err, "%s: the run has stopped after %zu of %zu rounds: nobody writes the file any more",
            self->options.file, run->n_rounds, run->n_rounds_planned);
    return output_finish(err);
}

/* One look; false when it was the last one. */
static bool look(watching *self, error *err)
{
    bool written = record_is_written(self->options.file);
    if (written)
        self->t_news_s = clock_now();
    bool give_up = !is_patient(self);
    record_file *run = record_read_rounds(self->options.file, err);
    if (!run)
        return false;
    bool last = run->summary.complete == 1.0;
    if (last) { /* it may have become so behind the rounds */
        record_file_free(run);
        run = record_read_rounds(self->options.file, err);
    }
    if (run)
        show(self, run);
    last = !run || last || (give_up && !is_patient(self));
    if (!last && !written)
        tell_waiting(self, "nobody writes it");
    else
        self->told = false;
    if (run && last)
        conclude(self, run, err);
    record_file_free(run);
    return !last && output_finish(err);
}

/* The page is the Python package's, which takes this process's place; returns only with err. */
static void become_page(const watch_options *options, error *err)
{
    char path[4096], file[4200], port[16], patience[40];
    if (!files_find_tool("bramble-watch-web", path, sizeof path, err))
        return;
    bool may_look_like_option = options->file[0] == '-';
    snprintf(file, sizeof file, "%s%s", may_look_like_option ? "./" : "", options->file);
    snprintf(port, sizeof port, "%u", (unsigned)options->port);
    snprintf(patience, sizeof patience, "%.17g", options->patience);
    execl(path, path, file, "--port", port, "--bind", options->bind, "--patience", patience,
          (char *)NULL);
    error_environment(err, "cannot start %s: %m", path);
}

int command_watch(int argc, char **argv)
{
    error err = {0};
    static watching self; /* zero */
    enum parse_outcome outcome = options_parse_watch(argc, argv, true, &self.options, &err);
    if (outcome == PARSE_RUN && self.options.web) {
        become_page(&self.options, &err);
    } else if (outcome == PARSE_RUN) {
        self.t_news_s = clock_now();
        wait_for_file(&self);
        while (look(&self, &err))
            nap();
        progress_stop(&self.progress);
    }
    if (err.kind != ERROR_NONE)
        error_print(&err);
    return (int)err.kind;
}
