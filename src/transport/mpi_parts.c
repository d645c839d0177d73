#include "mpi_parts.h"

void parts_start(void)
{
    collective_start();
    groups_start();
    message_start();
    stop_start();
    wire_start();
}

void parts_stop(void)
{
    collective_stop();
    groups_stop();
    message_stop();
    stop_stop();
    wire_stop();
}
