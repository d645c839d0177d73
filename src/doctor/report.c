#include "parts.h"

#include "host/build.h"
#include "record/table.h"
#include "show/output.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define N_OF(array) (sizeof(array) / sizeof(array)[0])
#define BUILD(member, about) RECORD_COLUMN(doctor_hello, member, "1", about)
#define NODE(member, unit, about) RECORD_COLUMN(doctor_node, member, unit, about)
#define LINK(member, unit, about) RECORD_COLUMN(doctor_link, member, unit, about)
#define FINDING(member, about) RECORD_COLUMN(doctor_finding, member, "1", about)

static const record_column build_columns[] = {
    BUILD(host, "Host the rank runs on."),
    BUILD(version, "Version of the program."),
    BUILD(mpi, "MPI library."),
    BUILD(hdf5, "HDF5 library."),
    BUILD(build, "Preset and compiler of the build."),
    BUILD(program, "Checksum (CRC-32) of the program's file."),
};

static const record_column node_columns[] = {
    NODE(host, "1", "Host the rank runs on."),
    NODE(rank, "1", "Rank in the MPI job."),
    NODE(is_server, "1", "1 for the server, else 0."),
    NODE(is_worker, "1", "1 for a rank that trains, else 0."),
    NODE(threads, "threads", "OpenMP threads asked for."),
    NODE(threads_running, "threads", "Threads that OpenMP started."),
    NODE(threads_apart, "cores", "Different cores the threads were seen on."),
    NODE(cores, "cores", "Cores the rank may run on."),
    NODE(host_cores, "cores", "Cores of the host."),
    NODE(binding, "1", "Cores the rank is bound to."),
    NODE(simd, "1", "Instruction set it computes with."),
    NODE(fused, "1", "1 if that has fused multiply-adds, else 0."),
    NODE(model_sum, "1", "Checksum of the host's file of the model; empty: none."),
    NODE(governor, "1", "Governor of the clock; empty: not known."),
    NODE(clock_mhz, "MHz", "Clock while all cores compute."),
    NODE(clock_max_mhz, "MHz", "Highest clock."),
    NODE(temperature_c, "degC", "Temperature while all cores compute."),
    NODE(throttled, "1", "Firmware flags of throttling and under-voltage."),
    NODE(memory_bytes, "byte", "Main memory of the host."),
    NODE(memory_available_bytes, "byte", "Memory left when the network is loaded."),
    NODE(memory_needed_bytes, "byte",
         "Memory a run of the rank takes besides: images, rest of the batch."),
    NODE(disk_free_bytes, "byte", "Free in the folder of the results; the server's."),
    NODE(disk_needed_bytes, "byte", "Result file of a run of 1,000 rounds."),
    NODE(quota_cores, "cores", "Time a control group allows; NaN: no limit."),
    NODE(cpu_fraction, "1", "CPU time / (wall time x threads) while training."),
    NODE(peak_flops, "FLOP/s", "Fused multiply-adds alone, all threads."),
    NODE(images_per_s, "images/s", "Training rate, the best of several slices of time."),
    NODE(behind, "1", "1 - images_per_s / median of all ranks."),
    NODE(skew_s, "s", "The host's clock less the server's."),
    NODE(skew_error_s, "s", "Half of the round trip it was measured with."),
    NODE(interfaces, "1", "Interfaces that carry MPI's messages."),
    NODE(suspects, "1", "Interfaces Open MPI may take by mistake."),
    NODE(unresolved, "1", "First host whose name is not known here."),
    NODE(loops, "1", "First other host whose name stands for this one here."),
    NODE(t_resolve_s, "s", "Time to look up the names of all other hosts."),
};

static const record_column link_columns[] = {
    LINK(from, "1", "Host that sends."),
    LINK(to, "1", "Host that receives."),
    LINK(from_rank, "1", "Its first rank."),
    LINK(to_rank, "1", "Its first rank."),
    LINK(latency_s, "s", "Half of the shortest round trip."),
    LINK(bytes_per_s, "byte/s", "Bandwidth, the best of several messages."),
};

static const record_column average_columns[] = {
    RECORD_COLUMN(doctor_average, rule, "1", "Averaging rule."),
    RECORD_COLUMN(doctor_average, t_average_s, "s",
                  "One average, of the slowest rank; best of several."),
};

static const record_column finding_columns[] = {
    FINDING(level, "ok, note, warning or problem."),
    FINDING(check, "What was looked at."),
    FINDING(host, "Host it is about; empty: all."),
    FINDING(text, "What was found."),
    FINDING(remedy, "What to do."),
};

enum { N_TABLES = 5 };

static void list_tables(const doctor *self, record_table tables[N_TABLES])
{
    size_t n_ranks = (size_t)transport_size();
#define TABLE(name, columns, rows, n)                                                              \
    {                                                                                              \
        name, columns, N_OF(columns), rows, n, sizeof *(rows)                                      \
    }
    const record_table all[N_TABLES] = {
        TABLE("builds", build_columns, self->hellos, n_ranks),
        TABLE("nodes", node_columns, self->nodes, self->nodes ? n_ranks : 0),
        TABLE("links", link_columns, self->links, self->n_links),
        TABLE("averages", average_columns, self->averages, self->n_averages),
        TABLE("findings", finding_columns, self->findings, self->n_findings),
    };
    memcpy(tables, all, sizeof all);
}

/* ---- JSON ------------------------------------------------------------------------------------------- */

static json_t *value_of(const record_column *column, const char *row)
{
    double real;
    int32_t whole;
    if (column->type == RECORD_TEXT)
        return json_string(row + column->offset);
    if (column->type == RECORD_F64) {
        memcpy(&real, row + column->offset, sizeof real);
        return output_number(real);
    }
    memcpy(&whole, row + column->offset, sizeof whole);
    return json_integer(whole);
}

static bool print_json(const doctor *self, error *err)
{
    record_table tables[N_TABLES];
    json_t *root = json_object();
    list_tables(self, tables);
    json_object_set_new(root, "status", json_integer(self->worst == DOCTOR_PROBLEM));
    json_object_set_new(root, "model", json_string(self->options.model));
    json_object_set_new(root, "batch", json_integer((json_int_t)self->options.batch));
    for (const record_table *table = tables; table < tables + N_TABLES; table++) {
        json_t *rows = json_array();
        for (size_t i = 0; i < table->n_rows; i++) {
            json_t *object = json_object();
            for (size_t c = 0; c < table->n_columns; c++)
                json_object_set_new(
                    object, table->columns[c].name,
                    value_of(&table->columns[c], (const char *)table->rows + i * table->row_bytes));
            json_array_append_new(rows, object);
        }
        json_object_set_new(root, table->name, rows);
    }
    return output_json(root, stdout, err);
}

/* ---- text -------------------------------------------------------------------------------------------- */

static const char *number(double value, double unit, int digits, char text[16])
{
    if (isnan(value))
        snprintf(text, 16, "-");
    else
        snprintf(text, 16, "%.*f", digits, value / unit);
    return text;
}

static void print_nodes(const doctor *self)
{
    char t[6][16];
    printf("%-16s %4s %-6s %7s %-8s %6s %5s %8s %8s %6s %8s\n", "host", "rank", "role", "threads",
           "binding", "MHz", "degC", "GFLOP/s", "images/s", "behind", "MB free");
    for (const doctor_node *n = self->nodes; n < self->nodes + transport_size(); n++)
        printf("%-16s %4d %-6s %7d %-8s %6s %5s %8s %8s %6s %8s\n", n->host, n->rank,
               !n->is_worker  ? "server"
               : n->is_server ? "alone"
                              : "worker",
               n->threads, n->binding, number(n->clock_mhz, 1.0, 0, t[0]),
               number(n->temperature_c, 1.0, 0, t[1]), number(n->peak_flops, 1e9, 1, t[2]),
               number(n->images_per_s, 1.0, 0, t[3]), number(100.0 * n->behind, 1.0, 0, t[4]),
               number(n->memory_available_bytes, 1e6, 0, t[5]));
}

static void print_links(const doctor *self)
{
    char there[16], back[16];
    if (self->n_links > 0)
        printf("\n%-34s %10s %16s\n", "link", "latency us", "Mbit/s, and back");
    for (size_t k = 0; k < self->n_links; k += 2) {
        const doctor_link *l = &self->links[k];
        printf("%-16s - %-15s %10.0f %8s %7s\n", l->from, l->to, 1e6 * l->latency_s,
               number(l->bytes_per_s, 125e3, 0, there), number(l[1].bytes_per_s, 125e3, 0, back));
    }
    if (self->n_averages > 0)
        printf("\none average of %zu weights:", self->model->n_weights);
    for (size_t k = 0; k < self->n_averages; k++)
        printf("%s %s %.2f ms", k > 0 ? "," : "", self->averages[k].rule,
               1e3 * self->averages[k].t_average_s);
    printf("%s\n", self->n_averages > 0 ? "\n" : "");
}

static void print_findings(const doctor *self)
{
    size_t n_problems = 0, n_warnings = 0;
    for (const doctor_finding *f = self->findings; f < self->findings + self->n_findings; f++) {
        printf("%-8s %-11s %s%s%s\n", f->level, f->check, f->host, *f->host ? ": " : "", f->text);
        if (*f->remedy)
            printf("%20s -> %s\n", "", f->remedy);
        n_problems += strcmp(f->level, "problem") == 0;
        n_warnings += strcmp(f->level, "warning") == 0;
    }
    printf("\n%zu problem%s, %zu warning%s\n", n_problems, n_problems == 1 ? "" : "s", n_warnings,
           n_warnings == 1 ? "" : "s");
}

bool doctor_print(const doctor *self, error *err)
{
    if (self->options.json)
        return print_json(self, err);
    if (self->nodes) {
        printf("bramble %s, %d rank%s on %d host%s, model %s, batches of %llu\n\n", build_version(),
               transport_size(), transport_size() == 1 ? "" : "s", self->n_hosts,
               self->n_hosts == 1 ? "" : "s", self->options.model,
               (unsigned long long)self->options.batch);
        print_nodes(self);
        print_links(self);
    }
    print_findings(self);
    return output_finish(err);
}

/* ---- file -------------------------------------------------------------------------------------------- */

bool doctor_store(const doctor *self, error *err)
{
    char date[32], batch[24];
    record_table tables[N_TABLES];
    clock_date(date);
    snprintf(batch, sizeof batch, "%llu", (unsigned long long)self->options.batch);
    const record_pair pairs[] = {
        {"version", build_version()},
        {"compiler", build_compiler()},
        {"mpi", transport_version()},
        {"hdf5", record_version()},
        {"date", date},
        {"model", self->options.model},
        {"batch", batch},
        {"status", self->worst == DOCTOR_PROBLEM ? "1" : "0"},
    };
    const record_tables what = {.format = RECORD_DOCTOR,
                                .group = "/doctor",
                                .about =
                                    "A look at a cluster by bramble doctor: its nodes, the links "
                                    "between them, and what was found.",
                                .tables = tables,
                                .n_tables = N_TABLES,
                                .pairs = pairs,
                                .n_pairs = N_OF(pairs)};
    list_tables(self, tables);
    return record_write_tables(self->options.out, self->options.force, &what, err);
}
