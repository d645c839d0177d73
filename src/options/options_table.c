#include "data/sampler.h"
#include "data/views.h"
#include "model/schedule.h"
#include "options/options.h"
#include "transport/average.h"

#define TRAIN(field) OPTION_BIND(train_options, field)

/* ---- words ----------------------------------------------------------------------------------- */

static const char *schedule_word(size_t i)
{
    static const char *const words[] = {[SCHEDULE_CONSTANT] = "constant",
                                        [SCHEDULE_LINEAR] = "linear",
                                        [SCHEDULE_COSINE] = "cosine"};
    return i < sizeof words / sizeof *words ? words[i] : NULL;
}

static const char *order_word(size_t i)
{
    static const char *const words[] = {
        [ORDER_SHUFFLE] = "shuffle", [ORDER_SEQUENTIAL] = "sequential"};
    return i < sizeof words / sizeof *words ? words[i] : NULL;
}

static const char *deal_word(size_t i)
{
    static const char *const words[] = {
        [DEAL_SHUFFLED] = "shuffled", [DEAL_CONTIGUOUS] = "contiguous"};
    return i < sizeof words / sizeof *words ? words[i] : NULL;
}

static const char *average_word(size_t i)
{
    return average_rules[i] ? average_rules[i]->name : NULL;
}

static const char *outer_word(size_t i)
{
    return outer_rules[i] ? outer_rules[i]->name : NULL;
}

static const char *preset_word(size_t i)
{
    return i == 0 ? "none" : option_presets[i - 1].name;
}

static const char *tta_word(size_t i)
{
    return views_names[i];
}

static const char *on_nan_word(size_t i)
{
    static const char *const words[] = {[ON_NAN_STOP] = "stop", [ON_NAN_SKIP] = "skip"};
    return i < sizeof words / sizeof *words ? words[i] : NULL;
}

/* ---- the table ------------------------------------------------------------------------------- */

const option_entry option_train_table[] = {
    {.name = "data",
     .resume = RESUME_FREE,
     TRAIN(data),
     .least = 1,
     .initial = "data",
     .variable = "BRAMBLE_DATA",
     .metavar = "DATA",
     .group = "Data:",
     .help =
         "The images: a file or a folder whose kind is recognised, or KIND:WHERE, as in cifar10:DIR, "
         "folder:DIR, idx:DIR, fashion-mnist, hdf5:FILE, synthetic:N. Only rank 0 reads it."},
    {.name = "limit-train",
     TRAIN(limit_train),
     .most = OPTION_MAX_IMAGES,
     .initial = "0",
     .metavar = "N",
     .help = "Train on the first N training images only; 0: on all."},
    {.name = "limit-test",
     TRAIN(limit_test),
     .most = OPTION_MAX_IMAGES,
     .initial = "0",
     .metavar = "N",
     .help = "Test on the first N test images only; 0: on all."},
    {.name = "partition",
     .resume = RESUME_FREE,
     TRAIN(partition),
     .least = 1,
     .initial = "even",
     .metavar = "RULE[:NUMBER]",
     .help = "Who trains on what: even; dirichlet:A, of each class shares that are drawn, the more "
             "unlike the smaller A; classes:K, images of K classes each; sorted:K, K pieces each "
             "of the images sorted by class."},
    {.name = "shards",
     .resume = RESUME_FREE,
     TRAIN(shards),
     .least = 1,
     .most = OPTION_MAX_IMAGES,
     .initial = "",
     .metavar = "N1,N2,...",
     .help =
         "Training images of each worker, one number a worker; without it all get equally many, "
         "to one image."},
    {.name = "order",
     TRAIN(order),
     .word = order_word,
     .initial = "shuffle",
     .help = "Order of a worker's images: shuffled anew every epoch, or as in the files, which are "
             "then dealt one run of images to each worker."},
    {.name = "deal",
     TRAIN(deal),
     .word = deal_word,
     .initial = "shuffled",
     .former = "contiguous",
     .help =
         "Which images a worker gets: any, by chance, or a run of them as they stand in the files."},
    {.name = "validate",
     TRAIN(validate),
     .most = OPTION_MAX_IMAGES,
     .initial = "0",
     .metavar = "N",
     .help = "Hold out N training images, as many of each class, and test with them too: to choose "
             "a recipe by, and for --target-accuracy; 0: none."},
    {.name = "augment",
     TRAIN(augment),
     .initial = "",
     .metavar = "CHANGE,...",
     .help =
         "Change training images at random, anew in every epoch: flip[:alternate], crop:N[:reflect], "
         "cutout:N, color:B, rotate:D; from left to right."},
    {.name = "normalise",
     .resume = RESUME_FREE,
     TRAIN(normalise),
     .initial = "",
     .former = "half",
     .metavar = "half|measured|M,.../D,...",
     .help = "Mean and deviation of each channel, of 1, by which images are taken: 0.5 each, those "
             "of the training images, or numbers; they belong to the model. Without it the --init "
             "file's, else half."},
    {.name = "seed",
     TRAIN(seed),
     .most = OPTION_MAX_SEED,
     .initial = "1",
     .metavar = "S",
     .help =
         "Everything random follows from it: first weights, order, changed and synthetic images."},

    {.name = "model",
     .resume = RESUME_FREE,
     TRAIN(model),
     .least = 1,
     .initial = "paper",
     .metavar = "FILE",
     .group = "Model:",
     .help = "INI file that describes the network; a bare name means models/NAME.ini."},
    {.name = "init",
     TRAIN(init),
     .initial = "",
     .metavar = "FILE[:/GROUP]",
     .help = "Start from the weights in an HDF5 file, a result of an earlier run or any with "
             "PyTorch's names; without it from random weights."},

    {.name = "preset",
     .resume = RESUME_FREE,
     TRAIN(preset),
     .word = preset_word,
     .initial = "none",
     .group = "Presets and files:",
     .help = "A recipe, see below; any other option given overrides it."},
    {.name = "config",
     .resume = RESUME_NEW,
     TRAIN(config),
     .initial = "",
     .metavar = "FILE",
     .help = "Read options from an INI file, long names as keys (lr = 0.01), in a section [train] "
             "or in none. They override a preset's, and those of the command line override both."},

    {.name = "rounds",
     .resume = RESUME_FREE,
     TRAIN(rounds),
     .least = 1,
     .most = 1000000,
     .initial = "10",
     .metavar = "R",
     .group = "Training:",
     .help = "Rounds: train, average, and so on."},
    {.name = "local-epochs",
     TRAIN(local_epochs),
     .most = 1000000,
     .initial = "1",
     .metavar = "E",
     .help =
         "A round is E epochs: every worker goes through its images E times; 0: --local-steps counts."},
    {.name = "local-steps",
     TRAIN(local_steps),
     .most = 1000000000,
     .initial = "0",
     .metavar = "H",
     .help = "A round is H batches instead; 0: --local-epochs counts."},
    {.name = "average-every",
     TRAIN(average_every),
     .most = 1000000000,
     .initial = "0",
     .metavar = "H",
     .help = "Average also inside a round, after at most H batches; 0: only at its end."},
    {.name = "tail-average",
     TRAIN(tail_average),
     .high = 1,
     .initial = "0",
     .metavar = "F",
     .help = "A round's model is the mean of the last share F of its averages, which evens out the "
             "noise "
             "of the steps; 0: the very last."},
    {.name = "batch",
     TRAIN(batch),
     .least = 1,
     .most = 65536,
     .initial = "32",
     .metavar = "B",
     .help = "Images a worker takes for one step; 1 to 65536."},
    {.name = "lr",
     TRAIN(lr),
     .high = 1000,
     .initial = "0.001",
     .metavar = "RATE",
     .help = "Learning rate at its highest."},
    {.name = "schedule",
     TRAIN(schedule),
     .word = schedule_word,
     .initial = "constant",
     .help = "How the learning rate goes on after the warm-up: stays, or falls to 0 at the end of "
             "the last round."},
    {.name = "warmup",
     TRAIN(warmup),
     .high = 1000000,
     .initial = "0",
     .metavar = "R",
     .help = "The learning rate rises from 0 over the first R rounds; fractions are fine."},
    {.name = "momentum",
     TRAIN(momentum),
     .high = 1,
     .initial = "0.9",
     .metavar = "M",
     .help = "Momentum of stochastic gradient descent, 0 to 1."},
    {.name = "nesterov", TRAIN(nesterov), .initial = "false", .help = "Nesterov's momentum."},
    {.name = "keep-momentum",
     TRAIN(keep_momentum),
     .initial = "false",
     .help = "Keep a worker's momentum from round to round; without it every round starts from 0."},
    {.name = "weight-decay",
     TRAIN(weight_decay),
     .high = 1,
     .initial = "0",
     .metavar = "D",
     .help = "Add D times the weights to the gradient."},
    {.name = "target-accuracy",
     .resume = RESUME_FREE,
     TRAIN(target_accuracy),
     .high = 1,
     .initial = "0",
     .metavar = "A",
     .help =
         "Stop as soon as the test accuracy, or with --validate that of the images held out, is A, 0 to 1; 0: go through all rounds."},
    {.name = "eval-every",
     .resume = RESUME_FREE,
     TRAIN(eval_every),
     .most = 1000000,
     .initial = "0",
     .metavar = "R",
     .help = "Test the model after every R-th round and the last; 0: after every round, with "
             "--local-steps about once per epoch."},

    {.name = "tta",
     .resume = RESUME_FREE,
     TRAIN(tta),
     .word = tta_word,
     .initial = "none",
     .help = "Test the last model also by the mean of several views of each image, itself and its "
             "mirror image, or these and both shifted by a pixel: a second number."},

    {.name = "average",
     .resume = RESUME_FREE,
     TRAIN(average),
     .word = average_word,
     .initial = "gather",
     .group = "Cluster:",
     .help = "How the weights travel; all give the same bits."},
    {.name = "server-optimizer",
     TRAIN(server_optimizer),
     .word = outer_word,
     .initial = "none",
     .help =
         "What everyone goes on from after an average: the mean, or a step of an optimizer for which "
         "mean minus weights before is the direction."},
    {.name = "server-lr",
     TRAIN(server.lr),
     .high = 1000,
     .initial = "0",
     .metavar = "RATE",
     .help = "Its learning rate; 0: the optimizer's own, 1 (momentum), 0.7 (nesterov), 0.1 (adam, "
             "adam-paper, adagrad), 0.01 (yogi)."},
    {.name = "server-momentum",
     TRAIN(server.momentum),
     .high = 1,
     .initial = "0.9",
     .metavar = "M",
     .help = "Its momentum, beta1; below 1."},
    {.name = "server-beta2",
     TRAIN(server.beta2),
     .high = 1,
     .initial = "0.99",
     .metavar = "B",
     .help = "How much of the squares is kept (adam, adam-paper, yogi); below 1."},
    {.name = "server-tau",
     TRAIN(server.tau),
     .high = 1000,
     .initial = "0.001",
     .metavar = "T",
     .help = "Added to the root of the squares (adam, adam-paper, yogi, adagrad); above 0."},
    {.name = "threads",
     .resume = RESUME_FREE,
     TRAIN(threads),
     .most = 1024,
     .initial = "0",
     .metavar = "T",
     .help =
         "OpenMP threads of each rank; 0: as many as cores it is bound to, or its CPU quota is worth."},
    {.name = "case",
     .resume = RESUME_FREE,
     TRAIN(label),
     .least = 1,
     .most = 1000000,
     .initial = "",
     .metavar = "N:C",
     .help =
         "The case this run is counted as; without it N workers with C threads in all. N must be the "
         "number of workers; C says how many cores they share when that is capped."},

    {.name = "out",
     .resume = RESUME_NEW,
     TRAIN(out),
     .initial = "",
     .metavar = "FILE.h5",
     .group = "Results:",
     .help =
         "The result file; without it bramble-DATE.h5 in the present folder, DATE being the date "
         "and time in UTC."},
    {.name = "force",
     .resume = RESUME_NEW,
     TRAIN(force),
     .initial = "false",
     .help = "Replace an existing result file."},
    {.name = "quiet",
     .resume = RESUME_NEW,
     TRAIN(quiet),
     .initial = "false",
     .help = "No progress on stderr."},
    {.name = "json",
     .resume = RESUME_NEW,
     TRAIN(json),
     .initial = "false",
     .help = "Print the summary as JSON."},
    {.name = "checkpoint",
     .resume = RESUME_NEW,
     TRAIN(checkpoint),
     .initial = "",
     .metavar = "FILE",
     .group = "Stop and go on:",
     .help =
         "Save the run in FILE, to go on from there after it was stopped or has failed; the one "
         "before is kept as FILE.previous."},
    {.name = "checkpoint-every",
     .resume = RESUME_FREE,
     TRAIN(checkpoint_every),
     .least = 1,
     .initial = "1",
     .metavar = "R|Ns",
     .help =
         "Save after every R-th round, or after the first round that ends N seconds after the last "
         "time (30s)."},
    {.name = "resume",
     .resume = RESUME_NEW,
     TRAIN(resume),
     .initial = "",
     .metavar = "FILE",
     .help = "Go on from a checkpoint, with its options, to the same result as without the break. "
             "Options on which the result does not depend may be given anew."},
    {.name = "stall",
     .resume = RESUME_FREE,
     TRAIN(stall),
     .high = 1000000,
     .initial = "60",
     .metavar = "SECONDS",
     .help = "Report a rank that shows no progress for so long; 0: none."},
    {.name = "on-nan",
     .resume = RESUME_FREE,
     TRAIN(on_nan),
     .word = on_nan_word,
     .initial = "stop",
     .help = "When a worker's loss or weights are no longer finite: stop, or leave it out of the "
             "average and go on."},
    {.name = NULL},
};
