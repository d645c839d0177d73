#include "base/background.h"

#include "base/memory.h"
#include "base/world.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>

struct background {
    background_work *work;
    void *arg;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t news; /* busy or ending has changed */
    bool busy, ending;
    bool at_once; /* in a simulation there is no thread, and no time that would pass meanwhile */
};

static void *serve(void *arg)
{
    background *self = arg;
    pthread_mutex_lock(&self->lock);
    for (;;) {
        while (!self->busy && !self->ending)
            pthread_cond_wait(&self->news, &self->lock);
        if (!self->busy)
            break;
        pthread_mutex_unlock(&self->lock);
        self->work(self->arg);
        pthread_mutex_lock(&self->lock);
        self->busy = false;
        pthread_cond_broadcast(&self->news);
    }
    pthread_mutex_unlock(&self->lock);
    return NULL;
}

background *background_new(background_work *work, void *arg, error *err)
{
    background *self = memory_new(1, sizeof *self, err);
    if (!self)
        return NULL;
    self->work = work;
    self->arg = arg;
    self->at_once = world_simulator() != NULL;
    if (self->at_once)
        return self;
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->news, NULL);
    sigset_t all, before; /* signals are for the thread that waits for other ranks */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int status = pthread_create(&self->thread, NULL, serve, self);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (status == 0)
        return self;
    error_environment(err, "no thread can be started: %s", strerror(status));
    memory_free(self);
    return NULL;
}

void background_free(background *self)
{
    if (!self || self->at_once) {
        memory_free(self);
        return;
    }
    pthread_mutex_lock(&self->lock);
    self->ending = true;
    pthread_cond_broadcast(&self->news);
    pthread_mutex_unlock(&self->lock);
    pthread_join(self->thread, NULL);
    pthread_cond_destroy(&self->news);
    pthread_mutex_destroy(&self->lock);
    memory_free(self);
}

bool background_start(background *self)
{
    if (self->at_once) {
        self->work(self->arg);
        return true;
    }
    pthread_mutex_lock(&self->lock);
    bool idle = !self->busy;
    self->busy = true;
    pthread_cond_broadcast(&self->news);
    pthread_mutex_unlock(&self->lock);
    return idle;
}

bool background_busy(background *self)
{
    pthread_mutex_lock(&self->lock);
    bool busy = self->busy;
    pthread_mutex_unlock(&self->lock);
    return busy;
}

void background_wait(background *self)
{
    pthread_mutex_lock(&self->lock);
    while (self->busy)
        pthread_cond_wait(&self->news, &self->lock);
    pthread_mutex_unlock(&self->lock);
}
