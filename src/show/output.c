#include "show/output.h"

#include <errno.h>
#include <math.h>
#include <string.h>

json_t *output_number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *output_count(double value)
{
    return isfinite(value) ? json_integer((json_int_t)llround(value)) : json_null();
}

bool output_numbers(json_t *object, enum summary_list list, const record_summary *summary)
{
    for (const summary_number *n = NULL; (n = summary_next(list, n));) {
        double value = summary_value(n, summary);
        if (json_object_set_new(object, n->column.name,
                                n->is_count ? output_count(value) : output_number(value)) != 0)
            return false;
    }
    return true;
}

json_t *output_summary(const record_summary *summary)
{
    json_t *object = json_object();
    if (output_numbers(object, SUMMARY_JSON, summary))
        return object;
    json_decref(object);
    return NULL;
}

bool output_json(json_t *root, FILE *to, error *err)
{
    if (!root)
        return error_environment(err, "out of memory while writing JSON");
    int status = json_dumpf(root, to, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
    json_decref(root);
    if (status != 0 || fputc('\n', to) == EOF || fflush(to) != 0)
        return error_environment(err, "JSON cannot be written: %m");
    return true;
}

bool output_finish(error *err)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return true;
    return error_environment(err, "stdout cannot be written%s%s", errno ? ": " : "",
                             errno ? strerror(errno) : "");
}
