#include "host/sensors.h"

#include "base/clock.h"

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { PATH_BYTES = 4096, LINE_BYTES = 1024 };
#define WATCH_INTERVAL_S 0.5
#define FIRMWARE_INTERVAL_S 5.0

const char *sensors_root = "";

/* The first line of root/folder/name; false when there is none. */
static bool read_line(const char *folder, const char *name, char line[LINE_BYTES])
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s%s/%s", sensors_root, folder, name);
    FILE *file = fopen(path, "re");
    bool good = file && fgets(line, LINE_BYTES, file);
    if (file)
        fclose(file);
    return good;
}

static double read_number(const char *folder, const char *name, int base)
{
    char line[LINE_BYTES], *end;
    if (!read_line(folder, name, line))
        return NAN;
    long long number = strtoll(line, &end, base);
    return end == line ? NAN : (double)number;
}

/* ---- clock, temperature, flags --------------------------------------------------------------- */

/* Last, and since the last sensors_take. */
static struct {
    double t_watch_s, t_firmware_s; /* of the last look; 0: never */
    double clock_mhz, temperature_c, throttled;
    double clock_min_mhz, temperature_max_c, all_throttled;
} seen = {.clock_mhz = NAN,
          .clock_min_mhz = NAN,
          .temperature_c = NAN,
          .temperature_max_c = NAN,
          .throttled = NAN,
          .all_throttled = NAN};

/* Of fmin and fmax's arguments the one that is a number counts. */
static void note_clock(double mhz)
{
    if (!isnan(mhz))
        seen.clock_mhz = mhz;
    seen.clock_min_mhz = fmin(seen.clock_min_mhz, mhz);
}

static void note_temperature(double degrees)
{
    if (!isnan(degrees))
        seen.temperature_c = degrees;
    seen.temperature_max_c = fmax(seen.temperature_max_c, degrees);
}

/* A flag that was up for a moment has to be seen. */
static void note_flags(double flags)
{
    if (!(flags >= 0 && flags <= UINT32_MAX))
        return;
    uint32_t before = isnan(seen.all_throttled) ? 0 : (uint32_t)seen.all_throttled;
    seen.throttled = flags;
    seen.all_throttled = (double)(before | (uint32_t)flags);
}

static double cpu_clock(int cpu)
{
    char folder[64];
    snprintf(folder, sizeof folder, "/sys/devices/system/cpu/cpu%d/cpufreq", cpu);
    return read_number(folder, "scaling_cur_freq", 10) / 1000.0;
}

static void look(void)
{
    int cpu = sched_getcpu(); /* one that has work */
    double mhz = cpu > 0 ? cpu_clock(cpu) : NAN;
    note_clock(isnan(mhz) ? cpu_clock(0) : mhz);
    note_temperature(read_number("/sys/class/thermal/thermal_zone0", "temp", 10) / 1000.0);
    note_flags(read_number("/sys/devices/platform/soc/soc:firmware", "get_throttled", 16));
}

/* What stands behind "=" in an answer of vcgencmd. */
static double ask_firmware(const char *program, const char *question)
{
    char command[PATH_BYTES], line[LINE_BYTES], *end;
    snprintf(command, sizeof command, "'%s' %s 2>/dev/null", program, question);
    FILE *answer = popen(command, "re"); /* NOLINT(cert-env33-c): both words are our own */
    if (!answer)
        return NAN;
    const char *value = fgets(line, sizeof line, answer) ? strchr(line, '=') : NULL;
    double number = value ? strtod(value + 1, &end) : NAN; /* 0x50005, too */
    if (value && end == value + 1)
        number = NAN;
    pclose(answer);
    return number;
}

/* It starts a program, which a Pi needs milliseconds for: seldom, and not between steps. */
static void look_at_firmware(void)
{
    char program[PATH_BYTES];
    snprintf(program, sizeof program, "%s/usr/bin/vcgencmd", sensors_root);
    if (access(program, X_OK) != 0)
        return;
    note_clock(ask_firmware(program, "measure_clock arm") / 1e6);
    note_flags(ask_firmware(program, "get_throttled"));
    if (isnan(seen.temperature_c))
        note_temperature(ask_firmware(program, "measure_temp"));
}

static bool is_due(double *t_last_s, double interval_s)
{
    double now_s = clock_now();
    if (*t_last_s > 0 && now_s - *t_last_s < interval_s)
        return false;
    *t_last_s = now_s;
    return true;
}

void sensors_watch(void)
{
    if (is_due(&seen.t_watch_s, WATCH_INTERVAL_S))
        look();
}

/* Where rounds are short, several rows have what one look has seen. */
void sensors_take(record_rank *row)
{
    sensors_watch();
    if (is_due(&seen.t_firmware_s, FIRMWARE_INTERVAL_S))
        look_at_firmware();
    row->clock_mhz = seen.clock_mhz;
    row->clock_min_mhz = seen.clock_min_mhz;
    row->temperature_c = seen.temperature_max_c;
    row->throttled = seen.all_throttled;
    seen.clock_min_mhz = seen.clock_mhz;
    seen.temperature_max_c = seen.temperature_c;
    seen.all_throttled = seen.throttled;
}

/* ---- asked once ---------------------------------------------------------------------------- */

static const char cpufreq[] = "/sys/devices/system/cpu/cpu0/cpufreq";

void sensors_governor(char *text, int n_bytes)
{
    char line[LINE_BYTES];
    text[0] = '\0';
    if (read_line(cpufreq, "scaling_driver", line) && strstr(line, "pstate"))
        return; /* the processor chooses by itself, and "powersave" is no word for it */
    if (read_line(cpufreq, "scaling_governor", line))
        snprintf(text, (size_t)n_bytes, "%.*s", (int)strcspn(line, "\n"), line);
}

double sensors_clock_max(void)
{
    return read_number(cpufreq, "cpuinfo_max_freq", 10) / 1000.0;
}

double sensors_under_voltage(void)
{
    char folder[64], line[LINE_BYTES];
    for (int k = 0; k < 16; k++) {
        snprintf(folder, sizeof folder, "/sys/class/hwmon/hwmon%d", k);
        if (read_line(folder, "name", line) && strncmp(line, "rpi_volt", 8) == 0)
            return read_number(folder, "in0_lcrit_alarm", 10);
    }
    return NAN;
}

/* ---- control groups -------------------------------------------------------------------------- */

/* The tightest limit found, in cores, and which group has it. */
struct limit {
    double cores;
    uint32_t group;
};

/* One group: no limit in it, and no such group, are nothing. */
static void look_at_group(const char *mount, const char *group, bool is_v2, struct limit *tightest)
{
    char folder[2 * LINE_BYTES], line[LINE_BYTES];
    double quota_us = NAN, period_us = NAN;
    snprintf(folder, sizeof folder, "%s%s", mount, group);
    if (is_v2) {
        if (!read_line(folder, "cpu.max", line) ||
            sscanf(line, "%lf %lf", &quota_us, &period_us) != 2)
            return; /* "max" */
    } else {
        quota_us = read_number(folder, "cpu.cfs_quota_us", 10);
        period_us = read_number(folder, "cpu.cfs_period_us", 10);
    }
    double cores = quota_us > 0 && period_us > 0 ? quota_us / period_us : NAN;
    if (cores < tightest->cores || (isnan(tightest->cores) && !isnan(cores)))
        *tightest =
            (struct limit){cores, (uint32_t)crc32(0, (const Bytef *)folder, (uInt)strlen(folder))};
}

/* A group and those above; a group that is not there is one a container hides. */
static void look_at_path(const char *mount, char *group, bool is_v2, struct limit *tightest)
{
    for (;;) {
        look_at_group(mount, group, is_v2, tightest);
        char *slash = strrchr(group, '/');
        if (!slash)
            return;
        *slash = '\0';
    }
}

static bool has_cpu(const char *controllers)
{
    for (const char *at = controllers; (at = strstr(at, "cpu")); at += 3)
        if ((at == controllers || at[-1] == ',') && (at[3] == ',' || at[3] == '\0'))
            return true;
    return false;
}

double sensors_cpu_quota(uint32_t *group)
{
    static const char *const mounts_v1[] = {"/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"};
    static const char *const mounts_v2[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
    char path[PATH_BYTES], line[LINE_BYTES];
    struct limit tightest = {NAN, 0};
    snprintf(path, sizeof path, "%s/proc/self/cgroup", sensors_root);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file)) { /* number:controllers:/group */
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':'),
             *name = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!name)
            continue;
        *name++ = '\0';
        bool is_v2 = controllers[1] == '\0';
        for (int i = 0; i < 2 && (is_v2 || has_cpu(controllers + 1)); i++) {
            char copy[LINE_BYTES];
            snprintf(copy, sizeof copy, "%s", name);
            look_at_path(is_v2 ? mounts_v2[i] : mounts_v1[i], copy, is_v2, &tightest);
        }
    }
    if (file)
        fclose(file);
    if (group)
        *group = tightest.group;
    return tightest.cores;
}
