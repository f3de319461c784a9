/* Keeps the parent dumpable, and safe, while children that share its memory change
 * their credentials. */
#ifndef PSN_CREDS_H
#define PSN_CREDS_H

/* Call around a clone with CLONE_VM whose child changes user or group. */
void psn_creds_enter(void);
void psn_creds_leave(void);

#endif
