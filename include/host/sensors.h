/*
 * sensors.h - what the system tells about a rank's processor while it works (Linux: /sys and /proc)
 *
 * All numbers are NaN where the system does not tell.  Nothing here is collective, or for several threads.
 */
#ifndef BRAMBLE_HOST_SENSORS_H
#define BRAMBLE_HOST_SENSORS_H

#include "record/record.h"

#include <stdint.h>

/* Where the system's files begin: "", or the folder of a copy (tests). */
extern const char *sensors_root;

/* sensors_watch - look at clock, temperature and flags, twice a second at most; costs 30 ns else */
void sensors_watch(void);

/*
 * sensors_take - clock_mhz, clock_min_mhz, temperature_c and throttled of a row, as seen since the last call
 * Looks once more, if that is due.  Where there is vcgencmd, every 5 seconds at most, the clock is the one measured by the
 * firmware, not the one the kernel has asked for.
 */
void sensors_take(record_rank *row);

/*
 * sensors_cpu_quota - processor time the process may use, in cores: the tightest limit of its control group
 * and the groups above (v2: cpu.max; v1: cpu.cfs_quota_us); NaN without one
 *   group  out  may be NULL; a number for the group that has this limit, the same in all processes under it
 */
double sensors_cpu_quota(uint32_t *group);

/*
 * sensors_governor - of the first core's clock: "performance", "ondemand"; "" where there is none to choose
 * sensors_clock_max - its highest clock in MHz
 * sensors_under_voltage - for kernels without the firmware's flags: 1 now, 0 not now
 */
void sensors_governor(char *text, int n_bytes);
double sensors_clock_max(void);
double sensors_under_voltage(void);

#endif
