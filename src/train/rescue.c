#include "train/rescue.h"

#include "train/training.h"

#include <stdio.h>
#include <unistd.h>

/* What the next attempt begins with: the rounds done, or what this one has begun with. */
static void start_over(job *self, uint64_t rounds)
{
    static job next; /* large */
    next = (job){.options = self->options,
                 .t_begin_s = self->t_begin_s,
                 .t_start_mpi_s = self->t_start_mpi_s,
                 .rounds_before = rounds > 0 ? rounds : self->rounds_before,
                 .rescued = self->rescued || rounds > 0};
    train_options *o = &next.options;
    o->shards.n = 0;
    o->label = (option_case){0, 0};
    snprintf(next.rescue, sizeof next.rescue, "%s", self->rescue);
    if (rounds > 0)
        snprintf(o->resume, sizeof o->resume, "%s", self->rescue);
    else if (self->record && !o->resume[0]) { /* the file without a round is ours */
        o->force = true;
        snprintf(o->out, sizeof o->out, "%s", self->out);
    }
    job_release(self);
    *self = next;
}

bool rescue_job(job *self, const char *lost, error *err)
{
    uint64_t rounds;
    *err = (error){0};
    if (!training_rescue(self, &rounds, err))
        return error_prefix(err, "%s has died", lost);
    int left = transport_size() - 1;
    if (left == 0)
        return error_environment(err, "%s has died, and no worker is left", lost);
    start_over(self, rounds);
    transport_broadcast(&self->options, sizeof self->options, 0,
                        TRANSPORT_SLEEP); /* should some have been here before */
    if (transport_is_server())
        fprintf(stderr, "bramble: %s has died; %d worker%s on from round %llu\n", lost, left,
                left == 1 ? " goes" : "s go", (unsigned long long)self->rounds_before + 1);
    return true;
}

void rescue_tidy(const job *self)
{
    const char *path = self->options.resume;
    char previous[OPTION_TEXT_BYTES + sizeof CHECKPOINT_PREVIOUS];
    if (!self->rescued || self->options.checkpoint[0])
        return;
    snprintf(previous, sizeof previous, "%s%s", path, CHECKPOINT_PREVIOUS);
    (void)unlink(path);
    (void)unlink(previous);
}
