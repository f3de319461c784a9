/* Reads standard input to its end and prints how many bytes came. */
#include <stdio.h>
#include <unistd.h>

static _Alignas(4096) char block[65536];

int main(void)
{
    unsigned long long total = 0;
    ssize_t n;
    while ((n = read(0, block, sizeof(block))) > 0)
        total += (unsigned long long)n;
    if (n < 0)
        return 1;
    printf("%llu\n", total);
    return 0;
}
