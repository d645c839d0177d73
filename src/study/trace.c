#include "trace.h"

#include "show/output.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

/* What a rank does in a round; the server writes and tests the round before first. */
static const enum phase order[] = {PHASE_OUTPUT, PHASE_EVALUATE, PHASE_INPUT,
                                   PHASE_TRAIN,  PHASE_WAIT,     PHASE_SERVE,
                                   PHASE_PACK,   PHASE_WIRE,     PHASE_OTHER};
_Static_assert(sizeof order / sizeof *order == PHASE_COUNT, "every phase has its place");

typedef struct trace {
    const record_file *run;
    FILE *to;
    bool failed, any; /* any: an event has been written */
} trace;

/* An event at a time: a long run has millions. */
static void put_event(trace *self, json_t *event)
{
    self->failed = self->failed || !event || fputs(self->any ? ",\n" : "\n", self->to) == EOF ||
                   json_dumpf(event, self->to, JSON_COMPACT | JSON_REAL_PRECISION(12)) != 0;
    self->any = true;
    json_decref(event);
}

/* The number of a rank's host: that of the first rank on it. */
static int host_of(const record_file *run, size_t rank)
{
    size_t k = 0;
    while (strcmp(run->machines[k].host, run->machines[rank].host) != 0)
        k++;
    return (int)k;
}

static void name_rank(trace *self, size_t rank)
{
    const record_machine *m = &self->run->machines[rank];
    int host = host_of(self->run, rank);
    char name[64];
    snprintf(name, sizeof name, "rank %zu%s%s", rank, m->is_server ? ", server" : "",
             m->is_worker ? ", worker" : "");
    if (host == (int)rank)
        put_event(self,
                  json_pack("{ss ss si s{so}}", "name", "process_name", "ph", "M", "pid", host,
                            "args", "name",
                            json_sprintf("%s%s", *record_simulated(self->run) ? "simulated: " : "",
                                         m->host)));
    put_event(self, json_pack("{ss ss si si s{ss}}", "name", "thread_name", "ph", "M", "pid", host,
                              "tid", (int)rank, "args", "name", name));
}

static void put_slice(trace *self, size_t rank, const char *name, double since_s, double t_s,
                      json_t *args)
{
    put_event(self, json_pack("{ss ss si si so so so*}", "name", name, "ph", "X", "pid",
                              host_of(self->run, rank), "tid", (int)rank, "ts",
                              output_number(1e6 * since_s), "dur", output_number(1e6 * t_s), "args",
                              args));
}

static json_t *describe_round(const record_rank *row)
{
    return json_pack("{so so so so so so}", "images", output_number(row->images), "loss",
                     output_number(row->loss), "bytes_sent", output_number(row->bytes_sent),
                     "clock_min_mhz", output_number(row->clock_min_mhz), "temperature_c",
                     output_number(row->temperature_c), "throttled", output_number(row->throttled));
}

/* A file may hold anything. */
static double seconds(double t_s)
{
    return isfinite(t_s) && t_s > 0.0 ? t_s : 0.0;
}

/* Returns when the rank's next round can begin. */
static double put_round(trace *self, size_t round, size_t rank, double since_s)
{
    const record_rank *row = &self->run->ranks[round * self->run->n_ranks + rank];
    char name[32];
    double sum_s = 0.0, at_s = since_s;
    for (int k = 0; k < PHASE_COUNT; k++)
        sum_s += seconds(row->t_phase_s[k]);
    snprintf(name, sizeof name, "round %zu", round);
    put_slice(self, rank, name, since_s, sum_s, describe_round(row));
    for (int k = 0; k < PHASE_COUNT; k++) {
        double t_s = seconds(row->t_phase_s[order[k]]);
        if (t_s > 0.0)
            put_slice(self, rank, phase_name(order[k]), at_s, t_s, NULL);
        at_s += t_s;
    }
    return since_s + sum_s;
}

static bool put_all(trace *self)
{
    const record_file *run = self->run;
    fputs("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[", self->to);
    for (size_t rank = 0; rank < run->n_ranks && !self->failed; rank++) {
        double since_s = 0.0;
        name_rank(self, rank);
        for (size_t round = 0; round < run->n_rounds && !self->failed; round++) {
            double end_s = put_round(self, round, rank, since_s);
            since_s = fmax(end_s, seconds(run->rounds[round].t_end_s));
        }
    }
    fputs("\n]}\n", self->to);
    return !self->failed && fflush(self->to) == 0 && !ferror(self->to);
}

bool trace_write(const char *path, const record_file *file, error *err)
{
    char temporary[4096 + 16];
    size_t length = strlen(path);
    if (length <= 5 || length > 4096 || strcmp(path + length - 5, ".json") != 0)
        return error_user(err, "--trace %.200s: expected a name that ends in .json", path);
    snprintf(temporary, sizeof temporary, "%s.%d.tmp", path, (int)getpid());
    trace self = {.run = file};
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    self.to = fd >= 0 ? fdopen(fd, "w") : NULL;
    errno = self.to ? 0 : errno;
    bool good = self.to && put_all(&self);
    if (self.to)
        good = fclose(self.to) == 0 && good;
    good = good && rename(temporary, path) == 0;
    if (!good) {
        error_environment(err, "--trace %.200s: cannot be written: %s", path,
                          errno ? strerror(errno) : "out of memory");
        if (fd >= 0)
            unlink(temporary);
    }
    return good;
}
