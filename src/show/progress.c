#include "show/progress.h"

#include "base/clock.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const double PAUSE_S = 10.0; /* between lines within a round */

/* Under mpirun stderr is a pipe: its terminal is where mpirun's goes. */
static int terminal_open(void)
{
    char path[64] = "/proc/self/fd/2";
    if (!isatty(STDERR_FILENO)) {
        if (!getenv("OMPI_COMM_WORLD_RANK"))
            return -1;
        snprintf(path, sizeof path, "/proc/%d/fd/2", (int)getppid());
    }
    int terminal = open(path, O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (terminal < 0 || isatty(terminal))
        return terminal;
    close(terminal);
    return -1;
}

static int terminal_columns(int terminal)
{
    struct winsize size;
    return ioctl(terminal, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

void progress_start(progress *self, bool quiet, uint64_t n_rounds)
{
    *self = (progress){.to = stderr, .quiet = quiet, .n_rounds = n_rounds, .t_line_s = clock_now()};
    self->terminal = quiet ? -1 : terminal_open();
    self->live = self->terminal >= 0;
    if (!self->live || isatty(STDERR_FILENO))
        return;
    /* Open MPI 5 forwards whole lines only, and a live one has no end. */
    FILE *direct = fdopen(self->terminal, "w");
    if (direct)
        self->to = direct;
}

void progress_start_on(progress *self, FILE *to, uint64_t n_rounds)
{
    *self = (progress){.to = to, .n_rounds = n_rounds, .terminal = -1};
    if (isatty(fileno(to)))
        self->terminal = dup(fileno(to));
    self->live = self->terminal >= 0;
}

/* A line that is wrapped could not be overwritten; the last column is left free. */
static void show_live(progress *self, const char *line, int n)
{
    int most = terminal_columns(self->terminal) - 1, old = self->width < most ? self->width : most;
    self->width = n < most ? n : most;
    fprintf(self->to, "\r%.*s%*s", self->width, line, old > self->width ? old - self->width : 0,
            "");
}

static double time_left(const progress *self, const progress_state *s, bool within)
{
    double done = (double)s->rounds + (within ? s->share : 0.0);
    double t_s = within ? s->t_now_s : s->t_s;
    return t_s / done * ((double)self->n_rounds - done) + s->t_tests_s;
}

static void format_left(double t_s, char *text, size_t n_bytes)
{
    if (!isfinite(t_s)) /* nothing is done yet */
        text[0] = '\0';
    else if (t_s >= 90.0)
        snprintf(text, n_bytes, "  %.0f min left", ceil(t_s / 60.0));
    else
        snprintf(text, n_bytes, "  %.0f s left", fmax(0.0, ceil(t_s)));
}

static void format_place(const progress *self, const progress_state *s, bool within, char *text,
                         size_t n_bytes)
{
    unsigned long long done = s->rounds, all = self->n_rounds;
    if (within && !isnan(s->tested))
        snprintf(text, n_bytes, "round %llu/%llu, testing %.0f %%", done, all,
                 floor(100.0 * s->tested));
    else if (within)
        snprintf(text, n_bytes, "round %llu/%llu, %.0f %%", done + 1, all,
                 floor(100.0 * fmin(s->share, 0.99)));
    else
        snprintf(text, n_bytes, "round %llu/%llu", done, all);
}

static void show(progress *self, const progress_state *s, bool within)
{
    char line[256], place[80], time[32] = "", loss[32] = "", held_out[32] = "", accuracy[96] = "";
    char left[32];
    double t_s = within ? s->t_now_s : s->t_s;
    format_place(self, s, within, place, sizeof place);
    format_left(time_left(self, s, within), left, sizeof left);
    if (!self->live)
        snprintf(time, sizeof time, "  %.1f s", t_s);
    if (s->rounds > 0)
        snprintf(loss, sizeof loss, "  loss %.4f", s->loss);
    if (s->held_out > 0.0)
        snprintf(held_out, sizeof held_out, ", held out %.2f %%", 100.0 * s->held_out);
    if (!isnan(s->accuracy) && self->live)
        snprintf(accuracy, sizeof accuracy, "  test %.2f %%%s", 100.0 * s->accuracy, held_out);
    else if (!isnan(s->accuracy))
        snprintf(accuracy, sizeof accuracy, "  test accuracy %.2f %%%s (round %llu)",
                 100.0 * s->accuracy, held_out, (unsigned long long)s->accuracy_round);
    int n = snprintf(line, sizeof line, "%s%s  %.0f images/s%s%s%s", place, time,
                     (s->images + (within ? s->round_images : 0.0)) / t_s, loss, accuracy, left);
    if (self->live)
        show_live(self, line, n);
    else
        fprintf(self->to, "%s\n", line);
    fflush(self->to);
    self->t_line_s = clock_now();
}

void progress_show(progress *self, const progress_state *s)
{
    if (!self->quiet)
        show(self, s, false);
}

void progress_within(progress *self, const progress_state *s)
{
    double pause_s = self->live ? 0.0 : fmax(PAUSE_S, s->t_now_s / 20.0);
    bool is_news = s->rounds > 0 || s->share > 0.0 || !isnan(s->tested);
    if (!self->quiet && is_news && clock_now() - self->t_line_s >= pause_s)
        show(self, s, true);
}

void progress_count(progress *self, const char *what, uint64_t done, uint64_t all, double t_s)
{
    char line[160], left[32] = "";
    const double begin_s = 1.0;
    if (self->quiet || done == 0 || t_s < begin_s ||
        (!self->live && clock_now() - self->t_line_s < PAUSE_S))
        return;
    int n = snprintf(line, sizeof line, "%llu", (unsigned long long)done);
    if (all > 0) {
        n += snprintf(line + n, sizeof line - (size_t)n, "/%llu", (unsigned long long)all);
        format_left(t_s / (double)done * (double)(all - done), left, sizeof left);
    }
    n += snprintf(line + n, sizeof line - (size_t)n, " %s  %.0f %s/s%s", what, (double)done / t_s,
                  what, left);
    if (self->live)
        show_live(self, line, n);
    else
        fprintf(self->to, "%s\n", line);
    fflush(self->to);
    self->t_line_s = clock_now();
}

void progress_break(progress *self)
{
    if (self->width > 0)
        fputc('\n', self->to);
    self->width = 0;
}

void progress_stop(progress *self)
{
    progress_break(self);
    if (self->live && fileno(self->to) == self->terminal)
        fclose(self->to);
    else if (self->live)
        close(self->terminal);
    self->live = false;
}
