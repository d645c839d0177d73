/* Weights out of result files and out of files other programs made. */
#include "record_fixture.h"

#include <hdf5.h>
#include <math.h>
#include <sys/stat.h>

/* How a file of the tests stores its weights. */
typedef struct storage {
    hid_t type;
    bool chunked;
    hsize_t chunk_of_first; /* 0: as the dataset */
} storage;

static void write_tensor(hid_t group, const tensor *part, const double *values, const storage *how)
{
    hsize_t dims[TENSOR_MAX_DIMS], chunk[TENSOR_MAX_DIMS], most[TENSOR_MAX_DIMS];
    hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    for (int i = 0; i < part->n_dims; i++) {
        dims[i] = chunk[i] = part->dims[i];
        most[i] = H5S_UNLIMITED;
    }
    if (how->chunk_of_first > 0)
        chunk[0] = how->chunk_of_first;
    if (how->chunked)
        assert_true(H5Pset_chunk(creation, part->n_dims, chunk) >= 0 &&
                    H5Pset_shuffle(creation) >= 0 && H5Pset_deflate(creation, 6) >= 0);
    hid_t space = H5Screate_simple(part->n_dims, dims, how->chunked ? most : NULL);
    hid_t dataset =
        H5Dcreate2(group, part->name, how->type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    assert_true(dataset >= 0);
    if (values)
        assert_true(H5Dwrite(dataset, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT,
                             values + part->offset) >= 0);
    assert_true(H5Dclose(dataset) >= 0 && H5Sclose(space) >= 0 && H5Pclose(creation) >= 0);
}

/* A file with the weights values[] in one group, as PyTorch users write them through h5py. */
static void write_file(const char *path, const char *group_name, const double *values,
                       const storage *how)
{
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    hid_t linking = H5Pcreate(H5P_LINK_CREATE);
    assert_true(H5Pset_create_intermediate_group(linking, 1) >= 0);
    hid_t group = strcmp(group_name, "/") == 0
                      ? H5Gopen2(file, "/", H5P_DEFAULT)
                      : H5Gcreate2(file, group_name, linking, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(group >= 0);
    for (size_t i = 0; i < N_TENSORS; i++)
        write_tensor(group, &fixture_tensors[i], values, how);
    assert_true(H5Gclose(group) >= 0 && H5Pclose(linking) >= 0 && H5Fclose(file) >= 0);
}

static void fill(double values[N_WEIGHTS])
{
    for (size_t i = 0; i < N_WEIGHTS; i++)
        values[i] = 0.25 * (double)i - 3;
}

static void expect_weights(const char *path)
{
    error err = {0};
    float w[N_WEIGHTS];
    double values[N_WEIGHTS];
    fill(values);
    if (!record_read_weights(path, fixture_tensors, N_TENSORS, w, &err))
        fail_msg("%s", err.text);
    for (size_t i = 0; i < N_WEIGHTS; i++)
        assert_true(w[i] == (float)values[i]);
}

static void expect_refused(const char *path, const char *says, const char *and_says)
{
    error err = {0};
    float w[N_WEIGHTS];
    if (record_read_weights(path, fixture_tensors, N_TENSORS, w, &err))
        fail_msg("%s was read; expected: %s", path, says);
    fixture_expect(&err, ERROR_USER, says, and_says);
}

/* An IEEE half: HDF5 1.10 has no name for it, h5py writes it so. */
static hid_t half_type(void)
{
    hid_t type = H5Tcopy(H5T_IEEE_F32LE);
    assert_true(H5Tset_fields(type, 15, 10, 5, 0, 10) >= 0 && H5Tset_size(type, 2) >= 0 &&
                H5Tset_ebias(type, 15) >= 0);
    return type;
}

static void test_types(void **state)
{
    (void)state;
    double values[N_WEIGHTS];
    const char *path = fixture_path("w.h5");
    hid_t half = half_type();
    const storage storages[] = {
        {H5T_IEEE_F32LE, false, 0}, {H5T_IEEE_F32BE, false, 0}, {H5T_IEEE_F64LE, false, 0},
        {H5T_IEEE_F64BE, true, 0},  {H5T_IEEE_F32LE, true, 0},  {H5T_IEEE_F32LE, true, 1},
        {H5T_IEEE_F32LE, true, 64}, {half, false, 0},           {H5T_NATIVE_LDOUBLE, false, 0},
    };
    fill(values);
    for (size_t i = 0; i < sizeof storages / sizeof *storages; i++) {
        write_file(path, "/", values, &storages[i]);
        expect_weights(path);
    }
    H5Tclose(half);
}

/* ---- which file, which group ----------------------------------------------------------------- */

static void test_groups(void **state)
{
    (void)state;
    char text[300];
    double values[N_WEIGHTS];
    const storage plain = {H5T_IEEE_F32LE, false, 0};
    fill(values);
    const char *path = fixture_path("w.h5");
    write_file(path, "/model", values, &plain);
    expect_weights(path);
    write_file(path, "/a/state:/x", values, &plain);
    /* The name of the group may hold ":/" only as long as no such file exists. */
    expect_weights(fixture_path("w.h5:/a/state:/x"));
    expect_weights(fixture_path("w.h5:/a/state:/x//"));
    write_file(path, "/net", values, &plain);
    expect_weights(fixture_path("w.h5:/net"));
    expect_weights(fixture_path("w.h5://net/"));
    expect_refused(path, path, "there is no /conv1.weight");
    expect_refused(fixture_path("w.h5:/"), path, "there is no /conv1.weight");
    expect_refused(fixture_path("w.h5:/model"), path, "there is no /model");
    expect_refused(fixture_path("w.h5:/net/conv1.weight"), path, "/net/conv1.weight is no group");
    expect_refused(fixture_path("w.h5:/net/conv1.weight/x"), path,
                   "there is no /net/conv1.weight/x");
    expect_refused(fixture_path("none.h5:/net"), "none.h5: cannot be opened", "No such file");
    expect_refused(fixture_path("none.h5"), "none.h5: cannot be opened", "No such file");
    expect_refused(fixture_folder, fixture_folder, "no regular file");
    snprintf(text, sizeof text, "%s/w.h5:/%0200d", fixture_folder, 0);
    expect_refused(text, path, "there is no");
    assert_int_equal(mkdir(fixture_path("a:"), 0777), 0);
    write_file(fixture_path("a:/b.h5"), "/net", values, &plain);
    expect_weights(fixture_path("a:/b.h5:/net"));
    expect_refused(fixture_path("a:/b.h5"), "a:/b.h5", "there is no /conv1.weight");
    write_file(fixture_path("b:c.h5"), "/", values, &plain);
    expect_weights(fixture_path("b:c.h5"));
    expect_weights(fixture_path("b:c.h5:/"));
}

static void test_long_group(void **state)
{
    (void)state;
    static char text[4000];
    double values[N_WEIGHTS];
    const storage plain = {H5T_IEEE_F32LE, false, 0};
    fill(values);
    write_file(fixture_path("w.h5"), "/", values, &plain);
    int used = snprintf(text, sizeof text, "%s/w.h5:", fixture_folder);
    while (used < 3900)
        used += snprintf(text + used, sizeof text - (size_t)used, "/group");
    expect_refused(text, "the name of the group is too long", "w.h5");
}

/* ---- what is refused ------------------------------------------------------------------------- */

static void test_numbers(void **state)
{
    (void)state;
    const char *path = fixture_path("w.h5");
    const storage wide = {H5T_IEEE_F64LE, false, 0};
    const double bad[] = {NAN, INFINITY, -INFINITY, 1e39};
    const char *const says[] = {"NaN", "an infinite number", "an infinite number",
                                "an infinite number"};
    for (int i = 0; i < 4; i++) {
        double values[N_WEIGHTS];
        fill(values);
        values[25] = bad[i]; /* conv1.bias, the second */
        write_file(path, "/model", values, &wide);
        expect_refused(path, "/model/conv1.bias holds", says[i]);
        expect_refused(path, path, "(element 1)");
    }
}

static void test_shapes(void **state)
{
    (void)state;
    error err = {0};
    float w[100];
    double values[N_WEIGHTS];
    const char *path = fixture_path("w.h5");
    const storage plain = {H5T_IEEE_F32LE, false, 0};
    fill(values);
    write_file(path, "/", values, &plain);
    const tensor larger = {"fc.weight",           2, {5, 4}, 0, 20, TENSOR_TRAINED,
                           {1, 1, TENSOR_ALWAYS}, ""},
                 turned = {"fc.weight",           2, {4, 3}, 0, 12, TENSOR_TRAINED,
                           {1, 1, TENSOR_ALWAYS}, ""},
                 flat = {"fc.weight", 1, {12}, 0, 12, TENSOR_TRAINED, {1, 1, TENSOR_ALWAYS}, ""};
    assert_false(record_read_weights(path, &larger, 1, w, &err));
    fixture_expect(&err, ERROR_USER, path, "/fc.weight has the shape 3 x 4, the model needs 5 x 4");
    err.kind = ERROR_NONE;
    assert_false(record_read_weights(path, &turned, 1, w, &err));
    fixture_expect(&err, ERROR_USER, path, "/fc.weight has the shape 3 x 4, the model needs 4 x 3");
    err.kind = ERROR_NONE;
    assert_false(record_read_weights(path, &flat, 1, w, &err));
    fixture_expect(&err, ERROR_USER, path, "/fc.weight has the shape 3 x 4, the model needs 12");
    const storage integers = {H5T_STD_I32LE, false, 0}, bomb = {H5T_IEEE_F32LE, true, 1 << 20};
    write_file(path, "/", values, &integers);
    expect_refused(path, "/conv1.weight does not hold floating-point numbers", path);
    write_file(path, "/", NULL, &bomb);
    expect_refused(path, "/conv1.weight is stored in oversized chunks", path);
}

/* More dims than a tensor of ours may have: the shape is said all the same. */
static void test_many_dims(void **state)
{
    (void)state;
    const struct {
        int n_dims;
        const char *says;
    } cases[] = {{5, "/fc.weight has the shape 1 x 1 x 1 x 3 x 4, the model needs 3 x 4"},
                 {8, "has the shape 1 x 1 x 1 x 1 x 1 x 1 x 3 x 4, the model needs 3 x 4"},
                 {9, "/fc.weight has more than 8 dimensions"}};
    const char *path = fixture_path("w.h5");
    const tensor wanted = {"fc.weight",           2, {3, 4}, 0, 12, TENSOR_TRAINED,
                           {1, 1, TENSOR_ALWAYS}, ""};
    for (size_t i = 0; i < 3; i++) {
        error err = {0};
        float w[12] = {0};
        hsize_t dims[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
        int n = cases[i].n_dims;
        dims[n - 2] = 3;
        dims[n - 1] = 4;
        hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
        hid_t space = H5Screate_simple(n, dims, NULL);
        hid_t dataset = H5Dcreate2(file, "fc.weight", H5T_IEEE_F32LE, space, H5P_DEFAULT,
                                   H5P_DEFAULT, H5P_DEFAULT);
        assert_true(H5Dwrite(dataset, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, w) >= 0);
        assert_true(H5Dclose(dataset) >= 0 && H5Sclose(space) >= 0 && H5Fclose(file) >= 0);
        assert_false(record_read_weights(path, &wanted, 1, w, &err));
        fixture_expect(&err, ERROR_USER, path, cases[i].says);
    }
}

/* HDF5 gives zeros for what nobody wrote. */
static void test_never_written(void **state)
{
    (void)state;
    const float one[1][3][2][2] = {{{{1}}}};
    const hsize_t start[4] = {0}, count[4] = {1, 3, 2, 2};
    const char *path = fixture_path("w.h5");
    const storage plain = {H5T_IEEE_F32LE, false, 0}, packed = {H5T_IEEE_F32LE, true, 1};
    write_file(path, "/", NULL, &plain);
    expect_refused(path, path, "/conv1.weight was never written");
    write_file(path, "/model", NULL, &packed);
    expect_refused(path, path, "/model/conv1.weight was never written");
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    hid_t dataset = H5Dopen2(file, "/model/conv1.weight", H5P_DEFAULT);
    hid_t space = H5Dget_space(dataset), memory = H5Screate_simple(4, count, NULL);
    assert_true(H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL) >= 0 &&
                H5Dwrite(dataset, H5T_NATIVE_FLOAT, memory, space, H5P_DEFAULT, one) >= 0);
    assert_true(H5Sclose(space) >= 0 && H5Sclose(memory) >= 0 && H5Dclose(dataset) >= 0 &&
                H5Fclose(file) >= 0);
    expect_refused(path, path, "/model/conv1.weight was written only in part");
}

/* Weights in /, and a group /model of somebody else's beside them. */
static void test_beside(void **state)
{
    (void)state;
    double values[N_WEIGHTS];
    const char *path = fixture_path("w.h5");
    const storage plain = {H5T_IEEE_F32LE, false, 0};
    fill(values);
    write_file(path, "/", values, &plain);
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    hid_t group = H5Gcreate2(file, "/model", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(group >= 0 && H5Gclose(group) >= 0 && H5Fclose(file) >= 0);
    expect_refused(path, "there is no /model/conv1.weight; for the weights beside", "w.h5:/");
    expect_weights(fixture_path("w.h5:/"));
}

static void test_links(void **state)
{
    (void)state;
    double values[N_WEIGHTS];
    const char *path = fixture_path("w.h5");
    const storage plain = {H5T_IEEE_F32LE, false, 0};
    fill(values);
    write_file(path, "/net", values, &plain);
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    assert_true(H5Lcreate_soft("/net", file, "/model", H5P_DEFAULT, H5P_DEFAULT) >= 0);
    assert_true(H5Lcreate_external("/etc/passwd", "/", file, "/far", H5P_DEFAULT, H5P_DEFAULT) >=
                0);
    assert_true(H5Lcreate_hard(file, "/net", file, "/same", H5P_DEFAULT, H5P_DEFAULT) >= 0);
    assert_true(H5Lmove(file, "/net/fc.weight", file, "/net/x", H5P_DEFAULT, H5P_DEFAULT) >= 0);
    assert_true(H5Lcreate_soft("/net/x", file, "/net/fc.weight", H5P_DEFAULT, H5P_DEFAULT) >= 0);
    assert_true(H5Fclose(file) >= 0);
    expect_refused(path, "/model is a link to elsewhere", path);
    expect_refused(fixture_path("w.h5:/far"), "/far is a link to elsewhere", path);
    expect_refused(fixture_path("w.h5:/same"), "/same/fc.weight is a link to elsewhere", path);
}

/* A result file whose run never wrote a model, and one cut off in the middle of one. */
static void test_no_model(void **state)
{
    (void)state;
    error err = {0};
    const char *path = fixture_path("run.h5");
    record_plan plan = fixture_plan(N_ROUNDS);
    record *run = record_create(path, false, &plan, &err);
    assert_non_null(run);
    expect_refused(path, path, "no model yet: the first round is going on");
    assert_true(fixture_add(run, 0, &err));
    expect_refused(path, path, "no whole model: round 1 is done, but a model is written after");
    assert_true(record_close(run, &err));
    expect_refused(path, path, "no whole model: round 1 is done, but the model was not written");
    expect_refused(fixture_path("run.h5:/model"), path, "no whole model");
    expect_refused(fixture_path("run.h5:/"), path, "there is no /conv1.weight");
    run = record_create(path, true, &plan, &err);
    assert_true(run && record_close(run, &err));
    expect_refused(path, path, "no model yet: no round was finished");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_types),     TEST(test_groups),        TEST(test_long_group), TEST(test_numbers),
        TEST(test_shapes),    TEST(test_links),         TEST(test_no_model),   TEST(test_beside),
        TEST(test_many_dims), TEST(test_never_written),
    };
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
