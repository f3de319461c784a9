/* The bytes of a fuzzer's input, taken one after the other; behind the last one there
 * are zeros. What a target checks it checks by assert. */
#ifndef INPUT_H
#define INPUT_H

#undef NDEBUG

#include "psn_config.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct input {
    const uint8_t *at;
    size_t left;
};

static inline unsigned input_byte(struct input *input)
{
    if (input->left == 0)
        return 0;
    input->left--;
    return *input->at++;
}

/* A number below 2^16, of which the small ones are as likely as the large ones. */
static inline size_t input_size(struct input *input)
{
    unsigned bits = input_byte(input);
    unsigned value = input_byte(input) << 8;

    value |= input_byte(input);
    return value >> (bits % 16);
}

/* Copy at most n bytes; returns how many there were. */
static inline size_t input_copy(struct input *input, char *to, size_t n)
{
    if (n > input->left)
        n = input->left;
    if (n > 0)
        memcpy(to, input->at, n);
    input->at += n;
    input->left -= n;
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
