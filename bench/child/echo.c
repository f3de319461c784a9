/* Copies standard input to standard output, each read at once. */
#include "full.h"

static _Alignas(4096) char block[65536];

int main(void)
{
    ssize_t n;
    while ((n = read(0, block, sizeof(block))) > 0)
        if (write_full(1, block, (size_t)n) != 0)
            return 1;
    return n < 0;
}
