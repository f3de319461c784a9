#include "psn_lock.h"

#include "psn_sys.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* The kernel's word for them; those of an open file description have another one. */
static const char WORD[] = "POSIX";

#define WORD_BYTES (sizeof WORD - 1)

/* The kernel lists the locks that this process has taken by the open file. */
static int is_listed(int info)
{
    char text[4096];
    size_t len = 0;
    ssize_t n;

    while ((n = psn_sys_read(info, text + len, sizeof text - len)) > 0) {
        len += (size_t)n;
        if (memmem(text, len, WORD, WORD_BYTES) != NULL)
            return 1;
        /* A word may lie across the end of what was read. */
        size_t kept = len < WORD_BYTES ? len : WORD_BYTES - 1;
        memmove(text, text + len - kept, kept);
        len = kept;
    }
    return 0;
}

int psn_lock_is_held(int fd)
{
    char path[64];
    struct stat st;

    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return 0;
    snprintf(path, sizeof path, "/proc/thread-self/fdinfo/%d", fd);
    int info = open(path, O_RDONLY | O_CLOEXEC);
    if (info < 0)
        return 0;
    int held = is_listed(info);
    psn_sys_close(&info);
    return held;
}
