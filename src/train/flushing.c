#include "flushing.h"

enum { INTERVAL_S = 1 };

static void flush(void *arg)
{
    flushing *self = arg;
    record_sync(self->file, &self->error);
}

bool flushing_init(flushing *self, record *file, error *err)
{
    *self = (flushing){.file = file, .t_begun_s = clock_now()};
    self->thread = background_new(flush, self, err);
    return self->thread != NULL;
}

void flushing_release(flushing *self)
{
    background_free(self->thread);
    self->thread = NULL;
}

void flushing_want(flushing *self)
{
    self->wanted = true;
}

static bool tell(const flushing *self, error *err)
{
    if (self->error.kind == ERROR_NONE)
        return true;
    *err = self->error;
    return false;
}

bool flushing_look(flushing *self, error *err)
{
    double now = clock_now();
    if (!self->wanted || now - self->t_begun_s < INTERVAL_S || background_busy(self->thread))
        return true;
    if (!tell(self, err))
        return false;
    self->t_begun_s = now;
    self->wanted = false;
    background_start(self->thread);
    return true;
}

bool flushing_wait(flushing *self, error *err)
{
    background_wait(self->thread);
    return tell(self, err);
}
