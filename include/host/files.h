/*
 * files.h - where the program finds what came with it
 */
#ifndef BRAMBLE_HOST_FILES_H
#define BRAMBLE_HOST_FILES_H

#include "base/error.h"

#include <stddef.h>

/*
 * files_find_model - the path of a model file
 *   name  in   a path, or a bare name: models/NAME.ini in the present folder, beside the program or where
 *              it was installed
 * Returns false with err (user): nowhere to be found (the places are named).  Not collective.
 */
bool files_find_model(const char *name, char *path, size_t n_bytes, error *err);

/*
 * files_find_tool - the path of a program of the Python package that came with this one
 *   name  in   such as "bramble-watch-web"
 * Returns false with err (environment): it is not installed.  Not collective.
 */
bool files_find_tool(const char *name, char *path, size_t n_bytes, error *err);

/* files_tell_fetch - have messages name the installed script that gets CIFAR-10, where there is no Makefile */
void files_tell_fetch(void);

#endif
