#include "app/progress.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* mpirun forwards what comes through the pipe to its own stderr, byte by byte. */
static int terminal_open(void)
{
    char path[64] = "/proc/self/fd/2";
    if (!isatty(STDERR_FILENO)) {
        if (!getenv("OMPI_COMM_WORLD_RANK"))
            return -1;
        snprintf(path, sizeof path, "/proc/%d/fd/2", (int)getppid());
    }
    int terminal = open(path, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
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
    *self = (progress){.to = stderr, .quiet = quiet, .n_rounds = n_rounds};
    self->terminal = quiet ? -1 : terminal_open();
    self->live = self->terminal >= 0;
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

void progress_show(progress *self, const progress_state *s)
{
    if (self->quiet)
        return;
    char line[256], time[32] = "", accuracy[64] = "", left[32];
    double eta_s = s->t_s / (double)s->rounds * (double)(self->n_rounds - s->rounds);
    if (!self->live)
        snprintf(time, sizeof time, "  %.1f s", s->t_s);
    if (!isnan(s->accuracy) && self->live)
        snprintf(accuracy, sizeof accuracy, "  test %.2f %%", 100.0 * s->accuracy);
    else if (!isnan(s->accuracy))
        snprintf(accuracy, sizeof accuracy, "  test accuracy %.2f %% (round %llu)",
                 100.0 * s->accuracy, (unsigned long long)s->accuracy_round);
    if (eta_s >= 90.0)
        snprintf(left, sizeof left, "%.0f min", ceil(eta_s / 60.0));
    else
        snprintf(left, sizeof left, "%.0f s", ceil(eta_s));
    int n = snprintf(line, sizeof line, "round %llu/%llu%s  %.0f images/s  loss %.4f%s  %s left",
                     (unsigned long long)s->rounds, (unsigned long long)self->n_rounds, time,
                     s->images / s->t_s, s->loss, accuracy, left);
    if (self->live)
        show_live(self, line, n);
    else
        fprintf(self->to, "%s\n", line);
    fflush(self->to);
}

void progress_stop(progress *self)
{
    if (self->width > 0)
        fputc('\n', self->to);
    if (self->live)
        close(self->terminal);
    self->live = false;
    self->width = 0;
}
