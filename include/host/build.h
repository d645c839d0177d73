/*
 * build.h - how this program was built; the Makefile tells src/host/build.c
 */
#ifndef BRAMBLE_HOST_BUILD_H
#define BRAMBLE_HOST_BUILD_H

const char *build_version(void);  /* "0.1.0" */
const char *build_preset(void);   /* "native" */
const char *build_compiler(void); /* "gcc 12.2.0" */
const char *build_flags(void);    /* of the compiler */
const char *build_datadir(void);  /* where `make install` puts models/ */

#endif
