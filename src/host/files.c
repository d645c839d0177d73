#include "host/files.h"

#include "base/world.h"
#include "data/cifar10.h"
#include "host/build.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The folder of the running program, without what follows the last slash. */
static void program_folder(char *folder, size_t n_bytes)
{
    const char *simulated = world_program();
    ssize_t n = simulated ? snprintf(folder, n_bytes, "%s", simulated)
                          : readlink("/proc/self/exe", folder, n_bytes - 1);
    folder[n > 0 && (size_t)n < n_bytes ? n : 0] = '\0';
    char *slash = strrchr(folder, '/');
    if (slash)
        *slash = '\0';
}

bool files_find_model(const char *name, char *path, size_t n_bytes, error *err)
{
    if (strchr(name, '/') || strchr(name, '.')) {
        snprintf(path, n_bytes, "%s", name);
        return true; /* opening it will tell */
    }
    char folder[2048];
    program_folder(folder, sizeof folder);
    const char *const places[][2] = {
        {"models", ""},            /* in a checkout */
        {folder, "/../../models"}, /* build/PRESET/bramble of a checkout */
        {folder, "/models"},       /* copied somewhere, models beside it */
        {folder, "/../share/bramble/models"},
        {build_datadir(), "/models"},
    };
    for (size_t k = 0; k < sizeof places / sizeof *places; k++) {
        int n = snprintf(path, n_bytes, "%s%s/%s.ini", places[k][0], places[k][1], name);
        if (n > 0 && (size_t)n < n_bytes && access(path, R_OK) == 0)
            return true;
    }
    return error_user(
        err,
        "--model %s: there is no models/%s.ini, neither here nor beside the program nor "
        "in %s/models: give the path of a model file",
        name, name, build_datadir());
}

bool files_find_tool(const char *name, char *path, size_t n_bytes, error *err)
{
    char folder[2048];
    program_folder(folder, sizeof folder);
    const char *const places[][2] = {
        {folder, "/../../python"}, /* build/PRESET/bramble of a checkout */
        {folder, "/../share/bramble/python"},
        {build_datadir(), "/python"},
    };
    for (size_t k = 0; k < sizeof places / sizeof *places; k++) {
        int n = snprintf(path, n_bytes, "%s%s/%s", places[k][0], places[k][1], name);
        if (n > 0 && (size_t)n < n_bytes && access(path, X_OK) == 0)
            return true;
    }
    return error_environment(err, "%s is not installed: it is part of the package python3-bramble",
                             name);
}

void files_tell_fetch(void)
{
    static char command[PATH_MAX + 8];
    char folder[2048], path[2200];
    program_folder(folder, sizeof folder);
    const char *const places[][2] = {{folder, "/../share/bramble"}, {build_datadir(), ""}};
    for (size_t k = 0; k < sizeof places / sizeof *places && access("Makefile", F_OK) != 0; k++) {
        snprintf(path, sizeof path, "%s%s/tools/fetch-cifar10", places[k][0], places[k][1]);
        if (access(path, X_OK) == 0 && realpath(path, command)) {
            strcat(command, " data");
            cifar10_fetch = command;
            return;
        }
    }
}
