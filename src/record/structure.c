#include "hdf.h"
#include "state.h"

#include <math.h>
#include <string.h>

static const char about_file[] =
    "A training run of Bramble: /rounds over time, /summary in short, /model the weights.";

/*
 * All space is taken and filled at once (a full disk shows here, and offsets never change).  No
 * times, so that the same run gives the same file.
 */
static hid_t dataset_properties(hid_t type)
{
    const double nan_value = NAN;
    const int64_t minus_one = -1;
    const void *fill = H5Tget_class(type) == H5T_FLOAT ? (const void *)&nan_value : &minus_one;
    hid_t native = H5Tget_class(type) == H5T_FLOAT ? H5T_NATIVE_DOUBLE : H5T_NATIVE_INT64;
    hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    if (creation >= 0 && H5Pset_layout(creation, H5D_CONTIGUOUS) >= 0 &&
        H5Pset_alloc_time(creation, H5D_ALLOC_TIME_EARLY) >= 0 &&
        H5Pset_fill_time(creation, H5D_FILL_TIME_ALLOC) >= 0 &&
        H5Pset_obj_track_times(creation, false) >= 0 &&
        (H5Tget_class(type) == H5T_STRING || H5Pset_fill_value(creation, native, fill) >= 0))
        return creation;
    hdf_close(creation);
    return -1;
}

/* A dataset that is there to be filled, and where: column gives name, unit and about. */
static bool create_dataset(hid_t group, const schema_column *column, hid_t type, int n_dims,
                           const size_t *dims, uint64_t *offset)
{
    hsize_t extent[TENSOR_MAX_DIMS];
    for (int i = 0; i < n_dims; i++)
        extent[i] = dims[i];
    hid_t space = n_dims > 0 ? H5Screate_simple(n_dims, extent, NULL) : H5Screate(H5S_SCALAR);
    hid_t creation = dataset_properties(type);
    hid_t dataset = -1;
    if (space >= 0 && creation >= 0)
        dataset = H5Dcreate2(group, column->name, type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    bool good = dataset >= 0 && hdf_write_note(dataset, "unit", column->unit) &&
                hdf_write_note(dataset, "about", column->about);
    if (good) {
        haddr_t address = H5Dget_offset(dataset);
        good = address != HADDR_UNDEF;
        *offset = address;
    }
    good = hdf_close(dataset) && good;
    hdf_close(creation);
    hdf_close(space);
    return good;
}

static hid_t column_type_in_file(const schema_column *column, const schema_sizes *sizes)
{
    switch (column->type) {
    case COLUMN_F64:
        return H5Tcopy(H5T_IEEE_F64LE);
    case COLUMN_TEXT:
        return hdf_text_type(schema_element_bytes(column, sizes));
    case COLUMN_I32:
    case COLUMN_I64:
        break;
    }
    return H5Tcopy(H5T_STD_I64LE);
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
    for (size_t i = 0; good && i < table->n_columns; i++) {
        hid_t type = column_type_in_file(&table->columns[i], &self->sizes);
        good = type >= 0 &&
               create_dataset(group, &table->columns[i], type, n_dims, dims, &self->at[id][i]);
        hdf_close(type);
    }
    return hdf_close(group) && good;
}

static bool create_tensors(record *self, hid_t file)
{
    hid_t group = H5Gopen2(file, SCHEMA_MODEL, H5P_DEFAULT);
    bool good = group >= 0;
    for (size_t i = 0; good && i < self->n_tensors; i++) {
        const tensor *part = &self->tensors[i];
        schema_column column = {
            .name = part->name, .unit = schema_tensor_unit, .about = schema_tensor_about};
        good = create_dataset(group, &column, H5T_IEEE_F32LE, part->n_dims, part->dims,
                              &self->tensor_at[i]);
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
        const schema_column column = {.name = v->name, .unit = "1", .about = v->about};
        const size_t dims[2] = {v->per_worker ? plan->n_workers : 1, v->n};
        self->vectors[i].n_bytes = dims[0] * dims[1] * sizeof *v->values;
        good = create_dataset(group, &column, H5T_IEEE_F32LE, v->per_worker ? 2 : 1,
                              v->per_worker ? dims : dims + 1, &self->vectors[i].at);
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
        if ((strcmp(schema_groups[i], SCHEMA_INTERRUPTIONS) == 0 && sizes->n_interruptions == 0) ||
            (strcmp(schema_groups[i], SCHEMA_CHECKPOINT) == 0 && !sizes->is_checkpoint))
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

/*
 * The format of HDF5 1.8: every reader knows it, SWMR readers accept it, its metadata have checksums,
 * and its superblock, unlike that of 1.10, has no mark of being open that a reader would stumble over.
 */
hid_t structure_create_file(const char *temporary)
{
    hid_t access = H5Pcreate(H5P_FILE_ACCESS), creation = H5Pcreate(H5P_FILE_CREATE), file = -1;
    if (H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V18) >= 0 &&
        H5Pset_fclose_degree(access, H5F_CLOSE_STRONG) >= 0 &&
        H5Pset_file_locking(access, false, true) >= 0 &&
        H5Pset_obj_track_times(creation, false) >= 0)
        file = H5Fcreate(temporary, H5F_ACC_TRUNC, creation, access);
    hdf_close(access);
    hdf_close(creation);
    return file;
}

bool state_create(record *self, const char *temporary, const record_plan *plan, error *err)
{
    char cause[HDF_CAUSE_BYTES] = "";
    hid_t file = structure_create_file(temporary);
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
