#include "base/clock.h"
#include "base/ini.h"
#include "base/memory.h"
#include "base/world.h"
#include "commands.h"
#include "launch.h"
#include "show/output.h"
#include "train/interrupt.h"
#include "train/run.h"
#include "transport/transport.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The server reads the --config file, everyone gets the text; NULL when there is none. */
static bool read_config(const char *path, char **text, error *err)
{
    if (path && transport_is_server())
        *text = ini_read_file(path, err);
    if (!transport_agree(err))
        return false;
    if (path)
        *text = transport_broadcast_text(*text);
    return true;
}

static bool set_options(train_options *options, const option_line *line, error *err)
{
    char *text = NULL;
    if (!read_config(options_config(line), &text, err))
        return false;
    options_set_train(line, text, options, err);
    memory_free(text);
    return transport_agree(err);
}

/* What is said behind a number, in its line. */
static void print_besides(const run *self, const summary_number *n)
{
    const record_summary *s = &self->summary;
    if (SUMMARY_IS(n, accuracy))
        printf("  (loss %.4f, %llu test images)", s->loss, (unsigned long long)self->n_test);
    if (SUMMARY_IS(n, t_time_s))
        printf("  (%.0f round%s%s)", s->rounds, PLURAL(s->rounds),
               isnan(s->t_target_s) ? "" : ": the target accuracy is reached");
}

static void print_text(const run *self)
{
    const record_summary *s = &self->summary;
    putchar('\n');
    for (const summary_number *n = NULL; (n = summary_next(SUMMARY_TRAIN, n));) {
        double value = summary_value(n, s);
        if (!isnan(value)) {
            printf("%-22s %.*f%s", n->line, n->digits, summary_show(n, value, s->t_time_s),
                   n->line_end);
            print_besides(self, n);
            putchar('\n');
        } else if (SUMMARY_IS(n, t_target_s) && self->options.target_accuracy > 0.0) {
            printf("%-22s not reached: %.2f %%\n", "target accuracy",
                   100.0 * self->options.target_accuracy);
        }
        if (SUMMARY_IS(n, accuracy_validation))
            printf("%-22s %.0f:%.0f  (nodes:cores of the workers)\n", "case N:C", s->nodes,
                   s->cores);
    }
    if (*world_simulation())
        printf("%-22s %s%s\n", "SIMULATED by", world_simulation(),
               world_replays() ? ": no weights, loss or accuracy is real" : "");
    printf("%-22s %s\n", "results in", self->out);
}

static bool print_summary(const run *self, error *err)
{
    const record_summary *s = &self->summary;
    if (self->options.json) {
        json_t *root = output_summary(s);
        json_object_set_new(root, "out", json_string(self->out));
        json_object_set_new(root, "simulated", json_string(world_simulation()));
        output_numbers(root, SUMMARY_JSON_OF_RUN, s);
        return output_json(root, stdout, err);
    }
    print_text(self);
    return output_finish(err);
}

static void print_stop(const run *self)
{
    fprintf(stderr, "bramble: stopped by %s", interrupt_name(self->signal));
    if (self->rounds_done == 0)
        fprintf(stderr, " in the first round; nothing is saved\n");
    else if (self->options.checkpoint[0])
        fprintf(stderr, "; %llu of %llu round%s saved, go on with --resume %s\n",
                (unsigned long long)self->rounds_done, (unsigned long long)self->options.rounds,
                self->options.rounds == 1 ? " is" : "s are", self->options.checkpoint);
    else
        fprintf(stderr,
                "; %s has the model of round %llu of %llu, but nothing to go on from: that takes "
                "--checkpoint\n",
                self->out, (unsigned long long)self->rounds_done,
                (unsigned long long)self->options.rounds);
}

static void print_end(const run *self, error *err)
{
    if (self->signal) {
        print_stop(self);
        return;
    }
    if (self->finished) /* when it was resumed: there is nothing left to do */
        fprintf(stderr, "bramble: %s: the run is finished, nothing is changed\n", self->out);
    print_summary(self, err);
}

static void train(run *self, enum parse_outcome outcome, const option_line *line, error *err)
{
    const option_command *command = option_command_find("train");
    transport_greet();
    if (!transport_agree(err) || !launch_compare(command, outcome, line, false, err))
        return;
    if (outcome == PARSE_DONE && transport_is_server())
        option_print_help(command, stdout, err);
    if (outcome == PARSE_DONE || !set_options(&self->options, line, err) || !run_train(self, err))
        return;
    if (transport_is_server())
        print_end(self, err);
    transport_agree(err);
}

int command_train(int argc, char **argv)
{
    error err = {0};
    static run self; /* large: the options hold paths */
    static option_line line;
    enum parse_outcome outcome;
    self.t_begin_s = clock_now();
    if (!launch_read("train", argc, argv, &outcome, &line, &err))
        return (int)err.kind;
    transport_start(&argc, &argv);
    self.t_start_mpi_s = clock_now() - self.t_begin_s;
    train(&self, outcome, &line, &err);
    if (err.kind != ERROR_NONE && transport_is_server())
        error_print(&err);
    run_release(&self);
    transport_stop();
    return err.kind == ERROR_NONE && self.signal ? INTERRUPT_STATUS : (int)err.kind;
}
