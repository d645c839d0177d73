#include "record/table.h"

#include "hdf.h"
#include "place.h"

#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { FILE_VERSION = 1 };

static hid_t type_in_file(const record_column *column)
{
    if (column->type == RECORD_TEXT)
        return hdf_text_type(column->n_bytes);
    return H5Tcopy(column->type == RECORD_F64 ? H5T_IEEE_F64LE : H5T_STD_I64LE);
}

/* The column of all rows, as it lies in memory, one element behind the other. */
static char *column_copy(const record_table *table, const record_column *column, error *err)
{
    char *copy = memory_new(table->n_rows, column->n_bytes, err);
    for (size_t i = 0; copy && i < table->n_rows; i++)
        memcpy(copy + i * column->n_bytes,
               (const char *)table->rows + i * table->row_bytes + column->offset, column->n_bytes);
    return copy;
}

static bool write_column(hid_t group, const record_table *table, const record_column *column,
                         error *err)
{
    hsize_t n = table->n_rows;
    const char *unit = column->name + strlen(column->name) + 1, *about = unit + strlen(unit) + 1;
    char *copy = column_copy(table, column, err);
    hid_t type = type_in_file(column), space = H5Screate_simple(1, &n, NULL), dataset = -1;
    if (copy && type >= 0 && space >= 0)
        dataset =
            H5Dcreate2(group, column->name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    hid_t in_memory = column->type == RECORD_TEXT  ? type
                      : column->type == RECORD_F64 ? H5T_NATIVE_DOUBLE
                                                   : H5T_NATIVE_INT32;
    bool good = dataset >= 0 &&
                H5Dwrite(dataset, in_memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, copy) >= 0 &&
                hdf_write_note(dataset, "unit", unit) && hdf_write_note(dataset, "about", about);
    good = hdf_close(dataset) && good;
    hdf_close(space);
    hdf_close(type);
    memory_free(copy);
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
    hid_t file = structure_create_file(temporary);
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
