#include "transport/average.h"

#include <math.h>

int average_group(uint64_t asked, int workers, int together)
{
    if (asked > 0)
        return asked < (uint64_t)workers ? (int)asked : workers;
    return together > 1 && together < workers ? together : (int)ceil(sqrt(workers));
}
