#include "suits.h"

#include "local.h"
#include "transport/aggregate.h"
#include "transport/average.h"
#include "transport/transport.h"

#include <string.h>

bool suits_case(const option_case *label, error *err)
{
    uint64_t n_workers = (uint64_t)transport_workers();
    return label->nodes == 0 || label->nodes == n_workers ||
           error_user(
               err,
               "--case %llu:%llu: this run has %llu worker%s; start %llu ranks or name the case "
               "%llu:%llu",
               (unsigned long long)label->nodes, (unsigned long long)label->cores,
               (unsigned long long)n_workers, n_workers > 1 ? "s" : "",
               (unsigned long long)label->nodes + 1, (unsigned long long)n_workers,
               (unsigned long long)label->cores);
}

/* What collects everyone's weights needs some of everyone. */
static bool check_steps(const course *on, const train_options *o, error *err)
{
    for (int k = 0; k < on->n_clients; k++)
        if (course_steps(on, k) < on->segments)
            return error_user(err,
                              "--aggregate %s: worker %d takes %llu steps in a round of %llu "
                              "averages; it has to have a part in each: average less often, or "
                              "give it more images",
                              o->aggregate, k + 1, (unsigned long long)course_steps(on, k),
                              (unsigned long long)on->segments);
    return true;
}

bool suits_clients(const course *on, const train_options *o, error *err)
{
    aggregate_choice choice;
    const char *what = o->clients > 0 ? "client" : "worker";
    if (o->min_workers > (uint64_t)on->n_clients)
        return error_user(err, "--min-workers %llu: this run has %d %s%s",
                          (unsigned long long)o->min_workers, on->n_clients, what,
                          on->n_clients > 1 ? "s" : "");
    if (!aggregate_parse(o->aggregate, &choice, err))
        return false;
    const int least = aggregate_least(&choice);
    if (choice.rule->combine && !check_steps(on, o, err))
        return false;
    return on->participants >= least ||
           error_user(err, "--aggregate %s needs at least %d %ss, %d take%s part in a round",
                      o->aggregate, least, what, on->participants, on->participants > 1 ? "" : "s");
}

bool suits_average(train_options *o, const course *on, error *err)
{
    const char *is = average_rules[o->average]->name;
    aggregate_choice choice;
    if (course_most(on) == 1)
        return true;
    if (o->sync == SYNC_GRADIENTS)
        return error_user(
            err,
            "--sync gradients: a worker has one gradient a step, and %d clients are on "
            "%d worker%s: leave --clients out, or start %d ranks",
            on->n_clients, on->n_workers, on->n_workers > 1 ? "s" : "", on->n_clients + 1);
    if (!aggregate_parse(o->aggregate, &choice, err))
        return false;
    if (choice.rule->combine || average_rules[o->average]->sums)
        return true;
    if (o->given[option_find(option_train_table, "average") - option_train_table])
        return error_user(err,
                          "--average %s: %d clients on %d worker%s are added up before they "
                          "travel, which takes reduce, allreduce or tree; leave it out",
                          is, on->n_clients, on->n_workers, on->n_workers > 1 ? "s" : "");
    while (strcmp(average_rules[o->average]->name, "reduce") != 0)
        o->average++;
    return true;
}

bool suits_groups(const train_options *o, error *err)
{
    const uint64_t n_workers = (uint64_t)transport_workers();
    const bool given = o->given[option_find(option_train_table, "group-size") - option_train_table];
    return !given || o->group_size <= n_workers ||
           error_user(err, "--group-size %llu: this run has %llu worker%s",
                      (unsigned long long)o->group_size, (unsigned long long)n_workers,
                      n_workers > 1 ? "s" : "");
}

bool suits_count(const train_options *o, int *n, error *err)
{
    const uint64_t n_workers = (uint64_t)transport_workers();
    *n = (int)(o->clients > 0 ? o->clients : n_workers);
    return o->clients == 0 || o->clients >= n_workers ||
           error_user(err,
                      "--clients %llu: this run has %llu workers, and each trains one at least; "
                      "start fewer ranks",
                      (unsigned long long)o->clients, (unsigned long long)n_workers);
}

bool suits_batches(const course *on, const model *of, error *err)
{
    for (int k = 0; k < on->n_clients; k++)
        for (int j = 0; j < of->n_layers; j++) {
            uint64_t n = course_smallest(on, k), least = (uint64_t)of->layers[j].min_images;
            if (n < least)
                return error_user(
                    err,
                    "--batch %llu: the last batch of an epoch of %llu images has %llu, "
                    "but layer [%s] needs %llu for a variance: choose another --batch",
                    (unsigned long long)on->batch, (unsigned long long)on->images[k],
                    (unsigned long long)n, of->layers[j].name, (unsigned long long)least);
        }
    return true;
}

bool suits_model(const model *of, const train_options *o, error *err)
{
    if (o->noise > 0.0 && of->n_weights > of->n_trained)
        return error_user(err,
                          "--noise: model %s has batchnorm layers, whose statistics would be "
                          "averaged without noise; take another kind of norm, such as groupnorm",
                          of->name);
    return !o->local_statistics || local_check(of, err);
}
