#include "base/ini.h"
#include "base/memory.h"
#include "commands.h"
#include "launch.h"
#include "show/output.h"
#include "train/interrupt.h"
#include "train/rescue.h"
#include "train/resume.h"
#include "train/training.h"

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

static void print_text(const job *j, const record_summary *s)
{
    printf("\n%-22s %.2f %%  (loss %.4f, %llu test images)\n", "test accuracy", 100.0 * s->accuracy,
           s->loss, (unsigned long long)j->n_test);
    printf("%-22s %.0f:%.0f  (nodes:cores of the workers)\n", "case N:C", s->nodes, s->cores);
    printf("%-22s %.3f s  (%.0f round%s%s)\n", "T_time", s->t_time_s, s->rounds, PLURAL(s->rounds),
           isnan(s->t_target_s) ? "" : ": the target accuracy is reached");
    printf("%-22s %.3f s\n", "W_time", s->w_time_s);
    printf("%-22s %.1f %%\n", "W% work", 100.0 * s->work_fraction);
    printf("%-22s %.1f %%\n", "O% overhead", 100.0 * s->overhead_fraction);
    printf("%-22s %.0f\n", "images/s", s->images_per_s);
    if (!isnan(s->t_target_s))
        printf("%-22s %.3f s\n", "target reached after", s->t_target_s);
    else if (j->options.target_accuracy > 0.0)
        printf("%-22s not reached: %.2f %%\n", "target accuracy",
               100.0 * j->options.target_accuracy);
    if (!isnan(s->server_cpu_fraction))
        printf("%-22s %.1f %% of a core, evaluation not counted\n", "server's CPU use",
               100.0 * s->server_cpu_fraction);
    printf("%-22s %s\n", "results in", j->out);
}

static bool print_summary(const job *j, const record_summary *s, error *err)
{
    if (j->options.json) {
        json_t *root = output_summary(s);
        json_object_set_new(root, "out", json_string(j->out));
        json_object_set_new(root, "loss", output_number(s->loss));
        json_object_set_new(root, "rounds", output_count(s->rounds));
        json_object_set_new(root, "t_start_s", output_number(s->t_start_s));
        json_object_set_new(root, "t_start_mpi_s", output_number(s->t_start_mpi_s));
        json_object_set_new(root, "t_start_data_s", output_number(s->t_start_data_s));
        json_object_set_new(root, "t_target_s", output_number(s->t_target_s));
        json_object_set_new(root, "server_cpu_fraction", output_number(s->server_cpu_fraction));
        return output_json(root, stdout, err);
    }
    print_text(j, s);
    return output_finish(err);
}

/* Resumed, but there is nothing left to do. */
static void report_end(const job *j, error *err)
{
    if (!transport_is_server())
        return;
    fprintf(stderr, "bramble: %s: the run is finished, nothing is changed\n", j->out);
    print_summary(j, &j->past_summary, err);
    rescue_tidy(j);
}

static void print_stop(const job *j)
{
    fprintf(stderr, "bramble: stopped by %s", interrupt_name(j->signal));
    if (j->rounds_done == 0)
        fprintf(stderr, " in the first round; nothing is saved\n");
    else if (j->options.checkpoint[0])
        fprintf(stderr, "; %llu of %llu round%s saved, go on with --resume %s\n",
                (unsigned long long)j->rounds_done, (unsigned long long)j->options.rounds,
                j->options.rounds == 1 ? " is" : "s are", j->options.checkpoint);
    else
        fprintf(stderr,
                "; %s has the model of round %llu of %llu, but nothing to go on from: that takes "
                "--checkpoint\n",
                j->out, (unsigned long long)j->rounds_done, (unsigned long long)j->options.rounds);
}

typedef struct attempt {
    job *job;
    bool again;
    char lost[1024]; /* who has died and has not been told of */
    record_summary summary;
    bool good;
    error *err;
} attempt;

static void try_run(void *arg)
{
    attempt *a = arg;
    a->good = !a->again || rescue_job(a->job, a->lost, a->err);
    a->lost[0] = '\0';
    a->good = a->good && resume_begin(a->job, a->err);
    if (a->good && !a->job->finished)
        a->good = job_prepare(a->job, a->err) && training_run(a->job, &a->summary, a->err);
}

/* Those that have died, until it is said: more may die in the rescue. */
static void add_lost(attempt *a, const char *more)
{
    size_t n = strlen(a->lost);
    a->again = true;
    snprintf(a->lost + n, sizeof a->lost - n, "%s%s", n > 0 ? ", " : "", more ? more : "a rank");
}

static void run(job *j, enum parse_outcome outcome, const option_line *line, error *err)
{
    const option_command *command = option_command_find("train");
    transport_greet();
    if (!transport_agree(err) || !launch_compare(command, outcome, line, false, err))
        return;
    if (outcome == PARSE_DONE && transport_is_server())
        option_print_help(command, stdout, err);
    if (outcome == PARSE_DONE || !set_options(&j->options, line, err))
        return;
    static attempt a;
    a = (attempt){.job = j, .err = err};
    for (char *lost; !transport_guard(try_run, &a, &lost); memory_free(lost))
        add_lost(&a, lost);
    training_release();
    if (!a.good)
        return;
    if (j->finished) {
        report_end(j, err);
        transport_agree(err);
        return;
    }
    if (transport_is_server()) {
        record_close(j->record, err);
        j->record = NULL;
        if (err->kind == ERROR_NONE && j->signal)
            print_stop(j);
        else if (err->kind == ERROR_NONE)
            print_summary(j, &a.summary, err);
    }
    transport_agree(err);
}

int command_train(int argc, char **argv)
{
    error err = {0};
    static job j; /* large: the options hold paths */
    static option_line line;
    enum parse_outcome outcome;
    j.t_begin_s = clock_now();
    if (!launch_read("train", argc, argv, &outcome, &line, &err))
        return (int)err.kind;
    transport_start(&argc, &argv);
    j.t_start_mpi_s = clock_now() - j.t_begin_s;
    run(&j, outcome, &line, &err);
    if (err.kind != ERROR_NONE && transport_is_server())
        error_print(&err);
    int signal = j.signal;
    job_release(&j);
    transport_stop();
    return err.kind == ERROR_NONE && signal ? INTERRUPT_STATUS : (int)err.kind;
}
