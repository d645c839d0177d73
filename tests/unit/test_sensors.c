/* Clock, temperature, flags and CPU quota out of a copy of /sys and /proc. */
#include "host/sensors.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define CPUFREQ "/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq"
#define THERMAL "/sys/class/thermal/thermal_zone0/temp"
#define FLAGS "/sys/devices/platform/soc/soc:firmware/get_throttled"

static char folder[64];

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/bramble_sensors_XXXXXX");
    sensors_root = mkdtemp(folder);
    return sensors_root ? 0 : -1;
}

static int teardown(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

/* Write a file of the copy, with the folders it stands in. */
static void put(const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s%s", folder, name);
    for (char *c = path + strlen(folder) + 1; *c; c++)
        if (*c == '/') {
            *c = '\0';
            mkdir(path, 0755);
            *c = '/';
        }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static record_rank take(void)
{
    record_rank row;
    sensors_take(&row);
    return row;
}

static void let_half_a_second_pass(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 510000000}, NULL);
}

/* One test: what has been seen stays for the next look. */
static void a_round(void **state)
{
    (void)state;
    record_rank row = take();
    assert_true(isnan(row.clock_mhz) && isnan(row.clock_min_mhz));
    assert_true(isnan(row.temperature_c) && isnan(row.throttled));

    put(CPUFREQ, "1500000\n");
    put(THERMAL, "61250\n");
    put(FLAGS, "0\n");
    let_half_a_second_pass();
    row = take();
    assert_true(row.clock_mhz == 1500 && row.clock_min_mhz == 1500);
    assert_true(row.temperature_c == 61.25 && row.throttled == 0);

    put(CPUFREQ, "600000\n"); /* for a moment in the middle of a round */
    put(THERMAL, "82000\n");
    put(FLAGS, "6\n");
    let_half_a_second_pass();
    sensors_watch();
    put(CPUFREQ, "1500000\n");
    put(THERMAL, "70000\n");
    put(FLAGS, "60000\n"); /* has been */
    let_half_a_second_pass();
    row = take();
    assert_true(row.clock_mhz == 1500 && row.clock_min_mhz == 600);
    assert_true(row.temperature_c == 82 && row.throttled == 0x60006);
    row = take();
    assert_true(row.clock_min_mhz == 1500 && row.temperature_c == 70 && row.throttled == 0x60000);
}

/* A firmware that measures less than the kernel has asked for; sensors_take asked it 5 seconds ago or never. */
static void the_firmware(void **state)
{
    (void)state;
    char path[128];
    put("/usr/bin/vcgencmd",
        "#!/bin/sh\ncase $* in\n'measure_clock arm') echo 'frequency(48)=1000265600' ;;\n"
        "get_throttled) echo throttled=0x50000 ;;\n*) echo 'error=1'; exit 1 ;;\nesac\n");
    snprintf(path, sizeof path, "%s/usr/bin/vcgencmd", folder);
    assert_int_equal(chmod(path, 0755), 0);
    nanosleep(&(struct timespec){.tv_sec = 5}, NULL);
    record_rank row = take();
    assert_true(row.clock_mhz > 1000.2 && row.clock_mhz < 1000.3);
    assert_true(((unsigned)row.throttled & 0x50000) == 0x50000);
}

static void quota(double expected)
{
    double found = sensors_cpu_quota(NULL);
    if (isnan(expected) ? !isnan(found) : found != expected)
        fail_msg("%g instead of %g", found, expected);
}

static void quota_v2(void **state)
{
    (void)state;
    quota(NAN);
    put("/proc/self/cgroup", "0::/user.slice/run-1.scope\n");
    quota(NAN);
    put("/sys/fs/cgroup/user.slice/run-1.scope/cpu.max", "max 100000\n");
    quota(NAN);
    put("/sys/fs/cgroup/user.slice/cpu.max", "25000 100000\n");
    quota(0.25);
    put("/sys/fs/cgroup/user.slice/run-1.scope/cpu.max", "200000 100000\n");
    quota(0.25);
    put("/sys/fs/cgroup/user.slice/run-1.scope/cpu.max", "1000 10000\n");
    quota(0.1);
}

static void quota_v1(void **state)
{
    (void)state;
    put("/proc/self/cgroup",
        "4:memory:/deep\n3:cpuset:/deep\n2:cpu,cpuacct:/deep\n1:name=systemd:/\n0::/\n");
    put("/sys/fs/cgroup/cpu,cpuacct/deep/cpu.cfs_quota_us", "-1\n");
    put("/sys/fs/cgroup/cpu,cpuacct/deep/cpu.cfs_period_us", "100000\n");
    quota(NAN);
    put("/sys/fs/cgroup/cpu,cpuacct/deep/cpu.cfs_quota_us", "150000\n");
    quota(1.5);
    put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "2500\n"); /* as a container sees its own */
    put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "10000\n");
    quota(0.25);
    put("/proc/self/cgroup", "3:cpuset:/deep\n2:cpuacct:/deep\n"); /* nothing to do with it */
    quota(NAN);
}

/* Two processes of one job share its limit, whatever groups of their own they have below it. */
static void quota_group(void **state)
{
    (void)state;
    uint32_t one, two, other;
    put("/sys/fs/cgroup/job/cpu.max", "50000 100000\n");
    put("/sys/fs/cgroup/job/b/cpu.max", "25000 100000\n");
    put("/proc/self/cgroup", "0::/job/a\n");
    assert_true(sensors_cpu_quota(&one) == 0.5);
    put("/proc/self/cgroup", "0::/job\n");
    assert_true(sensors_cpu_quota(&two) == 0.5);
    put("/proc/self/cgroup", "0::/job/b\n");
    assert_true(sensors_cpu_quota(&other) == 0.25);
    assert_true(one == two && one != other);
}

static void quota_of_damaged_files(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "no colon\n0::\n1:cpu\n1:cpu:relative\n:::::\n");
    put("/sys/fs/cgroup/cpu.max", "100 0\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "many\n");
    quota(NAN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_round, setup, teardown),
        cmocka_unit_test_setup_teardown(the_firmware, setup, teardown),
        cmocka_unit_test_setup_teardown(quota_v2, setup, teardown),
        cmocka_unit_test_setup_teardown(quota_v1, setup, teardown),
        cmocka_unit_test_setup_teardown(quota_group, setup, teardown),
        cmocka_unit_test_setup_teardown(quota_of_damaged_files, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
