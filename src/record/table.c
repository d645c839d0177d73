#include "record/table.h"

#include "dataset.h"
#include "record/place.h"

#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { FILE_VERSION = 1 };

static bool write_column(hid_t group, const record_table *table, const record_column *column,
                         error *err)
{
    size_t n_bytes = dataset_bytes(column, 0);
    char *elements = memory_new(table->n_rows, n_bytes, err);
    hid_t dataset = elements ? dataset_new(group, column, 0, 1, &table->n_rows) : -1, type = -1;
    if (dataset >= 0) {
        dataset_gather(column, n_bytes, table->rows, table->row_bytes, table->n_rows, elements);
        type = dataset_type(dataset, column->type, n_bytes);
    }
    bool good = type >= 0 && H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, elements) >= 0;
    hdf_close(type);
    good = hdf_close(dataset) && good;
    memory_free(elements);
    return good;
}

static bool write_table(hid_t parent, const record_table *table, error *err)
{
    hid_t group = H5Gcreate2(parent, table->name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    bool good = group >= 0;
    for (size_t i = 0; good && i < table->n_columns; i++)
        good = write_column(group, table, &table->columns[i], err);
    return hdf_close(group) && good;
}

static bool write_group(hid_t file, const record_tables *what, error *err)
{
    hid_t group = H5Gcreate2(file, what->group, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    bool good = group >= 0 && hdf_write_note(group, "about", what->about);
    for (size_t i = 0; good && i < what->n_pairs; i++)
        good = hdf_write_text(group, what->pairs[i].name, what->pairs[i].value);
    for (size_t i = 0; good && i < what->n_tables; i++)
        good = write_table(group, &what->tables[i], err);
    return hdf_close(group) && good;
}

static bool write_file(const char *path, const char *temporary, const record_tables *what,
                       error *err)
{
    char cause[HDF_CAUSE_BYTES] = "";
    hid_t file = hdf_new_file(temporary);
    bool good = file >= 0 && hdf_write_text(file, "format", what->format) &&
                hdf_write_int(file, "format_version", FILE_VERSION) && write_group(file, what, err);
    if (!good)
        hdf_cause(cause); /* before closing replaces it */
    if (file >= 0 && H5Fclose(file) < 0 && good) {
        good = false;
        hdf_cause(cause);
    }
    return good || error_environment(err, "%s: cannot be written: %s", path, cause);
}

/*
 * Is there room?  Asked before HDF5 is: a file it fails to close stays half open in it.
 */
static bool check_room(const char *path, int fd, const record_tables *what, error *err)
{
    size_t n_bytes = 65536;
    for (size_t i = 0; i < what->n_tables; i++)
        n_bytes +=
            what->tables[i].n_columns * 1024 + what->tables[i].n_rows * what->tables[i].row_bytes;
    if (fallocate(fd, 0, 0, (off_t)n_bytes) == 0 ||
        (errno != ENOSPC && errno != EDQUOT && errno != EFBIG))
        return true;
    return error_environment(err, "%s: cannot be written: %m (%.1f MB needed)", path,
                             (double)n_bytes / 1e6);
}

bool record_write_tables(const char *path, bool force, const record_tables *what, error *err)
{
    hdf_quiet();
    char *temporary = NULL;
    int fd = place_check(path, force, "--out", err) ? place_open(path, &temporary, err) : -1;
    if (fd < 0)
        return false;
    bool good = check_room(path, fd, what, err) && write_file(path, temporary, what, err);
    if (good && fsync(fd) != 0)
        good = error_environment(err, "%s: cannot be written: %m", path);
    close(fd);
    good = good && place_publish(temporary, path, force, err);
    if (!good)
        unlink(temporary);
    memory_free(temporary);
    return good;
}
