#include "host/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { STACK_BYTES = 8 << 20, STACK_MIN_BYTES = 512 << 10 };

/*
 * Where stdin, stdout or stderr is closed the next file opened would get its number, and what is printed would
 * go into it.  The number is taken, by what cannot be read or written, so that whoever tries is told.
 */
static bool take_standard_numbers(error *err)
{
    for (int fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) >= 0)
            continue;
        int taken = open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
        if (taken != fd) /* the lowest that is free */
            return error_environment(err, "/dev/null cannot be opened: %s", strerror(errno));
    }
    return true;
}

/* Threads that are still to come get as much. */
static bool take_stack(error *err)
{
    struct rlimit limit;
    pthread_attr_t threads;
    if (getrlimit(RLIMIT_STACK, &limit) != 0 || limit.rlim_cur >= STACK_MIN_BYTES)
        return true;
    limit.rlim_cur = limit.rlim_max < STACK_BYTES ? limit.rlim_max : STACK_BYTES;
    if (limit.rlim_cur < STACK_MIN_BYTES || setrlimit(RLIMIT_STACK, &limit) != 0)
        return error_environment(err,
                                 "a stack of %llu kB is allowed, at least %d are needed: ulimit -s",
                                 (unsigned long long)limit.rlim_max >> 10, STACK_MIN_BYTES >> 10);
    if (pthread_getattr_default_np(&threads) == 0) {
        (void)pthread_attr_setstacksize(&threads, limit.rlim_cur);
        (void)pthread_setattr_default_np(&threads);
        (void)pthread_attr_destroy(&threads);
    }
    return true;
}

bool limits_settle(error *err)
{
    (void)signal(SIGPIPE, SIG_IGN); /* a reader that goes away must not end a run: writing tells */
    (void)signal(SIGXFSZ, SIG_IGN); /* nor a limit for files (ulimit -f): EFBIG tells */
    return take_standard_numbers(err) && take_stack(err);
}
