/* Record locks of fcntl(2): a process loses them when it closes any of its descriptors
 * of the file. */
#ifndef PSN_LOCK_H
#define PSN_LOCK_H

#include "psn_config.h"

/* Whether the process holds a record lock that it has taken by the open file behind fd;
 * one that it has taken by opening the file again is not seen. Where that cannot be
 * found out, because there is no /proc, none is taken for held. */
int psn_lock_is_held(int fd);

#endif
