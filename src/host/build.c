#include "host/build.h"

const char *build_version(void)
{
    return BUILD_VERSION;
}

const char *build_preset(void)
{
    return BUILD_PRESET;
}

const char *build_compiler(void)
{
#ifdef __clang__
    return "clang " __clang_version__;
#else
    return "gcc " __VERSION__;
#endif
}

const char *build_flags(void)
{
    return BUILD_FLAGS;
}

const char *build_datadir(void)
{
    return BUILD_DATADIR;
}
