#include "probe.h"

#include "base/memory.h"
#include "transport/transport.h"

#include <math.h>
#include <string.h>

static const dataset none;

bool probe_init(probe *self, const probe_needs *needs, error *err)
{
    const course *on = needs->on;
    *self = (probe){.on = true, .local = needs->local};
    for (int w = 0; w < on->n_workers; w++)
        if (on->load[w].n_clients > self->n_most)
            self->n_most = on->load[w].n_clients;
    const size_t n_most = (size_t)self->n_most;
    self->mine = memory_new(n_most, sizeof *self->mine, err);
    if (transport_is_server())
        self->all = memory_new((size_t)transport_size(), n_most * sizeof *self->all, err);
    if (transport_is_worker() && input_rule_init(&self->input, needs->input, err))
        evaluation_init(&self->by, needs->of, &self->input, &none, &needs->with, err);
    return err->kind == ERROR_NONE;
}

void probe_release(probe *self)
{
    evaluation_release(&self->by);
    input_rule_release(&self->input);
    memory_free(self->mine);
    memory_free(self->all);
    *self = (probe){0};
}

void probe_begin(probe *self, const worker *of)
{
    for (int k = 0; k < self->n_most; k++) {
        const double number = k < of->n_clients ? of->clients[k].number : -1.0;
        self->mine[k] = (probe_note){number, NAN, NAN};
    }
}

/* Of the weights in the evaluation. */
static double test(probe *self, const client *who)
{
    self->by.of[EVALUATION_TEST].images = &who->tests;
    evaluation_begin(&self->by, self->by.w);
    evaluation_finish(&self->by);
    return evaluation_accuracy(&self->by, EVALUATION_TEST);
}

static void take(probe *self, const float *w)
{
    memcpy(self->by.w, w, self->by.model->n_weights * sizeof *w);
}

void probe_own(probe *self, const worker *of, int k, const float *w)
{
    take(self, w);
    self->mine[k].own_accuracy = test(self, &of->clients[k]);
}

void probe_all(probe *self, const worker *of, const float *w)
{
    if (of->n_clients > 0)
        take(self, w);
    for (int k = 0; k < of->n_clients; k++) {
        local_give(self->local, k, self->by.w);
        self->mine[k].test_accuracy = test(self, &of->clients[k]);
    }
}

void probe_gather(probe *self)
{
    transport_gather(self->mine, (size_t)self->n_most * sizeof *self->mine, self->all,
                     TRANSPORT_SLEEP);
}
