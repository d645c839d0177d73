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

json_t *output_summary(const record_summary *summary)
{
    const struct {
        const char *key;
        double value;
        json_t *(*make)(double value);
    } members[] = {
        {"t_time_s", summary->t_time_s, output_number},
        {"w_time_s", summary->w_time_s, output_number},
        {"o_time_s", summary->o_time_s, output_number},
        {"work_fraction", summary->work_fraction, output_number},
        {"overhead_fraction", summary->overhead_fraction, output_number},
        {"speedup", summary->speedup, output_number},
        {"accuracy", summary->accuracy, output_number},
        {"images_per_s", summary->images_per_s, output_number},
        {"o_pack_s", summary->o_pack_s, output_number},
        {"o_wire_s", summary->o_wire_s, output_number},
        {"o_wait_s", summary->o_wait_s, output_number},
        {"o_serve_s", summary->o_serve_s, output_number},
        {"o_other_s", summary->o_other_s, output_number},
        {"bytes_sent", summary->bytes_sent, output_number},
        {"nodes", summary->nodes, output_count},
        {"cores", summary->cores, output_count},
        {"repeats", summary->repeats, output_count},
    };
    json_t *object = json_object();
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if (json_object_set_new(object, members[i].key, members[i].make(members[i].value)) != 0) {
            json_decref(object);
            return NULL;
        }
    return object;
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
