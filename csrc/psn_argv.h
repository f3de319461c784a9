/* A vector of C strings packed into one block: argv, the environment, or the
 * paths that a program is looked for at. */
#ifndef PSN_ARGV_H
#define PSN_ARGV_H

#include "psn_config.h"

#include <stddef.h>

struct psn_argv {
    char *block;   /* owned; the strings, each with its NUL, one after the other */
    size_t used;   /* bytes of block in use */
    size_t cap;    /* bytes of block there are */
    size_t count;  /* strings in block */
    char **vector; /* owned; made by seal, points into block */
};

void psn_argv_init(struct psn_argv *argv);
void psn_argv_free(struct psn_argv *argv);

/* Append the n bytes at s. Return 0, -EINVAL when a NUL is embedded, or -ENOMEM;
 * argv is unchanged then. */
int psn_argv_push(struct psn_argv *argv, const char *s, size_t n);

/* Append each string of a vector that NULL ends; NULL instead of one is an empty one.
 * Return 0, or -ENOMEM with some of them appended. */
int psn_argv_push_all(struct psn_argv *argv, char *const *strings);

/* Append sep and the n bytes at s to the last string: "PATH" becomes "PATH=/bin".
 * Results as for push; there must be a last string. */
int psn_argv_extend(struct psn_argv *argv, char sep, const char *s, size_t n);

/* Return the NULL-terminated vector, valid until the next push or free; NULL when
 * memory is short. */
char *const *psn_argv_seal(struct psn_argv *argv);

#endif
