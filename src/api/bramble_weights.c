#include "base/memory.h"
#include "record/record.h"
#include "self.h"

#include <math.h>
#include <string.h>

size_t bramble_tensors(const bramble_model *self)
{
    return (size_t)self->model->n_tensors;
}

bool bramble_tensor_at(const bramble_model *self, size_t k, bramble_tensor *out)
{
    if (k >= (size_t)self->model->n_tensors)
        return false;
    const tensor *t = &self->model->tensors[k];
    *out = (bramble_tensor){.name = t->name,
                            .n_dims = t->n_dims,
                            .offset = t->offset,
                            .count = t->count,
                            .trained = t->role == TENSOR_TRAINED};
    for (int i = 0; i < t->n_dims; i++)
        out->dims[i] = t->dims[i];
    return true;
}

bool bramble_tensor_find(const bramble_model *self, const char *name, bramble_tensor *out)
{
    for (size_t k = 0; bramble_tensor_at(self, k, out); k++)
        if (strcmp(out->name, name) == 0)
            return true;
    return false;
}

size_t bramble_weights(const bramble_model *self)
{
    return self->model->n_weights;
}

void bramble_get_weights(const bramble_model *self, float *w)
{
    memcpy(w, self->w, self->model->n_weights * sizeof *w);
}

static bool check_finite(const float *w, const bramble_tensor *of, error *err)
{
    for (size_t k = 0; k < of->count; k++)
        if (!isfinite(w[k]))
            return error_user(err, "%s holds %s (element %zu)", of->name,
                              isnan(w[k]) ? "NaN" : "an infinite number", k);
    return true;
}

bool bramble_set_weights(bramble_model *self, const float *w, bramble_error *err)
{
    error found = {0};
    bramble_tensor part;
    for (size_t k = 0; bramble_tensor_at(self, k, &part); k++)
        if (!check_finite(w + part.offset, &part, &found))
            break;
    if (found.kind == ERROR_NONE)
        memcpy(self->w, w, self->model->n_weights * sizeof *w);
    return self_answer(&found, err);
}

static bool find(const bramble_model *self, const char *name, size_t count, bramble_tensor *part,
                 error *err)
{
    if (!bramble_tensor_find(self, name, part)) {
        error_user(err, "%.60s: model %s has no such weights", name, self->model->name);
        return false;
    }
    return count == part->count ||
           error_user(err, "%s has %zu values, not %zu", part->name, part->count, count);
}

bool bramble_get_tensor(const bramble_model *self, const char *name, float *w, size_t count,
                        bramble_error *err)
{
    error found = {0};
    bramble_tensor part;
    if (find(self, name, count, &part, &found))
        memcpy(w, self->w + part.offset, count * sizeof *w);
    return self_answer(&found, err);
}

bool bramble_set_tensor(bramble_model *self, const char *name, const float *w, size_t count,
                        bramble_error *err)
{
    error found = {0};
    bramble_tensor part;
    if (find(self, name, count, &part, &found) && check_finite(w, &part, &found))
        memcpy(self->w + part.offset, w, count * sizeof *w);
    return self_answer(&found, err);
}

/* ---- from files and images ----------------------------------------------------------------------- */

/* What a result file was trained with; any other file says nothing of it. */
static bool inherit(bramble_model *self, const char *path, error *err)
{
    error none = {0};
    char *name = self_text(path, err);
    if (!name)
        return false;
    record_cut_group(name);
    record_file *file = record_read(name, &none);
    const char *its = file ? record_config(file, "normalise") : NULL;
    bool good = !its || self_normalise(self, its, err) || error_prefix(err, "%s", name);
    record_file_free(file);
    memory_free(name);
    return good;
}

bool bramble_read_weights(bramble_model *self, const char *path, bramble_error *err)
{
    error found = {0};
    const model *m = self->model;
    float *w = memory_new(m->n_weights, sizeof *w, &found);
    if (w && record_read_weights(path, m->tensors, (size_t)m->n_tensors, w, &found) &&
        inherit(self, path, &found))
        memcpy(self->w, w, m->n_weights * sizeof *w);
    memory_free(w);
    return self_answer(&found, err);
}

typedef struct reading {
    const input_values *values;
    const uint8_t *images;
} reading;

static bool read_image(void *arg, size_t k, float *x, error *err)
{
    (void)err;
    const reading *self = arg;
    const image_shape *shape = &self->values->from;
    size_t plane = (size_t)shape->height * (size_t)shape->width;
    const uint8_t *image = self->images + k * image_bytes(*shape);
    for (size_t c = 0; c < (size_t)shape->channels; c++)
        for (size_t j = c * plane; j < (c + 1) * plane; j++)
            x[j] = ((float)image[j] / 255.0F - self->values->mean[c]) / self->values->deviation[c];
    return true;
}

bool bramble_init_images(bramble_model *self, const uint8_t *images, size_t n, bramble_error *err)
{
    error found = {0};
    const model *m = self->model;
    reading all = {&self->values, images};
    const model_images from = {read_image, &all, n, m->input.height, m->input.width};
    if (n == 0)
        error_user(&found, "no images to make first weights of");
    else if (model_wants_images(m))
        (void)model_init_images(m, self->w, &from, &found);
    return self_answer(&found, err);
}
