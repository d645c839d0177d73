#include "place.h"

#include "base/clock.h"
#include "record/checkpoint.h"
#include "transport/transport.h"

#include <stdio.h>
#include <unistd.h>

/* The date, and a number where another run of the same second has that. */
static void name_by_date(run *of)
{
    char date[32];
    clock_date(date);
    for (char *c = date; *c; c++)
        if (*c == ':')
            *c = '-';
    snprintf(of->out, sizeof of->out, "bramble-%s.h5", date);
    for (int n = 2; n < 1000 && access(of->out, F_OK) == 0; n++)
        snprintf(of->out, sizeof of->out, "bramble-%s-%d.h5", date, n);
}

void place_out(run *of)
{
    if (of->options.out[0])
        snprintf(of->out, sizeof of->out, "%s", of->options.out);
    else
        name_by_date(of);
}

bool place_other(run *of, bool resumed)
{
    if (of->options.out[0] || resumed || access(of->out, F_OK) != 0)
        return false;
    name_by_date(of);
    place_rescue(of);
    return true;
}

void place_rescue(run *of)
{
    static const char suffix[] = ".rescue.h5";
    const char *kept = of->options.checkpoint;
    if (!transport_guards() || transport_size() == 1)
        return;
    if (kept[0])
        snprintf(of->rescue, sizeof of->rescue, "%s", kept);
    else
        snprintf(of->rescue, sizeof of->rescue, "%.*s%s", OPTION_TEXT_BYTES - (int)sizeof suffix,
                 of->out, suffix);
}

const char *place_spent(const run *of)
{
    return of->rescued && !of->options.checkpoint[0] ? of->options.resume : NULL;
}

void place_remove(const char *spent)
{
    char previous[OPTION_TEXT_BYTES + sizeof CHECKPOINT_PREVIOUS];
    if (!spent)
        return;
    snprintf(previous, sizeof previous, "%s%s", spent, CHECKPOINT_PREVIOUS);
    (void)unlink(spent);
    (void)unlink(previous);
}
