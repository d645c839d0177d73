#include "prepare.h"

#include "base/clock.h"
#include "base/ini.h"
#include "base/memory.h"
#include "data/augment.h"
#include "first.h"
#include "host/files.h"
#include "measure.h"
#include "place.h"
#include "results.h"
#include "resume.h"

#include <stdio.h>

static bool check_case(const option_case *label, error *err)
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
    for (int k = 0; k < on->n_workers; k++)
        if (course_steps(on, k) < on->segments)
            return error_user(err,
                              "--aggregate %s: worker %d takes %llu steps in a round of %llu "
                              "averages; it has to have a part in each: average less often, or "
                              "give it more images",
                              o->aggregate, k + 1, (unsigned long long)course_steps(on, k),
                              (unsigned long long)on->segments);
    return true;
}

/* Are there as many workers as a round needs? */
static bool check_workers(const course *on, const train_options *o, error *err)
{
    aggregate_choice choice;
    if (o->min_workers > (uint64_t)on->n_workers)
        return error_user(err, "--min-workers %llu: this run has %d worker%s",
                          (unsigned long long)o->min_workers, on->n_workers,
                          on->n_workers > 1 ? "s" : "");
    if (!aggregate_parse(o->aggregate, &choice, err))
        return false;
    const int least = aggregate_least(&choice);
    if (choice.rule->combine && !check_steps(on, o, err))
        return false;
    return on->participants >= least ||
           error_user(err, "--aggregate %s needs at least %d workers, %d take%s part in a round",
                      o->aggregate, least, on->participants, on->participants > 1 ? "" : "s");
}

/* Has the model what the options are about? */
static bool check_model(const model *of, const train_options *o, error *err)
{
    if (o->noise > 0.0 && of->n_weights > of->n_trained)
        return error_user(err,
                          "--noise: model %s has batchnorm layers, whose statistics would be "
                          "averaged without noise; take another kind of norm, such as groupnorm",
                          of->name);
    return !o->local_statistics || local_check(of, err);
}

static bool prepare_model(preparation *self, job *to, error *err)
{
    char path[OPTION_TEXT_BYTES] = "";
    if (transport_is_server() && self->from && !resume_model_given(self)) {
        snprintf(path, sizeof path, "%s", self->from->path);
        self->model_text = resume_model(self, NULL, err);
    } else if (transport_is_server() &&
               files_find_model(to->options->model, path, sizeof path, err))
        self->model_text = self->from ? resume_model(self, path, err) : ini_read_file(path, err);
    if (!transport_agree(err))
        return false;
    self->model_text = transport_broadcast_text(self->model_text);
    transport_broadcast(path, sizeof path, 0, TRANSPORT_SLEEP);
    to->model = model_new(path, self->model_text, err);
    if (to->model)
        check_model(to->model, to->options, err);
    return transport_agree(err);
}

/* Can its images be changed as asked for? */
static bool check_augment(const train_options *o, const input_values *of, error *err)
{
    augment changes;
    return (augment_parse(&changes, o->augment, err) && augment_fit(&changes, of, err)) ||
           error_prefix(err, "--augment");
}

/* On the server: where the results go, and what there is to train on and to test with. */
static void open_files(preparation *self, job *to, error *err)
{
    run *of = self->run;
    const train_options *o = to->options;
    server *s = &to->server;
    place_out(of);
    if ((!self->from || resume_place(self, err)) &&
        record_check_new(of->out, self->replace || o->force, err) &&
        deal_open(&self->dealing, o, to->course.images, err) &&
        deal_normalise(&self->dealing, &of->options, &to->input, err) &&
        input_rule_init(&s->input, &to->input, err) &&
        evaluation_check(to->model, o->model, &s->input, o->data, err) &&
        check_augment(o, &to->input, err) &&
        views_check((enum views_kind)o->tta, to->input.from, err))
        deal_test(&self->dealing, &s->test, &s->validation, err);
    of->n_test = s->test.n;
}

/* What becomes of images is the server's to say. */
static bool broadcast_input(input_values *input, error *err)
{
    image_shape from = input->from;
    transport_broadcast(&from, sizeof from, 0, TRANSPORT_SLEEP);
    if (!transport_is_server())
        input_values_init(input, from, err);
    if (!transport_agree(err))
        return false;
    size_t n_values = 2 * (size_t)from.channels; /* mean and deviation */
    transport_broadcast(input->mean, n_values * sizeof *input->mean, 0, TRANSPORT_SLEEP);
    return true;
}

/* A norm of single values has no variance to go by. */
static bool check_batches(const course *on, const model *of, error *err)
{
    for (int k = 0; k < on->n_workers; k++)
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

static bool prepare_data(preparation *self, job *to, error *err)
{
    double since_s = clock_now();
    course *on = &to->course;
    course_init(on, transport_workers(), err);
    if (err->kind == ERROR_NONE && transport_is_server())
        open_files(self, to, err);
    place_rescue(self->run);
    if (!transport_agree(err))
        return false;
    to->t_start_data_s += clock_now() - since_s;
    transport_broadcast(on->images, (size_t)on->n_workers * sizeof *on->images, 0, TRANSPORT_SLEEP);
    course_cut(on, to->options, self->run->rounds_before);
    if (!check_workers(on, to->options, err) || !check_batches(on, to->model, err))
        return false;
    return broadcast_input(&to->input, err);
}

/* What is averaged how, and what everyone goes on from. */
static void prepare_merge(job *to, error *err)
{
    const train_options *o = to->options;
    const outer_rule *then =
        o->lookahead > 0.0 ? &outer_lookahead : outer_rules[o->server_optimizer];
    merge_rules rules = {.average = average_rules[o->average],
                         .outer = then,
                         .settings = o->server,
                         .keeps_before =
                             o->proximal > 0.0 || o->normalize_steps || o->control_variates,
                         .keeps_local = o->local_statistics,
                         .privacy = {o->clip_update, o->noise, o->seed}};
    rules.settings.keep = o->lookahead;
    rules.settings.averages = to->course.rounds * to->course.takes;
    if (aggregate_parse(o->aggregate, &rules.aggregate, err))
        merge_init(&to->merge, &rules, to->model, err);
    if (o->control_variates && err->kind == ERROR_NONE)
        variates_init(&to->variates, rules.average, to->model, err);
}

/* Steps are each worker's own, or, where gradients are averaged, everybody's. */
static void prepare_descent(job *to, error *err)
{
    const course *on = &to->course;
    const bool all = to->options->sync == SYNC_GRADIENTS;
    if (err->kind != ERROR_NONE || !(all || transport_is_worker()))
        return;
    const int who = all ? course_longest(on) : transport_worker();
    const descent_course steps = {course_steps(on, who), course_epoch(on, who), on->rounds_before};
    to->g = memory_new(to->model->n_weights, sizeof *to->g, err);
    descent_init(&to->descent, to->options, to->with.engine, to->model, &steps, err);
    to->descent.optimizer.anchor = to->merge.before;
    to->descent.optimizer.shift = to->variates.shift;
}

/* By what each processor has, unless one is forced. */
static bool choose_engine(job *to, error *err)
{
    to->with.engine = engine_choose(to->options->isa, err);
    if (transport_size() > 1)
        error_prefix(err, "rank %d on %s", transport_rank(), transport_host());
    return transport_agree(err);
}

static bool prepare_memory(preparation *self, job *to, error *err)
{
    const train_options *o = to->options;
    server *s = &to->server;
    size_t n = to->model->n_weights;
    if (!choose_engine(to, err) ||
        !threads_choose(o->threads, &to->with.n_threads, &self->advice, err))
        return false;
    to->w = memory_new(n, sizeof *to->w, err);
    prepare_merge(to, err);
    prepare_descent(to, err);
    if (err->kind == ERROR_NONE && transport_is_worker())
        worker_init(&to->worker, o, &to->course, &to->input, to->model, &to->with, err);
    to->worker.at = (network_vectors){to->w, to->g};
    to->worker.by = &to->descent;
    if (err->kind == ERROR_NONE && transport_is_server())
        ema_init(&s->ema, o->ema, n, to->course.rounds_before > 0, err);
    error_prefix(err, "a smaller --batch than %llu or --model than %s is needed",
                 (unsigned long long)o->batch, o->model);
    if (err->kind == ERROR_NONE && transport_is_server() && /* whatever the batch is */
        (!evaluation_init(&s->evaluation, to->model, &s->input, &s->test, &to->with, err) ||
         !evaluation_see(&s->evaluation, (enum views_kind)o->tta, &to->input, err)))
        error_prefix(err, "a smaller --model than %s, or one of fewer classes, is needed",
                     o->model);
    if (transport_is_server())
        evaluation_also(&s->evaluation, &s->validation);
    error_prefix(err, "rank %d on %s", transport_rank(), transport_host());
    return transport_agree(err);
}

static bool prepare_weights(preparation *self, job *to, error *err)
{
    const model *m = to->model;
    if (transport_is_server()) {
        if (self->from)
            resume_check_vectors(self, to, err);
        else if (to->options->init[0])
            record_read_weights(to->options->init, m->tensors, (size_t)m->n_tensors, to->w, err);
        else
            first_weights(&self->dealing, &to->input, m, to->options->seed, to->w, err);
    }
    if (!transport_agree(err))
        return false;
    if (to->options->resume[0])
        resume_vectors(self, to);
    else
        transport_broadcast(to->w, m->n_weights * sizeof *to->w, 0, TRANSPORT_SLEEP);
    merge_begin(&to->merge, to->w, to->options->resume[0] != '\0');
    variates_begin(&to->variates);
    return true;
}

static bool prepare_images(preparation *self, job *to, error *err)
{
    double since_s = clock_now();
    deal_out(&self->dealing, &to->worker.shard, err);
    to->server.data_checksum = deal_checksum(&self->dealing);
    if (self->from && err->kind == ERROR_NONE)
        resume_check_data(self, to, err);
    if (transport_is_server() && err->kind == ERROR_NONE)
        deal_sample(&self->dealing, (size_t)measure_images(to->options, &to->course, to->model),
                    &to->server.measured, err);
    bool good = transport_agree(err);
    to->t_start_data_s += clock_now() - since_s;
    return good;
}

/* When nothing else can go wrong; who names the case with --case knows what its threads get. */
static void give_advice(const preparation *self)
{
    const threads_advice *advice = &self->advice;
    if (transport_is_server() && advice->left_out[0])
        fprintf(stderr, "bramble: warning: %s\n", advice->left_out);
    if (transport_is_server() && advice->crowded[0] && self->run->options.label.nodes == 0)
        fprintf(stderr, "bramble: warning: %s\n", advice->crowded);
}

/* What training still needs of it. */
static void hand_over(preparation *self, job *to)
{
    if (self->from) {
        to->server.past = self->from->past;
        self->from->past = NULL;
    }
    to->server.spent = place_spent(self->run);
    prepare_release(self);
}

bool prepare_job(preparation *self, job *to, error *err)
{
    const run *of = self->run;
    to->options = &of->options;
    to->t_begin_s = of->t_begin_s;
    to->t_start_mpi_s = of->t_start_mpi_s;
    if (!check_case(&of->options.label, err) || !prepare_model(self, to, err) ||
        !prepare_data(self, to, err) || !prepare_memory(self, to, err) ||
        !prepare_weights(self, to, err) || !prepare_images(self, to, err) ||
        !results_create(self, to, err))
        return false;
    give_advice(self);
    hand_over(self, to);
    return true;
}

void prepare_release(preparation *self)
{
    checkpoint_file_free(self->from);
    deal_release(&self->dealing);
    memory_free(self->model_text);
    *self = (preparation){.run = self->run};
}
