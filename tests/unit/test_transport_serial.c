/* The serial twin: one rank that is server and worker, and the averaging rules on it. */
#include "base/memory.h"
#include "transport/average.h"
#include "transport/transport.h"
#include "transport/wire.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void test_identity(void **state)
{
    (void)state;
    char host[256] = "";
    assert_int_equal(gethostname(host, sizeof host - 1), 0);
    assert_int_equal(transport_rank(), 0);
    assert_int_equal(transport_size(), 1);
    assert_true(transport_is_server());
    assert_true(transport_is_worker());
    assert_int_equal(transport_workers(), 1);
    assert_int_equal(transport_worker(), 0);
    assert_string_equal(transport_host(), host);
    assert_string_equal(transport_version(), "none");
}

static void test_agree(void **state)
{
    (void)state;
    error err = {0};
    assert_true(transport_agree(&err));
    assert_int_equal(err.kind, ERROR_NONE);
    error_user(&err, "no");
    assert_false(transport_agree(&err));
    assert_int_equal(err.kind, ERROR_USER);
    assert_string_equal(err.text, "no");
}

static void test_collectives(void **state)
{
    (void)state;
    char text[] = "text", mine[] = "record", all[sizeof mine] = "";
    transport_broadcast(text, sizeof text, 0, TRANSPORT_SLEEP);
    assert_string_equal(text, "text");
    assert_ptr_equal(transport_broadcast_text(text), text);
    transport_gather(mine, sizeof mine, all, TRANSPORT_SLEEP);
    assert_string_equal(all, mine);
    transport_gather(NULL, sizeof mine, all, TRANSPORT_SPIN); /* as it is */
    assert_string_equal(all, mine);
    memset(all, 0, sizeof all);
    transport_gather_working(mine, sizeof mine, all, NULL, NULL);
    assert_string_equal(all, mine);
    memset(all, 0, sizeof all);
    transport_allgather(mine, sizeof mine, all);
    assert_string_equal(all, mine);
    transport_barrier();
    transport_gather(NULL, 0, NULL, TRANSPORT_SLEEP);
}

static void test_stop(void **state)
{
    (void)state;
    assert_false(transport_clear_stop());
    for (int i = 0; i < 2; i++) {
        assert_false(transport_stop_called());
        transport_call_stop();
        assert_true(transport_stop_called());
        transport_barrier();
        assert_true(transport_stop_called());
        assert_true(transport_clear_stop());
    }
    assert_false(transport_stop_called());
}

/* In a child, whose stderr comes through a pipe. */
static void test_abort(void **state)
{
    (void)state;
    int ends[2], status;
    char line[128] = "";
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        error err = {0};
        error_user(&err, "all over");
        transport_abort(&err);
    }
    close(ends[1]);
    assert_true(read(ends[0], line, sizeof line - 1) > 0);
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 2);
    assert_string_equal(line, "bramble: all over\n");
}

static void test_rules(void **state)
{
    (void)state;
    const char *names[] = {"gather", "reduce", "allreduce", "slices", "tree"};
    for (int i = 0; i < 5; i++) {
        const average_rule *rule = average_rule_find(names[i]);
        assert_non_null(rule);
        assert_string_equal(rule->name, names[i]);
    }
    assert_null(average_rule_find("gathe"));
    assert_null(average_rule_find(""));
}

/* 62006 weights, one server and three workers. */
static void test_bytes(void **state)
{
    (void)state;
    const size_t n = 62006;
    const average_rule *gather = average_rule_find("gather"), *reduce = average_rule_find("reduce"),
                       *slices = average_rule_find("slices");
    assert_int_equal(gather->bytes(n, 0, 4, 0), 3 * 4 * n);
    assert_int_equal(gather->bytes(n, 3, 4, 0), 4 * n);
    assert_int_equal(reduce->bytes(n, 0, 4, 0), 3 * 4 * n);
    assert_int_equal(reduce->bytes(n, 3, 4, 0), 8 * n);
    size_t sum =
        0; /* n floats of each worker but its own slice, and n floats to three others each */
    for (int r = 0; r < 4; r++)
        sum += slices->bytes(n, r, 4, 0);
    size_t first, servers = wire_slice(n, 0, 4, &first);
    assert_int_equal(sum, 4 * (3 * n - (n - servers) + 3 * n));
    for (size_t i = 0; average_rules[i]; i++)
        assert_int_equal(average_rules[i]->bytes(n, 0, 1, 0), 0);
}

/* 10 workers in groups of 4, 4 and 2: members send sums, leaders halves of them and the mean to each member. */
static void test_groups(void **state)
{
    (void)state;
    const size_t n = 62006, leaders = 2 * n * 3 / 4 * 8;
    const average_rule *tree = average_rule_find("tree");
    const size_t expected[] = {leaders, leaders + 3 * 4 * n, 8 * n, 8 * n,
                               8 * n,   leaders + 3 * 4 * n, 8 * n, 8 * n,
                               8 * n,   leaders + 4 * n,     8 * n};
    for (int r = 0; r < 11; r++) {
        assert_int_equal(tree->bytes(n, r, 11, 4), expected[r]);
        assert_int_equal(tree->bytes(n, r, 11, 0), expected[r]); /* about the root of 10 */
    }
    assert_int_equal(average_group(3, 10, 2), 3);
    assert_int_equal(average_group(30, 10, 2), 10);
    assert_int_equal(average_group(0, 10, 2), 2);
    assert_int_equal(average_group(0, 10, 1), 4);
    assert_int_equal(average_group(0, 10, 10), 4); /* all on one host */
    assert_int_equal(average_group(0, 1024, 1), 32);
    assert_int_equal(average_group(0, 1, 1), 1);
    average_cost wide = tree->cost(n, 256, 256), narrow = tree->cost(n, 256, 16);
    assert_true(wide.bytes > narrow.bytes && wide.messages > narrow.messages);
}

static void test_slices(void **state)
{
    (void)state;
    const size_t lengths[] = {0, 1, 15, 16, 17, 64, 100, 62006, (size_t)1 << 26};
    for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++)
        for (int size = 1; size < 70; size++) {
            size_t next = 0, longest = 0;
            for (int r = 0; r < size; r++) {
                size_t first, count = wire_slice(lengths[k], r, size, &first);
                assert_int_equal(first, next);
                next = first + count;
                longest = count > longest ? count : longest;
            }
            assert_int_equal(next, lengths[k]);
            assert_true(longest <= lengths[k] / (size_t)size + 32);
        }
}

/* Only what the rule needs, on the rank that needs it; the last piece may need more of a rank than a whole one. */
static void test_scratch(void **state)
{
    (void)state;
    const size_t n = 62006;
    const average_rule *gather = average_rule_find("gather"), *reduce = average_rule_find("reduce"),
                       *slices = average_rule_find("slices");
    assert_int_equal(gather->scratch_bytes(n, 0, 4), 4 * 4 * n);
    assert_int_equal(gather->scratch_bytes(100 * n, 0, 4), 4 << 24);
    assert_int_equal(gather->scratch_bytes(n, 1, 4), 0);
    assert_int_equal(reduce->scratch_bytes(n, 1, 4), 8 * 16384);
    assert_int_equal(reduce->scratch_bytes(100, 0, 4), 800);
    assert_int_equal(average_rule_find("allreduce")->scratch_bytes(n, 1, 4), 8 * n);
    size_t first, mine = wire_slice(n, 1, 4, &first);
    assert_int_equal(slices->scratch_bytes(n, 1, 4), 4 * 4 * mine);
}

/* However many ranks there are, a mean has its limit in bytes, and no rank but the server needs much. */
static void test_scratch_of_many(void **state)
{
    (void)state;
    const size_t n = 62006;
    for (size_t i = 0; average_rules[i]; i++)
        for (int size = 2; average_rules[i]->scratch_bytes && size <= 4096; size *= 2) {
            assert_true(average_rules[i]->scratch_bytes(n, 0, size) <= 4 << 24);
            for (int rank = 1; rank < size; rank += size / 2)
                assert_true(average_rules[i]->scratch_bytes(n, rank, size) <= 8 * n);
        }
}

/* The only rank's weights, whatever they are. */
static void test_average_copies(void **state)
{
    (void)state;
    const float odd[] = {-0.0F, 0x1p-149F, 1e30F, NAN, INFINITY, 1.0F / 3};
    enum { N = sizeof odd / sizeof *odd };
    double weight = 3;
    for (size_t i = 0; average_rules[i]; i++) {
        float w[N];
        average mean;
        error err = {0};
        assert_true(average_init(&mean, average_rules[i], N, &err));
        memcpy(w, odd, sizeof w);
        transport_average(&mean, w, odd, &weight);
        assert_memory_equal(w, odd, sizeof w);
        average_release(&mean);
    }
}

/* The exact rules themselves: a share of 1 rounds to multiples of 2^-40, a half halves as well. */
static void test_rules_alone(void **state)
{
    (void)state;
    enum { N = 40000 }; /* more than a block */
    float *w = memory_new(N, sizeof *w, NULL);
    assert_non_null(w);
    const double shares[] = {1, 0.5};
    for (size_t i = 0; average_rules[i]; i++)
        for (size_t s = 0; s < 2 && average_rules[i]->exact; s++) {
            average mean;
            error err = {0};
            assert_true(average_init(&mean, average_rules[i], N, &err));
            for (int k = 0; k < N; k++)
                w[k] = k % 2 ? 0x1p-42F : (float)(k - N / 2) * 0x1p-20F;
            average_rules[i]->average(
                &(average_piece){.w = w, .n = N, .shares = &shares[s], .scratch = mean.scratch});
            for (int k = 0; k < N; k++)
                assert_true(w[k] == (k % 2 ? 0 : (float)(k - N / 2) * 0x1p-20F * (float)shares[s]));
            average_release(&mean);
        }
    memory_free(w);
}

/* A rule that needs all there is: it is asked for once, kept, and given back. */
static int n_states;

static void *count_init(size_t n, int rank, int size, error *err)
{
    (void)rank;
    (void)err;
    n_states++;
    return n == 5 && size == 1 ? &n_states : NULL;
}

static void count_release(void *own)
{
    assert_ptr_equal(own, &n_states);
    n_states--;
}

static void test_state(void **state)
{
    (void)state;
    average mean;
    error err = {0};
    average_rule rule = *average_rule_find("gather");
    rule.has_residual = true;
    rule.init = count_init;
    rule.release = count_release;
    assert_true(average_init(&mean, &rule, 5, &err));
    assert_int_equal(n_states, 1);
    for (int i = 0; i < 5; i++)
        assert_true(mean.residual[i] == 0.0F);
    average_release(&mean);
    assert_int_equal(n_states, 0);
    rule.scratch_bytes = NULL;
    rule.init = NULL;
    assert_false(average_init(&mean, &rule, SIZE_MAX / 4, &err)); /* no room for the residual */
    average_release(&mean);
    assert_int_equal(err.kind, ERROR_ENVIRONMENT);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identity),        cmocka_unit_test(test_agree),
        cmocka_unit_test(test_collectives),     cmocka_unit_test(test_stop),
        cmocka_unit_test(test_abort),           cmocka_unit_test(test_rules),
        cmocka_unit_test(test_bytes),           cmocka_unit_test(test_slices),
        cmocka_unit_test(test_groups),          cmocka_unit_test(test_average_copies),
        cmocka_unit_test(test_rules_alone),     cmocka_unit_test(test_scratch),
        cmocka_unit_test(test_scratch_of_many), cmocka_unit_test(test_state),
    };
    transport_start(&argc, &argv);
    int n_failed = cmocka_run_group_tests(tests, NULL, NULL);
    transport_stop();
    return n_failed;
}
