#include "parts.h"

#include "base/memory.h"
#include "transport/average.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <math.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum {
    ALL_PAIRS_MAX_HOSTS = 8, /* beyond, each host and its neighbour: pairs grow with the square */
    MIN_BYTES = 1 << 16,
    MAX_BYTES = 1 << 23,
    MIN_PINGS = 20,
    REPEATS = 4,
    MAX_SOCKETS = 1024
};
/* A message takes long enough that bursts, and slices of CPU time, do not count. */
static const double T_PINGS_S = 0.04, T_MESSAGE_S = 0.04, T_DIRECTION_S = 1.0, T_AVERAGES_S = 0.3;

/* ---- one pair: the lower rank asks, the other answers ------------------------------------------- */

enum question { Q_END, Q_CLOCK, Q_TAKE, Q_GIVE };

typedef struct request {
    uint64_t question, n_bytes;
} request;

static double date_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void answer(int asker, char *buffer)
{
    request asked;
    for (transport_receive(&asked, sizeof asked, asker, TRANSPORT_SPIN); asked.question != Q_END;
         transport_receive(&asked, sizeof asked, asker, TRANSPORT_SPIN)) {
        double date = date_now();
        if (asked.question == Q_TAKE)
            transport_receive(buffer, asked.n_bytes, asker, TRANSPORT_SPIN);
        if (asked.question == Q_GIVE)
            transport_send(buffer, asked.n_bytes, asker, TRANSPORT_SPIN);
        else
            transport_send(&date, sizeof date, asker, TRANSPORT_SPIN);
    }
}

/* What a pair found: at its lower rank, on the way to the server. */
typedef struct pair_result {
    double latency_s, there_bytes_per_s, back_bytes_per_s;
    double skew_s, skew_error_s; /* of the other's clock */
} pair_result;

/* As NTP does it: at the shortest round trip the answer's date belongs to its middle, give or take half. */
static void ping(int other, pair_result *found)
{
    const request asked = {.question = Q_CLOCK};
    double best = INFINITY, begin = clock_now();
    for (int k = 0; k < MIN_PINGS || clock_now() - begin < T_PINGS_S; k++) {
        double date, before = date_now(), start = clock_now();
        transport_send(&asked, sizeof asked, other, TRANSPORT_SPIN);
        transport_receive(&date, sizeof date, other, TRANSPORT_SPIN);
        double trip = clock_now() - start;
        if (trip >= best)
            continue;
        best = trip;
        found->skew_s = date - (before + 0.5 * trip);
    }
    found->latency_s = found->skew_error_s = 0.5 * best;
}

/* Seconds for one message, there or back. */
static double move(int other, enum question question, size_t n_bytes, double latency_s,
                   char *buffer)
{
    const request asked = {question, n_bytes};
    double date, start = clock_now();
    transport_send(&asked, sizeof asked, other, TRANSPORT_SPIN);
    if (question == Q_GIVE) {
        transport_receive(buffer, n_bytes, other, TRANSPORT_SPIN);
    } else {
        transport_send(buffer, n_bytes, other, TRANSPORT_SPIN);
        transport_receive(&date, sizeof date, other, TRANSPORT_SPIN);
    }
    return fmax(clock_now() - start - 2.0 * latency_s, 1e-6);
}

/*
 * Bytes per second: ever larger messages, until two long ones agree.  Where a message takes some time
 * whatever its size (a process that has used up its share of the CPU) only large ones tell the bandwidth.
 */
static double bandwidth(int other, enum question question, double latency_s, char *buffer)
{
    double n_bytes = MIN_BYTES, best = 0.0, last = 0.0, begin = clock_now();
    bool agree = false;
    while (!agree && (best == 0.0 || clock_now() - begin < T_DIRECTION_S)) {
        double t_s = move(other, question, (size_t)n_bytes, latency_s, buffer),
               rate = n_bytes / t_s;
        bool is_long = t_s >= T_MESSAGE_S || n_bytes == MAX_BYTES;
        agree = is_long && fabs(rate - last) < 0.15 * rate;
        last = is_long ? rate : 0.0;
        best = fmax(best, last);
        n_bytes = fmin(MAX_BYTES, fmax(2.0 * n_bytes, rate * T_MESSAGE_S));
    }
    return best;
}

static void ask(int other, bool with_bandwidth, pair_result *found, char *buffer)
{
    const request end = {.question = Q_END};
    ping(other, found);
    found->there_bytes_per_s = found->back_bytes_per_s = NAN;
    if (with_bandwidth) {
        found->there_bytes_per_s = bandwidth(other, Q_TAKE, found->latency_s, buffer);
        found->back_bytes_per_s = bandwidth(other, Q_GIVE, found->latency_s, buffer);
    }
    transport_send(&end, sizeof end, other, TRANSPORT_SPIN);
}

/* ---- all pairs ------------------------------------------------------------------------------------ */

static void add_link(doctor *self, int from, int to, double latency_s, double bytes_per_s)
{
    doctor_link *link = &self->links[self->n_links++];
    *link = (doctor_link){
        .from_rank = from, .to_rank = to, .latency_s = latency_s, .bytes_per_s = bytes_per_s};
    memcpy(link->from, self->hellos[from].host, sizeof link->from);
    memcpy(link->to, self->hellos[to].host, sizeof link->to);
}

/* The others sleep meanwhile.  A host's first rank speaks for it; a is the lower one. */
static void measure_pair(doctor *self, int a, int b, bool with_bandwidth, char *buffer,
                         pair_result *all)
{
    int rank = transport_rank();
    pair_result found = {0};
    if (rank == a)
        ask(b, with_bandwidth, &found, buffer);
    else if (rank == b)
        answer(a, buffer);
    transport_allgather(&found, sizeof found, all);
    if (transport_is_server()) {
        add_link(self, a, b, all[a].latency_s, all[a].there_bytes_per_s);
        add_link(self, b, a, all[a].latency_s, all[a].back_bytes_per_s);
    }
    if (a == 0 && rank == b) {
        self->mine.skew_s = all[a].skew_s;
        self->mine.skew_error_s = all[a].skew_error_s;
    }
}

/* Beyond eight hosts: the ring, and everyone's clock against the server's. */
static void measure_pairs(doctor *self, char *buffer, pair_result *all)
{
    int n = self->n_hosts;
    for (int a = 0; a < n; a++)
        for (int b = a + 1; b < n; b++)
            if (n <= ALL_PAIRS_MAX_HOSTS || b == a + 1 || a == 0)
                measure_pair(self, self->leaders[a], self->leaders[b],
                             n <= ALL_PAIRS_MAX_HOSTS || b == a + 1 || b == n - 1, buffer, all);
}

/* ---- interfaces ----------------------------------------------------------------------------------- */

bool doctor_has_word(const char *list, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = list; (at = strstr(at, word)); at += length)
        if ((at == list || at[-1] == ',') && (at[length] == ',' || at[length] == '\0'))
            return true;
    return false;
}

static void add_word(char *list, size_t n_bytes, const char *word)
{
    if (doctor_has_word(list, word))
        return;
    size_t used = strlen(list);
    snprintf(list + used, n_bytes - used, "%s%s", used > 0 ? "," : "", word);
}

static bool is_suspect(const char *name)
{
    static const char *const stems[] = {"docker", "br-", "virbr", "lxcbr", "veth", "wl"};
    for (size_t k = 0; k < sizeof stems / sizeof *stems; k++)
        if (strncmp(name, stems[k], strlen(stems[k])) == 0)
            return true;
    return false;
}

/* This end's address of a connection to another host; false for whatever else a descriptor is. */
static bool local_address(int fd, struct in_addr *address)
{
    struct sockaddr_in there = {0}, here = {0};
    socklen_t n_there = sizeof there, n_here = sizeof here;
    if (getpeername(fd, (struct sockaddr *)&there, &n_there) != 0 || there.sin_family != AF_INET ||
        getsockname(fd, (struct sockaddr *)&here, &n_here) != 0 || here.sin_family != AF_INET)
        return false;
    *address = here.sin_addr;
    return here.sin_addr.s_addr != there.sin_addr.s_addr &&
           ntohl(here.sin_addr.s_addr) >> 24 != 127;
}

/* After the messages: which connections does this process have, and over what? */
static void look_at_interfaces(doctor_node *mine)
{
    struct ifaddrs *all = NULL;
    if (getifaddrs(&all) != 0)
        return;
    for (const struct ifaddrs *at = all; at; at = at->ifa_next) {
        struct in_addr address;
        if (!at->ifa_addr || at->ifa_addr->sa_family != AF_INET)
            continue;
        in_addr_t here = ((const struct sockaddr_in *)at->ifa_addr)->sin_addr.s_addr;
        if (is_suspect(at->ifa_name))
            add_word(mine->suspects, sizeof mine->suspects, at->ifa_name);
        for (int fd = 3; fd < MAX_SOCKETS; fd++)
            if (local_address(fd, &address) && address.s_addr == here)
                add_word(mine->interfaces, sizeof mine->interfaces, at->ifa_name);
    }
    freeifaddrs(all);
}

bool doctor_link_hosts(doctor *self, error *err)
{
    size_t size = (size_t)transport_size(), n = (size_t)self->n_hosts;
    size_t n_links = n <= ALL_PAIRS_MAX_HOSTS ? n * (n - 1) : 4 * n;
    char *buffer = memory_new(MAX_BYTES, 1, err);
    pair_result *all = memory_new(size, sizeof *all, err);
    self->links = memory_new(n_links, sizeof *self->links, err);
    bool good = transport_agree(err);
    if (good)
        measure_pairs(self, buffer, all);
    if (good && self->leads)
        look_at_interfaces(&self->mine);
    memory_free(buffer);
    memory_free(all);
    return good;
}

/* ---- averaging ------------------------------------------------------------------------------------- */

/* Seconds of the slowest rank, the best of a few times. */
static double time_average(average *self, float *w, const float *before, const double *weights,
                           double *all)
{
    double best = INFINITY, begin = clock_now(), spent = 0.0;
    for (int k = 0; k < REPEATS && spent < T_AVERAGES_S; k++) {
        transport_barrier();
        double start = clock_now(), slowest = 0.0;
        transport_average(self, w, before, weights);
        double mine[2] = {clock_now() - start, clock_now() - begin};
        transport_allgather(mine, sizeof mine, all);
        for (int r = 0; r < transport_size(); r++)
            slowest = fmax(slowest, all[2 * r]);
        best = fmin(best, slowest);
        spent = all[1]; /* the server's: all go on, or none */
    }
    return best;
}

static bool time_rule(doctor *self, const average_rule *rule, float *w, const double *weights,
                      double *all, error *err)
{
    average mean;
    average_init(&mean, rule, self->model->n_weights, err);
    bool good = transport_agree(err);
    if (good) {
        doctor_average *row = &self->averages[self->n_averages++];
        snprintf(row->rule, sizeof row->rule, "%s", rule->name);
        row->t_average_s = time_average(&mean, w, w + mean.n, weights, all);
    }
    average_release(&mean);
    return good;
}

bool doctor_time_averages(doctor *self, error *err)
{
    size_t size = (size_t)transport_size();
    float *w = memory_new(2 * self->model->n_weights, sizeof *w, err); /* and those before */
    double *weights = memory_new(size, sizeof *weights, err);
    double *all = memory_new(2 * size, sizeof *all, err);
    bool good = transport_agree(err);
    for (size_t r = 1; good && r < size; r++)
        weights[r] = 1.0;
    if (good)
        transport_group(0);
    for (size_t k = 0; good && size > 1 && average_rules[k] && k < DOCTOR_MAX_RULES; k++)
        good = time_rule(self, average_rules[k], w, weights, all, err);
    memory_free(w);
    memory_free(weights);
    memory_free(all);
    return good;
}
