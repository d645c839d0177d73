/*
 * bench/average.c - one averaging of the paper's net by each rule, beside the bare MPI collective
 *
 * usage: mpirun -n N+1 bench-average      prints JSON: medians in seconds, and this process's memory
 */
#include "transport/average.h"
#include "base/memory.h"
#include "base/random.h"
#include "transport/transport.h"

#include <jansson.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

enum { N = 62006, REPEATS = 200, MAX_RULES = 16 };

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static float w[N], before[N], sum[N];
static average averages[MAX_RULES];
static double t_s[MAX_RULES + 1][REPEATS];

/* rule -1: MPI_Allreduce of the floats, which neither weighs nor keeps an order */
static void once(int rule, const double *weights)
{
    if (rule < 0)
        MPI_Allreduce(w, sum, N, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
    else
        transport_average(&averages[rule], w, before, weights);
}

int main(int argc, char **argv)
{
    transport_start(&argc, &argv);
    struct rusage bare;
    getrusage(RUSAGE_SELF, &bare);
    error err = {0};
    int size = transport_size(), n_rules = 0;
    while (n_rules < MAX_RULES && average_rules[n_rules])
        n_rules++;
    transport_group(0);
    double *weights = memory_new((size_t)size, sizeof *weights, &err);
    for (int rule = 0; rule < n_rules; rule++)
        average_init(&averages[rule], average_rules[rule], N, &err);
    if (err.kind != ERROR_NONE)
        transport_abort(&err);
    for (int r = size > 1; r < size; r++)
        weights[r] = 100.0 + r;
    for (size_t i = 0; i < N; i++)
        w[i] = random_uniform(1, random_stream(RANDOM_TEST, 0, 0), i, -1.0F, 1.0F);
    for (int k = 0; k < REPEATS; k++)
        for (int rule = -1; rule < n_rules; rule++) {
            MPI_Barrier(MPI_COMM_WORLD);
            double mine = MPI_Wtime(), worst;
            once(rule, weights);
            mine = MPI_Wtime() - mine;
            MPI_Reduce(&mine, &worst, 1, MPI_DOUBLE, MPI_MAX, 0, MPI_COMM_WORLD);
            t_s[rule + 1][k] = worst;
        }
    if (transport_is_server()) {
        json_t *root = json_object();
        for (int rule = -1; rule < n_rules; rule++) {
            qsort(t_s[rule + 1], REPEATS, sizeof **t_s, ascending);
            json_object_set_new(root, rule < 0 ? "bare" : average_rules[rule]->name,
                                json_real(t_s[rule + 1][REPEATS / 2]));
        }
        json_object_set_new(root, "mpi_rss_bytes", json_real(1024.0 * (double)bare.ru_maxrss));
        json_dumpf(root, stdout, 0);
        putchar('\n');
        json_decref(root);
    }
    memory_free(weights);
    for (int rule = 0; rule < n_rules; rule++)
        average_release(&averages[rule]);
    transport_stop();
    return 0;
}
