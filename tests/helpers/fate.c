/* fate KIND N: a child that ends as it is told, for tests that need thousands of them.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    int n = atoi(argv[2]);
    switch (argv[1][0]) {
    case 's': /* say */
        printf("%d\n", n);
        return 0;
    case 'e': /* exit */
        return n;
    case 'k': /* be killed */
        raise(n);
        return 0;
    case 'c': /* crash */
        abort();
    case 'f': /* flood */
        for (int i = 0; i < n; i++)
            putchar('x');
        return 0;
    case 'h': /* hang */
        for (;;)
            pause();
    }
    return 2;
}
