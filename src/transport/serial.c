#include "transport/transport.h"
#include "wire.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char host[HOST_NAME_MAX + 1];
static bool stop_called;

void transport_start(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
}

void transport_stop(void)
{
    stop_called = false;
}

void transport_abort(const error *err)
{
    error_print(err);
    _exit((int)err->kind);
}

int transport_rank(void)
{
    return 0;
}

int transport_size(void)
{
    return 1;
}

bool transport_is_server(void)
{
    return true;
}

bool transport_is_worker(void)
{
    return true;
}

int transport_workers(void)
{
    return 1;
}

int transport_worker(void)
{
    return 0;
}

const char *transport_host(void)
{
    if (!host[0] && gethostname(host, sizeof host - 1) != 0)
        strcpy(host, "localhost");
    return host;
}

void transport_local(int *n_ranks, int *number)
{
    *n_ranks = 1;
    *number = 0;
}

const char *transport_version(void)
{
    return "none";
}

void transport_greet(void)
{
}

bool transport_agree(error *err)
{
    return err->kind == ERROR_NONE;
}

void transport_broadcast(void *data, size_t n_bytes)
{
    (void)data;
    (void)n_bytes;
}

char *transport_broadcast_text(char *text)
{
    return text;
}

void transport_send(const void *data, size_t n_bytes, int rank)
{
    (void)data;
    (void)n_bytes;
    (void)rank;
    assert(false); /* there is no other rank */
}

void transport_receive(void *data, size_t n_bytes)
{
    (void)data;
    (void)n_bytes;
    assert(false); /* there is no other rank */
}

void transport_pass(const void *data, size_t n_bytes, int to)
{
    transport_send(data, n_bytes, to);
}

void transport_take(void *data, size_t n_bytes, int from)
{
    (void)from;
    transport_receive(data, n_bytes);
}

void transport_gather(const void *mine, size_t n_bytes, void *all)
{
    if (n_bytes > 0)
        memcpy(all, mine, n_bytes);
}

void transport_meet(const void *mine, size_t n_bytes, void *all)
{
    transport_gather(mine, n_bytes, all);
}

void transport_collect(const void *mine, size_t n_bytes, void *all, transport_idle *idle, void *arg)
{
    (void)idle; /* nobody is missing */
    (void)arg;
    memcpy(all, mine, n_bytes);
}

void transport_announce(void *data, size_t n_bytes)
{
    (void)data;
    (void)n_bytes;
}

void transport_progress(void)
{
}

void transport_call_stop(void)
{
    assert(!stop_called);
    stop_called = true;
}

bool transport_stop_called(void)
{
    return stop_called;
}

void transport_clear_stop(void)
{
    stop_called = false;
}

bool transport_tell(int64_t word)
{
    (void)word;
    return true;
}

bool transport_heard(int *rank, int64_t *word)
{
    (void)rank;
    (void)word;
    return false;
}

void transport_on_wait(transport_hook *hook, void *arg)
{
    (void)hook; /* nobody waits */
    (void)arg;
}

/* ---- for the averaging rules ----------------------------------------------------------------- */

void wire_broadcast(float *w, size_t n, int root)
{
    (void)w;
    (void)n;
    (void)root;
}

void wire_gather(const float *w, size_t n, float *rows)
{
    (void)w;
    (void)n;
    (void)rows;
}

void wire_reduce(int64_t *q, size_t n)
{
    (void)q;
    (void)n;
}

void wire_allreduce(int64_t *q, size_t n)
{
    (void)q;
    (void)n;
}

void wire_scatter(const float *w, size_t n, const double *shares, float *rows)
{
    (void)w;
    (void)n;
    (void)shares;
    (void)rows;
}

void wire_allgather(float *w, size_t n)
{
    (void)w;
    (void)n;
}

double wire_take_time(void)
{
    return 0.0;
}

bool transport_guards(void)
{
    return false;
}

bool transport_guard(transport_body *body, void *arg, char **lost)
{
    *lost = NULL;
    body(arg);
    return true;
}
