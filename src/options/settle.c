#include "settle.h"

#include "check.h"
#include "data/augment.h"
#include "data/normalise.h"
#include "data/partition.h"

#include <string.h>

/* Texts with a form of their own. */
static bool check_texts(const train_options *options, error *err)
{
    uint64_t rounds;
    double t_s;
    augment changes;
    return options_checkpoint_interval(options->checkpoint_every, &rounds, &t_s, err) &&
           (!options->normalise[0] || normalise_check(options->normalise, err) ||
            error_prefix(err, "--normalise %.60s", options->normalise)) &&
           (augment_parse(&changes, options->augment, err) || error_prefix(err, "--augment"));
}

static bool check_partition(const train_options *options, error *err)
{
    double parameter;
    if (!partition_parse(options->partition, &parameter, err))
        return error_prefix(err, "--partition %.60s", options->partition);
    if (strcmp(options->partition, "sizes") == 0)
        return error_user(err, "--partition sizes: give the sizes, --shards N1,N2,...");
    return options->shards.n == 0 || strcmp(options->partition, "even") == 0 ||
           error_user(err, "--partition and --shards exclude each other; give one");
}

/* Without an optimizer its settings stand as they are by default: who gives one has forgotten the other. */
static bool check_no_server(const option_entry *table, const train_options *options, error *err)
{
    static const char *const names[] = {"server-lr", "server-momentum", "server-beta2",
                                        "server-tau"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char value[OPTION_FORMAT_BYTES];
        const option_entry *entry = option_find(table, names[i]);
        option_format(entry, options, value);
        if (strcmp(value, entry->initial) != 0)
            return error_user(err, "--%s %s: is for a --server-optimizer, and there is none",
                              names[i], value);
    }
    return true;
}

static bool settle_server(const option_entry *table, train_options *options, error *err)
{
    outer_settings *server = &options->server;
    if (options->server_optimizer == 0)
        return check_no_server(table, options, err);
    if (server->momentum >= 1)
        return error_user(err, "--server-momentum %g: expected less than 1", server->momentum);
    if (server->beta2 >= 1)
        return error_user(err, "--server-beta2 %g: expected less than 1", server->beta2);
    if (server->tau <= 0)
        return error_user(err, "--server-tau %g: expected more than 0", server->tau);
    if (server->lr == 0)
        server->lr = outer_rules[options->server_optimizer]->lr;
    return true;
}

bool settle_options(const option_entry *table, train_options *options, error *err)
{
    return check_preset(options, err) && check_texts(options, err) &&
           check_partition(options, err) && check_options(options, err) &&
           settle_server(table, options, err);
}
