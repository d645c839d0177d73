#include "train/interrupt.h"

#include <signal.h>
#include <stddef.h>
#include <stdlib.h>

/* The first signal that has come: all that is kept for the process, since a handler is handed nothing else. */
static volatile sig_atomic_t noted;

static void note(int number)
{
    if (noted != 0 && number == SIGINT) { /* a second wish */
        signal(SIGINT, SIG_DFL);
        raise(SIGINT); /* comes when this function has returned */
        return;
    }
    if (noted == 0)
        noted = number;
}

void interrupt_catch(void)
{
    struct sigaction action = {.sa_handler = note, .sa_flags = SA_RESTART};
    static const int numbers[] = {SIGTERM, SIGINT, SIGUSR1};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        (void)sigaction(numbers[i], &action, NULL);
}

int interrupt_signal(void)
{
    return noted;
}

const char *interrupt_name(int number)
{
    switch (number) {
    case SIGTERM:
        return getenv("OMPI_COMM_WORLD_RANK") ? "SIGTERM (mpirun makes that of Ctrl-C, too)"
                                              : "SIGTERM";
    case SIGINT:
        return "SIGINT (Ctrl-C)";
    case SIGUSR1:
        return "SIGUSR1";
    default:
        return "a signal";
    }
}
