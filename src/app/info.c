#include "app/build.h"
#include "app/commands.h"
#include "app/machine.h"
#include "app/options.h"
#include "app/output.h"
#include "base/memory.h"
#include "data/dataset.h"
#include "kernels/simd.h"
#include "kernels/team.h"
#include "layers/layer.h"
#include "transport/transport.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- about this program and machine ------------------------------------------------------------ */

static json_t *describe_program(void)
{
    record_machine m;
    machine_describe(team_cores(), &m);
    json_t *root = json_object();
    json_object_set_new(root, "version", json_string(build_version()));
    json_object_set_new(root, "preset", json_string(build_preset()));
    json_object_set_new(root, "compiler", json_string(build_compiler()));
    json_object_set_new(root, "flags", json_string(build_flags()));
    json_object_set_new(root, "simd", json_string(SIMD_NAME));
    json_object_set_new(root, "vector_width", json_integer(VEC_WIDTH));
    json_object_set_new(root, "mpi", json_string(transport_version()));
    json_object_set_new(root, "hdf5", json_string(record_version()));
    json_object_set_new(root, "host", json_string(m.host));
    json_object_set_new(root, "cpu", json_string(m.cpu));
    json_object_set_new(root, "cores", json_integer(m.cores));
    json_object_set_new(root, "binding", json_string(m.binding));
    json_object_set_new(root, "memory_bytes", output_count(m.memory_bytes));
    json_object_set_new(root, "clock_max_mhz", output_number(m.clock_max_mhz));
    json_object_set_new(root, "cpu_quota", output_number(m.cpu_quota));
    return root;
}

/* ---- about a result file ------------------------------------------------------------------------ */

static json_t *describe_pairs(const record_pair *pairs, size_t n)
{
    json_t *group = json_object();
    for (size_t k = 0; k < n; k++)
        json_object_set_new(group, pairs[k].name, json_string(pairs[k].value));
    return group;
}

static json_t *describe_weights(const record_file *file)
{
    json_t *group = json_object();
    for (size_t k = 0; k < file->n_tensors; k++) {
        json_t *dims = json_array();
        for (int d = 0; d < file->tensors[k].n_dims; d++)
            json_array_append_new(dims, json_integer((json_int_t)file->tensors[k].dims[d]));
        json_object_set_new(group, file->tensors[k].name, dims);
    }
    return group;
}

static size_t count_tested(const record_file *file)
{
    size_t n = 0;
    for (size_t k = 0; k < file->n_rounds; k++)
        n += isnan(file->tests[k].accuracy) ? 0 : 1;
    return n;
}

static json_t *describe_file(const char *path, const record_file *file)
{
    json_t *root = json_object(), *hosts = json_array();
    for (size_t k = 0; k < file->n_ranks; k++)
        json_array_append_new(hosts, json_string(file->machines[k].host));
    json_object_set_new(root, "file", json_string(path));
    json_object_set_new(root, "complete", json_boolean(file->summary.complete == 1.0));
    json_object_set_new(root, "rounds_done", json_integer((json_int_t)file->n_rounds));
    json_object_set_new(root, "rounds_planned", json_integer((json_int_t)file->n_rounds_planned));
    json_object_set_new(root, "rounds_tested", json_integer((json_int_t)count_tested(file)));
    json_object_set_new(root, "hosts", hosts);
    json_object_set_new(root, "summary", output_summary(&file->summary));
    json_object_set_new(root, "model_round", json_integer(file->model_round));
    json_object_set_new(root, "weights", describe_weights(file));
    json_object_set_new(root, "config", describe_pairs(file->config, file->n_config));
    json_object_set_new(root, "build", describe_pairs(file->build, file->n_build));
    return root;
}

/* ---- as text: the same, a line each ------------------------------------------------------------- */

static void print_value(const char *name, const json_t *value, int indent);

static void print_members(const json_t *object, int indent)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)object, name, value) print_value(name, value, indent);
}

/* Names and texts out of a file are not to move the cursor or to colour the terminal. */
static void print_text(const char *text)
{
    for (; *text; text++)
        putchar((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text);
}

static void print_value(const char *name, const json_t *value, int indent)
{
    int width = indent + (int)strlen(name);
    printf("%*s", indent, "");
    print_text(name);
    printf("%*s", width < 24 ? 24 - width : 0, "");
    if (json_is_object(value)) {
        putchar('\n');
        print_members(value, indent + 2);
        return;
    }
    if (json_is_string(value)) {
        putchar(' ');
        print_text(json_string_value(value));
        putchar('\n');
        return;
    }
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(6));
    printf(" %s\n", !text || json_is_null(value) ? "-" : text);
    free(text);
}

int command_info(int argc, char **argv)
{
    error err = {0};
    static info_options o;
    json_t *root = NULL;
    enum parse_outcome outcome = options_parse_info(argc, argv, true, &o, &err);
    if (outcome == PARSE_RUN && o.file) {
        record_file *file = record_read(o.file, &err);
        if (file)
            root = describe_file(o.file, file);
        record_file_free(file);
    } else if (outcome == PARSE_RUN) {
        root = describe_program();
    }
    if (root && o.json) {
        output_json(root, stdout, &err);
    } else if (root) {
        print_members(root, 0);
        json_decref(root);
    }
    if (err.kind == ERROR_NONE)
        output_finish(&err);
    if (err.kind != ERROR_NONE)
        error_print(&err);
    return (int)err.kind;
}
