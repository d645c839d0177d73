#include "app/progress.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool stderr_is_terminal(void)
{
    if (isatty(STDERR_FILENO))
        return true;
    if (!getenv("OMPI_COMM_WORLD_RANK"))
        return false;
    /* mpirun forwards what comes through the pipe to its own stderr, byte by byte. */
    char path[64], target[256];
    snprintf(path, sizeof path, "/proc/%d/fd/2", (int)getppid());
    ssize_t n = readlink(path, target, sizeof target - 1);
    target[n > 0 ? n : 0] = '\0';
    return strncmp(target, "/dev/pts/", 9) == 0 || strncmp(target, "/dev/tty", 8) == 0;
}

void progress_start(progress *self, bool quiet, uint64_t n_rounds)
{
    *self = (progress){.quiet = quiet, .n_rounds = n_rounds};
    self->terminal = !quiet && stderr_is_terminal();
}

void progress_show(progress *self, const progress_state *s)
{
    if (self->quiet)
        return;
    char line[256], accuracy[64] = "", left[32];
    double eta_s = s->t_s / (double)s->rounds * (double)(self->n_rounds - s->rounds);
    if (!isnan(s->accuracy))
        snprintf(accuracy, sizeof accuracy, "  test accuracy %.2f %% (round %llu)", 100.0 * s->accuracy,
                 (unsigned long long)s->accuracy_round);
    if (eta_s >= 90.0)
        snprintf(left, sizeof left, "%.0f min", ceil(eta_s / 60.0));
    else
        snprintf(left, sizeof left, "%.0f s", ceil(eta_s));
    int n = snprintf(line, sizeof line, "round %llu/%llu  %.1f s  %.0f images/s  loss %.4f%s  %s left",
                     (unsigned long long)s->rounds, (unsigned long long)self->n_rounds, s->t_s,
                     s->images / s->t_s, s->loss, accuracy, left);
    if (self->terminal)
        fprintf(stderr, "\r%s%*s", line, self->width > n ? self->width - n : 0, "");
    else
        fprintf(stderr, "%s\n", line);
    fflush(stderr);
    self->width = n;
}

void progress_stop(progress *self)
{
    if (self->terminal && self->width > 0)
        fputc('\n', stderr);
    self->width = 0;
}
