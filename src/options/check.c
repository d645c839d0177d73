#include "check.h"

#include "base/memory.h"
#include "model/schedule.h"
#include "transport/aggregate.h"
#include "transport/average.h"

#include <string.h>

/* An option that counts only where another is one of some words. */
typedef struct companion {
    const char *name, *other;
    const char *words[4];
} companion;

static const companion companions[] = {
    {"milestones", "schedule", {"step"}},
    {"gamma", "schedule", {"step"}},
    {"lr-final", "schedule", {"linear", "cosine", "onecycle", "triangle"}},
    {"beta1", "optimizer", {"adamw"}},
    {"beta2", "optimizer", {"adamw"}},
    {"epsilon", "optimizer", {"adamw"}},
    {"muon-lr", "optimizer", {"muon"}},
    {"muon-momentum", "optimizer", {"muon"}},
    {"muon-dense", "optimizer", {"muon"}},
    {"group-size", "average", {"tree"}},
    {"proximal", "sync", {"weights"}},
    {"participation", "sync", {"weights"}},
    {"normalize-steps", "sync", {"weights"}},
    {"normalize-steps", "optimizer", {"sgd"}},
    {"control-variates", "sync", {"weights"}},
    {"control-variates", "optimizer", {"sgd"}},
    {"local-statistics", "sync", {"weights"}},
    {"clip-update", "sync", {"weights"}},
    {"noise", "sync", {"weights"}},
};

static const option_entry *entry_of(const char *name)
{
    return option_find(option_train_table, name);
}

/* Given, and not only to say what it is anyway. */
static bool is_set(const train_options *o, const option_entry *entry, error *err)
{
    char *text = memory_new(1, OPTION_FORMAT_BYTES, err);
    if (text)
        option_format(entry, o, text);
    bool set = text && o->given[entry - option_train_table] && strcmp(text, entry->initial) != 0;
    memory_free(text);
    return set;
}

static const char *word_of(const train_options *o, const option_entry *entry)
{
    return entry->word((size_t) * (const int *)((const char *)o + entry->offset));
}

static bool counts(const companion *c, const train_options *o)
{
    const char *is = word_of(o, entry_of(c->other));
    for (size_t i = 0; i < sizeof c->words / sizeof *c->words && c->words[i]; i++)
        if (strcmp(is, c->words[i]) == 0)
            return true;
    return false;
}

bool check_preset(train_options *o, error *err)
{
    for (size_t i = 0; i < sizeof companions / sizeof *companions; i++) {
        const option_entry *entry = entry_of(companions[i].name);
        unsigned char *level = &o->given[entry - option_train_table];
        if (*level != LEVEL_PRESET || counts(&companions[i], o))
            continue;
        if (!option_set(entry, o, entry->initial, err))
            return false;
        *level = LEVEL_DEFAULT;
    }
    return true;
}

static bool check_companion(const companion *c, const train_options *o, error *err)
{
    char words[80] = "";
    if (!is_set(o, entry_of(c->name), err) || counts(c, o))
        return err->kind == ERROR_NONE;
    for (size_t i = 0; i < sizeof c->words / sizeof *c->words && c->words[i]; i++)
        strcat(strcat(words, i > 0 ? "|" : ""), c->words[i]);
    return error_user(err, "--%s counts only with --%s %s, which is %s", c->name, c->other, words,
                      word_of(o, entry_of(c->other)));
}

/* Of options that are the former start's, where one goes on from a checkpoint, nothing is known yet. */
static bool check_companions(const train_options *o, error *err)
{
    for (size_t i = 0; !o->resume[0] && i < sizeof companions / sizeof *companions; i++)
        if (!check_companion(&companions[i], o, err))
            return false;
    return o->resume[0] || o->schedule != SCHEDULE_STEP || o->milestones.n > 0 ||
           error_user(err, "--schedule step needs --milestones, the rounds after which the "
                           "learning rate falls");
}

static bool check_averages(const train_options *o, error *err)
{
    return o->sync != SYNC_GRADIENTS || average_rules[o->average]->exact ||
           error_user(err, "--sync gradients needs an exact --average rule, which %s is not",
                      average_rules[o->average]->name);
}

static bool check_aggregate(const train_options *o, error *err)
{
    aggregate_choice choice;
    if (!aggregate_parse(o->aggregate, &choice, err))
        return error_prefix(err, "--aggregate %.60s", o->aggregate);
    return !choice.rule->combine || o->average == 0 ||
           error_user(err,
                      "--aggregate %s: the server collects the weights, --average %s is for the "
                      "mean; leave it out",
                      o->aggregate, average_rules[o->average]->name);
}

/* Two that cannot be had together. */
typedef struct exclusion {
    const char *name, *other;
} exclusion;

/* Ways are compared, or divided by steps, from one average to the next, with momentum that begins there; and they begin
 * where everybody's do, which a worker's own numbers do not.  What epsilon counts are means, one a round. */
static const exclusion exclusions[] = {
    {"ema", "tail-average"},
    {"lookahead", "server-optimizer"},
    {"normalize-steps", "aggregate"},
    {"normalize-steps", "proximal"},
    {"normalize-steps", "keep-momentum"},
    {"normalize-steps", "average-every"},
    {"control-variates", "aggregate"},
    {"control-variates", "proximal"},
    {"control-variates", "normalize-steps"},
    {"control-variates", "keep-momentum"},
    {"control-variates", "average-every"},
    {"local-statistics", "proximal"},
    {"local-statistics", "control-variates"},
    {"clip-update", "normalize-steps"},
    {"clip-update", "control-variates"},
    {"clip-update", "local-statistics"},
    {"noise", "aggregate"},
    {"noise", "average-every"},
};

/* The one of two that nobody gave but the preset; NULL: both were given. */
static const option_entry *preset_of(const train_options *o, const exclusion *e)
{
    const char *const names[] = {e->name, e->other};
    for (size_t i = 0; i < 2; i++)
        if (o->given[entry_of(names[i]) - option_train_table] == LEVEL_PRESET)
            return entry_of(names[i]);
    return NULL;
}

static bool refuse_both(const train_options *o, const exclusion *e, error *err)
{
    const option_entry *preset = preset_of(o, e);
    if (!preset)
        return error_user(err, "--%s and --%s exclude each other; leave one out", e->name,
                          e->other);
    const bool flag = preset->type == OPTION_FLAG;
    return error_user(err, "--%s and --%s exclude each other, and preset %s has %s; add --%s%s%s%s",
                      e->name, e->other, word_of(o, entry_of("preset")), preset->name,
                      flag ? "no-" : "", preset->name, flag ? "" : " ",
                      flag ? "" : preset->initial);
}

static bool check_exclusions(const train_options *o, error *err)
{
    for (size_t i = 0; i < sizeof exclusions / sizeof *exclusions; i++) {
        const exclusion *e = &exclusions[i];
        if (is_set(o, entry_of(e->name), err) && is_set(o, entry_of(e->other), err))
            return refuse_both(o, e, err);
    }
    return err->kind == ERROR_NONE;
}

static bool check_participation(const train_options *o, error *err)
{
    return o->participation > 0.0 ||
           error_user(err, "--participation 0: expected more than 0, the share of the workers");
}

static bool check_noise(const train_options *o, error *err)
{
    return o->resume[0] || o->noise == 0.0 || o->clip_update > 0.0 ||
           error_user(err,
                      "--noise %g: is a multiple of the longest update there may be; give that, "
                      "too, with --clip-update",
                      o->noise);
}

bool check_options(const train_options *options, error *err)
{
    return check_companions(options, err) && check_averages(options, err) &&
           check_exclusions(options, err) && check_aggregate(options, err) &&
           check_participation(options, err) && check_noise(options, err);
}
