#include "data/cifar10.h"
#include "parts.h"
#include "transport/average.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define say doctor_say
static const char cooling[] = "a heat sink and a fan, and space between the boards";

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The middle one, of two the higher: so of two nodes the slower is behind the faster. */
static double median(double *values, size_t n)
{
    qsort(values, n, sizeof *values, by_value);
    return n > 0 ? values[n / 2] : NAN;
}

/* ---- a node ------------------------------------------------------------------------------------------ */

static void judge_model(doctor *self, doctor_node *n)
{
    const doctor_node *server = self->nodes;
    if (*n->model_sum && strcmp(n->model_sum, server->model_sum) != 0)
        say(self, DOCTOR_NOTE, n->host,
            "its file of model %.60s is another than on %s, whose counts\n"
            "harmless unless you start runs there; else copy the file from %s",
            self->options.model, server->host, server->host);
}

static void judge_data(doctor *self, doctor_node *n)
{
    if (!self->has_data)
        say(self, DOCTOR_PROBLEM, n->host, "%s\n%s, or --data FOLDER; --data synthetic: needs none",
            self->no_data, cifar10_fetch);
}

static bool lack_same(const doctor_node *a, const doctor_node *b)
{
    return isnan(a->clock_mhz) == isnan(b->clock_mhz) &&
           isnan(a->throttled) == isnan(b->throttled) &&
           isnan(a->temperature_c) == isnan(b->temperature_c);
}

static void judge_sensors(doctor *self, doctor_node *n)
{
    bool is_common = true;
    for (int k = 1; k < transport_size(); k++)
        is_common = is_common && lack_same(n, &self->nodes[k]);
    for (int k = 0; k < self->n_hosts; k++) {
        char lacks[96];
        n = &self->nodes[self->leaders[k]];
        snprintf(lacks, sizeof lacks, "%s%s%s", isnan(n->clock_mhz) ? ", clock" : "",
                 isnan(n->temperature_c) ? ", temperature" : "",
                 isnan(n->throttled) ? ", under-voltage and throttling (no Raspberry Pi firmware)"
                                     : "");
        if (*lacks && (k == 0 || !is_common))
            say(self, DOCTOR_NOTE, is_common ? "" : n->host, "the system does not tell: %s",
                lacks + 2);
    }
}

static void judge_clock(doctor *self, doctor_node *n)
{
    bool low = strcmp(n->governor, "powersave") == 0;
    if (n->governor[0] && strcmp(n->governor, "performance") != 0)
        say(self, low ? DOCTOR_WARNING : DOCTOR_NOTE, n->host,
            "governor %s: the clock %s\necho performance "
            "| sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
            n->governor, low ? "stays at its lowest" : "rises only after a while of work");
    if (n->clock_mhz < doctor_limit.clock_share * n->clock_max_mhz)
        say(self, DOCTOR_WARNING, n->host,
            "%.0f of %.0f MHz while all cores compute\ncool it, give it a "
            "stronger power supply, set the governor to performance",
            n->clock_mhz, n->clock_max_mhz);
}

static void judge_heat(doctor *self, doctor_node *n)
{
    if (n->temperature_c > doctor_limit.temperature_c)
        say(self, DOCTOR_WARNING, n->host, "%.0f degrees Celsius under load\n%s", n->temperature_c,
            cooling);
}

static void judge_power(doctor *self, doctor_node *n)
{
    static const char *const words[] = {"under-voltage", "clock capped", "throttled",
                                        "soft temperature limit"};
    unsigned long bits = n->throttled > 0.0 ? (unsigned long)n->throttled : 0, now = bits & 15;
    unsigned long told = now ? now : bits >> 16 & 15;
    char text[96] = "";
    for (size_t k = 0; k < 4; k++)
        if (told >> k & 1)
            snprintf(text + strlen(text), sizeof text - strlen(text), ", %s", words[k]);
    if (told)
        say(self, now ? DOCTOR_PROBLEM : DOCTOR_WARNING, n->host,
            "%s: %s (get_throttled 0x%lx)\n%s", now ? "now" : "since power-on, though not now",
            text + 2, bits,
            told & 1 ? "the official power supply, a short cable, and nothing else fed by the board"
                     : cooling);
}

/* Of all ranks of a host together. */
static void judge_memory(doctor *self, doctor_node *n)
{
    double needed = 0.0, there = n->memory_available_bytes;
    for (const doctor_node *b = self->nodes; b < self->nodes + transport_size(); b++)
        if (strcmp(n->host, b->host) == 0) {
            needed += b->memory_needed_bytes;
            there = fmin(there, b->memory_available_bytes);
        }
    if (there - needed < doctor_limit.memory_share * n->memory_bytes)
        say(self, needed > there ? DOCTOR_PROBLEM : DOCTOR_WARNING, n->host,
            "%.0f MB of %.0f MB are free, "
            "a run takes %.0f MB more\nend other programs; --limit-train, --limit-test, a smaller "
            "--batch",
            there / 1e6, n->memory_bytes / 1e6, needed / 1e6);
}

static void judge_disk(doctor *self, doctor_node *n)
{
    if (*self->no_folder)
        say(self, DOCTOR_PROBLEM, n->host,
            "the results' folder cannot be written: %s\n"
            "choose another with --out; if its disk should be writable, see dmesg: a worn SD card turns "
            "read-only",
            self->no_folder);
    else if (n->disk_free_bytes < fmax(doctor_limit.disk_bytes, n->disk_needed_bytes))
        say(self, n->disk_free_bytes < n->disk_needed_bytes ? DOCTOR_PROBLEM : DOCTOR_WARNING,
            n->host,
            "%.1f MB are free in the results' folder; a run of 1,000 rounds writes %.1f MB\n"
            "make room there, or choose another folder with --out",
            n->disk_free_bytes / 1e6, n->disk_needed_bytes / 1e6);
}

/* Shards by speed, for --shards. */
static void shards_text(const doctor *self, char *text, size_t n_bytes)
{
    double sum = 0.0;
    size_t used = 0;
    for (int k = 0; k < transport_size(); k++)
        sum += self->nodes[k].is_worker ? self->nodes[k].images_per_s : 0.0;
    for (int k = 0; k < transport_size() && used < n_bytes; k++)
        if (self->nodes[k].is_worker)
            used +=
                (size_t)snprintf(text + used, n_bytes - used, ",%.0f",
                                 floor((double)self->n_train * self->nodes[k].images_per_s / sum));
    if (used >= n_bytes || isnan(sum))
        snprintf(text, n_bytes, ",N1,N2,...");
}

static void judge_speed(doctor *self, doctor_node *n)
{
    double rates[1024] = {0};
    char shards[160];
    size_t n_rates = 0;
    for (const doctor_node *b = self->nodes; b < self->nodes + transport_size() && n_rates < 1024;
         b++)
        if (b->images_per_s > 0.0)
            rates[n_rates++] = b->images_per_s;
    double usual = median(rates, n_rates);
    n->behind = 1.0 - n->images_per_s / usual;
    shards_text(self, shards, sizeof shards);
    if (n->failure[0])
        say(self, DOCTOR_PROBLEM, n->host, "rank %d cannot train: %s", n->rank, n->failure);
    if (n->behind > doctor_limit.behind && n->is_worker)
        say(self, DOCTOR_PROBLEM, n->host,
            "rank %d trains %.0f images/s, %.0f %% behind the median of %.0f: "
            "all wait for it\nsee clock, heat, power and quota; or less work for it: --shards %s",
            n->rank, n->images_per_s, 100.0 * n->behind, usual, shards + 1);
    else if (n->behind > doctor_limit.behind)
        say(self, DOCTOR_NOTE, n->host, "%.0f %% behind the median, which a server may be",
            100.0 * n->behind);
}

/* ---- between nodes ----------------------------------------------------------------------------------- */

static void judge_time(doctor *self, doctor_node *n)
{
    if (fabs(n->skew_s) - n->skew_error_s > doctor_limit.skew_s)
        say(self, DOCTOR_WARNING, n->host,
            "its clock is %.1f s %s that of %s\n"
            "there: sudo timedatectl set-ntp true, or sudo apt install systemd-timesyncd",
            fabs(n->skew_s), n->skew_s > 0.0 ? "ahead of" : "behind", self->nodes[0].host);
}

static void judge_names(doctor *self, doctor_node *n)
{
    if (n->unresolved[0])
        say(self, DOCTOR_WARNING, n->host,
            "knows no address of %s\na line \"ADDRESS %s\" in its /etc/hosts, "
            "and so for all hosts",
            n->unresolved, n->unresolved);
    if (n->loops[0])
        say(self, DOCTOR_WARNING, n->host,
            "takes %s for itself (127.x.x.x)\nin its /etc/hosts give %s the "
            "address in the network",
            n->loops, n->loops);
    if (n->t_resolve_s > doctor_limit.resolve_s)
        say(self, DOCTOR_NOTE, n->host,
            "looking up the other hosts takes %.1f s\nname all hosts in its "
            "/etc/hosts",
            n->t_resolve_s);
}

/* The best of a host's links, each as slow as its slower direction. */
static double best_link(const doctor *self, int leader)
{
    double best = 0.0;
    for (const doctor_link *l = self->links; l < self->links + self->n_links; l += 2)
        if (l->from_rank == leader || l->to_rank == leader)
            best = fmax(best, fmin(l->bytes_per_s, l[1].bytes_per_s));
    return best;
}

/* A host with no good link is at fault itself; else it is the one link. */
static void judge_links(doctor *self, doctor_node *n)
{
    static const char remedy[] =
        "another cable and port (ethtool eth0 | grep Speed); fewer averages";
    double bests[1024] = {0}, mine = best_link(self, n->rank);
    size_t n_bests = 0;
    for (int k = 0; k < self->n_hosts && n_bests < 1024; k++)
        bests[n_bests++] = best_link(self, self->leaders[k]);
    double usual = median(bests, n_bests);
    double least = fmax(doctor_limit.link_bytes, doctor_limit.link_share * usual);
    if (mine < least && self->n_hosts > 2)
        say(self, DOCTOR_PROBLEM, n->host,
            "its link carries %.1f Mbit/s; the median host's %.1f\n%s", mine * 8e-6, usual * 8e-6,
            remedy);
    for (const doctor_link *l = self->links; l < self->links + self->n_links; l += 2) {
        double rate = fmin(l->bytes_per_s, l[1].bytes_per_s);
        bool is_known = self->n_hosts > 2 && (mine < least || best_link(self, l->to_rank) < least);
        if (l->from_rank != n->rank)
            continue;
        if (rate < least && !is_known)
            say(self, DOCTOR_PROBLEM, n->host, "the link to %s carries %.1f Mbit/s\n%s", l->to,
                rate * 8e-6, remedy);
        if (l->latency_s > doctor_limit.latency_s)
            say(self, DOCTOR_NOTE, n->host,
                "a message to %s takes %.2f ms\ncable instead of wifi; sudo "
                "ethtool --set-eee eth0 eee off",
                l->to, 1e3 * l->latency_s);
    }
}

static void judge_interfaces(doctor *self, doctor_node *n)
{
    const char *chosen = getenv("OMPI_MCA_btl_tcp_if_include");
    char used[sizeof n->interfaces], *rest = used, *name;
    memcpy(used, n->interfaces, sizeof used);
    while ((name = strsep(&rest, ",")))
        if (*name && doctor_has_word(n->suspects, name)) {
            say(self, DOCTOR_WARNING, n->host,
                "MPI's messages go over %s\nmpirun --mca btl_tcp_if_include "
                "eth0 --mca oob_tcp_if_include eth0",
                name);
            return;
        }
    if (n->suspects[0] && !(chosen && *chosen))
        say(self, DOCTOR_NOTE, n->host,
            "has %s, which Open MPI may take for a way to the others\n"
            "mpirun --mca btl_tcp_if_include %s",
            n->suspects, *n->interfaces ? n->interfaces : "eth0");
}

static void judge_averages(doctor *self, doctor_node *n)
{
    const doctor_average *first = self->averages, *best = first; /* the first is the default */
    for (size_t k = 1; k < self->n_averages; k++)
        if (first[k].t_average_s < best->t_average_s && average_rule_find(first[k].rule)->exact)
            best = &first[k];
    (void)n;
    if (first->t_average_s > doctor_limit.rule_factor * best->t_average_s)
        say(self, DOCTOR_NOTE, "",
            "%s takes %.2f ms, the default %s %.2f ms\n--average %s: the same "
            "weights, to the last bit",
            best->rule, 1e3 * best->t_average_s, first->rule, 1e3 * first->t_average_s, best->rule);
}

const doctor_check doctor_checks[] = {
    {"model", judge_model, DOCTOR_EACH_HOST, 2, 2, "no host has another file of this model"},
    {"data", judge_data, DOCTOR_ONCE, 1, 1, "the data set can be read"},
    {"binding", doctor_judge_binding, DOCTOR_EACH_RANK, 1, 1, "every thread has a core of its own"},
    {"instructions", doctor_judge_instructions, DOCTOR_ONCE, 1, 2,
     "all workers compute with fused multiply-adds, or none"},
    {"sensors", judge_sensors, DOCTOR_ONCE, 1, 1, "clock, temperature and throttling are told"},
    {"clock", judge_clock, DOCTOR_EACH_HOST, 1, 1, "no host is clocked low, as far as told"},
    {"heat", judge_heat, DOCTOR_EACH_HOST, 1, 1, "no host is hot under load, as far as told"},
    {"power", judge_power, DOCTOR_EACH_HOST, 1, 1,
     "no throttling, no under-voltage, as far as told"},
    {"memory", judge_memory, DOCTOR_EACH_HOST, 1, 1, "enough for the model and the images"},
    {"disk", judge_disk, DOCTOR_ONCE, 1, 1, "room for results"},
    {"quota", doctor_judge_quota, DOCTOR_EACH_RANK, 1, 1, "the threads got the cores' whole time"},
    {"speed", judge_speed, DOCTOR_EACH_RANK, 1, 1, "no worker is far behind"},
    {"time", judge_time, DOCTOR_EACH_HOST, 2, 2, "the hosts' clocks agree"},
    {"names", judge_names, DOCTOR_EACH_HOST, 2, 2, "every host knows the others' addresses"},
    {"links", judge_links, DOCTOR_EACH_HOST, 2, 2, "no link is slow"},
    {"interfaces", judge_interfaces, DOCTOR_EACH_HOST, 2, 2,
     "wired, and no other to be mistaken for it"},
    {"averaging", judge_averages, DOCTOR_ONCE, 1, 2, "the default rule is about as fast as any"},
    {.name = NULL},
};

/* ---- all of them ------------------------------------------------------------------------------------- */

static bool is_first_on_host(const doctor *self, int rank)
{
    for (int k = 0; k < self->n_hosts; k++)
        if (self->leaders[k] == rank)
            return true;
    return false;
}

void doctor_judge(doctor *self)
{
    for (const doctor_check *check = doctor_checks; check->name; check++) {
        size_t n = self->n_findings;
        if (check->min_hosts > self->n_hosts || check->min_ranks > transport_size())
            continue;
        self->check = check->name;
        for (int k = 0; k < (check->scope == DOCTOR_ONCE ? 1 : transport_size()); k++)
            if (check->scope != DOCTOR_EACH_HOST || is_first_on_host(self, k))
                check->judge(self, &self->nodes[k]);
        if (self->n_findings == n)
            doctor_say(self, DOCTOR_OK, "", "%s", check->fine);
    }
}
