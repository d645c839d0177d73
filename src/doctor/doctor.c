#include "doctor/doctor.h"

#include "parts.h"

#include "base/ini.h"
#include "base/memory.h"
#include "data/source.h"
#include "host/build.h"
#include "host/files.h"
#include "host/threads.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

enum { LAYOUT = 1 << 20, CIFAR10_TRAIN = 50000, CIFAR10_TEST = 10000 };

/* ---- who is there ------------------------------------------------------------------------------------ */

static void sum_program(char text[16])
{
    unsigned char piece[1 << 14];
    FILE *file = fopen("/proc/self/exe", "rb");
    unsigned long sum = 0;
    for (size_t n; file && (n = fread(piece, 1, sizeof piece, file)) > 0;)
        sum = crc32(sum, piece, (uInt)n);
    if (file)
        fclose(file);
    snprintf(text, 16, "%08lx", sum);
}

static void greet(doctor_hello *mine)
{
    mine->layout = LAYOUT + (uint32_t)(sizeof(doctor_node) + sizeof(error));
    snprintf(mine->host, sizeof mine->host, "%s", transport_host());
    snprintf(mine->version, sizeof mine->version, "%s", build_version());
    snprintf(mine->mpi, sizeof mine->mpi, "%.*s", (int)strcspn(transport_version(), ","),
             transport_version());
    snprintf(mine->hdf5, sizeof mine->hdf5, "%s", record_version());
    snprintf(mine->build, sizeof mine->build, "%s, %s", build_preset(), build_compiler());
    sum_program(mine->program);
}

bool doctor_meet(doctor *self)
{
    int size = transport_size();
    doctor_hello mine = {0};
    error err = {0};
    bool same = true;
    greet(&mine);
    self->hellos = memory_new((size_t)size, sizeof *self->hellos, &err);
    self->leaders = memory_new((size_t)size, sizeof *self->leaders, &err);
    if (!self->hellos || !self->leaders)
        transport_abort(&err); /* nobody knows yet whether the others would understand */
    transport_allgather(&mine, sizeof mine, self->hellos);
    for (int k = 0; k < size; k++) {
        bool is_new = true;
        for (int h = 0; h < self->n_hosts; h++)
            is_new =
                is_new && strcmp(self->hellos[self->leaders[h]].host, self->hellos[k].host) != 0;
        if (is_new)
            self->leaders[self->n_hosts++] = k;
        self->leads = self->leads || (is_new && k == transport_rank());
        same = same && self->hellos[k].layout == mine.layout;
    }
    return same;
}

/* ---- what is to be looked at ---------------------------------------------------------------------------- */

static void count_images(doctor *self)
{
    error err = {0};
    source *from = source_open(self->options.data, 1, &err);
    self->n_train = from ? source_count(from, SPLIT_TRAIN) : CIFAR10_TRAIN;
    self->n_test = from ? source_count(from, SPLIT_TEST) : CIFAR10_TEST;
    self->has_data = from != NULL;
    snprintf(self->no_data, sizeof self->no_data, "%.*s", (int)sizeof self->no_data - 1, err.text);
    source_free(from);
}

static bool prepare(doctor *self, error *err)
{
    char path[OPTION_TEXT_BYTES] = "";
    const doctor_options *o = &self->options;
    if (transport_is_server() && (!*o->out || record_check_new(o->out, o->force, err)) &&
        files_find_model(o->model, path, sizeof path, err)) {
        self->model_text = ini_read_file(path, err);
        count_images(self);
    }
    if (!transport_agree(err))
        return false;
    self->model_text = transport_broadcast_text(self->model_text);
    transport_broadcast(path, sizeof path, 0, TRANSPORT_SLEEP);
    transport_broadcast(&self->n_train, sizeof self->n_train, 0, TRANSPORT_SLEEP);
    transport_broadcast(&self->n_test, sizeof self->n_test, 0, TRANSPORT_SLEEP);
    self->model = model_new(path, self->model_text, err);
    if (!transport_agree(err))
        return false;
    self->with.engine = engine_choose(o->isa, err);
    if (transport_size() > 1)
        error_prefix(err, "rank %d on %s", transport_rank(), transport_host());
    return transport_agree(err) && threads_choose(o->threads, &self->with.n_threads, NULL, err);
}

/* ---- the look ------------------------------------------------------------------------------------------ */

static bool make_room(doctor *self, error *err)
{
    self->max_findings = doctor_room(self);
    if (transport_is_server())
        self->findings = memory_new(self->max_findings, sizeof *self->findings, err);
    return self->findings || !transport_is_server();
}

bool doctor_examine(doctor *self, error *err)
{
    doctor_node *m = &self->mine;
    m->disk_free_bytes = m->disk_needed_bytes = m->peak_flops = m->images_per_s = m->behind = NAN;
    m->cpu_fraction = m->skew_s = m->skew_error_s = m->t_resolve_s = NAN;
    m->threads_running = m->threads_apart = -1;
    if (!prepare(self, err))
        return false;
    doctor_look(self);
    doctor_measure(self);
    if (!doctor_link_hosts(self, err) || !doctor_time_averages(self, err))
        return false;
    make_room(self, err);
    if (transport_is_server())
        self->nodes = memory_new((size_t)transport_size(), sizeof *self->nodes, err);
    if (!transport_agree(err))
        return false;
    transport_gather(m, sizeof *m, self->nodes, TRANSPORT_SLEEP);
    return true;
}

static void judge(doctor *self, error *err)
{
    doctor_judge_builds(self);
    if (self->nodes)
        doctor_judge(self);
    if (doctor_print(self, err) && self->nodes && self->options.out[0])
        doctor_store(self, err);
}

bool doctor_conclude(doctor *self, error *err)
{
    error memory = {0};
    if (!self->findings && !make_room(self, &memory))
        transport_abort(&memory);
    if (transport_is_server() && err->kind == ERROR_NONE)
        judge(self, err);
    int worst = err->kind != ERROR_NONE ? DOCTOR_PROBLEM : (int)self->worst;
    transport_broadcast(&worst, sizeof worst, 0, TRANSPORT_SLEEP);
    return worst != DOCTOR_PROBLEM;
}

void doctor_release(doctor *self)
{
    memory_free(self->hellos);
    memory_free(self->leaders);
    memory_free(self->nodes);
    memory_free(self->links);
    memory_free(self->findings);
    memory_free(self->model_text);
    model_free(self->model);
}
