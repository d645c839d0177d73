#include "host/unbind.h"

#include "kernels/team.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char left_out[] = "BRAMBLE_LEFT_OUT"; /* from the program to itself */

const char *unbind_left_out(void)
{
    const char *names = getenv(left_out);
    return names ? names : "";
}

bool unbind_anew(char **argv, error *err)
{
    static const char *const binding[] = {"OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY",
                                          "KMP_AFFINITY"};
    char names[80] = "", path[4096];
    if (!team_unbind())
        return true;
    for (size_t k = 0; k < sizeof binding / sizeof *binding; k++)
        if (getenv(binding[k]) && unsetenv(binding[k]) == 0)
            snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s",
                     *names ? ", " : "", binding[k]);
    if (!*names || setenv(left_out, names, 1) != 0)
        return error_environment(err,
                                 "OpenMP binds its threads, and no variable says so: unset all "
                                 "that begin with OMP_, GOMP_ and KMP_");
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n > 0) { /* by its own name, which ps then shows */
        path[n] = '\0';
        execv(path, argv);
    }
    execv("/proc/self/exe", argv);
    return error_environment(err, "cannot start anew without %s: %m; unset it", names);
}
