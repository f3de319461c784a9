/* lines CHILD N WIDTH: finds the ends of a child's N lines with memchr. */
#include "limit.h"

#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    lim_expect(argc == 4, "lines CHILD N WIDTH");
    size_t wanted = lim_number(argv, 2), width = lim_number(argv, 3);
    size_t count = 0, bytes = 0, last = 0, held = 0;
    char last_byte = 0;
    char *const child_argv[] = {argv[1], argv[2], argv[3], NULL};
    /* An incomplete line is moved in front of the block, so that the read itself
     * always lands on a page. */
    char *block = (char *)lim_pages(2 * LIM_BLOCK) + LIM_BLOCK;
    struct lim_child child;
    struct lim_meter meter;

    lim_meter_init(&meter);
    lim_meter_begin(&meter);
    lim_spawn(&child, child_argv, LIM_STDOUT);
    lim_grow(child.fd[1]);
    ssize_t n;
    while ((n = read(child.fd[1], block, LIM_BLOCK)) > 0) {
        char *line = block - held, *end = block + n, *newline;
        while ((newline = memchr(line, '\n', (size_t)(end - line))) != NULL) {
            count++;
            last = (size_t)(newline + 1 - line);
            last_byte = *line;
            bytes += last;
            line = newline + 1;
        }
        held = (size_t)(end - line);
        lim_expect(held < LIM_BLOCK, "the line is too long");
        memmove(block - held, line, held);
    }
    int status = lim_reap(&child);
    lim_meter_end(&meter);
    lim_expect(n == 0 && held == 0 && count == wanted && bytes == count * width &&
                   last == width && last_byte == 'z',
               "the lines differ");
    lim_expect(status == 0, "exit status is not 0");
    lim_meter_print(&meter, count, "");
    return 0;
}
