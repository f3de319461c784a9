/* Writes 1 KiB of 'o' to standard output and 1 KiB of 'e' to standard error. */
#include "tiny.h"

static const char out[1024] = {[0 ... 1023] = 'o'};
static const char err[1024] = {[0 ... 1023] = 'e'};

static int tiny_main(void)
{
    if (tiny_write(1, out, sizeof(out)) != (long)sizeof(out))
        return 1;
    if (tiny_write(2, err, sizeof(err)) != (long)sizeof(err))
        return 1;
    return 0;
}
