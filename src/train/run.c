#include "train/run.h"

#include "base/memory.h"
#include "place.h"
#include "prepare.h"
#include "resume.h"
#include "training.h"

#include <stdio.h>
#include <string.h>

/* What is under way, and is found here when it was left in its middle (transport_guard). */
struct attempt {
    preparation preparation;
    job job;
    training training;
    bool good;
    bool again;      /* ranks have died in the one before */
    char lost[1024]; /* those that have died and have not been told of */
    error *err;
};

static void release_attempt(struct attempt *a)
{
    training_release(&a->training);
    job_release(&a->job);
    prepare_release(&a->preparation);
}

/* ---- ranks have died ----------------------------------------------------------------------------- */

/*
 * The rounds done are in a file.  From here on that is what the run goes on from, whoever else dies: nothing that is
 * collective may come between.
 */
static void go_on_from(run *self, uint64_t rounds)
{
    train_options *o = &self->options;
    snprintf(o->resume, sizeof o->resume, "%s", self->rescue);
    self->rounds_before = rounds;
    self->rescued = true;
}

/* What the next attempt begins with: the rounds done, or what this one has begun with.  --shards, --case and --average,
 * which belong to a number of workers, are forgotten. */
static void start_over(run *self)
{
    struct attempt *a = self->attempt;
    train_options *o = &self->options;
    if (o->clients == 0) /* else they are as many as before, and a worker may have more of them */
        o->shards.n = 0;
    o->given[option_find(option_train_table, "average") - option_train_table] = LEVEL_DEFAULT;
    o->label = (option_case){0, 0};
    if (a->job.server.record && !o->resume[0]) { /* the file without a round is ours */
        o->force = true;
        snprintf(o->out, sizeof o->out, "%s", self->out);
    }
    self->finished = false;
    release_attempt(a);
}

/*
 * Make the run ready to be prepared and trained again by the ranks that are left.  The rounds done are saved and it
 * goes on from there, as with --resume; it begins anew where none were done.  false with err, the same on every rank
 * (environment): no worker is left, the rounds cannot be saved.  Collective; when one more dies in it, it is called
 * once more.
 */
static bool rescue(run *self, error *err)
{
    struct attempt *a = self->attempt;
    *err = (error){0};
    uint64_t rounds = training_rescue(&a->training, err);
    if (rounds > 0)
        go_on_from(self, rounds);
    if (!transport_agree(err))
        return error_prefix(err, "%s has died", a->lost);
    int left = transport_size() - 1;
    if (left == 0)
        return error_environment(err, "%s has died, and no worker is left", a->lost);
    start_over(self);
    transport_broadcast(&self->options, sizeof self->options, 0,
                        TRANSPORT_SLEEP); /* should some have been here before */
    if (transport_is_server())
        fprintf(stderr, "bramble: %s has died; %d worker%s on from round %llu\n", a->lost, left,
                left == 1 ? " goes" : "s go", (unsigned long long)self->rounds_before + 1);
    a->lost[0] = '\0';
    return true;
}

/* Those that have died, until it is said: more may die in the rescue. */
static void add_lost(struct attempt *a, const char *more)
{
    size_t n = strlen(a->lost);
    a->again = true;
    snprintf(a->lost + n, sizeof a->lost - n, "%s%s", n > 0 ? ", " : "", more ? more : "a rank");
}

/* ---- from the options to the last round ---------------------------------------------------------- */

static void try_run(void *arg)
{
    run *self = arg;
    struct attempt *a = self->attempt;
    a->good = !a->again || rescue(self, a->err);
    a->preparation.run = self;
    a->good = a->good && resume_begin(&a->preparation, a->err);
    if (a->good && !self->finished)
        a->good = prepare_job(&a->preparation, &a->job, a->err) &&
                  training_run(&a->training, &a->job, &self->summary, a->err);
}

/* What has come of it. */
static void conclude(run *self, error *err)
{
    struct attempt *a = self->attempt;
    self->signal = a->training.stopped_by;
    self->rounds_done = a->training.rounds_done;
    training_release(&a->training);
    if (!a->good || !transport_is_server())
        return;
    if (self->finished) {
        place_remove(place_spent(self));
        return;
    }
    record_close(a->job.server.record, err);
    a->job.server.record = NULL;
}

bool run_train(run *self, error *err)
{
    struct attempt *a = self->attempt = memory_new(1, sizeof *a, err);
    if (!transport_agree(err))
        return false;
    a->err = err;
    for (char *lost; !transport_guard(try_run, self, &lost); memory_free(lost))
        add_lost(a, lost);
    conclude(self, err);
    return a->good && transport_agree(err);
}

void run_release(run *self)
{
    if (self->attempt)
        release_attempt(self->attempt);
    memory_free(self->attempt);
    self->attempt = NULL;
}
