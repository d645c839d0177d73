#include "record/record.h"

#include "base/child.h"

#include "direct.h"
#include "pack.h"

#include <stdio.h>

static bool pack(record_file *file, FILE *out)
{
    if (file)
        pack_write(file, out);
    record_file_free(file);
    return file != NULL;
}

static bool work(void *arg, FILE *out, error *err)
{
    return pack(direct_read(arg, err), out);
}

static bool work_brief(void *arg, FILE *out, error *err)
{
    return pack(direct_read_rounds(arg, err), out);
}

static record_file *read_in_child(child_work *how, const char *path, error *err)
{
    FILE *packed = child_run(&(child_task){path, "HDF5", 0}, how, (void *)path, err);
    record_file *file = packed ? pack_read(path, packed, err) : NULL;
    if (packed)
        fclose(packed);
    return file;
}

record_file *record_read(const char *path, error *err)
{
    return read_in_child(work, path, err);
}

record_file *record_read_rounds(const char *path, error *err)
{
    return read_in_child(work_brief, path, err);
}
