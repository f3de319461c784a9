/* Runs a target on the files that are named, where there is no fuzzer. */
#include "input.h"

#include <stdio.h>

#define MOST (1 << 20)

int main(int argc, char **argv)
{
    static uint8_t data[MOST];

    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");
        assert(file != NULL);
        size_t n = fread(data, 1, sizeof data, file);
        fclose(file);
        LLVMFuzzerTestOneInput(data, n);
    }
    printf("%d inputs\n", argc - 1);
    return 0;
}
