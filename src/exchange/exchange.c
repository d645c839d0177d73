#include "exchange/exchange.h"

#include <string.h>

/* One line for each format; whose bytes say least is asked last. */
#define FORMATS(FORMAT)                                                                            \
    FORMAT(exchange_safetensors)                                                                   \
    FORMAT(exchange_npz)                                                                           \
    FORMAT(exchange_h5)                                                                            \
    FORMAT(exchange_onnx)

#define DECLARE(format) extern const exchange_format format;
#define LIST(format) &format,

FORMATS(DECLARE)

const exchange_format *const exchange_formats[] = {FORMATS(LIST) NULL};

enum { LIST_BYTES = 128 };

/* ---- by name ----------------------------------------------------------------------------------- */

static const exchange_format *find_suffix(const char *path)
{
    size_t n = strlen(path);
    for (int i = 0; exchange_formats[i]; i++) {
        size_t length = strlen(exchange_formats[i]->suffix);
        if (n > length && strcmp(path + n - length, exchange_formats[i]->suffix) == 0)
            return exchange_formats[i];
    }
    return NULL;
}

/* ".safetensors, .npz or .h5" */
static const char *list_suffixes(char list[LIST_BYTES])
{
    size_t at = 0;
    *list = '\0';
    for (int i = 0; exchange_formats[i] && at < LIST_BYTES; i++)
        at += (size_t)snprintf(list + at, LIST_BYTES - at, "%s%s",
                               i == 0                    ? ""
                               : exchange_formats[i + 1] ? ", "
                                                         : " or ",
                               exchange_formats[i]->suffix);
    return list;
}

const exchange_format *exchange_format_of(const char *path, error *err)
{
    char list[LIST_BYTES];
    const exchange_format *format = find_suffix(path);
    if (!format)
        error_user(err, "%s: its name says no format: it must end in %s", path,
                   list_suffixes(list));
    return format;
}

/* ---- by bytes ---------------------------------------------------------------------------------- */

/* torch.save's: an old one is a bare pickle, one of today a zip file whose first member is NAME/data.pkl. */
static bool is_pickle(const uint8_t *head, size_t n)
{
    static const char member[] = "/data.pkl";
    if (n > 2 && head[0] == 0x80 && head[1] >= 2 && head[1] <= 5)
        return true;
    return n > 30 && memcmp(head, "PK\3\4", 4) == 0 &&
           memmem(head + 30, n - 30, member, sizeof member - 1) != NULL;
}

static bool refuse(const char *path, const exchange_format *named, const exchange_format *found,
                   error *err)
{
    char list[LIST_BYTES];
    if (named && found)
        return error_user(err, "%s: is not what its name says: it begins as a %s file, not as %s",
                          path, found->name, named->name);
    if (named)
        return error_user(err, "%s: is not what its name says: it does not begin as a %s file",
                          path, named->name);
    return error_user(err, "%s: is of no format that is read: %s", path, list_suffixes(list));
}

/* The one that its name says comes first: some begin alike. */
static const exchange_format *recognise(const char *path, error *err)
{
    uint8_t head[EXCHANGE_HEAD_BYTES];
    uint64_t n_bytes;
    size_t n;
    if (!exchange_load_head(path, head, &n, &n_bytes, err))
        return NULL;
    const exchange_format *named = find_suffix(path), *found = NULL;
    if (named && named->recognises(head, n, n_bytes))
        return named;
    if (is_pickle(head, n)) {
        exchange_refuse_pickle(path, err);
        return NULL;
    }
    for (int i = 0; !found && exchange_formats[i]; i++)
        if (exchange_formats[i]->recognises(head, n, n_bytes))
            found = exchange_formats[i];
    if (found && !named)
        return found;
    refuse(path, named, found, err);
    return NULL;
}

bool exchange_read(const char *path, exchange_file *out, error *err)
{
    *out = (exchange_file){0};
    const exchange_format *format = recognise(path, err);
    return format && format->read(path, out, err);
}
