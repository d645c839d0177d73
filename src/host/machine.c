#include "host/machine.h"

#include "base/world.h"
#include "host/sensors.h"
#include "kernels/team.h"
#include "transport/transport.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* The first number in a file of /sys or /proc; NaN when there is none. */
static double number_in(const char *path, int base)
{
    char text[64] = "";
    FILE *file = fopen(path, "r");
    if (!file)
        return NAN;
    char *line = fgets(text, sizeof text, file), *end = text;
    fclose(file);
    double number = line ? (double)strtoll(text, &end, base) : NAN;
    return end == text ? NAN : number;
}

static void cpu_model(char *text, size_t n_bytes)
{
    char line[256];
    FILE *file = fopen("/proc/cpuinfo", "r");
    snprintf(text, n_bytes, "unknown");
    while (file && fgets(line, sizeof line, file)) {
        /* x86 has it per core; a Pi has "Model : Raspberry Pi 4 ..." at the end. */
        if (strncmp(line, "model name", 10) != 0 && strncmp(line, "Model", 5) != 0)
            continue;
        const char *value = strchr(line, ':');
        if (!value)
            continue;
        value += 1 + strspn(value + 1, " \t");
        snprintf(text, n_bytes, "%.*s", (int)strcspn(value, "\n"), value);
    }
    if (file)
        fclose(file);
}

double machine_memory(void)
{
    return (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
}

double machine_peak_rss(void)
{
    struct rusage usage;
    return !world_simulator() && getrusage(RUSAGE_SELF, &usage) == 0
               ? 1024.0 * (double)usage.ru_maxrss
               : NAN;
}

/* A host that is not there. */
static void describe_simulated(record_machine *row)
{
    row->cores = world_here()->cores();
    snprintf(row->cpu, sizeof row->cpu, "simulated: %s", world_platform());
    snprintf(row->binding, sizeof row->binding, "0-%d", row->cores - 1);
    row->memory_bytes = row->clock_max_mhz = row->cpu_quota = NAN;
}

void machine_describe(const computing *with, record_machine *row)
{
    memset(row, 0, sizeof *row);
    row->rank = transport_rank();
    row->threads = with->n_threads;
    row->cores = team_cores();
    row->is_server = transport_is_server();
    row->is_worker = transport_is_worker();
    snprintf(row->host, sizeof row->host, "%s", transport_host());
    cpu_model(row->cpu, sizeof row->cpu);
    team_cpu_list(row->binding, sizeof row->binding);
    snprintf(row->simd, sizeof row->simd, "%s", with->engine->isa);
    row->fused = with->engine->fused;
    row->memory_bytes = machine_memory();
    row->clock_max_mhz =
        number_in("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq", 10) / 1000.0;
    row->cpu_quota = sensors_cpu_quota(NULL);
    if (world_simulator())
        describe_simulated(row);
}

void machine_note_bits(const record_machine *ranks, int n, bool asked)
{
    char who[128] = "";
    int n_without = 0;
    const record_machine *first = NULL;
    for (int k = n - 1; k >= 0; k--)
        if (!ranks[k].fused) {
            first = &ranks[k];
            n_without++;
        }
    if (!first || (n_without == n && !asked))
        return;
    if (n > 1 && n_without == n)
        snprintf(who, sizeof who, "all ranks: ");
    else if (n_without > 1)
        snprintf(who, sizeof who, "rank %d on %s, and %d more: ", first->rank, first->host,
                 n_without - 1);
    else if (n > 1)
        snprintf(who, sizeof who, "rank %d on %s: ", first->rank, first->host);
    fprintf(stderr,
            "bramble: note: %s%s has no fused multiply-adds: its bits are not those of "
            "instruction sets that have them\n",
            who, first->simd);
}

void machine_note_own_bits(const computing *with, bool asked)
{
    record_machine mine;
    machine_describe(with, &mine);
    machine_note_bits(&mine, 1, asked);
}

double machine_available_memory(void)
{
    char line[128];
    double kib = NAN;
    FILE *file = fopen("/proc/meminfo", "r");
    while (file && fgets(line, sizeof line, file) && sscanf(line, "MemAvailable: %lf", &kib) != 1)
        ;
    if (file)
        fclose(file);
    return 1024.0 * kib;
}
