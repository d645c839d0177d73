#include "base/clock.h"

#include "base/world.h"

#include <string.h>
#include <time.h>

double clock_now(void)
{
    return world_here()->now();
}

double clock_cpu(void)
{
    return world_here()->cpu();
}

double clock_date_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void clock_date(char text[32])
{
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

const char *phase_name(enum phase phase)
{
    static const char *const names[PHASE_COUNT] = {"other", "train", "input",    "wait",  "serve",
                                                   "pack",  "wire",  "evaluate", "output"};
    return names[phase];
}

void phases_start(phases *self, enum phase phase)
{
    memset(self, 0, sizeof *self);
    self->now = phase;
    self->since_s = clock_now();
}

enum phase phases_enter(phases *self, enum phase phase)
{
    double now = clock_now();
    enum phase left = self->now;
    self->t_s[left] += now - self->since_s;
    self->since_s = now;
    self->now = phase;
    return left;
}

void phases_move(phases *self, enum phase from, enum phase to, double t_s)
{
    self->t_s[from] -= t_s;
    self->t_s[to] += t_s;
}

void phases_take(phases *self, double t_s[PHASE_COUNT])
{
    phases_enter(self, self->now);
    memcpy(t_s, self->t_s, sizeof self->t_s);
    memset(self->t_s, 0, sizeof self->t_s);
}
