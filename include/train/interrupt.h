/*
 * interrupt.h - signals that ask a run to stop
 *
 * SIGTERM, SIGINT and SIGUSR1 are noted and acted upon at the next opportunity.  A SIGINT after any of
 * them ends the process at once.
 */
#ifndef BRAMBLE_TRAIN_INTERRUPT_H
#define BRAMBLE_TRAIN_INTERRUPT_H

enum { INTERRUPT_STATUS = 3 }; /* exit status of a run that stopped because it was asked to */

/* interrupt_catch - from here on note signals instead of ending by them; not collective */
void interrupt_catch(void);

/* interrupt_signal - the number of the first signal that has come, or 0 */
int interrupt_signal(void);

/* interrupt_name - for messages: "SIGINT (Ctrl-C)", ...; "a signal" for any other number */
const char *interrupt_name(int number);

#endif
