#include "prepare.h"

#include "base/clock.h"
#include "base/ini.h"
#include "base/memory.h"
#include "data/augment.h"
#include "first.h"
#include "host/files.h"
#include "host/machine.h"
#include "measure.h"
#include "place.h"
#include "results.h"
#include "resume.h"
#include "suits.h"

#include <stdio.h>

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
        suits_model(to->model, to->options, err);
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
        deal_open(&self->dealing, o, &to->course, err) &&
        deal_normalise(&self->dealing, &of->options, &to->input, err) &&
        input_rule_init(&s->input, &to->input, err) &&
        evaluation_check(to->model, o->model, &s->input, self->dealing.from, o->data, err) &&
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

static bool prepare_data(preparation *self, job *to, error *err)
{
    double since_s = clock_now();
    course *on = &to->course;
    int n_clients;
    if (!suits_count(to->options, &n_clients, err))
        return false;
    course_init(on, n_clients, transport_workers(), err);
    if (err->kind == ERROR_NONE)
        course_shares(on, to->options, &on->shares, err);
    if (err->kind == ERROR_NONE && transport_is_server())
        open_files(self, to, err);
    place_rescue(self->run);
    if (!transport_agree(err))
        return false;
    to->t_start_data_s += clock_now() - since_s;
    transport_broadcast(on->images, (size_t)on->n_clients * sizeof *on->images, 0, TRANSPORT_SLEEP);
    transport_broadcast(on->tests, (size_t)on->n_clients * sizeof *on->tests, 0, TRANSPORT_SLEEP);
    course_cut(on, to->options, self->run->rounds_before);
    if (!suits_clients(on, to->options, err) || !suits_batches(on, to->model, err) ||
        !suits_average(&self->run->options, on, err) ||
        !(self->run->rescued || suits_groups(to->options, err)))
        return false;
    if (average_rules[to->options->average]->groups)
        transport_group(to->options->group_size);
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
    if (transport_is_worker())
        rules.n_clients = to->course.load[transport_worker()].n_clients;
    if (course_most(&to->course) > 1)
        rules.n_rows = (size_t)to->course.participants;
    rules.settings.keep = o->lookahead;
    rules.settings.averages = to->course.rounds * to->course.takes;
    if (aggregate_parse(o->aggregate, &rules.aggregate, err))
        merge_init(&to->merge, &rules, to->model, err);
    if (o->control_variates && err->kind == ERROR_NONE)
        variates_init(&to->variates, rules.average, to->model, &to->course, err);
}

/* May a client's momentum not be another's? */
static bool has_states(const job *to)
{
    return to->options->keep_momentum || to->course.segments > 1;
}

static bool add_descent(job *to, int number, error *err)
{
    const course *on = &to->course;
    const descent_course steps = {course_steps(on, number), course_epoch(on, number),
                                  on->rounds_before};
    descent *next = &to->descents[to->n_descents++];
    const bool good = next == to->descents
                          ? descent_init(next, to->options, to->with.engine, to->model, &steps, err)
                          : descent_twin(next, to->descents, &steps, has_states(to), err);
    next->optimizer.anchor = to->merge.before;
    next->optimizer.shift = to->variates.shift;
    return good;
}

/* Steps are each client's own, or, where gradients are averaged, everybody's. */
static void prepare_descent(job *to, error *err)
{
    const course *on = &to->course;
    const bool all = to->options->sync == SYNC_GRADIENTS;
    if (err->kind != ERROR_NONE || !(all || transport_is_worker()))
        return;
    const int n = all ? 1 : on->load[transport_worker()].n_clients;
    to->g = memory_new(to->model->n_weights, sizeof *to->g, err);
    to->descents = memory_new((size_t)n, sizeof *to->descents, err);
    if (err->kind == ERROR_NONE && all)
        add_descent(to, course_longest(on), err);
    for (int k = 0; !all && err->kind == ERROR_NONE && k < on->n_clients; k++)
        if (on->worker[k] == transport_worker())
            add_descent(to, k, err);
}

/* Where a rank may have several clients in a round, each trains in a row of its own. */
static void prepare_rows(job *to, error *err)
{
    const int most = course_most(&to->course);
    if (err->kind != ERROR_NONE || most == 1)
        return;
    to->row_stride = memory_lines(to->model->n_weights * sizeof *to->rows) / sizeof *to->rows;
    if (transport_is_worker())
        to->rows = memory_new((size_t)most, to->row_stride * sizeof *to->rows, err);
    if (err->kind == ERROR_NONE && !to->merge.aggregate.choice.rule->combine)
        merge_several(&to->merge, err);
    error_prefix(err, "the weights of %d clients", most);
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
    prepare_rows(to, err);
    const worker_needs needs = {&to->course, to->descents, &to->input, to->model, to->with};
    if (err->kind == ERROR_NONE && transport_is_worker())
        worker_init(&to->worker, o, &needs, err);
    if (err->kind == ERROR_NONE && transport_is_server())
        ema_init(&s->ema, o->ema, n, to->course.rounds_before > 0, err);
    const probe_needs tests = {&to->course, to->model, &to->input, &to->merge.local, to->with};
    if (err->kind == ERROR_NONE && o->eval_clients > 0.0)
        probe_init(&to->probe, &tests, err);
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
    return true;
}

static bool prepare_images(preparation *self, job *to, error *err)
{
    double since_s = clock_now();
    deal_out(&self->dealing, &to->course, &to->worker, err);
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
static void give_advice(const preparation *self, const job *to)
{
    const threads_advice *advice = &self->advice;
    if (transport_is_server() && !to->options->quiet && !self->run->rescued)
        machine_note_bits(to->server.machines, transport_size(), to->options->isa > 0);
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
    if (!suits_case(&of->options.label, err) || !prepare_model(self, to, err) ||
        !prepare_data(self, to, err) || !prepare_memory(self, to, err) ||
        !prepare_weights(self, to, err) || !prepare_images(self, to, err) ||
        !results_create(self, to, err))
        return false;
    give_advice(self, to);
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
