#include "base/clock.h"
#include "base/ini.h"
#include "base/memory.h"
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

static void print_text(const run *self)
{
    const record_summary *s = &self->summary;
    printf("\n%-22s %.2f %%  (loss %.4f, %llu test images)\n", "test accuracy", 100.0 * s->accuracy,
           s->loss, (unsigned long long)self->n_test);
    printf("%-22s %.0f:%.0f  (nodes:cores of the workers)\n", "case N:C", s->nodes, s->cores);
    printf("%-22s %.3f s  (%.0f round%s%s)\n", "T_time", s->t_time_s, s->rounds, PLURAL(s->rounds),
           isnan(s->t_target_s) ? "" : ": the target accuracy is reached");
    printf("%-22s %.3f s\n", "W_time", s->w_time_s);
    printf("%-22s %.1f %%\n", "W% work", 100.0 * s->work_fraction);
    printf("%-22s %.1f %%\n", "O% overhead", 100.0 * s->overhead_fraction);
    printf("%-22s %.0f\n", "images/s", s->images_per_s);
    if (!isnan(s->t_target_s))
        printf("%-22s %.3f s\n", "target reached after", s->t_target_s);
    else if (self->options.target_accuracy > 0.0)
        printf("%-22s not reached: %.2f %%\n", "target accuracy",
               100.0 * self->options.target_accuracy);
    if (!isnan(s->server_cpu_fraction))
        printf("%-22s %.1f %% of a core, evaluation not counted\n", "server's CPU use",
               100.0 * s->server_cpu_fraction);
    printf("%-22s %s\n", "results in", self->out);
}

static bool print_summary(const run *self, error *err)
{
    const record_summary *s = &self->summary;
    if (self->options.json) {
        json_t *root = output_summary(s);
        json_object_set_new(root, "out", json_string(self->out));
        json_object_set_new(root, "loss", output_number(s->loss));
        json_object_set_new(root, "rounds", output_count(s->rounds));
        json_object_set_new(root, "t_start_s", output_number(s->t_start_s));
        json_object_set_new(root, "t_start_mpi_s", output_number(s->t_start_mpi_s));
        json_object_set_new(root, "t_start_data_s", output_number(s->t_start_data_s));
        json_object_set_new(root, "t_target_s", output_number(s->t_target_s));
        json_object_set_new(root, "server_cpu_fraction", output_number(s->server_cpu_fraction));
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
