#include "base/memory.h"
#include "commands.h"
#include "engine/engine.h"
#include "host/build.h"
#include "host/machine.h"
#include "info_model.h"
#include "kernels/team.h"
#include "layers/layer.h"
#include "options/options.h"
#include "record/table.h"
#include "show/output.h"
#include "transport/transport.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- about this program and machine ------------------------------------------------------------ */

/* Those this processor can run, as --isa takes them, with the images side by side in a block of each. */
static json_t *list_engines(void)
{
    json_t *list = json_array();
    for (const engine *const *e = engines; *e; e++)
        if (engine_runs(*e))
            json_array_append_new(list, json_sprintf("%s/%d", (*e)->isa, (*e)->width));
    return list;
}

static json_t *describe_program(void)
{
    record_machine m;
    computing with = {engine_choose(0, NULL), team_cores()};
    machine_describe(&with, &m);
    json_t *root = json_object();
    json_object_set_new(root, "version", json_string(build_version()));
    json_object_set_new(root, "preset", json_string(build_preset()));
    json_object_set_new(root, "compiler", json_string(build_compiler()));
    json_object_set_new(root, "flags", json_string(build_flags()));
    json_object_set_new(root, "simd", json_string(with.engine->isa));
    json_object_set_new(root, "vector_width", json_integer(with.engine->width));
    json_object_set_new(root, "fused", json_boolean(with.engine->fused));
    json_object_set_new(root, "engines", list_engines());
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

/* Which of several the layers of some weights are computed by. */
static json_t *describe_algorithms(const record_file *file)
{
    json_t *group = json_object();
    for (size_t k = 0; k < file->n_tensors; k++)
        if (file->tensors[k].algorithm[0])
            json_object_set_new(group, file->tensors[k].name,
                                json_string(file->tensors[k].algorithm));
    return group;
}

/* What is done: it changes when a rank does something, and not with the time. */
static json_t *describe_progress(const record_progress *now)
{
    json_t *group = json_object();
    json_object_set_new(group, "round", output_count(now->round));
    json_object_set_new(group, "images", output_count(now->images));
    json_object_set_new(group, "round_images", output_count(now->round_images));
    json_object_set_new(group, "tested", output_number(now->tested));
    return group;
}

/* What each rank runs on, and computes with; null: an older file does not tell. */
static void put_machines(json_t *root, const record_file *file)
{
    json_t *hosts = json_array(), *simd = json_array(), *fused = json_array();
    for (size_t k = 0; k < file->n_ranks; k++) {
        const record_machine *m = &file->machines[k];
        json_array_append_new(hosts, json_string(m->host));
        json_array_append_new(simd, json_string(m->simd));
        json_array_append_new(fused, m->fused < 0 ? json_null() : json_boolean(m->fused));
    }
    json_object_set_new(root, "hosts", hosts);
    json_object_set_new(root, "simd", simd);
    json_object_set_new(root, "fused", fused);
}

static json_t *describe_file(const char *path, const record_file *file)
{
    json_t *root = json_object();
    json_object_set_new(root, "file", json_string(path));
    json_object_set_new(root, "simulated", json_string(record_simulated(file)));
    json_object_set_new(root, "complete", json_boolean(file->summary.complete == 1.0));
    json_object_set_new(root, "rounds_done", json_integer((json_int_t)file->n_rounds));
    json_object_set_new(root, "rounds_planned", json_integer((json_int_t)file->n_rounds_planned));
    json_object_set_new(root, "rounds_tested", json_integer((json_int_t)count_tested(file)));
    if (file->summary.complete != 1.0 && !isnan(file->progress.round))
        json_object_set_new(root, "progress", describe_progress(&file->progress));
    put_machines(root, file);
    json_object_set_new(root, "summary", output_summary(&file->summary));
    json_object_set_new(root, "model_round", json_integer(file->model_round));
    json_object_set_new(root, "weights", describe_weights(file));
    json_object_set_new(root, "algorithms", describe_algorithms(file));
    json_object_set_new(root, "config", describe_pairs(file->config, file->n_config));
    json_object_set_new(root, "build", describe_pairs(file->build, file->n_build));
    return root;
}

/* ---- about a doctor's file ---------------------------------------------------------------------- */

static json_t *describe_value(const record_values *values, size_t i)
{
    const char *at = (const char *)values->values + i * values->n_bytes;
    double number;
    int64_t whole;
    if (values->type == RECORD_TEXT)
        return json_string(at);
    memcpy(&number, at, sizeof number);
    memcpy(&whole, at, sizeof whole);
    return values->type == RECORD_F64 ? output_number(number) : json_integer(whole);
}

static json_t *describe_values(const record_values *values)
{
    if (!values->table[0])
        return describe_value(values, 0);
    json_t *column = json_array();
    for (size_t i = 0; i < values->n; i++)
        json_array_append_new(column, describe_value(values, i));
    return column;
}

/* An object of columns for each table; NULL with err, or without where it is no such file. */
static json_t *describe_doctor(const char *path, error *err)
{
    record_values_list list;
    bool is_one;
    if (!record_read_tables(path, RECORD_DOCTOR, "/doctor", &is_one, &list, err))
        return NULL;
    json_t *root = is_one ? json_object() : NULL;
    if (root)
        json_object_set_new(root, "file", json_string(path));
    for (size_t i = 0; root && i < list.n; i++) {
        const record_values *one = &list.all[i];
        json_t *table = one->table[0] ? json_object_get(root, one->table) : root;
        if (!json_is_object(table)) {
            table = json_object();
            json_object_set_new(root, one->table, table);
        }
        json_object_set_new(table, one->name, describe_values(one));
    }
    record_values_free(&list);
    return root;
}

/* ---- as text: the same, a line each, but for what is empty --------------------------------------- */

static void print_value(const char *name, const json_t *value, int indent);

/* A text that says nothing, and a group without members. */
static bool is_empty(const json_t *value)
{
    return json_is_string(value) ? json_string_length(value) == 0
                                 : json_is_object(value) && json_object_size(value) == 0;
}

static void print_members(const json_t *object, int indent)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)object, name, value)
    {
        if (!is_empty(value))
            print_value(name, value, indent);
    }
}

/* Names and texts out of a file are not to move the cursor or to colour the terminal. */
static void print_text(const char *text)
{
    for (; *text; text++)
        putchar((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text);
}

static bool has_sentences(const json_t *list)
{
    bool found = false;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        found = found || (text && strlen(text) > 40);
    }
    return found;
}

/* One below the other. */
static void print_sentences(const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        printf("%*s", i > 0 ? 25 : 1, "");
        print_text(text ? text : "-");
        putchar('\n');
    }
}

static void print_value(const char *name, const json_t *value, int indent)
{
    int width = indent + (int)strlen(name);
    printf("%*s", indent, "");
    print_text(name);
    if (json_is_object(value)) {
        putchar('\n');
        print_members(value, indent + 2);
        return;
    }
    printf("%*s", width < 24 ? 24 - width : 0, "");
    if (json_is_string(value)) {
        putchar(' ');
        print_text(json_string_value(value));
        putchar('\n');
        return;
    }
    if (has_sentences(value)) {
        print_sentences(value);
        return;
    }
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(6));
    printf(" %s\n", !text || json_is_null(value) ? "-" : text);
    free(text);
}

static json_t *describe_path(const char *path, error *err)
{
    json_t *root = describe_doctor(path, err);
    if (root || err->kind != ERROR_NONE)
        return root;
    record_file *file = record_read(path, err);
    if (file)
        root = describe_file(path, file);
    record_file_free(file);
    return root;
}

int command_info(int argc, char **argv)
{
    error err = {0};
    static info_options o;
    json_t *root = NULL;
    enum parse_outcome outcome = options_parse_info(argc, argv, true, &o, &err);
    if (outcome == PARSE_RUN && o.file)
        root = describe_path(o.file, &err);
    else if (outcome == PARSE_RUN && o.dot)
        info_draw_model(o.model, &err);
    else if (outcome == PARSE_RUN && o.model[0])
        root = info_describe_model(o.model, &err);
    else if (outcome == PARSE_RUN)
        root = describe_program();
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
