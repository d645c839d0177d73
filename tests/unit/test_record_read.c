/* Reading result files that somebody has changed, by accident or to harm. */
#include "record_fixture.h"

#include <hdf5.h>
#include <math.h>

/* ---- one thing wrong ------------------------------------------------------- */

static hid_t scalar_space(void)
{
    return H5Screate(H5S_SCALAR);
}

/* Put another dataset in the place of one. */
static void replace(hid_t file, const char *name, hid_t type, hid_t space, hid_t creation)
{
    assert_true(H5Ldelete(file, name, H5P_DEFAULT) >= 0);
    hid_t dataset = H5Dcreate2(file, name, type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    assert_true(dataset >= 0);
    assert_true(H5Dclose(dataset) >= 0 && H5Sclose(space) >= 0);
}

static void replace_sized(hid_t file, const char *name, hid_t type, int n_dims, const hsize_t *dims)
{
    replace(file, name, type, H5Screate_simple(n_dims, dims, NULL), H5P_DEFAULT);
}

static void write_int(hid_t file, const char *name, int64_t value)
{
    hid_t dataset = H5Dopen2(file, name, H5P_DEFAULT);
    assert_true(H5Dwrite(dataset, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, &value) >= 0);
    assert_true(H5Dclose(dataset) >= 0);
}

static void no_loss(hid_t file)
{
    assert_true(H5Ldelete(file, "/rounds/loss", H5P_DEFAULT) >= 0);
}

static void no_group(hid_t file)
{
    assert_true(H5Ldelete(file, "/test", H5P_DEFAULT) >= 0);
}

static void no_config(hid_t file)
{
    assert_true(H5Ldelete(file, "/config", H5P_DEFAULT) >= 0);
}

static void short_column(hid_t file)
{
    replace_sized(file, "/rounds/lr", H5T_IEEE_F64LE, 1, (const hsize_t[]){N_ROUNDS - 1});
}

static void wrong_ranks(hid_t file)
{
    replace_sized(file, "/rounds/ranks/loss", H5T_IEEE_F64LE, 2, (const hsize_t[]){N_ROUNDS, 2});
}

static void wrong_dims(hid_t file)
{
    replace_sized(file, "/rounds/ranks/wait_s", H5T_IEEE_F64LE, 1, (const hsize_t[]){15});
}

static void many_dims(hid_t file)
{
    replace_sized(file, "/rounds/ranks/wait_s", H5T_IEEE_F64LE, 6,
                  (const hsize_t[]){1, 1, 1, 1, 5, 3});
}

static void no_rows(hid_t file)
{
    replace_sized(file, "/machine/rank", H5T_STD_I64LE, 1, (const hsize_t[]){0});
}

static void null_space(hid_t file)
{
    replace(file, "/summary/rounds", H5T_IEEE_F64LE, H5Screate(H5S_NULL), H5P_DEFAULT);
}

static void integers(hid_t file)
{
    replace_sized(file, "/test/loss", H5T_STD_I64LE, 1, (const hsize_t[]){N_ROUNDS});
}

static void floats(hid_t file)
{
    replace(file, "/rounds/n_done", H5T_IEEE_F64LE, scalar_space(), H5P_DEFAULT);
}

static void compound(hid_t file)
{
    hid_t type = H5Tcreate(H5T_COMPOUND, 8);
    assert_true(H5Tinsert(type, "x", 0, H5T_NATIVE_DOUBLE) >= 0);
    replace_sized(file, "/test/accuracy", type, 1, (const hsize_t[]){N_ROUNDS});
    H5Tclose(type);
}

static void variable_strings(hid_t file)
{
    hid_t type = H5Tcopy(H5T_C_S1);
    assert_true(H5Tset_size(type, H5T_VARIABLE) >= 0);
    replace_sized(file, "/machine/host", type, 1, (const hsize_t[]){N_RANKS});
    H5Tclose(type);
}

static void long_text(hid_t file)
{
    hid_t type = H5Tcopy(H5T_C_S1);
    assert_true(H5Tset_size(type, (1 << 20) + 1) >= 0);
    replace(file, "/model/ini", type, scalar_space(), H5P_DEFAULT);
    H5Tclose(type);
}

static void soft_link(hid_t file)
{
    assert_true(H5Lmove(file, "/rounds/loss", file, "/rounds/other", H5P_DEFAULT, H5P_DEFAULT) >=
                0);
    assert_true(H5Lcreate_soft("/rounds/other", file, "/rounds/loss", H5P_DEFAULT, H5P_DEFAULT) >=
                0);
}

static void external_link(hid_t file)
{
    assert_true(H5Ldelete(file, "/summary", H5P_DEFAULT) >= 0);
    assert_true(
        H5Lcreate_external("/etc/passwd", "/", file, "/summary", H5P_DEFAULT, H5P_DEFAULT) >= 0);
}

static void late_external_link(hid_t file)
{
    assert_true(H5Ldelete(file, "/progress", H5P_DEFAULT) >= 0);
    assert_true(
        H5Lcreate_external("/etc/passwd", "/", file, "/progress", H5P_DEFAULT, H5P_DEFAULT) >= 0);
}

static void late_soft_link(hid_t file)
{
    assert_true(H5Ldelete(file, "/progress/t_s", H5P_DEFAULT) >= 0);
    assert_true(H5Lcreate_soft("/nowhere", file, "/progress/t_s", H5P_DEFAULT, H5P_DEFAULT) >= 0);
}

static void late_dataset_for_group(hid_t file)
{
    replace(file, "/progress", H5T_IEEE_F64LE, scalar_space(), H5P_DEFAULT);
}

static void external_storage(hid_t file)
{
    hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    assert_true(H5Pset_external(creation, "/etc/passwd", 0, 8 * N_ROUNDS) >= 0);
    replace(file, "/rounds/loss", H5T_IEEE_F64LE,
            H5Screate_simple(1, (const hsize_t[]){N_ROUNDS}, NULL), creation);
    H5Pclose(creation);
}

static void virtual_layout(hid_t file)
{
    const hsize_t n = N_ROUNDS;
    hid_t creation = H5Pcreate(H5P_DATASET_CREATE), space = H5Screate_simple(1, &n, NULL);
    assert_true(H5Pset_virtual(creation, space, "/etc/passwd", "/x", space) >= 0);
    replace(file, "/rounds/loss", H5T_IEEE_F64LE, H5Screate_simple(1, &n, NULL), creation);
    H5Sclose(space);
    H5Pclose(creation);
}

/* Promise many rows, take no space. */
static void replace_huge(hid_t file, const char *name, int n_dims, const hsize_t *dims)
{
    const hsize_t chunk[2] = {1000, 1};
    hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    assert_true(H5Pset_chunk(creation, n_dims, chunk) >= 0);
    replace(file, name, H5T_IEEE_F64LE, H5Screate_simple(n_dims, dims, NULL), creation);
    H5Pclose(creation);
}

static void huge_rounds(hid_t file)
{
    replace_huge(file, "/rounds/t_end_s", 1, (const hsize_t[]){1ULL << 62});
}

static void large_rounds(hid_t file)
{
    replace_huge(file, "/rounds/t_end_s", 1, (const hsize_t[]){1000000});
}

static void huge_ranks(hid_t file)
{
    replace_huge(file, "/rounds/ranks/loss", 2, (const hsize_t[]){1ULL << 40, 1ULL << 40});
}

static void huge_chunk(hid_t file)
{
    const hsize_t n = N_ROUNDS, chunk = 100 << 20, unlimited = H5S_UNLIMITED;
    hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    assert_true(H5Pset_chunk(creation, 1, &chunk) >= 0);
    replace(file, "/rounds/loss", H5T_IEEE_F64LE, H5Screate_simple(1, &n, &unlimited), creation);
    H5Pclose(creation);
}

static void too_many_done(hid_t file)
{
    write_int(file, "/rounds/n_done", N_ROUNDS + 1);
}

static void negative_done(hid_t file)
{
    write_int(file, "/rounds/n_done", -1);
}

static void bad_model_round(hid_t file)
{
    write_int(file, "/model/round", N_ROUNDS);
}

static void large_number(hid_t file)
{
    const int64_t threads[N_RANKS] = {1, 1LL << 40, 1};
    hid_t dataset = H5Dopen2(file, "/machine/threads", H5P_DEFAULT);
    assert_true(H5Dwrite(dataset, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, threads) >= 0);
    assert_true(H5Dclose(dataset) >= 0);
}

static void dataset_for_group(hid_t file)
{
    replace(file, "/machine", H5T_IEEE_F64LE, scalar_space(), H5P_DEFAULT);
}

static void group_for_dataset(hid_t file)
{
    assert_true(H5Ldelete(file, "/rounds/loss", H5P_DEFAULT) >= 0);
    assert_true(H5Gclose(H5Gcreate2(file, "/rounds/loss", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT)) >=
                0);
}

static void group_in_model(hid_t file)
{
    assert_true(H5Gclose(H5Gcreate2(file, "/model/more", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT)) >=
                0);
}

static void other_version(hid_t file)
{
    const int64_t version = 2;
    hid_t attribute = H5Aopen(file, "format_version", H5P_DEFAULT);
    assert_true(H5Awrite(attribute, H5T_NATIVE_INT64, &version) >= 0);
    H5Aclose(attribute);
}

static void no_format(hid_t file)
{
    assert_true(H5Adelete(file, "format") >= 0);
}

static void test_hostile(void **state)
{
    (void)state;
    static const struct {
        void (*spoil)(hid_t file);
        const char *says;
    } cases[] = {
        {no_loss, "there is no /rounds/loss"},
        {no_group, "there is no /test"},
        {no_config, "there is no /config"},
        {short_column, "/rounds/lr has the shape 4, expected 5"},
        {wrong_ranks, "/rounds/ranks/loss has the shape 5 x 2, expected 5 x 3"},
        {wrong_dims, "/rounds/ranks/wait_s has the shape 15, expected 5 x 3"},
        {many_dims, "/rounds/ranks/wait_s"},
        {no_rows, "/machine/rank has the shape 0"},
        {null_space, "/summary/rounds"},
        {integers, "/test/loss does not hold floating-point numbers"},
        {floats, "/rounds/n_done does not hold integers"},
        {compound, "/test/accuracy does not hold floating-point numbers"},
        {variable_strings, "/machine/host does not hold strings of fixed length"},
        {long_text, "/model/ini does not hold strings"},
        {soft_link, "/rounds/loss is a link to elsewhere"},
        {external_link, "/summary is a link to elsewhere"},
        {late_external_link, "/progress is a link to elsewhere"},
        {late_soft_link, "/progress/t_s is a link to elsewhere"},
        {late_dataset_for_group, "there is no /progress/round"},
        {external_storage, "/rounds/loss is stored outside"},
        {virtual_layout, "/rounds/loss is stored outside"},
        {huge_rounds, "/rounds/t_end_s has more elements than fit"},
        {large_rounds, "do not fit"},
        {huge_ranks, "/rounds/ranks/loss"},
        {huge_chunk, "/rounds/loss is stored in oversized chunks"},
        {too_many_done, "6 of 5 rounds"},
        {negative_done, "-1 of 5 rounds"},
        {bad_model_round, "of round 5 of 5"},
        {large_number, "/machine/threads holds a number that is out of range"},
        {dataset_for_group, "there is no /machine/rank"},
        {group_for_dataset, "/rounds/loss is no dataset"},
        {group_in_model, "/model/more is no dataset"},
        {other_version, "format version 2"},
        {no_format, "no result file"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *path = fixture_path("x.h5");
        fixture_file(path);
        hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
        assert_true(file >= 0);
        cases[i].spoil(file);
        assert_true(H5Fclose(file) >= 0);
        fixture_unreadable(path, cases[i].says);
    }
}

/* What a user notes down in the file later, in whatever form, does no harm. */
static void test_notes(void **state)
{
    (void)state;
    error err = {0};
    const char *path = fixture_path("x.h5"), *text = "a note";
    fixture_file(path);
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT), space = scalar_space();
    hid_t group = H5Gopen2(file, "/config", H5P_DEFAULT), type = H5Tcopy(H5T_C_S1);
    assert_true(H5Tset_size(type, H5T_VARIABLE) >= 0);
    hid_t number = H5Acreate2(group, "a", H5T_STD_I64LE, space, H5P_DEFAULT, H5P_DEFAULT);
    hid_t note = H5Acreate2(group, "zz", type, space, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(number >= 0 && note >= 0 && H5Awrite(note, type, &text) >= 0);
    H5Aclose(number);
    H5Aclose(note);
    H5Tclose(type);
    H5Sclose(space);
    assert_true(H5Gclose(group) >= 0 && H5Fclose(file) >= 0);
    record_file *read = record_read(path, &err);
    if (!read)
        fail_msg("%s", err.text);
    assert_int_equal(read->n_config, sizeof fixture_config / sizeof *fixture_config);
    record_file_free(read);
}

/* A column that the program which wrote the file did not know is not known; nor a group of such ones. */
static void test_former_version(void **state)
{
    (void)state;
    const char *const lacks[] = {"/progress/tested", "/progress", "/machine/fused"};
    for (size_t i = 0; i < sizeof lacks / sizeof *lacks; i++) {
        error err = {0};
        const char *path = fixture_path("x.h5");
        fixture_file(path);
        hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
        assert_true(file >= 0);
        write_int(file, "/progress/round", 1);
        write_int(file, "/progress/tested", 1);
        assert_true(H5Ldelete(file, lacks[i], H5P_DEFAULT) >= 0 && H5Fclose(file) >= 0);
        record_file *read = record_read(path, &err);
        if (!read)
            fail_msg("%s", err.text);
        assert_true(isnan(read->progress.tested) == (i < 2));
        assert_true(isnan(read->progress.round) == (i == 1));
        for (int k = 0; k < N_RANKS; k++)
            assert_int_equal(read->machines[k].fused, i == 2 ? -1 : fixture_machines[k].fused);
        record_file_free(read);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_hostile),
        TEST(test_notes),
        TEST(test_former_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
