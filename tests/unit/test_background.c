/* A thread for what may take long: one piece of work at a time, and whoever asks is told when it is done. */
#include "base/background.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

typedef struct task {
    pthread_mutex_t gate; /* held: the work does not go on */
    int n;                /* plain: the contract orders it */
    bool in_thread, takes_signals;
    pthread_t main;
} task;

static void work(void *arg)
{
    task *self = arg;
    sigset_t set;
    pthread_sigmask(SIG_SETMASK, NULL, &set);
    self->takes_signals = !sigismember(&set, SIGTERM);
    self->in_thread = !pthread_equal(self->main, pthread_self());
    pthread_mutex_lock(&self->gate);
    self->n++;
    pthread_mutex_unlock(&self->gate);
}

static void test_one_at_a_time(void **state)
{
    (void)state;
    error err = {0};
    task t = {.gate = PTHREAD_MUTEX_INITIALIZER, .main = pthread_self()};
    background *b = background_new(work, &t, &err);
    assert_non_null(b);
    assert_false(background_busy(b));
    background_wait(b);
    for (int k = 1; k <= 100; k++) {
        pthread_mutex_lock(&t.gate);
        assert_true(background_start(b));
        assert_true(background_busy(b));
        assert_false(background_start(b));
        pthread_mutex_unlock(&t.gate);
        background_wait(b);
        assert_false(background_busy(b));
        assert_int_equal(t.n, k);
    }
    assert_true(t.in_thread);
    assert_false(t.takes_signals);
    assert_true(background_start(b));
    background_free(b); /* waits */
    assert_int_equal(t.n, 101);
    background_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_one_at_a_time)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
