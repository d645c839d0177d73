#include "options/resume.h"

#include "base/memory.h"

#include <string.h>

/* One option: the former value, unless another may be and is given. */
static bool merge_option(train_options *now, const train_options *former, const option_entry *entry,
                         bool given, const char *where, error *err)
{
    if (entry->resume == RESUME_NEW || (given && entry->resume == RESUME_FREE))
        return true;
    char *texts = memory_new(2, OPTION_FORMAT_BYTES, err);
    if (!texts)
        return false;
    char *was = texts, *is = texts + OPTION_FORMAT_BYTES;
    option_format(entry, former, was);
    option_format(entry, now, is);
    bool good = !given || strcmp(was, is) == 0;
    if (!good)
        error_user(err,
                   "--%s %.60s: the run in %.200s has %.60s, and its result depends on it; leave "
                   "the option out or start a new run",
                   entry->name, *is ? is : "\"\"", where, *was ? was : "\"\"");
    good = good && option_set(entry, now, was, err);
    memory_free(texts);
    return good;
}

/* The options a record holds. */
static bool set_former(train_options *former, const record_pair *pairs, size_t n, const char *where,
                       error *err)
{
    const option_entry *table = option_train_table;
    if (!option_set_defaults(table, former, err))
        return false;
    for (const option_entry *entry = table; entry->name; entry++)
        if (entry->former && !option_set(entry, former, entry->former, err))
            return error_prefix(err, "former value of --%s", entry->name);
    for (size_t i = 0; i < n; i++) {
        const option_entry *entry = option_find(table, pairs[i].name);
        if (!entry)
            return error_user(err,
                              "%.200s: was written by another version of Bramble: %.60s is no "
                              "option of this one",
                              where, pairs[i].name);
        if (!option_set(entry, former, pairs[i].value, err))
            return error_prefix(err, "%.200s: %s = %.60s", where, entry->name, pairs[i].value);
    }
    return (former->local_epochs == 0) != (former->local_steps == 0) ||
           error_user(err, "%.200s: its options do not say how long a round is", where);
}

bool options_resume(train_options *self, const record_pair *former, size_t n_former,
                    const char *where, error *err)
{
    const option_entry *table = option_train_table;
    train_options *before = memory_new(1, sizeof *before, err); /* large: it holds paths */
    bool good = before && set_former(before, former, n_former, where, err);
    for (size_t i = 0; good && table[i].name; i++)
        good = merge_option(self, before, &table[i], self->given[i], where, err);
    memory_free(before);
    return good;
}
