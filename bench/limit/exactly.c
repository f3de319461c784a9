/* exactly CHILD N WIDTH: takes a child's output in N pieces of WIDTH bytes. */
#include "limit.h"

#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    lim_expect(argc == 4, "exactly CHILD N WIDTH");
    size_t wanted = lim_number(argv, 2), width = lim_number(argv, 3);
    size_t count = 0, newlines = 0, held = 0;
    char last_byte = 0;
    char *const child_argv[] = {argv[1], argv[2], argv[3], NULL};
    /* An incomplete piece is moved in front of the block, so that the read itself
     * always lands on a page. */
    char *block = (char *)lim_pages(2 * LIM_BLOCK) + LIM_BLOCK;
    struct lim_child child;
    struct lim_meter meter;

    lim_expect(width < LIM_BLOCK, "the pieces are too long");
    lim_meter_init(&meter);
    lim_meter_begin(&meter);
    lim_spawn(&child, child_argv, LIM_STDOUT);
    lim_grow(child.fd[1]);
    ssize_t n;
    while ((n = read(child.fd[1], block, LIM_BLOCK)) > 0) {
        char *piece = block - held, *end = block + n;
        for (; (size_t)(end - piece) >= width; piece += width) {
            count++;
            last_byte = *piece;
            newlines += piece[width - 1] == '\n';
        }
        held = (size_t)(end - piece);
        memmove(block - held, piece, held);
    }
    int status = lim_reap(&child);
    lim_meter_end(&meter);
    lim_expect(n == 0 && held == 0 && count == wanted && newlines == wanted &&
                   last_byte == 'z',
               "the pieces differ");
    lim_expect(status == 0, "exit status is not 0");
    lim_meter_print(&meter, count, "");
    return 0;
}
