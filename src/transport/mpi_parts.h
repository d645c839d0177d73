/*
 * mpi_parts.h - what each of the files that know <mpi.h> takes for as many ranks as there are, and gives back
 *
 * Buffers are taken anew when ranks have died; the former ones stay where they are, since messages of the
 * former job may still come in.
 */
#ifndef BRAMBLE_TRANSPORT_MPI_PARTS_H
#define BRAMBLE_TRANSPORT_MPI_PARTS_H

void collective_start(void);
void collective_stop(void);
void groups_start(void);
void groups_stop(void);
void message_start(void);
void message_stop(void);
void stop_start(void);
void stop_stop(void);
void wire_start(void);
void wire_stop(void);

/* parts_start, parts_stop - all of them */
void parts_start(void);
void parts_stop(void);

#endif
