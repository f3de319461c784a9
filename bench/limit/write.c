/* write CHILD BYTES: writes 64 KiB blocks to a child that counts and drops them. */
#include "limit.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    lim_expect(argc == 3, "write CHILD BYTES");
    size_t total = lim_number(argv, 2);
    lim_expect(total % LIM_BLOCK == 0, "BYTES is no multiple of 64 KiB");
    char *const child_argv[] = {argv[1], NULL};
    char *block = lim_pages(LIM_BLOCK);
    memset(block, 'w', LIM_BLOCK);
    char answer[32] = "";
    struct lim_child child;
    struct lim_meter meter;

    lim_meter_init(&meter);
    lim_spawn(&child, child_argv, LIM_STDIN | LIM_STDOUT);
    lim_grow(child.fd[0]);
    lim_meter_begin(&meter);
    for (size_t sent = 0; sent < total; sent += LIM_BLOCK)
        lim_write(child.fd[0], block, LIM_BLOCK);
    lim_close(&child.fd[0]);
    ssize_t n = read(child.fd[1], answer, sizeof(answer) - 1);
    lim_meter_end(&meter);
    lim_expect(n > 0 && strtoull(answer, NULL, 10) == total, "the byte count differs");
    lim_expect(lim_reap(&child) == 0, "exit status is not 0");
    lim_meter_print(&meter, total, "");
    return 0;
}
