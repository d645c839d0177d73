#include "dataset.h"
#include "state.h"

#include <string.h>

static const char about_file[] =
    "A training run of Bramble: /rounds over time, /summary in short, /model the weights.";
static const char about_tensor[] =
    "Weights of the model, row-major and named as in PyTorch's state_dict.";

/* Where a new dataset's numbers lie in the file; it is closed. */
static bool note_offset(hid_t dataset, uint64_t *offset)
{
    if (dataset < 0)
        return false;
    haddr_t address = H5Dget_offset(dataset);
    *offset = address;
    return hdf_close(dataset) && address != HADDR_UNDEF;
}

static bool create_table(record *self, hid_t file, enum table_id id)
{
    const schema_table *table = &schema_tables[id];
    size_t dims[2];
    if (!schema_has(id, &self->sizes))
        return true;
    int n_dims = schema_dims(table->shape, &self->sizes, dims);
    hid_t group = H5Gopen2(file, table->group, H5P_DEFAULT);
    bool good = group >= 0;
    for (size_t i = 0; good && i < table->n_columns; i++)
        good = note_offset(
            dataset_new(group, schema_column(table, i), self->sizes.n_text_bytes, n_dims, dims),
            &self->at[id][i]);
    return hdf_close(group) && good;
}

static bool create_tensors(record *self, hid_t file)
{
    hid_t group = H5Gopen2(file, SCHEMA_MODEL, H5P_DEFAULT);
    bool good = group >= 0;
    for (size_t i = 0; good && i < self->n_tensors; i++) {
        const tensor *part = &self->tensors[i];
        hid_t dataset = hdf_new_dataset(group, part->name, "1", about_tensor, H5T_IEEE_F32LE,
                                        part->n_dims, part->dims);
        good = dataset >= 0 && (part->algorithm[0] == '\0' ||
                                hdf_write_text(dataset, "algorithm", part->algorithm));
        good = note_offset(dataset, &self->tensor_at[i]) && good;
    }
    return hdf_close(group) && good;
}

static bool create_vectors(record *self, hid_t file, const checkpoint_plan *plan)
{
    if (!plan)
        return true;
    hid_t group = H5Gopen2(file, SCHEMA_CHECKPOINT, H5P_DEFAULT);
    bool good = group >= 0 && hdf_write_text(group, SCHEMA_OUT, plan->out);
    for (size_t i = 0; good && i < plan->n_vectors; i++) {
        const checkpoint_vector *v = &plan->vectors[i];
        const size_t dims[2] = {v->per_client ? plan->n_clients : 1, v->n};
        self->vectors[i].n_bytes = dims[0] * dims[1] * sizeof *v->values;
        good = note_offset(hdf_new_dataset(group, v->name, "1", v->about, H5T_IEEE_F32LE,
                                           v->per_client ? 2 : 1, v->per_client ? dims : dims + 1),
                           &self->vectors[i].at);
    }
    return hdf_close(group) && good;
}

/* Links and attributes keep the order they are made in. */
static bool create_groups(hid_t file, const schema_sizes *sizes)
{
    const unsigned order = H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED;
    hid_t creation = H5Pcreate(H5P_GROUP_CREATE);
    bool good = creation >= 0 && H5Pset_link_creation_order(creation, order) >= 0 &&
                H5Pset_attr_creation_order(creation, order) >= 0 &&
                H5Pset_obj_track_times(creation, false) >= 0;
    for (size_t i = 0; good && schema_groups[i]; i++) {
        if (!schema_has_group(schema_groups[i], sizes))
            continue;
        hid_t group = H5Gcreate2(file, schema_groups[i], H5P_DEFAULT, creation, H5P_DEFAULT);
        good = hdf_close(group) && group >= 0;
    }
    hdf_close(creation);
    return good;
}

static bool write_pairs(hid_t file, const char *name, const record_pair *pairs, size_t n)
{
    hid_t group = H5Gopen2(file, name, H5P_DEFAULT);
    bool good = group >= 0;
    for (size_t i = 0; good && i < n; i++)
        good = hdf_write_text(group, pairs[i].name, pairs[i].value);
    return hdf_close(group) && good;
}

bool state_create(record *self, const char *temporary, const record_plan *plan, error *err)
{
    char cause[HDF_CAUSE_BYTES] = "";
    hid_t file = hdf_new_file(temporary);
    bool good = file >= 0 && hdf_write_text(file, "format", SCHEMA_FORMAT) &&
                hdf_write_int(file, "format_version", SCHEMA_VERSION) &&
                hdf_write_note(file, "about", about_file) && create_groups(file, &self->sizes) &&
                write_pairs(file, SCHEMA_CONFIG, plan->config, plan->n_config) &&
                write_pairs(file, SCHEMA_BUILD, plan->build, plan->n_build);
    for (enum table_id id = 0; good && id < TABLE_COUNT; id++)
        good = create_table(self, file, id);
    good = good && create_tensors(self, file) && create_vectors(self, file, plan->checkpoint);
    if (!good)
        hdf_cause(cause); /* before closing replaces it */
    if (file >= 0 && H5Fclose(file) < 0 && good) {
        good = false;
        hdf_cause(cause);
    }
    return good || error_environment(err, "%s: cannot be written: %s", self->path, cause);
}
