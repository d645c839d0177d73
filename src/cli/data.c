#include "commands.h"
#include "data/cifar10.h"
#include "data_parts.h"
#include "options/options.h"
#include "show/output.h"

#include <stdio.h>

static bool synthesize(const data_options *o, error *err)
{
    char spec[64] = "synthetic:";
    if (o->n > 0)
        snprintf(spec, sizeof spec, "synthetic:%llu", (unsigned long long)o->n);
    source *from = source_open(spec, o->seed, err);
    if (!from)
        return false;
    bool good = cifar10_write(from, o->data, err);
    if (good)
        printf("%s: %zu training and %zu test images\n", o->data, source_count(from, SPLIT_TRAIN),
               source_count(from, SPLIT_TEST));
    source_free(from);
    return good;
}

int command_data(int argc, char **argv)
{
    error err = {0};
    static data_options o;
    enum parse_outcome outcome = options_parse_data(argc, argv, true, &o, &err);
    if (outcome == PARSE_RUN && o.action == DATA_CHECK)
        cifar10_check(o.data, stdout, &err);
    else if (outcome == PARSE_RUN && o.action == DATA_SYNTH)
        synthesize(&o, &err);
    else if (outcome == PARSE_RUN && o.action == DATA_INFO)
        data_info(&o, &err);
    else if (outcome == PARSE_RUN && o.action == DATA_PARTITION)
        data_partition(&o, &err);
    else if (outcome == PARSE_RUN && o.action == DATA_PICTURES)
        data_pictures(&o, &err);
    else if (outcome == PARSE_RUN)
        data_pack(&o, &err);
    if (err.kind == ERROR_NONE)
        output_finish(&err);
    if (err.kind != ERROR_NONE)
        error_print(&err);
    return (int)err.kind;
}
