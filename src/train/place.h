/*
 * place.h - names of the files a run writes
 */
#ifndef BRAMBLE_TRAIN_PLACE_H
#define BRAMBLE_TRAIN_PLACE_H

#include "train/run.h"

/* place_out - settle of->out: as given, else by the date.  Not collective: the server's. */
void place_out(run *of);

/*
 * place_other - another run was faster, and its file has the name of->out: take another, where the user gave none
 * Returns false when that is not so.  Not collective: the server's.
 */
bool place_other(run *of, bool resumed);

/* place_rescue - settle of->rescue, where the server keeps the rounds done when a rank dies and the others go on.  On
 * all ranks (of->out is the server's alone; elsewhere only "" or not matters). */
void place_rescue(run *of);

/*
 * place_spent - the file a rescue has written and this start goes on from; NULL where it is the user's own, or none
 * place_remove - all that file holds is in memory again, or of no more use (NULL is legal).  The server's.
 */
const char *place_spent(const run *of);
void place_remove(const char *spent);

#endif
