#include "psn_argv.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void psn_argv_init(struct psn_argv *argv)
{
    memset(argv, 0, sizeof *argv);
}

void psn_argv_free(struct psn_argv *argv)
{
    free(argv->block);
    free(argv->vector);
    psn_argv_init(argv);
}

static int reserve(struct psn_argv *argv, size_t n)
{
    if (n <= argv->cap - argv->used)
        return 0;
    if (n > SIZE_MAX / 2 - argv->used)
        return -ENOMEM;
    size_t cap = argv->cap ? argv->cap : 512;
    while (cap - argv->used < n)
        cap *= 2;
    char *block = realloc(argv->block, cap);
    if (block == NULL)
        return -ENOMEM;
    argv->block = block;
    argv->cap = cap;
    return 0;
}

static void append(struct psn_argv *argv, const char *s, size_t n)
{
    memcpy(argv->block + argv->used, s, n);
    argv->block[argv->used + n] = '\0';
    argv->used += n + 1;
}

int psn_argv_push(struct psn_argv *argv, const char *s, size_t n)
{
    if (memchr(s, '\0', n) != NULL)
        return -EINVAL;
    int rc = reserve(argv, n + 1);
    if (rc < 0)
        return rc;
    append(argv, s, n);
    argv->count++;
    return 0;
}

int psn_argv_push_all(struct psn_argv *argv, char *const *strings)
{
    for (; strings != NULL && *strings != NULL; strings++) {
        size_t n = strlen(*strings);
        int rc = reserve(argv, n + 1);
        if (rc < 0)
            return rc;
        append(argv, *strings, n);
        argv->count++;
    }
    return 0;
}

int psn_argv_extend(struct psn_argv *argv, char sep, const char *s, size_t n)
{
    assert(argv->count > 0);
    if (memchr(s, '\0', n) != NULL)
        return -EINVAL;
    int rc = reserve(argv, n + 1);
    if (rc < 0)
        return rc;
    argv->block[argv->used - 1] = sep;
    append(argv, s, n);
    return 0;
}

char *const *psn_argv_seal(struct psn_argv *argv)
{
    if (argv->count >= SIZE_MAX / sizeof(char *))
        return NULL;
    char **vector = realloc(argv->vector, (argv->count + 1) * sizeof(char *));
    if (vector == NULL)
        return NULL;
    argv->vector = vector;
    char *s = argv->block;
    for (size_t i = 0; i < argv->count; i++) {
        vector[i] = s;
        s += strlen(s) + 1;
    }
    vector[argv->count] = NULL;
    return vector;
}
