/*
 * transport_driver - the cases of tests/system/test_transport.py, run under mpirun
 *
 * transport_driver CASE [ARGUMENT...]... runs one after the other; prints "passed" on rank 0, or ends
 * the job with a line about what went wrong.
 */
#include "base/memory.h"
#include "base/random.h"
#include "check.h"
#include "train/merge.h"
#include "train/resume.h"
#include "train/saved.h"
#include "transport/average.h"
#include "transport/fixed.h"
#include "transport/transport.h"
#include "transport/wire.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void *take(size_t count, size_t size)
{
    error err = {0};
    void *memory = memory_new(count, size, &err);
    if (!memory)
        transport_abort(&err);
    return memory;
}

static uint64_t number(uint32_t major, uint64_t index)
{
    return random_u64(1, random_stream(RANDOM_TEST, major, 0), index);
}

static void nap(double t_s)
{
    struct timespec t = {.tv_sec = (time_t)t_s, .tv_nsec = (long)(1e9 * (t_s - floor(t_s)))};
    nanosleep(&t, NULL);
}

/* ---- who is there ---------------------------------------------------------------------------- */

static void case_identity(char **arguments)
{
    (void)arguments;
    int rank = transport_rank(), size = transport_size();
    CHECK(rank >= 0 && rank < size);
    CHECK(transport_is_server() == (rank == 0));
    CHECK(transport_is_worker() == (rank > 0 || size == 1));
    CHECK(transport_workers() == (size == 1 ? 1 : size - 1));
    CHECK(transport_worker() == (size == 1 ? 0 : rank - 1));
    CHECK(strlen(transport_host()) > 0);
    CHECK(strlen(transport_version()) > 4 && !strchr(transport_version(), '\n'));
    int *ranks = transport_is_server() ? take((size_t)size, sizeof *ranks) : NULL;
    transport_gather(&rank, sizeof rank, ranks, TRANSPORT_SLEEP);
    for (int r = 0; ranks && r < size; r++)
        CHECK(ranks[r] == r);
    memory_free(ranks);
}

/* ---- agreeing and moving bytes --------------------------------------------------------------- */

static void case_greet(char **arguments)
{
    (void)arguments;
    transport_greet();
}

/* What builds without a greeting began with; then they would wait for the others. */
static void case_no_greeting(char **arguments)
{
    (void)arguments;
    error err = {0};
    transport_agree(&err);
    transport_barrier();
}

/* One after the other, then several at once, then none. */
static void case_agree(char **arguments)
{
    (void)arguments;
    int rank = transport_rank(), size = transport_size();
    for (int failing = 0; failing < size; failing++) {
        error err = {0};
        char text[32];
        snprintf(text, sizeof text, "rank %d is out of luck", failing);
        if (rank == failing && rank % 2)
            error_user(&err, "%s", text);
        else if (rank == failing)
            error_environment(&err, "%s", text);
        CHECK(!transport_agree(&err));
        CHECK(strcmp(err.text, text) == 0);
        CHECK(err.kind == (failing % 2 ? ERROR_USER : ERROR_ENVIRONMENT));
    }
    error err = {0};
    int first = size > 2 ? 1 : 0;
    if (rank == first)
        error_environment(&err, "the first");
    else if (rank > first)
        error_user(&err, "not the first");
    CHECK(!transport_agree(&err));
    CHECK(strcmp(err.text, "the first") == 0 && err.kind == ERROR_ENVIRONMENT);
    error none = {0};
    CHECK(transport_agree(&none));
    CHECK(none.kind == ERROR_NONE);
}

static void bytes_fill(unsigned char *bytes, size_t n, uint32_t key)
{
    for (size_t i = 0; i < n; i++)
        bytes[i] = (unsigned char)((i * 2654435761U + key * 40503U) >> 13);
}

static void bytes_check(const unsigned char *bytes, size_t n, uint32_t key)
{
    for (size_t i = 0; i < n; i++)
        CHECK(bytes[i] == (unsigned char)((i * 2654435761U + key * 40503U) >> 13));
}

static const size_t SIZES[] = {0, 1, 4097, (size_t)1 << 20, (size_t)40 << 20};
enum { N_SIZES = sizeof SIZES / sizeof *SIZES };

static void case_broadcast(char **arguments)
{
    (void)arguments;
    for (uint32_t i = 0; i < 2 * N_SIZES; i++) {
        size_t n = SIZES[i / 2];
        unsigned char *bytes = take(n, 1);
        int root = (int)i / 2 % transport_size();
        if (transport_rank() == root)
            bytes_fill(bytes, n, i);
        transport_broadcast(bytes, n, root, i % 2 ? TRANSPORT_SPIN : TRANSPORT_SLEEP);
        bytes_check(bytes, n, i);
        memory_free(bytes);
    }
    const char *texts[] = {"", "x", "[conv]\nchannels = 6\n\xc3\xbc"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char mine[64];
        strcpy(mine, texts[i]);
        char *text = transport_broadcast_text(transport_is_server() ? mine : NULL);
        CHECK(strcmp(text, texts[i]) == 0);
        CHECK((text == mine) == transport_is_server());
        if (text != mine)
            memory_free(text);
    }
}

/* Different bytes for each rank; two messages to each, so that their order counts. */
static void send_all(size_t n, int from, enum transport_wait how)
{
    unsigned char *bytes = take(n + 1, 1);
    int rank = transport_rank();
    for (int r = 0; rank == from && r < transport_size(); r++) {
        if (r == from)
            continue;
        bytes_fill(bytes, n, 10 * (uint32_t)r);
        transport_send(bytes, n, r, how);
        bytes_fill(bytes, n / 2, 10 * (uint32_t)r + 1);
        transport_send(bytes, n / 2, r, how);
    }
    if (rank != from) {
        bytes[n] = 77;
        transport_receive(bytes, n, from, how);
        bytes_check(bytes, n, 10 * (uint32_t)rank);
        transport_receive(bytes, n / 2, from, how);
        bytes_check(bytes, n / 2, 10 * (uint32_t)rank + 1);
        CHECK(bytes[n] == 77);
    }
    memory_free(bytes);
}

static void case_send(char **arguments)
{
    (void)arguments;
    for (uint32_t i = 0; i < N_SIZES; i++)
        for (int from = 0; from < transport_size(); from += transport_size() / 2 + 1) {
            send_all(SIZES[i], from, TRANSPORT_SLEEP);
            send_all(SIZES[i], from, TRANSPORT_SPIN);
        }
}

/* A wait in a receive that spins is time of the wire, one asleep is not. */
static void case_spun(char **arguments)
{
    (void)arguments;
    int last = transport_size() - 1;
    char byte = 0;
    for (int spins = 0; spins < 2 && last > 0; spins++) {
        enum transport_wait how = spins ? TRANSPORT_SPIN : TRANSPORT_SLEEP;
        transport_barrier();
        (void)wire_take_time();
        if (transport_rank() == last) {
            nap(0.1);
            transport_send(&byte, 1, 0, how);
        } else if (transport_is_server()) {
            transport_receive(&byte, 1, last, how);
        }
        double t_s = wire_take_time();
        CHECK(t_s >= 0 && (!transport_is_server() || (t_s > 0.05) == (spins == 1)));
    }
}

/* Both ways to wait; the server's own bytes, and its place left alone. */
static void gather_all(size_t n, enum transport_wait how, bool in_place)
{
    int size = transport_size();
    unsigned char *mine = take(n, 1), *all = NULL;
    bytes_fill(mine, n, (uint32_t)transport_rank());
    if (transport_is_server())
        all = take((size_t)size, n);
    if (all && in_place)
        bytes_fill(all, n, 99);
    transport_gather(all && in_place ? NULL : mine, n, all, how);
    for (int r = 0; all && r < size; r++)
        bytes_check(all + (size_t)r * n, n, r == 0 && in_place ? 99 : (uint32_t)r);
    memory_free(mine);
    memory_free(all);
}

static void case_gather(char **arguments)
{
    (void)arguments;
    for (uint32_t i = 0; i < 4 * (N_SIZES - 1); i++)
        gather_all(SIZES[i / 4], i % 2 ? TRANSPORT_SPIN : TRANSPORT_SLEEP, i % 4 > 1);
}

/* ---- small records, and stopping ------------------------------------------------------------- */

static void allgather_check(size_t n, uint32_t round)
{
    size_t size = (size_t)transport_size();
    unsigned char *mine = take(n, 1), *all = take(size, n);
    bytes_fill(mine, n, round + (uint32_t)transport_rank());
    transport_allgather(mine, n, all);
    for (size_t r = 0; r < size; r++)
        bytes_check(all + r * n, n, round + (uint32_t)r);
    memory_free(mine);
    memory_free(all);
}

static void case_allgather(char **arguments)
{
    (void)arguments;
    const size_t sizes[] = {0, 1, 24, 4096};
    for (uint32_t round = 0; round < 200; round++) {
        if (number((uint32_t)transport_rank(), round) % 4 == 0)
            nap(1e-5 * (double)(number((uint32_t)transport_rank(), round) % 97));
        allgather_check(sizes[round % 4], round);
    }
}

/* Workers run ahead of a server that comes late; it works while records are missing. */
static bool idle_count(void *arg)
{
    int *left = arg;
    nap(1e-4);
    return --*left > 0;
}

static void case_working(char **arguments)
{
    (void)arguments;
    size_t size = (size_t)transport_size();
    double gone_s, *all_s = take(size, sizeof *all_s);
    for (uint32_t round = 0; round < 50; round++) {
        unsigned char mine[24], *all = take(size, sizeof mine), word[8] = "";
        int idle_left = 5;
        bytes_fill(mine, sizeof mine, round + (uint32_t)transport_rank());
        if (number((uint32_t)transport_rank(), round) % 3 == 0)
            nap(1e-3);
        transport_gather_working(mine, sizeof mine, all, round % 2 ? idle_count : NULL, &idle_left);
        for (size_t r = 0; transport_is_server() && r < size; r++)
            bytes_check(all + r * sizeof mine, sizeof mine, round + (uint32_t)r);
        CHECK(idle_left == 5 || (round % 2 && transport_is_server() && idle_left >= 0));
        if (transport_is_server())
            bytes_fill(word, sizeof word, round);
        transport_broadcast(word, sizeof word, 0, TRANSPORT_SLEEP);
        bytes_check(word, sizeof word, round);
        memory_free(all);
    }
    if (transport_is_server())
        nap(1);
    double come_s = clock_now();
    transport_gather(&come_s, sizeof come_s, all_s, TRANSPORT_SLEEP);
    gone_s = clock_now();
    transport_gather(&gone_s, sizeof gone_s, all_s, TRANSPORT_SLEEP);
    for (size_t r = 1; transport_is_server() && r < size; r++)
        CHECK(all_s[r] < come_s); /* one clock: all ranks are on this machine */
    memory_free(all_s);
}

/* What a rank costs that waits for one that is late, in each of the calls that may wait: the last or the first. */
static const char *const WAITS[] = {"allgather", "agree",  "broadcast",    "longer_broadcast",
                                    "receive",   "gather", "longer_gather"};
enum { N_WAITS = sizeof WAITS / sizeof *WAITS, LATE_FIRST = 1 << 2 | 1 << 4, LONGER = 1 << 17 };

static void wait_once(int call, int last)
{
    size_t n_bytes = call == 3 || call == 6 ? LONGER : 1;
    char *bytes = take(n_bytes, 1), *all = take((size_t)last + 1, n_bytes);
    error err = {0};
    if (call == 0)
        transport_allgather(bytes, 1, all);
    else if (call == 1)
        CHECK(transport_agree(&err));
    else if (call == 2 || call == 3)
        transport_broadcast(bytes, n_bytes, 0, TRANSPORT_SLEEP);
    else if (call == 4 && transport_rank() == 0 && last > 0)
        transport_send(bytes, 1, last, TRANSPORT_SLEEP);
    else if (call == 4 && transport_rank() == last && last > 0)
        transport_receive(bytes, 1, 0, TRANSPORT_SLEEP);
    else if (call == 5 || call == 6)
        transport_gather(bytes, n_bytes, all, TRANSPORT_SLEEP);
    memory_free(bytes);
    memory_free(all);
}

static void case_cpu(char **arguments)
{
    double late_s = strtod(arguments[0], NULL), cpu_s[N_WAITS];
    int last = transport_size() - 1;
    for (int i = 0; i < N_WAITS; i++) {
        transport_barrier();
        double before_s = clock_cpu();
        if (transport_rank() == (LATE_FIRST >> i & 1 ? 0 : last))
            nap(late_s);
        wait_once(i, last);
        cpu_s[i] = clock_cpu() - before_s;
    }
    double *all = take((size_t)last + 1, sizeof cpu_s);
    transport_allgather(cpu_s, sizeof cpu_s, all);
    for (int i = 0; transport_is_server() && i < N_WAITS; i++) {
        double worst_s = 0;
        for (int r = 0; r <= last; r++)
            worst_s = fmax(worst_s, all[N_WAITS * r + i]);
        printf("%s %.4f\n", WAITS[i], worst_s / late_s);
    }
    memory_free(all);
}

/* A round of pretended work in which the server calls stop or does not; then all clear it. */
static void stop_round(double server_s, double worker_s, bool stop)
{
    double end_s = clock_now() + worker_s;
    if (transport_is_server()) {
        nap(server_s);
        if (stop)
            transport_call_stop();
        CHECK(transport_stop_called() == stop);
    } else {
        bool called = false;
        while (clock_now() < end_s && !called) {
            called = transport_stop_called();
            nap(20e-6);
        }
        CHECK(!called || stop);
        CHECK(!called || transport_stop_called()); /* stays true */
    }
    CHECK(transport_clear_stop() == stop); /* on all ranks, whoever has heard of it */
    CHECK(!transport_is_server() || !transport_stop_called()); /* a worker's next may have begun */
}

static void case_stop(char **arguments)
{
    (void)arguments;
    for (int i = 0; i < 3; i++) {
        stop_round(0, INFINITY, true); /* at once; a worker that misses it works for ever */
        stop_round(0.02, INFINITY, true);
        stop_round(0.02, 0, true); /* the workers are waiting already */
        stop_round(0, 0.002, false);
    }
    for (uint64_t round = 0; round < 100; round++) {
        uint64_t mine = number(9, round * 100 + (uint64_t)transport_rank());
        bool stop = number(8, round) % 3 != 0;
        stop_round(1e-6 * (double)(mine % 10000), 1e-6 * (double)((mine >> 20) % 10000), stop);
    }
}

/* A stop that comes when the workers are done is not taken for the next one, which is not lost, even where
 * they look for the first late. */
static void case_stop_late(char **arguments)
{
    (void)arguments;
    for (int round = 0; round < 60; round++) {
        char word = 0;
        transport_gather(&word, 0, NULL, TRANSPORT_SLEEP);
        bool stop = round % 3 == 0;
        if (transport_is_server() && stop)
            transport_call_stop(); /* the workers are done with the round */
        transport_broadcast(&word, 1, 0, TRANSPORT_SLEEP);
        if (!transport_is_server() && round % 4 == 0)
            nap(0.002);
        CHECK(transport_clear_stop() == stop);
        CHECK(!transport_stop_called() || !transport_is_server());
        if (round % 5 == 0) {
            transport_barrier(); /* before the server calls again */
            nap(0.003);          /* until they would ask again */
            CHECK(!transport_stop_called());
            transport_barrier();
        }
        if (transport_is_server())
            transport_call_stop();
        while (!transport_stop_called()) /* for ever, if it was lost */
            nap(20e-6);
        CHECK(transport_clear_stop());
    }
}

/* ---- averaging ------------------------------------------------------------------------------- */

enum { N_REPEATS = 4 };

typedef struct trial {
    size_t n;
    uint64_t repeat;
    double *weights, *expected;
    float *start, *first, *w,
        *before; /* start: of this rank; first: the result of the first rule */
} trial;

/* Magnitudes from 2^-30 to 2^20, the largest included. */
static float trial_value(int rank, uint64_t index)
{
    uint64_t bits = number(100 + (uint32_t)rank, index);
    float sign = bits & 1 ? -1.0F : 1.0F, digits = 1.0F + (float)(bits >> 41) * 0x1p-23F;
    return sign * ldexpf(digits, (int)(bits >> 1 & 0xff) % 50 - 30);
}

static void trial_init(trial *self, size_t n)
{
    size_t size = (size_t)transport_size();
    self->n = n;
    self->weights = take(size, sizeof(double));
    self->expected = take(n, sizeof(double));
    self->start = take(n, sizeof(float));
    self->first = take(n, sizeof(float));
    self->w = take(n, sizeof(float));
    self->before = take(n, sizeof(float));
}

static void trial_release(trial *self)
{
    memory_free(self->weights);
    memory_free(self->expected);
    memory_free(self->start);
    memory_free(self->first);
    memory_free(self->w);
    memory_free(self->before);
}

/* Weights drawn, from the third worker on a third of them 0, the server's too but in the last
 * repeat.  What is to be ignored is made NaN. */
static void trial_draw(trial *self, uint64_t repeat)
{
    int size = transport_size(), rank = transport_rank();
    double total = 0;
    self->repeat = repeat;
    for (int r = 0; r < size; r++) {
        uint64_t bits = number(50, repeat * 100 + (uint64_t)r);
        self->weights[r] = r > 2 && bits % 3 == 0 ? 0 : (double)(1 + bits % 20000);
        if (r == 0 && size > 1 && repeat + 1 < N_REPEATS)
            self->weights[r] = 0;
        total += self->weights[r];
    }
    for (size_t i = 0; i < self->n; i++) {
        self->expected[i] = 0;
        for (int r = 0; r < size; r++)
            self->expected[i] += (double)trial_value(r, i + repeat) * (self->weights[r] / total);
        self->start[i] = self->weights[rank] > 0 ? trial_value(rank, i + repeat) : NAN;
    }
}

static void average_take(average *self, const average_rule *rule, size_t n)
{
    error err = {0};
    if (!average_init(self, rule, n, &err))
        transport_abort(&err);
}

static void check_same_everywhere(const float *w, size_t n)
{
    float *copy = take(n, sizeof(float));
    memcpy(copy, w, n * sizeof(float));
    transport_broadcast(copy, n * sizeof(float), 0, TRANSPORT_SLEEP);
    CHECK(memcmp(copy, w, n * sizeof(float)) == 0);
    memory_free(copy);
}

/* Every element: the same bits from every exact rule, near the plain mean. */
static void trial_check(trial *self, const average_rule *rule)
{
    average mean;
    average_take(&mean, rule, self->n);
    memcpy(self->w, self->start, self->n * sizeof(float));
    transport_average(&mean, self->w, self->before, self->weights);
    average_release(&mean);
    check_same_everywhere(self->w, self->n);
    if (!rule->exact)
        return;
    if (rule == average_rules[0])
        memcpy(self->first, self->w, self->n * sizeof(float));
    CHECK(memcmp(self->w, self->first, self->n * sizeof(float)) == 0);
    for (size_t i = 0; i < self->n; i++) {
        double largest = 0; /* of the terms, which may cancel */
        for (int r = 0; r < transport_size(); r++)
            largest = fmax(largest, fabs((double)trial_value(r, i + self->repeat)));
        CHECK(fabs((double)self->w[i] - self->expected[i]) <=
              1e-6 * fabs(self->expected[i]) + 2e-9 * largest + 1e-11);
    }
}

/* More than the server collects at a time from three ranks or more: the bits of a rule that does not collect. */
static void check_large(void)
{
    const size_t n = (3 << 21) + 3, size = (size_t)transport_size();
    const char *names[] = {"gather", "reduce"};
    float *w[] = {take(n, sizeof(float)), take(n, sizeof(float))};
    double *weights = take(size, sizeof *weights);
    for (size_t r = 0; r < size; r++)
        weights[r] = 1.0 + (double)r;
    for (int k = 0; k < 2; k++) {
        average mean;
        average_take(&mean, average_rule_find(names[k]), n);
        for (size_t i = 0; i < n; i++)
            w[k][i] = (float)(i % 1009) + 0.1F * (float)transport_rank();
        transport_average(&mean, w[k], NULL, weights);
        average_release(&mean);
    }
    CHECK(memcmp(w[0], w[1], n * sizeof(float)) == 0);
    memory_free(w[0]);
    memory_free(w[1]);
    memory_free(weights);
}

static void case_average(char **arguments)
{
    (void)arguments;
    const size_t lengths[] = {1, 7, 2049, 62006, 140001};
    for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
        trial now;
        trial_init(&now, lengths[k]);
        for (uint64_t repeat = 0; repeat < N_REPEATS; repeat++) {
            trial_draw(&now, repeat);
            transport_group(repeat);
            for (size_t i = 0; average_rules[i]; i++)
                trial_check(&now, average_rules[i]);
        }
        trial_release(&now);
    }
    check_large();
}

/* One positive weight, each rank's in turn, or none: every bit of that rank's w or of the server's, whatever
 * it is, on all ranks. */
static void case_copy(char **arguments)
{
    (void)arguments;
    const float odd[] = {-0.0F, 0x1p-149F, 1e30F, -1e-30F, INFINITY, NAN, 1.0F / 3};
    enum { N = sizeof odd / sizeof *odd };
    size_t size = (size_t)transport_size();
    double *weights = take(size, sizeof *weights);
    for (size_t r = 0; r <= size; r++)
        for (size_t i = 0; average_rules[i]; i++) {
            float w[N] = {0}, before[N] = {0};
            average mean;
            average_take(&mean, average_rules[i], N);
            memset(weights, 0, size * sizeof *weights);
            if (r < size)
                weights[r] = 0.25;
            if ((size_t)transport_rank() == r % size)
                memcpy(w, odd, sizeof w);
            transport_average(&mean, w, before, weights);
            average_release(&mean);
            CHECK(memcmp(w, odd, sizeof w) == 0);
        }
    memory_free(weights);
}

/*
 * A rule that is not exact: each rank sends how far it has come since the average before, in whole steps, and keeps
 * the rest for the next time (error feedback: Karimireddy et al., arXiv:1901.09847).
 */
enum { STEPS = 8 }; /* in 1.0 */

static void coarse_average(const average_piece *p)
{
    bool serves = transport_is_server();
    float *rows = p->scratch, *mine = rows;
    for (size_t i = 0; i < p->n && p->shares[transport_rank()] > 0; i++) {
        float come = p->w[i] - p->before[i] + p->residual[i];
        mine[i] = rintf(come * STEPS) / STEPS;
        p->residual[i] = come - mine[i];
    }
    transport_gather(serves ? NULL : mine, p->n * sizeof *mine, rows, TRANSPORT_SPIN);
    for (size_t i = 0; serves && i < p->n; i++) {
        double sum = 0.0;
        for (size_t r = 0; r < (size_t)transport_size(); r++)
            sum += p->shares[r] > 0 ? p->shares[r] * (double)rows[r * p->n + i] : 0.0;
        p->w[i] = p->before[i] + (float)sum;
    }
    transport_broadcast(p->w, p->n * sizeof *p->w, 0, TRANSPORT_SPIN);
    ++*(int *)p->state;
}

static size_t coarse_scratch_bytes(size_t n, int rank, int size)
{
    return (rank == 0 ? (size_t)size : 1) * n * sizeof(float);
}

static void *coarse_init(size_t n, int rank, int size, error *err)
{
    (void)n;
    (void)rank;
    (void)size;
    return memory_new(1, sizeof(int), err);
}

static const average_rule coarse = {
    .name = "coarse",
    .uses_before = true,
    .has_residual = true,
    .average = coarse_average,
    .scratch_bytes = coarse_scratch_bytes,
    .init = coarse_init,
    .release = memory_free,
};

/* Each worker goes a hundredth of its number a time, less than a step: what is not sent is not lost. */
static void case_feedback(char **arguments)
{
    (void)arguments;
    enum { N = 100, TIMES = 60 };
    double *weights = take((size_t)transport_size(), sizeof *weights), pace = 0, total = 0;
    float w[N] = {0}, before[N];
    for (int r = transport_size() > 1; r < transport_size(); r++) {
        weights[r] = 1 + r % 2;
        pace += weights[r] * 0.01 * r;
        total += weights[r];
    }
    average mean;
    average_take(&mean, &coarse, N);
    for (int k = 0; k < TIMES; k++) {
        memcpy(before, w, sizeof w);
        for (int i = 0; i < N; i++)
            w[i] += 0.01F * (float)transport_rank();
        transport_average(&mean, w, before, weights);
        check_same_everywhere(w, N);
    }
    for (int i = 0; i < N; i++) {
        CHECK(fabs((double)w[i] - TIMES * pace / total) <= 1.0 / STEPS);
        CHECK(fabsf(mean.residual[i]) <= 0.5F / STEPS);
    }
    CHECK(*(int *)mean.state == (transport_size() > 2 ? TIMES : 0)); /* one worker's are copied */
    average_release(&mean);
    memory_free(weights);
}

static bool merge_begin_with(merge *self, const average_rule *rule, const outer_rule *then,
                             const outer_settings *settings, const model *of, error *err)
{
    merge_rules rules = {.average = rule, .aggregate = {aggregate_rules[0], 0}, .outer = then};
    if (settings)
        rules.settings = *settings;
    return merge_init(self, &rules, of, err);
}

/* Behind each rule: the same bits on every rank, and what the formula says. */
static void case_outer(char **arguments)
{
    (void)arguments;
    enum { N = 3000, TIMES = 5 };
    double *weights = take((size_t)transport_size(), sizeof *weights), total = 0;
    float *w = take(N, sizeof *w), *first = take(N, sizeof *first);
    const outer_settings settings = {.lr = 1,
                                     .momentum = 0.9}; /* of the first after none: momentum */
    const model of = {.n_trained = N, .n_weights = N};
    for (int r = transport_size() > 1; r < transport_size(); r++)
        total += weights[r] = 10 + r;
    for (size_t k = 0; average_rules[k]; k++) {
        merge both;
        error err = {0};
        if (!merge_begin_with(&both, average_rules[k], outer_rules[1], &settings, &of, &err))
            transport_abort(&err);
        memset(w, 0, N * sizeof *w);
        merge_begin(&both, w, false);
        double come = 0, speed = 0;
        for (int t = 0; t < TIMES; t++) {
            for (size_t i = 0; i < N; i++)
                w[i] += 0.001F * (float)(i % 7) * (float)(transport_rank() + t);
            merge_weights(&both, w, &(merge_shares){weights, 1.0}, (uint64_t)t);
            check_same_everywhere(w, N);
            double way = 0;
            for (int r = 0; r < transport_size(); r++)
                way += 0.005 * (r + t) * weights[r] / total;
            speed = 0.9 * speed + way;
            come += speed;
            CHECK(fabs((double)w[5] - come) < 1e-6);
        }
        if (k == 0)
            memcpy(first, w, N * sizeof *w);
        CHECK(!average_rules[k]->exact || memcmp(first, w, N * sizeof *w) == 0);
        merge_release(&both);
    }
    memory_free(weights);
    memory_free(first);
    memory_free(w);
}

/* Gradients of any size come to their mean as floats would: what a tenth of a millionth of the largest loses is less than
 * half a unit in its last place, and all ranks and rules have the same bits. */
static void case_gradients(char **arguments)
{
    (void)arguments;
    enum { N = 3000, TRAINED = N - 10 };
    const model of = {.n_weights = N, .n_trained = TRAINED};
    double *weights = take((size_t)transport_size(), sizeof *weights), total = 0;
    float *g = take(N, sizeof *g), *first = take(N, sizeof *first);
    for (int r = transport_size() > 1; r < transport_size(); r++)
        total += weights[r] = 10 + r;
    for (int power = -60; power <= 40; power += 20)
        for (size_t k = 0; average_rules[k]; k++) {
            merge both;
            error err = {0};
            float largest = 0;
            if (!merge_begin_with(&both, average_rules[k], outer_rules[0], NULL, &of, &err))
                transport_abort(&err);
            for (size_t i = 0; i < N; i++) {
                double x = (1.0 + (double)(i % 97) / 97.0) * pow(10, -(double)(i % 8));
                g[i] =
                    (float)((double)(transport_rank() + 2) * (i < TRAINED ? ldexp(x, power) : x));
                double most = (double)(transport_size() + 1) * (i < TRAINED ? ldexp(x, power) : 0);
                largest = fmaxf(largest, (float)most);
            }
            merge_gradients(&both, g, TRAINED, largest, weights);
            check_same_everywhere(g, N);
            for (size_t i = 0; i < N && average_rules[k]->exact; i++) {
                double x = (1.0 + (double)(i % 97) / 97.0) * pow(10, -(double)(i % 8)), mean = 0;
                for (int r = 0; r < transport_size(); r++)
                    mean +=
                        (double)(r + 2) * (i < TRAINED ? ldexp(x, power) : x) * weights[r] / total;
                CHECK(fabs((double)g[i] - mean) <= (i < TRAINED ? 0x1p-22 : 0x1p-16) * mean);
            }
            if (k == 0)
                memcpy(first, g, N * sizeof *g);
            CHECK(!average_rules[k]->exact || memcmp(first, g, N * sizeof *g) == 0);
            merge_release(&both);
        }
    memory_free(weights);
    memory_free(first);
    memory_free(g);
}

/* Vectors of which a rank has one, two, three, ... come to the mean of as many ranks, to the last bit, of every rule that
 * sums; and one by one to what the server makes of them. */
static void case_several(char **arguments)
{
    (void)arguments;
    enum { N = 70000, MOST = 64 };
    const int first = transport_size() > 1;
    float *w = take(N, sizeof *w), *x = take(N, sizeof *x), *row = take(N, sizeof *row);
    int64_t *q = take(N, sizeof *q);
    int n = 0;
    for (int r = first; r < transport_size(); r++)
        n += r + 1;
    CHECK(n <= MOST);
    for (int k = 0; k < n; k++) { /* all know all vectors */
        for (size_t i = 0; i < N; i++)
            x[i] = random_uniform(1, random_stream(RANDOM_TEST, 7, (uint32_t)k), i, -3.0F, 3.0F);
        fixed_add_floats(q, x, N, (double)(k + 1) / (n * (n + 1) / 2.0));
    }
    fixed_to_floats(row, q, N);
    for (size_t a = 0; average_rules[a]; a++) {
        average mean;
        error err = {0};
        if (!average_rules[a]->sums)
            continue;
        CHECK(average_init(&mean, average_rules[a], N, &err) && average_several(&mean, &err));
        for (int twice = 0; twice < 2; twice++) {
            for (int r = first, k = 0; r < transport_size(); r++)
                for (int mine = 0; mine <= r; mine++, k++) {
                    for (size_t i = 0; i < N && r == transport_rank(); i++)
                        x[i] = random_uniform(1, random_stream(RANDOM_TEST, 7, (uint32_t)k), i,
                                              -3.0F, 3.0F);
                    if (r == transport_rank())
                        average_add(&mean, x, (double)(k + 1) / (n * (n + 1) / 2.0));
                }
            transport_average_added(&mean, w);
            CHECK(memcmp(w, row, N * sizeof *w) == 0);
        }
        average_release(&mean);
    }
    memory_free(w);
    memory_free(x);
    memory_free(row);
    memory_free(q);
}

/* A checkpoint made under a rule without a residual: that begins with 0, on all ranks.  With one each worker has its own. */
static void case_resume(char **arguments)
{
    (void)arguments;
    enum { N = 5 };
    const bool serves = transport_is_server();
    const size_t n_workers = (size_t)transport_workers();
    char path[] = "c.h5";
    float *w = take(N, sizeof *w), *saved = take(N, sizeof *saved),
          *rows = take(n_workers * N, sizeof *rows);
    model of = {.n_trained = N, .n_weights = N};
    train_options options = {
        .rounds = 1, .batch = 1, .local_epochs = 1, .participation = 1.0, .min_workers = 1};
    client who = {.number = transport_worker()};
    course on;
    error wrong = {0};
    CHECK(course_init(&on, (int)n_workers, (int)n_workers, &wrong));
    for (size_t k = 0; k < n_workers; k++)
        on.images[k] = 1;
    course_cut(&on, &options, 0);
    checkpoint_values vectors[] = {{"w", 0, N, saved}, {"residual", n_workers, N, rows}};
    checkpoint_file file = {.path = path, .vectors = vectors};
    preparation self = {.from = serves ? &file : NULL};
    for (size_t i = 0; i < N * n_workers; i++)
        rows[i] = (float)i + 1.0F;
    for (int has = 0; has < 2; has++) {
        job to = {.options = &options, .course = on, .model = &of, .w = w};
        to.worker.clients = &who;
        to.worker.n_clients = transport_is_worker();
        error err = {0};
        CHECK(merge_begin_with(&to.merge, &coarse, outer_rules[0], NULL, &of, &err));
        file.n_vectors = 1 + (size_t)has;
        for (int i = 0; i < N; i++)
            saved[i] = (float)(has + i);
        CHECK(!serves || resume_check_vectors(&self, &to, &err));
        resume_vectors(&self, &to);
        for (int i = 0; i < N; i++) {
            bool own = has && transport_is_worker();
            CHECK(w[i] == (float)(has + i));
            CHECK(to.merge.average.residual[i] ==
                  (own ? (float)(transport_worker() * N + i) + 1.0F : 0.0F));
        }
        vectors[has].n--; /* of another length */
        CHECK(!serves || (!resume_check_vectors(&self, &to, &err) && err.kind == ERROR_USER &&
                          strstr(err.text, has ? "`residual`" : "`w`")));
        vectors[has].n++;
        file.n_vectors = 0; /* nothing else may be missing */
        CHECK(!serves || !resume_check_vectors(&self, &to, &err));
        merge_release(&to.merge);
    }
    course_release(&on);
    memory_free(w);
    memory_free(saved);
    memory_free(rows);
}

/* ---- failing --------------------------------------------------------------------------------- */

/* abort RANK KIND: that rank ends the job, the others wait for it in vain. */
static void case_abort(char **arguments)
{
    error err = {0};
    if (transport_rank() == atoi(arguments[0])) {
        if (atoi(arguments[1]) == ERROR_USER)
            error_user(&err, "this rank gives up");
        else
            error_environment(&err, "this rank gives up");
        transport_abort(&err);
    }
    transport_barrier();
    CHECK(false);
}

static void case_die(char **arguments)
{
    if (transport_rank() == atoi(arguments[0]))
        raise(SIGKILL);
    transport_barrier();
    CHECK(false);
}

/* A rank that does not exist: MPI itself finds the mistake. */
static void case_wrong_rank(char **arguments)
{
    (void)arguments;
    if (transport_is_server())
        transport_send("x", 1, transport_size() + 5, TRANSPORT_SLEEP);
    transport_barrier();
}

static void case_wrong_size(char **arguments)
{
    (void)arguments;
    char bytes[8] = "1234567";
    if (transport_is_server())
        transport_send(bytes, sizeof bytes, 1, TRANSPORT_SLEEP);
    else if (transport_rank() == 1)
        transport_receive(bytes, sizeof bytes - 1, 0, TRANSPORT_SLEEP);
    transport_barrier();
}

/* A leader dies just before an average, once: another goes to meet it, and its own group waits for that one. */
static void lose_leader(void *arg)
{
    enum { N = 62006, TIMES = 20, LEADER = 3 };
    int *size = arg;
    double *weights = take((size_t)transport_size(), sizeof *weights);
    float *w = take(N, sizeof *w);
    average mean;
    for (int r = 1; r < transport_size(); r++)
        weights[r] = 1;
    transport_group(2);
    average_take(&mean, average_rule_find("tree"), N);
    for (int k = 0; k < TIMES; k++) {
        if (transport_size() == *size && transport_rank() == LEADER && k == TIMES / 2)
            raise(SIGKILL);
        transport_average(&mean, w, NULL, weights);
    }
    average_release(&mean);
    memory_free(weights);
    memory_free(w);
}

static void case_lose(char **arguments)
{
    (void)arguments;
    int size = transport_size(), n_left = 0;
    char *lost;
    CHECK(size > 4 && transport_guards());
    for (; !transport_guard(lose_leader, &size, &lost); n_left++) {
        CHECK(lost && strstr(lost, "rank 3 on "));
        memory_free(lost);
    }
    CHECK(n_left == 1 && transport_size() == size - 1);
}

static const struct {
    const char *name;
    int n_arguments;
    void (*run)(char **arguments);
} CASES[] = {
    {"identity", 0, case_identity},
    {"greet", 0, case_greet},
    {"no_greeting", 0, case_no_greeting},
    {"agree", 0, case_agree},
    {"broadcast", 0, case_broadcast},
    {"send", 0, case_send},
    {"spun", 0, case_spun},
    {"gather", 0, case_gather},
    {"allgather", 0, case_allgather},
    {"working", 0, case_working},
    {"stop_late", 0, case_stop_late},
    {"cpu", 1, case_cpu},
    {"stop", 0, case_stop},
    {"average", 0, case_average},
    {"copy", 0, case_copy},
    {"feedback", 0, case_feedback},
    {"outer", 0, case_outer},
    {"gradients", 0, case_gradients},
    {"several", 0, case_several},
    {"resume", 0, case_resume},
    {"lose", 0, case_lose},
    {"abort", 2, case_abort},
    {"die", 1, case_die},
    {"wrong_rank", 0, case_wrong_rank},
    {"wrong_size", 0, case_wrong_size},
};

static int find_case(int n_words, char **words)
{
    int n = (int)(sizeof CASES / sizeof *CASES);
    for (int i = 0; i < n; i++)
        if (strcmp(words[0], CASES[i].name) == 0 && n_words > CASES[i].n_arguments)
            return i;
    return -1;
}

int main(int argc, char **argv)
{
    transport_start(&argc, &argv);
    transport_group(0);
    for (int at = 1; at < argc;) {
        error err = {0};
        int i = find_case(argc - at, argv + at);
        if (i < 0) {
            error_user(&err, "usage: transport_driver CASE [ARGUMENT...]...");
            transport_abort(&err);
        }
        CASES[i].run(argv + at + 1);
        transport_barrier();
        at += 1 + CASES[i].n_arguments;
    }
    if (transport_is_server())
        puts("passed");
    transport_stop();
    return 0;
}
