/*
 * check.h - what must be true on a rank, else the job ends with a line that says where
 */
#ifndef BRAMBLE_TESTS_MPI_CHECK_H
#define BRAMBLE_TESTS_MPI_CHECK_H

#include "base/error.h"
#include "transport/transport.h"

static inline __attribute__((noreturn)) void check_fail(const char *file, int line,
                                                        const char *condition)
{
    error err = {0};
    error_environment(&err, "%s:%d: rank %d of %d: not true: %s", file, line, transport_rank(),
                      transport_size(), condition);
    transport_abort(&err);
}

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            check_fail(__FILE__, __LINE__, #condition);                                            \
    } while (0)

#endif
