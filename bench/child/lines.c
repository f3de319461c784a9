/* lines COUNT WIDTH: writes COUNT lines of WIDTH bytes, the newline included, in
 * blocks of whole lines near 64 KiB. The last line is of 'z', all others are of 'a'. */
#include "full.h"
#include <stdlib.h>
#include <string.h>

static _Alignas(4096) char block[65536];

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    size_t count = strtoull(argv[1], NULL, 10);
    size_t width = strtoull(argv[2], NULL, 10);
    if (count < 1 || width < 2 || width > sizeof(block))
        return 2;
    size_t held = sizeof(block) / width;
    memset(block, 'a', sizeof(block));
    for (size_t i = 1; i <= held; i++)
        block[i * width - 1] = '\n';
    for (size_t left = count - 1; left > 0;) {
        size_t n = left < held ? left : held;
        if (write_full(1, block, n * width) != 0)
            return 1;
        left -= n;
    }
    memset(block, 'z', width - 1);
    return write_full(1, block, width) != 0;
}
