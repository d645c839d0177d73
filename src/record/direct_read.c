#include "direct.h"
#include "reader.h"
#include "record/table.h"

#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_PAIRS = 4096, MAX_TENSORS = 4096 };

/* ---- /config and /build ---------------------------------------------------------------------- */

static char *name_of_attribute(hid_t group, hsize_t i, char *name, size_t n_bytes)
{
    hid_t attribute =
        H5Aopen_by_idx(group, ".", H5_INDEX_CRT_ORDER, H5_ITER_INC, i, H5P_DEFAULT, H5P_DEFAULT);
    if (attribute < 0) /* a copy by another program may have lost the order */
        attribute =
            H5Aopen_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, i, H5P_DEFAULT, H5P_DEFAULT);
    ssize_t length = H5Aget_name(attribute, n_bytes, name);
    hdf_close(attribute);
    return length > 0 && (size_t)length < n_bytes ? name : NULL;
}

/* What others have added to the group since, in another form, is passed over. */
static bool read_pair(reader *self, hid_t group, hsize_t i, record_pair *pair, size_t *n)
{
    char name[256];
    char *value = NULL;
    if (name_of_attribute(group, i, name, sizeof name))
        value = hdf_read_text(group, name, self->n_text_bytes);
    if (!value)
        return true;
    self->n_text_bytes -= strlen(value); /* several attributes may share what the file holds once */
    char *key = memory_new(strlen(name) + 1, 1, self->err);
    if (key)
        strcpy(key, name);
    *pair = (record_pair){key, value};
    (*n)++;
    return key != NULL;
}

/* The number of attributes, or more than there may be. */
static hsize_t count_attributes(hid_t group)
{
    H5O_info_t info = {0};
#if H5_VERSION_GE(1, 12, 0) /* where H5O_info_t is another type */
    bool good = H5Oget_info3(group, &info, H5O_INFO_NUM_ATTRS) >= 0;
#else
    bool good = H5Oget_info2(group, &info, H5O_INFO_NUM_ATTRS) >= 0;
#endif
    return good ? info.num_attrs : MAX_PAIRS + 1;
}

static bool read_pairs(reader *self, const char *group_name, record_pair **pairs, size_t *n)
{
    hid_t group = hdf_open_object(self->file, self->path, group_name, self->err);
    if (group < 0)
        return false;
    hsize_t count = count_attributes(group);
    bool good = count <= MAX_PAIRS;
    if (!good)
        error_user(self->err, "%s: the attributes of %s cannot be read or are too many", self->path,
                   group_name);
    else
        *pairs = memory_new((size_t)count, sizeof **pairs, self->err);
    good = good && *pairs;
    for (hsize_t i = 0; good && i < count; i++)
        good = read_pair(self, group, i, &(*pairs)[*n], n);
    hdf_close(group);
    return good;
}

/* ---- what tensors stand under /model --------------------------------------------------------- */

static bool is_other(const char *name)
{
    return strcmp(name, schema_tables[TABLE_ROUND_OF_MODEL].columns->name) == 0 ||
           strcmp(name, schema_tables[TABLE_TEXT_OF_MODEL].columns->name) == 0;
}

/* What former versions have not written. */
static void read_algorithm(hid_t dataset, tensor *part)
{
    char *text = hdf_read_text(dataset, "algorithm", sizeof part->algorithm - 1);
    snprintf(part->algorithm, sizeof part->algorithm, "%s", text ? text : "");
    memory_free(text);
}

static bool read_tensor(const reader *self, const char *name, size_t offset, tensor *part)
{
    hdf_shape shape;
    char path[TENSOR_NAME_BYTES + 16];
    snprintf(path, sizeof path, "%s/%s", SCHEMA_MODEL, name);
    hid_t dataset = hdf_open_dataset(self->file, self->path, path, &shape, self->err);
    if (dataset < 0)
        return false;
    read_algorithm(dataset, part);
    hdf_close(dataset);
    if (shape.class != H5T_FLOAT || shape.n_dims == 0 || shape.n_dims > TENSOR_MAX_DIMS ||
        shape.n_elements == 0 || shape.n_elements * shape.element_bytes > self->n_bytes)
        return error_user(self->err, "%s: %s is no array of weights", self->path, path);
    snprintf(part->name, sizeof part->name, "%s", name);
    part->n_dims = shape.n_dims;
    memcpy(part->dims, shape.dims, sizeof part->dims);
    part->offset = offset;
    part->count = shape.n_elements;
    return true;
}

static ssize_t name_of_link(hid_t group, hsize_t i, char name[TENSOR_NAME_BYTES])
{
    ssize_t length = H5Lget_name_by_idx(group, ".", H5_INDEX_CRT_ORDER, H5_ITER_INC, i, name,
                                        TENSOR_NAME_BYTES, H5P_DEFAULT);
    if (length < 0)
        length = H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, i, name,
                                    TENSOR_NAME_BYTES, H5P_DEFAULT);
    return length;
}

static bool read_tensors(const reader *self, record_file *out)
{
    H5G_info_t info = {0};
    hid_t group = hdf_open_object(self->file, self->path, SCHEMA_MODEL, self->err);
    if (group < 0)
        return false;
    bool good = H5Gget_info(group, &info) >= 0 && info.nlinks <= MAX_TENSORS;
    if (!good)
        error_user(self->err, "%s: %s holds too much", self->path, SCHEMA_MODEL);
    else
        out->tensors = memory_new((size_t)info.nlinks, sizeof *out->tensors, self->err);
    good = good && out->tensors;
    size_t offset = 0;
    for (hsize_t i = 0; good && i < info.nlinks; i++) {
        char name[TENSOR_NAME_BYTES];
        ssize_t length = name_of_link(group, i, name);
        if (length <= 0 || length >= TENSOR_NAME_BYTES) {
            good = error_user(self->err, "%s: %s holds a name that is too long", self->path,
                              SCHEMA_MODEL);
        } else if (!is_other(name)) {
            tensor *part = &out->tensors[out->n_tensors];
            good = read_tensor(self, name, offset, part);
            offset += part->count; /* each is bounded by the file, their number by MAX_TENSORS */
            out->n_tensors++;
        }
    }
    hdf_close(group);
    return good;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static bool check_format(const reader *self)
{
    int64_t version = 0;
    hid_t root = hdf_open_object(self->file, self->path, "/", self->err);
    if (root < 0)
        return false;
    char *format = hdf_read_text(root, "format", 64);
    bool ours = format && strcmp(format, SCHEMA_FORMAT) == 0 &&
                hdf_read_int(root, "format_version", &version);
    bool doctors = format && strcmp(format, RECORD_DOCTOR) == 0;
    memory_free(format);
    hdf_close(root);
    if (doctors)
        return error_user(
            self->err, "%s: is a file of bramble doctor and has no training; bramble info shows it",
            self->path);
    if (!ours)
        return error_user(self->err, "%s: is no result file of Bramble (no attribute format = %s)",
                          self->path, SCHEMA_FORMAT);
    if (version != SCHEMA_VERSION)
        return error_user(self->err, "%s: has format version %lld, this program reads %d",
                          self->path, (long long)version, SCHEMA_VERSION);
    return true;
}

/* Sizes first: nothing is taken for more than the file holds, or than any plan may ask for. */
static bool read_sizes(reader *self, record_file *out)
{
    schema_sizes *sizes = &self->sizes;
    int64_t n_done;
    if (!reader_length(self, TABLE_MACHINE, &sizes->n_ranks) ||
        !reader_length(self, TABLE_ROUND, &sizes->n_rounds) ||
        !reader_length(self, TABLE_CLASSES, &sizes->n_classes) ||
        !reader_text_length(self, TABLE_TEXT_OF_MODEL, &sizes->n_text_bytes))
        return false;
    if (schema_bytes(sizes) > SCHEMA_MAX_BYTES ||
        schema_bytes(sizes) > (double)self->n_bytes + SCHEMA_OVERHEAD_BYTES)
        return error_user(self->err, "%s: is damaged: %zu rounds of %zu ranks do not fit in it",
                          self->path, sizes->n_rounds, sizes->n_ranks);
    if (!reader_table(self, TABLE_DONE, 0, &n_done) ||
        !reader_table(self, TABLE_ROUND_OF_MODEL, 0, &out->model_round))
        return false;
    if (n_done < 0 || (uint64_t)n_done > sizes->n_rounds)
        return error_user(self->err, "%s: is damaged: %lld of %zu rounds are done", self->path,
                          (long long)n_done, sizes->n_rounds);
    if (out->model_round < RECORD_NO_MODEL || out->model_round >= (int64_t)sizes->n_rounds)
        return error_user(self->err, "%s: is damaged: its model is of round %lld of %zu",
                          self->path, (long long)out->model_round, sizes->n_rounds);
    out->n_rounds_planned = sizes->n_rounds;
    out->n_rounds = (size_t)n_done;
    out->n_ranks = sizes->n_ranks;
    out->n_classes = (int)sizes->n_classes;
    return true;
}

static bool new_rows(const reader *self, record_file *out)
{
    size_t n_rounds = out->n_rounds, n_classes = self->sizes.n_classes;
    return (out->machines = memory_new(out->n_ranks, sizeof *out->machines, self->err)) &&
           (out->rounds = memory_new(n_rounds, sizeof *out->rounds, self->err)) &&
           (out->ranks = memory_new(n_rounds * out->n_ranks, sizeof *out->ranks, self->err)) &&
           (out->tests = memory_new(n_rounds, sizeof *out->tests, self->err)) &&
           (out->confusion =
                memory_new(n_classes * n_classes, sizeof *out->confusion, self->err)) &&
           (out->labels = memory_new(out->n_ranks * n_classes, sizeof *out->labels, self->err)) &&
           (out->class_names = memory_new(n_classes, sizeof *out->class_names, self->err)) &&
           (out->model_text = memory_new(self->sizes.n_text_bytes + 1, 1, self->err));
}

static bool read_rows(const reader *self, record_file *out)
{
    const struct {
        enum table_id id;
        void *rows;
    } parts[] = {{TABLE_MACHINE, out->machines},    {TABLE_ROUND, out->rounds},
                 {TABLE_RANK, out->ranks},          {TABLE_TEST, out->tests},
                 {TABLE_CONFUSION, out->confusion}, {TABLE_CLASSES, out->class_names},
                 {TABLE_SHARDS, out->labels},       {TABLE_TEXT_OF_MODEL, out->model_text},
                 {TABLE_SUMMARY, &out->summary},    {TABLE_PROGRESS, &out->progress}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (parts[i].rows && !reader_table(self, parts[i].id, out->n_rounds, parts[i].rows))
            return false;
    for (size_t i = 0; i < out->n_rounds; i++)
        if (isnan(out->rounds[i].t_end_s))
            out->n_rounds = i; /* power was lost before the row was on the disk */
    return true;
}

static bool read_brief(reader *self, record_file *out)
{
    return check_format(self) && read_sizes(self, out) &&
           (out->rounds = memory_new(out->n_rounds, sizeof *out->rounds, self->err)) &&
           (out->tests = memory_new(out->n_rounds, sizeof *out->tests, self->err)) &&
           read_rows(self, out);
}

/* Only files of runs that went on have them. */
static bool read_interruptions(reader *self, record_file *out)
{
    if (!hdf_has(self->file, SCHEMA_INTERRUPTIONS))
        return true;
    if (!reader_length(self, TABLE_INTERRUPTION, &self->sizes.n_interruptions))
        return false;
    if (self->sizes.n_interruptions > self->n_bytes / sizeof *out->interruptions)
        return error_user(self->err, "%s: is damaged: %zu interruptions do not fit in it",
                          self->path, self->sizes.n_interruptions);
    out->n_interruptions = self->sizes.n_interruptions;
    out->interruptions = memory_new(out->n_interruptions, sizeof *out->interruptions, self->err);
    return out->interruptions && reader_table(self, TABLE_INTERRUPTION, 0, out->interruptions);
}

/* Only files of runs whose clients have rows have them. */
static bool read_clients(reader *self, record_file *out)
{
    size_t *n = &self->sizes.n_clients;
    const size_t n_classes = self->sizes.n_classes, n_rounds = out->n_rounds;
    if (!hdf_has(self->file, SCHEMA_CLIENTS))
        return true;
    if (!reader_length(self, TABLE_CLIENT, n))
        return false;
    if (schema_bytes(&self->sizes) > (double)self->n_bytes + SCHEMA_OVERHEAD_BYTES)
        return error_user(self->err, "%s: is damaged: %zu clients do not fit in it", self->path,
                          *n);
    out->n_clients = *n;
    return (out->clients = memory_new(*n, sizeof *out->clients, self->err)) &&
           (out->client_labels =
                memory_new(*n, n_classes * sizeof *out->client_labels, self->err)) &&
           (out->client_rounds =
                memory_new(n_rounds, *n * sizeof *out->client_rounds, self->err)) &&
           reader_table(self, TABLE_CLIENT, 0, out->clients) &&
           reader_table(self, TABLE_CLIENT_LABELS, 0, out->client_labels) &&
           reader_table(self, TABLE_CLIENT_ROUND, n_rounds, out->client_rounds);
}

static bool read_file(reader *self, record_file *out)
{
    return check_format(self) && read_sizes(self, out) && new_rows(self, out) &&
           read_rows(self, out) && read_pairs(self, SCHEMA_CONFIG, &out->config, &out->n_config) &&
           read_pairs(self, SCHEMA_BUILD, &out->build, &out->n_build) && read_tensors(self, out) &&
           read_interruptions(self, out) && read_clients(self, out);
}

static record_file *read_by(bool (*read)(reader *self, record_file *out), const char *path,
                            error *err)
{
    reader self = {.path = path, .n_text_bytes = SCHEMA_MAX_TEXT_BYTES, .err = err};
    self.file = hdf_open(path, &self.n_bytes, err);
    if (self.file < 0)
        return NULL;
    record_file *out = memory_new(1, sizeof *out, err);
    bool good = out && read(&self, out) && hdf_check_size(self.file, path, self.n_bytes, err);
    hdf_close(self.file);
    if (good)
        return out;
    record_file_free(out);
    return NULL;
}

record_file *direct_read(const char *path, error *err)
{
    return read_by(read_file, path, err);
}

record_file *direct_read_rounds(const char *path, error *err)
{
    return read_by(read_brief, path, err);
}
