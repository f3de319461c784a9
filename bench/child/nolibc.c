/* The smallest program: exits with status 7, so that a status that was lost and
 * replaced by 0 or 255 is noticed. */
#include "tiny.h"

static int tiny_main(void)
{
    return 7;
}
