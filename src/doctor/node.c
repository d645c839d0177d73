#include "parts.h"

#include "base/ini.h"
#include "base/memory.h"
#include "host/files.h"
#include "host/machine.h"
#include "host/sensors.h"
#include "host/unbind.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <zlib.h>

/* Two seconds in all, so that the clocks rise, and slices, so that a moment's disturbance does not count. */
enum { TRIED_IMAGES = 64 }; /* of a larger batch; its memory is reckoned, not taken */
static const double T_SEAT_S = 0.2, T_PEAK_S = 0.4, T_TRAIN_S = 1.4, T_SLICE_S = 0.15;

/* ---- without measuring --------------------------------------------------------------------------- */

static void sum_model(const doctor *self, char text[16])
{
    char path[OPTION_TEXT_BYTES];
    char *file = files_find_model(self->options.model, path, sizeof path, NULL)
                     ? ini_read_file(path, NULL)
                     : NULL;
    if (file)
        snprintf(text, 16, "%08lx", crc32(0, (const Bytef *)file, (uInt)strlen(file)));
    memory_free(file);
}

static double confusion_bytes(const doctor *self)
{
    double n = self->model->n_classes;
    return n * n * sizeof(int64_t);
}

/* What a run takes besides the network, which is there by the time the memory is judged. */
static double needed_memory(const doctor *self)
{
    const layer_shape *in = &self->model->input;
    const double with_it = sizeof(uint16_t) + sizeof(uint32_t); /* label, number */
    double image = (double)in->channels * in->height * in->width + with_it, bytes = 0.0;
    if (transport_is_worker())
        bytes += image * (double)self->n_train / transport_workers();
    if (transport_is_server())
        bytes += image * (double)self->n_test + confusion_bytes(self);
    return bytes;
}

/* Of the folder the results go to, and what the file of a run of 1,000 rounds takes. */
static void look_at_disk(doctor *self)
{
    char folder[OPTION_TEXT_BYTES];
    snprintf(folder, sizeof folder, "%s", self->options.out);
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = '\0';
    const char *where = slash ? folder : ".";
    struct statvfs disk;
    if (access(where, W_OK | X_OK) != 0)
        snprintf(self->no_folder, sizeof self->no_folder, "%s", strerror(errno));
    if (statvfs(where, &disk) == 0)
        self->mine.disk_free_bytes = (double)disk.f_bavail * (double)disk.f_frsize;
    self->mine.disk_needed_bytes = 1e5 + 4.0 * (double)self->model->n_weights +
                                   1000.0 * (140.0 * transport_size() + 100.0) +
                                   confusion_bytes(self);
}

static bool is_loop(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) >> 24 == 127;
    return address->sa_family == AF_INET6 &&
           IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)address)->sin6_addr);
}

/* Does this host know the others' addresses?  Its own name may well stand for 127.0.1.1. */
static void look_up_names(doctor *self)
{
    doctor_node *mine = &self->mine;
    double start = clock_now();
    for (int k = 0; k < self->n_hosts; k++) {
        const char *host = self->hellos[self->leaders[k]].host;
        struct addrinfo *found = NULL, hints = {.ai_socktype = SOCK_STREAM};
        if (strcmp(host, mine->host) == 0)
            continue;
        if (getaddrinfo(host, NULL, &hints, &found) != 0 && !mine->unresolved[0])
            snprintf(mine->unresolved, sizeof mine->unresolved, "%s", host);
        if (found && is_loop(found->ai_addr) && !mine->loops[0])
            snprintf(mine->loops, sizeof mine->loops, "%s", host);
        if (found)
            freeaddrinfo(found);
    }
    mine->t_resolve_s = clock_now() - start;
}

void doctor_look(doctor *self)
{
    doctor_node *mine = &self->mine;
    record_machine row;
    machine_describe(&self->with, &row);
    memcpy(mine->host, row.host, sizeof mine->host);
    memcpy(mine->binding, row.binding, sizeof mine->binding);
    memcpy(mine->simd, row.simd, sizeof mine->simd);
    mine->fused = self->with.engine->fused;
    mine->rank = row.rank;
    mine->is_server = row.is_server;
    mine->is_worker = row.is_worker;
    mine->threads = row.threads;
    mine->cores = row.cores;
    mine->host_cores = (int32_t)sysconf(_SC_NPROCESSORS_ONLN);
    mine->clock_max_mhz = sensors_clock_max();
    mine->memory_bytes = row.memory_bytes;
    mine->memory_needed_bytes = needed_memory(self);
    mine->quota_cores = sensors_cpu_quota(NULL);
    mine->limit = team_limit();
    snprintf(mine->left_out, sizeof mine->left_out, "%s", unbind_left_out());
    sensors_governor(mine->governor, sizeof mine->governor);
    sum_model(self, mine->model_sum);
    if (transport_is_server())
        look_at_disk(self);
    if (self->leads)
        look_up_names(self);
}

/* ---- measuring ------------------------------------------------------------------------------------ */

/* Some steps of training. */
typedef struct trial {
    const model *model;
    const engine *engine;
    network *net;
    network_vectors at;
    optimizer by;
} trial;

/* Any images will do: the time of a step does not depend on them. */
static void load(void *arg, size_t first, size_t n, float *x, uint16_t *labels)
{
    const trial *self = arg;
    const model *of = self->model;
    size_t lanes = layer_features(of->input) * (size_t)self->engine->width;
    for (size_t k = 0; k < lanes; k++)
        x[k] = (float)((k + first) % 251) / 125.0F - 1.0F;
    for (size_t k = 0; k < n; k++)
        labels[k] = (uint16_t)((first + k) % (size_t)of->n_classes);
}

/* While the cores are still hot; of kernels that do not tell the firmware's flags, under-voltage alone. */
static void sense(doctor_node *mine)
{
    record_rank row;
    sensors_take(&row);
    mine->clock_mhz = row.clock_mhz;
    mine->temperature_c = row.temperature_c;
    mine->throttled = isnan(row.throttled) ? sensors_under_voltage() : row.throttled;
}

static size_t tried_batch(const doctor *self)
{
    return self->options.batch < TRIED_IMAGES ? (size_t)self->options.batch : TRIED_IMAGES;
}

static void train(const doctor *self, trial *of, doctor_node *mine)
{
    network_input input = {.load = load, .arg = of};
    size_t batch = tried_batch(self);
    model_init(of->model, of->at.w, 1);
    of->engine->network_step(of->net, &of->at, &of->by, &input,
                             batch); /* its memory is touched for the first time */
    double begin = clock_now(), now = begin, cpu = clock_cpu();
    mine->images_per_s = 0.0;
    while (now - begin < T_TRAIN_S) {
        double start = now, images = 0.0;
        do {
            of->engine->network_step(of->net, &of->at, &of->by, &input, batch);
            images += (double)batch;
            now = clock_now();
        } while (now - start < T_SLICE_S);
        mine->images_per_s = fmax(mine->images_per_s, images / (now - start));
    }
    sense(mine);
    mine->cpu_fraction = (clock_cpu() - cpu) / (now - begin) / self->with.n_threads;
}

static void try_training(doctor *self)
{
    error err = {0};
    size_t n = self->model->n_weights, batch = tried_batch(self);
    double before = machine_peak_rss(), share = (double)self->options.batch / (double)batch;
    trial t = {.model = self->model, .engine = engine_for_batch(self->with.engine, batch)};
    t.net = engine_network_new(t.engine, t.model, batch, true, self->with.n_threads, &err);
    self->mine.memory_needed_bytes += (machine_peak_rss() - before) * (share - 1.0);
    float *w = memory_new(2 * ((n + 15) / 16 * 16), sizeof *w, &err);
    size_t step = (n + 15) / 16 * 16; /* each on a line of its own */
    t.at = (network_vectors){w, w + step};
    if (t.net && w &&
        optimizer_init(&t.by, t.engine->optimizer_rules[0],
                       &(optimizer_settings){.lr = 0.001, .momentum = 0.9}, t.model, &err))
        train(self, &t, &self->mine);
    optimizer_release(&t.by);
    snprintf(self->mine.failure, sizeof self->mine.failure, "%.*s",
             (int)sizeof self->mine.failure - 1, err.text);
    self->mine.memory_available_bytes = machine_available_memory(); /* while the network is there */
    if (t.net)
        t.engine->network_free(t.net);
    memory_free(w);
}

/* A server that shares its host with a worker sleeps, and so it does here. */
static bool is_idle_server(const doctor *self)
{
    bool shares = false;
    for (int k = 1; k < transport_size(); k++)
        shares = shares || strcmp(self->hellos[k].host, self->hellos[0].host) == 0;
    return transport_is_server() && shares;
}

void doctor_measure(doctor *self)
{
    doctor_node *mine = &self->mine;
    bool idle = is_idle_server(self);
    team_seats seats = {0};
    transport_barrier();
    if (!idle) {
        team_seat(self->with.n_threads, T_SEAT_S, &seats);
        mine->threads_running = seats.n_threads;
        mine->threads_apart = seats.n_cores;
        memcpy(mine->mask, seats.mask, sizeof mine->mask);
    }
    transport_barrier();
    if (!idle)
        mine->peak_flops = self->with.engine->peak_flops(self->with.n_threads, T_PEAK_S);
    transport_barrier();
    if (idle) {
        sense(mine);
        mine->memory_available_bytes = machine_available_memory();
    } else {
        try_training(self);
    }
    transport_barrier();
}
