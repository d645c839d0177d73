#include "hdf.h"
#include "record/images.h"
#include "record/place.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FILE_VERSION = 1, CHUNK_BYTES = 1 << 20, MOST_IN_CHUNK = 256, IMAGE_DIMS = 4 };

static const char *const split_names[] = {"train", "test"};

typedef struct writing {
    const record_images *what;
    const char *path;
    hid_t file;
    size_t image_bytes, n_chunk; /* images in a chunk */
    uint8_t *images;             /* of a chunk */
    uint16_t *labels;
    error *err;
} writing;

static bool refuse(const writing *self)
{
    char cause[HDF_CAUSE_BYTES];
    return error_environment(self->err, "%s: cannot be written: %s", self->path, hdf_cause(cause));
}

/* ---- datasets ---------------------------------------------------------------------------------- */

static hid_t new_dataset(const writing *self, hid_t group, const char *name, hid_t type, int n_dims,
                         const hsize_t *dims)
{
    hsize_t chunk[IMAGE_DIMS];
    memcpy(chunk, dims, (size_t)n_dims * sizeof *dims);
    chunk[0] = self->n_chunk < dims[0] ? self->n_chunk : dims[0];
    hid_t space = H5Screate_simple(n_dims, dims, NULL), how = H5Pcreate(H5P_DATASET_CREATE);
    hid_t dataset = -1;
    if (space >= 0 && how >= 0 && H5Pset_chunk(how, n_dims, chunk) >= 0 &&
        H5Pset_fletcher32(how) >= 0 && H5Pset_obj_track_times(how, false) >= 0)
        dataset = H5Dcreate2(group, name, type, space, H5P_DEFAULT, how, H5P_DEFAULT);
    hdf_close(how);
    hdf_close(space);
    return dataset;
}

static bool write_rows(hid_t dataset, hid_t type, int n_dims, const hsize_t *dims, size_t first,
                       size_t n, const void *from)
{
    hsize_t start[IMAGE_DIMS] = {first}, count[IMAGE_DIMS] = {n};
    for (int i = 1; i < n_dims; i++)
        count[i] = dims[i];
    hid_t in_file = H5Dget_space(dataset), in_memory = H5Screate_simple(n_dims, count, NULL);
    bool good = in_file >= 0 && in_memory >= 0 &&
                H5Sselect_hyperslab(in_file, H5S_SELECT_SET, start, NULL, count, NULL) >= 0 &&
                H5Dwrite(dataset, type, in_memory, in_file, H5P_DEFAULT, from) >= 0;
    hdf_close(in_memory);
    hdf_close(in_file);
    return good;
}

static bool write_class_names(const writing *self)
{
    const record_images *what = self->what;
    hsize_t dims[1] = {(hsize_t)what->n_classes};
    size_t width = RECORD_CLASS_BYTES;
    char *names = memory_new(dims[0], width, self->err);
    if (!names)
        return false;
    for (int c = 0; c < what->n_classes; c++)
        snprintf(names + (size_t)c * width, width, "%s", what->class_name(what->from, c));
    hid_t type = hdf_text_type(width), space = H5Screate_simple(1, dims, NULL);
    hid_t dataset =
        H5Dcreate2(self->file, "class_names", type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    bool good = dataset >= 0 && H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, names) >= 0;
    good = hdf_close(dataset) && good;
    hdf_close(space);
    hdf_close(type);
    memory_free(names);
    return good || refuse(self);
}

/* ---- splits ------------------------------------------------------------------------------------ */

static bool write_pieces(const writing *self, int split, hid_t images, hid_t labels,
                         const hsize_t dims[IMAGE_DIMS])
{
    const record_images *what = self->what;
    for (size_t first = 0, n; first < what->count[split]; first += n) {
        n = what->count[split] - first < self->n_chunk ? what->count[split] - first : self->n_chunk;
        if (!what->read(what->from, split, first, n, self->images, self->labels, self->err))
            return false;
        if (!write_rows(images, H5T_NATIVE_UINT8, IMAGE_DIMS, dims, first, n, self->images) ||
            !write_rows(labels, H5T_NATIVE_UINT16, 1, dims, first, n, self->labels))
            return refuse(self);
    }
    return true;
}

static bool write_split(const writing *self, int split)
{
    const record_images *what = self->what;
    const hsize_t dims[IMAGE_DIMS] = {what->count[split], (hsize_t)what->channels,
                                      (hsize_t)what->height, (hsize_t)what->width};
    hid_t group = H5Gcreate2(self->file, split_names[split], H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    hid_t images = new_dataset(self, group, "images", H5T_STD_U8LE, IMAGE_DIMS, dims);
    hid_t labels = new_dataset(self, group, "labels", H5T_STD_U16LE, 1, dims);
    bool good = (images >= 0 && labels >= 0 &&
                 hdf_write_note(images, "about", "[image][channel][row][column]")) ||
                refuse(self);
    good = good && write_pieces(self, split, images, labels, dims);
    bool closed = hdf_close(labels);
    closed = hdf_close(images) && closed;
    closed = hdf_close(group) && closed;
    return good && (closed || refuse(self));
}

/* ---- the file ---------------------------------------------------------------------------------- */

static bool write_file(writing *self, const char *temporary)
{
    self->file = hdf_new_file(temporary);
    bool good = (self->file >= 0 && hdf_write_text(self->file, "format", RECORD_IMAGES) &&
                 hdf_write_int(self->file, "format_version", FILE_VERSION) &&
                 hdf_write_note(self->file, "about", self->what->about)) ||
                refuse(self);
    good = good && write_class_names(self) && write_split(self, 0) && write_split(self, 1);
    if (self->file >= 0 && H5Fclose(self->file) < 0 && good)
        good = refuse(self);
    return good;
}

bool record_write_images(const char *path, bool force, const record_images *what, error *err)
{
    hdf_quiet();
    char *temporary = NULL;
    writing self = {.what = what, .path = path, .err = err};
    self.image_bytes = (size_t)what->channels * (size_t)what->height * (size_t)what->width;
    self.n_chunk = CHUNK_BYTES / self.image_bytes;
    self.n_chunk = self.n_chunk < 1               ? 1
                   : self.n_chunk > MOST_IN_CHUNK ? MOST_IN_CHUNK
                                                  : self.n_chunk;
    int fd = place_check(path, force, "name", err) ? place_open(path, &temporary, err) : -1;
    if (fd < 0)
        return false;
    self.images = memory_new(self.n_chunk, self.image_bytes, err);
    self.labels = memory_new(self.n_chunk, sizeof *self.labels, err);
    bool good = self.images && self.labels && write_file(&self, temporary);
    if (good && fsync(fd) != 0)
        good = error_environment(err, "%s: cannot be written: %m", path);
    close(fd);
    good = good && place_publish(temporary, path, force, err);
    if (!good)
        unlink(temporary);
    memory_free(temporary);
    memory_free(self.images);
    memory_free(self.labels);
    return good;
}
