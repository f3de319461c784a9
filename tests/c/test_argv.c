#include "check.h"

#include "psn_argv.h"

static void strings_come_back_in_order(void)
{
    struct psn_argv argv;
    psn_argv_init(&argv);

    assert(psn_argv_push(&argv, "first", 5) == 0);
    assert(psn_argv_push(&argv, "second and cut", 6) == 0);
    char *const *vector = psn_argv_seal(&argv);

    assert(strcmp(vector[0], "first") == 0);
    assert(strcmp(vector[1], "second") == 0);
    assert(vector[2] == NULL);
    psn_argv_free(&argv);
}

static void no_strings_make_an_empty_vector(void)
{
    struct psn_argv argv;
    psn_argv_init(&argv);

    char *const *vector = psn_argv_seal(&argv);

    assert(vector != NULL && vector[0] == NULL);
    psn_argv_free(&argv);
}

static void empty_strings_are_strings(void)
{
    struct psn_argv argv;
    psn_argv_init(&argv);

    for (int i = 0; i < 3; i++)
        assert(psn_argv_push(&argv, "", 0) == 0);
    char *const *vector = psn_argv_seal(&argv);

    for (int i = 0; i < 3; i++)
        assert(vector[i][0] == '\0');
    assert(vector[3] == NULL);
    psn_argv_free(&argv);
}

static void an_embedded_nul_is_refused(void)
{
    struct psn_argv argv;
    psn_argv_init(&argv);
    assert(psn_argv_push(&argv, "good", 4) == 0);

    assert(psn_argv_push(&argv, "a\0b", 3) == -EINVAL);
    assert(psn_argv_push(&argv, "a\0", 2) == -EINVAL);
    assert(psn_argv_push(&argv, "\0", 1) == -EINVAL);
    assert(psn_argv_extend(&argv, '=', "a\0b", 3) == -EINVAL);

    char *const *vector = psn_argv_seal(&argv);
    assert(strcmp(vector[0], "good") == 0);
    assert(vector[1] == NULL);
    psn_argv_free(&argv);
}

static void a_whole_vector_is_appended(void)
{
    char *strings[] = {"A=1", "", "B=2", NULL};
    struct psn_argv argv;
    psn_argv_init(&argv);

    assert(psn_argv_push(&argv, "first", 5) == 0);
    assert(psn_argv_push_all(&argv, strings) == 0);
    assert(psn_argv_push_all(&argv, strings + 3) == 0);
    assert(psn_argv_push_all(&argv, NULL) == 0);
    char *const *vector = psn_argv_seal(&argv);

    assert(strcmp(vector[0], "first") == 0);
    for (int i = 0; i < 3; i++)
        assert(strcmp(vector[i + 1], strings[i]) == 0);
    assert(vector[4] == NULL);
    psn_argv_free(&argv);
}

static void extend_lengthens_the_last_string(void)
{
    struct psn_argv argv;
    psn_argv_init(&argv);

    assert(psn_argv_push(&argv, "A=1", 3) == 0);
    assert(psn_argv_push(&argv, "PATH", 4) == 0);
    assert(psn_argv_extend(&argv, '=', "/bin", 4) == 0);
    assert(psn_argv_extend(&argv, ':', "", 0) == 0);
    char *const *vector = psn_argv_seal(&argv);

    assert(strcmp(vector[0], "A=1") == 0);
    assert(strcmp(vector[1], "PATH=/bin:") == 0);
    assert(vector[2] == NULL);
    psn_argv_free(&argv);
}

static void the_block_grows_at_every_size(void)
{
    enum { COUNT = 1500 };
    char text[COUNT];
    struct psn_argv argv;
    psn_argv_init(&argv);
    memset(text, 'x', sizeof text);

    for (size_t n = 0; n < COUNT; n++) {
        assert(psn_argv_push(&argv, text, n) == 0);
        assert(psn_argv_extend(&argv, '=', text, n) == 0);
    }
    char *const *vector = psn_argv_seal(&argv);

    for (size_t n = 0; n < COUNT; n++) {
        assert(strlen(vector[n]) == 2 * n + 1);
        assert(vector[n][n] == '=');
    }
    assert(vector[COUNT] == NULL);
    psn_argv_free(&argv);
}

static void one_string_may_be_larger_than_any_step_of_growth(void)
{
    enum { SIZE = 1 << 20 };
    char *text = malloc(SIZE);
    struct psn_argv argv;
    psn_argv_init(&argv);
    memset(text, 'x', SIZE);

    assert(psn_argv_push(&argv, text, SIZE) == 0);

    assert(strlen(psn_argv_seal(&argv)[0]) == SIZE);
    psn_argv_free(&argv);
    free(text);
}

static void a_vector_may_be_sealed_again_after_a_push(void)
{
    struct psn_argv argv;
    psn_argv_init(&argv);
    assert(psn_argv_push(&argv, "one", 3) == 0);
    assert(psn_argv_seal(&argv) != NULL);

    assert(psn_argv_push(&argv, "two", 3) == 0);
    char *const *vector = psn_argv_seal(&argv);

    assert(strcmp(vector[0], "one") == 0);
    assert(strcmp(vector[1], "two") == 0);
    assert(vector[2] == NULL);
    psn_argv_free(&argv);
}

static void free_may_be_called_twice_and_starts_afresh(void)
{
    struct psn_argv argv;
    psn_argv_init(&argv);
    assert(psn_argv_push(&argv, "one", 3) == 0);
    assert(psn_argv_seal(&argv) != NULL);

    psn_argv_free(&argv);
    psn_argv_free(&argv);

    assert(psn_argv_push(&argv, "two", 3) == 0);
    assert(strcmp(psn_argv_seal(&argv)[0], "two") == 0);
    psn_argv_free(&argv);
}

int main(void)
{
    CHECK(strings_come_back_in_order);
    CHECK(no_strings_make_an_empty_vector);
    CHECK(empty_strings_are_strings);
    CHECK(an_embedded_nul_is_refused);
    CHECK(a_whole_vector_is_appended);
    CHECK(extend_lengthens_the_last_string);
    CHECK(the_block_grows_at_every_size);
    CHECK(one_string_may_be_larger_than_any_step_of_growth);
    CHECK(a_vector_may_be_sealed_again_after_a_push);
    CHECK(free_may_be_called_twice_and_starts_afresh);
    return 0;
}
