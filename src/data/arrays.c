#include "arrays.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>

enum { MAX_SIDE = 4096 };

/* Images and labels for training and for testing; NULL for testing: to be set aside. */
typedef struct choice {
    const char *names[2][2];
} choice;

/* What others call them: Keras, MedMNIST, scikit-learn, and our own. */
static const choice usual[] = {
    {{{"train/images", "train/labels"}, {"test/images", "test/labels"}}},
    {{{"train/x", "train/y"}, {"test/x", "test/y"}}},
    {{{"x_train", "y_train"}, {"x_test", "y_test"}}},
    {{{"X_train", "y_train"}, {"X_test", "y_test"}}},
    {{{"train_images", "train_labels"}, {"test_images", "test_labels"}}},
    {{{"train_x", "train_y"}, {"test_x", "test_y"}}},
    {{{"images", "labels"}, {NULL, NULL}}},
    {{{"x", "y"}, {NULL, NULL}}},
    {{{"X", "y"}, {NULL, NULL}}},
    {{{"data", "labels"}, {NULL, NULL}}},
};

/* ---- names ------------------------------------------------------------------------------------- */

char *arrays_cut_names(char *spec)
{
    char *colon = strrchr(spec, ':');
    if (!colon || !strchr(colon, ',') || strchr(colon, '\n'))
        return NULL;
    *colon = '\0';
    return colon + 1;
}

static bool has(const array_file *file, const char *name)
{
    return !name || file->has(file->state, name);
}

static bool has_pair(const array_file *file, const choice *of, enum split split)
{
    return has(file, of->names[split][0]) && has(file, of->names[split][1]);
}

static bool has_all(const array_file *file, const choice *of)
{
    return has_pair(file, of, SPLIT_TRAIN) && has_pair(file, of, SPLIT_TEST);
}

/* Of a usual choice what is for training; half of what is for testing is a mistake. */
static bool choose_train(const array_file *file, const choice *of, choice *chosen, error *err)
{
    const char *const *test = of->names[SPLIT_TEST];
    *chosen = (choice){{{of->names[SPLIT_TRAIN][0], of->names[SPLIT_TRAIN][1]}}};
    for (int k = 0; k < 2; k++)
        if (has(file, test[k]))
            return error_user(err, "%s: has an array %s, but none called %s", file->path, test[k],
                              test[1 - k]);
    return true;
}

static bool choose_usual(const array_file *file, choice *chosen, error *err)
{
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        if (has_all(file, &usual[i])) {
            *chosen = usual[i];
            return true;
        }
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        if (has_pair(file, &usual[i], SPLIT_TRAIN))
            return choose_train(file, &usual[i], chosen, err);
    return error_user(
        err,
        "%s: no images and labels under a usual name (x_train, y_train, x_test, y_test; "
        "train_images, ...; images, labels; x, y): name them, as in %s:IMAGES,LABELS",
        file->path, file->path);
}

/* Names of the user's, held in text. */
static bool choose_named(const array_file *file, const char *names, char text[4][ARRAY_NAME_BYTES],
                         choice *chosen, error *err)
{
    const char *comma = strchr(names, ',');
    if (strlen(names) > ARRAY_NAME_BYTES - 16 || comma == names || !comma[1] ||
        strchr(comma + 1, ','))
        return error_user(err, "%s:%.100s: expected the names of two arrays, IMAGES,LABELS",
                          file->path, names);
    *chosen = (choice){0};
    for (int split = 0; split < 2; split++) {
        const char *group = split == SPLIT_TEST ? "test/" : "train/";
        snprintf(text[2 * split], ARRAY_NAME_BYTES, "%s%.*s", group, (int)(comma - names), names);
        snprintf(text[2 * split + 1], ARRAY_NAME_BYTES, "%s%s", group, comma + 1);
        chosen->names[split][0] = text[2 * split];
        chosen->names[split][1] = text[2 * split + 1];
    }
    if (has_all(file, chosen))
        return true;
    *chosen = (choice){0};
    for (int k = 0; k < 2; k++) {
        memmove(text[k], text[k] + strlen("train/"), strlen(text[k]) - strlen("train/") + 1);
        chosen->names[0][k] = text[k];
        if (!file->has(file->state, text[k]))
            return error_user(err, "%s: has no array %s", file->path, text[k]);
    }
    return true;
}

/* ---- images ------------------------------------------------------------------------------------ */

static bool refuse(const array_file *file, const array *what, const char *expected, error *err)
{
    char dims[ARRAY_MAX_DIMS * 24] = "";
    size_t used = 0;
    for (int i = 0; i < what->n_dims && i < ARRAY_MAX_DIMS; i++)
        used += (size_t)snprintf(dims + used, sizeof dims - used, "%s%llu", i ? " x " : "",
                                 (unsigned long long)what->dims[i]);
    return error_user(err, "%s: %s is %s%s of type %s, expected %s", file->path, what->name,
                      used ? dims : "a single value", what->n_dims > ARRAY_MAX_DIMS ? " x ..." : "",
                      what->type, expected);
}

static bool shape_of(const array_file *file, const array *what, image_shape *shape,
                     enum labelled_layout *layout, error *err)
{
    static const char expected[] =
        "bytes (uint8) of images x channels x rows x columns, or images x rows x columns, or that x channels; "
        "sides up to 4096";
    const uint64_t *d = what->dims;
    if (!what->is_bytes || what->n_dims < 3 || what->n_dims > 4 || d[0] < 1 || d[0] > UINT32_MAX)
        return refuse(file, what, expected, err);
    for (int i = 1; i < what->n_dims; i++)
        if (d[i] < 1 || d[i] > MAX_SIDE)
            return refuse(file, what, expected, err);
    bool last = what->n_dims == 4 && (d[3] == 1 || d[3] == 3 || d[3] == 4);
    int first = what->n_dims == 4 && !last ? 2 : 1; /* the rows' dimension */
    *layout = last ? LAYOUT_PIXELS : LAYOUT_PLANES;
    shape->channels = what->n_dims == 3 ? 1 : (int)d[last ? 3 : 1];
    shape->height = (int)d[first];
    shape->width = (int)d[first + 1];
    return true;
}

static bool open_images(const array_file *file, labelled *self, enum split split, const char *name,
                        error *err)
{
    array what;
    image_shape shape = {0};
    enum labelled_layout layout = LAYOUT_PLANES;
    labelled_set *set = &self->sets[split];
    if (!file->describe(file->state, name, &what, err) ||
        !shape_of(file, &what, &shape, &layout, err))
        return false;
    set->n = (size_t)what.dims[0];
    if (split == SPLIT_TRAIN)
        self->shape = shape;
    else if (shape.channels != self->shape.channels || shape.height != self->shape.height ||
             shape.width != self->shape.width)
        return refuse(file, &what, "images of the size of those for training", err);
    return file->images(file->state, &what, shape, layout, set, err);
}

/* ---- labels ------------------------------------------------------------------------------------ */

static bool check_labels(const array_file *file, const array *what, const int64_t *wide,
                         labelled_set *set, error *err)
{
    for (size_t i = 0; i < set->n; i++) {
        if (wide[i] < 0 || wide[i] >= SOURCE_MAX_CLASSES)
            return error_user(err, "%s: %s: label %lld of image %zu, expected 0 to %d", file->path,
                              what->name, (long long)wide[i], i, SOURCE_MAX_CLASSES - 1);
        set->labels[i] = (uint16_t)wide[i];
    }
    return true;
}

static bool open_labels(const array_file *file, labelled_set *set, const char *name, error *err)
{
    array what;
    if (!file->describe(file->state, name, &what, err))
        return false;
    bool is_list = what.n_dims == 1 || (what.n_dims == 2 && what.dims[1] == 1);
    if (!what.is_whole || !is_list || what.dims[0] != set->n)
        return refuse(file, &what, "a whole number for each image", err);
    int64_t *wide = memory_new(set->n, sizeof *wide, err);
    set->labels = wide ? memory_new(set->n, sizeof *set->labels, err) : NULL;
    bool good = set->labels && file->labels(file->state, &what, wide, err) &&
                check_labels(file, &what, wide, set, err);
    memory_free(wide);
    return good;
}

/* ---- both -------------------------------------------------------------------------------------- */

labelled *arrays_open(const array_file *file, const char *names, error *err)
{
    choice chosen = {0};
    char text[4][ARRAY_NAME_BYTES];
    if (!(names ? choose_named(file, names, text, &chosen, err) : choose_usual(file, &chosen, err)))
        return NULL;
    labelled *self = labelled_new(err);
    bool good = self;
    for (int split = 0; split < 2 && good && chosen.names[split][0]; split++)
        good = open_images(file, self, (enum split)split, chosen.names[split][0], err) &&
               open_labels(file, &self->sets[split], chosen.names[split][1], err);
    if (good && labelled_finish(self, err))
        return self;
    labelled_free(self);
    return NULL;
}
