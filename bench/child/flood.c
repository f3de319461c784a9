/* flood BYTES: writes that many 'x' to standard output, 64 KiB at a time. */
#include "full.h"
#include <stdlib.h>
#include <string.h>

static _Alignas(4096) char block[65536];

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    size_t left = strtoull(argv[1], NULL, 10);
    memset(block, 'x', sizeof(block));
    while (left > 0) {
        size_t n = left < sizeof(block) ? left : sizeof(block);
        if (write_full(1, block, n) != 0)
            return 1;
        left -= n;
    }
    return 0;
}
