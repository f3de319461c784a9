/* Reads standard input until its end: a child that stays until it is let go. */
#include "tiny.h"

static int tiny_main(void)
{
    char block[64];
    while (tiny_read(0, block, sizeof(block)) > 0)
        continue;
    return 0;
}
