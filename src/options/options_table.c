#include "engine/engine.h"
#include "model/optimizer.h"
#include "model/schedule.h"
#include "options/options.h"
#include "words.h"

#define TRAIN(field) OPTION_BIND(train_options, field)
#define REAL(field, most, value, shown)                                                            \
    TRAIN(field), .high = most, .initial = value, .metavar = shown
#define WHOLE(field, low, top, value, shown)                                                       \
    TRAIN(field), .least = low, .most = top, .initial = value, .metavar = shown
#define FLAG(field) TRAIN(field), .initial = "false"
#define WORD(field, words, value) TRAIN(field), .word = words, .initial = value
#define IMAGES(field, value)                                                                       \
    TRAIN(field), .most = OPTION_MAX_IMAGES, .initial = value, .metavar = "N"

/* A share of what is kept that would keep everything for ever is none. */
#define BELOW_ONE 0.9999999

const option_entry option_train_table[] = {
    {.name = "data",
     .resume = RESUME_FREE,
     TRAIN(data),
     .least = 1,
     .initial = "data",
     .variable = "BRAMBLE_DATA",
     .metavar = "DATA",
     .group = "Data:",
     .help = "The images: a file or a folder that is recognised, or KIND:WHERE, as in folder:DIR, "
             "fashion-mnist, hdf5:FILE, synthetic:N. Only rank 0 reads it."},
    {.name = "limit-train",
     IMAGES(limit_train, "0"),
     .help = "Train on the first N training images only; 0: on all."},
    {.name = "limit-test",
     IMAGES(limit_test, "0"),
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
     WHOLE(shards, 1, OPTION_MAX_IMAGES, "", "N1,N2,..."),
     .help =
         "Training images of each worker, one number a worker; without it all get equally many, "
         "to one image."},
    {.name = "order",
     WORD(order, order_word, "shuffle"),
     .help = "Order of a worker's images: shuffled anew every epoch, or as in the files, which are "
             "then dealt one run of images to each worker."},
    {.name = "deal",
     WORD(deal, deal_word, "auto"),
     .former = "contiguous",
     .help = "Which images a worker gets: any, by chance; a run of them as they stand in the "
             "files; or all, where workers share out each batch of --sync gradients. auto: all "
             "where that is possible, else by chance."},
    {.name = "validate",
     IMAGES(validate, "0"),
     .help = "Hold out N training images, as many of each class, and test with them too: to choose "
             "a recipe by, and for --target-accuracy; 0: none."},
    {.name = "augment",
     TRAIN(augment),
     .initial = "",
     .metavar = "CHANGE,...",
     .help =
         "Change training images at random, anew in every epoch: flip[:alternate], crop:N[:reflect], "
         "cutout:N, color:B, rotate:D, mixup:A; from left to right."},
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
     WHOLE(seed, 0, OPTION_MAX_SEED, "1", "S"),
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
     WORD(preset, preset_word, "none"),
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
     WHOLE(rounds, 1, 1000000, "10", "R"),
     .group = "Training:",
     .help = "Rounds: train, average, and so on."},
    {.name = "local-epochs",
     WHOLE(local_epochs, 0, 1000000, "1", "E"),
     .help =
         "A round is E epochs: every worker goes through its images E times; 0: --local-steps counts."},
    {.name = "local-steps",
     WHOLE(local_steps, 0, 1000000000, "0", "H"),
     .help = "A round is H batches instead; 0: --local-epochs counts."},
    {.name = "average-every",
     WHOLE(average_every, 0, 1000000000, "0", "H"),
     .help = "Average also inside a round, after at most H batches; 0: only at its end."},
    {.name = "tail-average",
     REAL(tail_average, 1, "0", "F"),
     .help = "A round's model is the mean of the last share F of its averages, which evens out the "
             "noise "
             "of the steps; 0: the very last."},
    {.name = "ema",
     REAL(ema, BELOW_ONE, "0", "D"),
     .help =
         "A round's model is the exponential moving average of the averages, of which D is kept "
         "at each; 0: the average itself."},
    {.name = "batch",
     WHOLE(batch, 1, 65536, "32", "B"),
     .help = "Images a worker takes for one step; 1 to 65536."},
    {.name = "lr", REAL(lr, 1000, "0.001", "RATE"), .help = "Learning rate at its highest."},
    {.name = "schedule",
     WORD(schedule, schedule_name, "constant"),
     .help = "How the learning rate goes on after the warm-up: stays, falls by --milestones, or "
             "falls to --lr-final at the end of the last round."},
    {.name = "warmup",
     REAL(warmup, 1000000, "0", "R"),
     .help = "The learning rate rises over the first R rounds; fractions are fine. 0: not at all, "
             "onecycle over 0.3 and triangle over 0.23 of the run."},
    {.name = "lr-start",
     REAL(lr_start, 1, "0", "F"),
     .help = "Part of --lr with which the warm-up begins; 0: the schedule's own, see bramble(1)."},
    {.name = "lr-final", REAL(lr_final, 1, "0", "F"), .help = "Part of --lr to which it falls."},
    {.name = "milestones",
     WHOLE(milestones, 0, 1000000, "", "R1,R2,..."),
     .help = "With --schedule step: after so many rounds the learning rate is multiplied by "
             "--gamma."},
    {.name = "gamma", REAL(gamma, 1, "0.1", "F"), .help = "With --schedule step: the factor."},
    {.name = "label-smoothing",
     REAL(label_smoothing, 1, "0", "F"),
     .help = "Train towards this share of certainty less: the share F is spread over all "
             "classes."},
    {.name = "optimizer",
     WORD(optimizer, optimizer_name, "sgd"),
     .help = "How a gradient becomes a step: stochastic gradient descent, AdamW, or Muon for the "
             "weights of convolutions and sgd with --nesterov for the rest."},
    {.name = "momentum",
     REAL(momentum, 1, "0.9", "M"),
     .help = "Momentum of stochastic gradient descent, 0 to 1."},
    {.name = "nesterov", FLAG(nesterov), .help = "Nesterov's momentum."},
    {.name = "beta1",
     REAL(beta1, BELOW_ONE, "0.9", "B"),
     .help = "AdamW: what its mean of the gradients keeps in a step, 0 to below 1."},
    {.name = "beta2",
     REAL(beta2, BELOW_ONE, "0.999", "B"),
     .help = "AdamW: the same of the gradients' squares."},
    {.name = "epsilon",
     TRAIN(epsilon),
     .low = 1e-12,
     .high = 1,
     .initial = "1e-08",
     .metavar = "E",
     .help = "AdamW: added to the root of the mean square."},
    {.name = "muon-lr",
     REAL(muon_lr, 1000, "0.24", "RATE"),
     .help = "Muon: learning rate of the weights that it moves at its highest."},
    {.name = "muon-momentum",
     REAL(muon_momentum, 1, "0.6", "M"),
     .help = "Muon: momentum of the same."},
    {.name = "muon-dense",
     FLAG(muon_dense),
     .help = "Muon: the same for the weights of dense layers, but not the last one's."},
    {.name = "clip-norm",
     REAL(clip_norm, 1e6, "0", "N"),
     .help = "Shorten gradients longer than N to that length; 0: none."},
    {.name = "keep-momentum",
     FLAG(keep_momentum),
     .help = "Keep a worker's momentum from round to round; without it every round starts from 0."},
    {.name = "weight-decay",
     REAL(weight_decay, 1, "0", "D"),
     .help = "Add D times the weights to the gradient."},
    {.name = "decoupled",
     FLAG(decoupled),
     .help =
         "Take learning rate times D times the weights from them instead, as AdamW always does."},
    {.name = "reestimate",
     IMAGES(reestimate, "5000"),
     .help =
         "Before a test measure batch norm's statistics anew, with N training images, where the "
         "model is a mean: of workers that average less often than after every step, or of "
         "--tail-average or --ema; 0: never."},
    {.name = "target-accuracy",
     .resume = RESUME_FREE,
     REAL(target_accuracy, 1, "0", "A"),
     .help =
         "Stop as soon as the test accuracy, or with --validate that of the images held out, is A, 0 to 1; 0: go through all rounds."},
    {.name = "eval-every",
     .resume = RESUME_FREE,
     WHOLE(eval_every, 0, 1000000, "0", "R"),
     .help = "Test the model after every R-th round and the last; 0: after every round, with "
             "--local-steps about once per epoch."},

    {.name = "tta",
     .resume = RESUME_FREE,
     WORD(tta, tta_word, "none"),
     .help = "Test the last model also by the mean of several views of each image, itself and its "
             "mirror image; these and both shifted by a pixel; or both moved by up to three pixels "
             "each way: a second number."},

    {.name = "sync",
     WORD(sync, sync_word, "weights"),
     .group = "Cluster:",
     .help = "What is averaged: the weights, after some steps of each worker; or the gradients, "
             "before every step."},
    {.name = "average",
     .resume = RESUME_FREE,
     WORD(average, average_word, "gather"),
     .help = "How the weights travel; all give the same bits."},
    {.name = "group-size",
     .resume = RESUME_FREE,
     WHOLE(group_size, 0, 1000000, "0", "G"),
     .help = "With --average tree, groups of so many workers; 0: those that share a host, or about "
             "the square root of their number."},
    {.name = "aggregate",
     TRAIN(aggregate),
     .least = 1,
     .initial = "mean",
     .metavar = "RULE[:F]",
     .help = "What is made of the workers' weights: mean; or, where F of them may send anything, "
             "median, trimmed:F, krum:F, multikrum:F, for which the server collects them."},
    {.name = "clients",
     WHOLE(clients, 0, 1000000, "0", "K"),
     .help = "Share the images out among K clients, which the workers train one after the other in "
             "each round; 0: each worker is one."},
    {.name = "eval-clients",
     REAL(eval_clients, 0.9, "0", "F"),
     .help = "Set a share F of each client's images aside, and test with them after a round: the "
             "average, and what the client itself has come to; 0: do not."},
    {.name = "participation",
     REAL(participation, 1, "1", "F"),
     .help = "Share of the clients, drawn anew, that take part in a round."},
    {.name = "min-workers",
     WHOLE(min_workers, 1, 1000000, "1", "N"),
     .help = "At least so many take part in each round."},
    {.name = "proximal",
     REAL(proximal, 1000, "0", "MU"),
     .help = "Hold each worker near the weights it went on from, by the gradient MU times the way "
             "from there (FedProx); 0: do not."},
    {.name = "normalize-steps",
     FLAG(normalize_steps),
     .help = "Weigh workers that take unlike numbers of steps by the direction of their way, not "
             "its length (FedNova)."},
    {.name = "control-variates",
     FLAG(control_variates),
     .help = "Correct each worker's steps by how its gradients differ from everybody's "
             "(SCAFFOLD)."},
    {.name = "local-statistics",
     FLAG(local_statistics),
     .help = "Batch norm stays each worker's own, its scale and shift, too (FedBN); the tested "
             "model has the mean."},
    {.name = "clip-update",
     REAL(clip_update, 1e6, "0", "C"),
     .help = "Shorten what a worker adds to the weights to an L2 norm of C; all workers count "
             "alike; 0: do not."},
    {.name = "noise",
     REAL(noise, 1000, "0", "S"),
     .help = "Add noise of deviation S C / n to the mean of n workers, with --clip-update C "
             "(DP-FedAvg, as a lesson: who knows the seed knows the noise); 0: none."},
    {.name = "lookahead",
     REAL(lookahead, BELOW_ONE, "0", "D"),
     .help =
         "At each average go back towards where everyone went on from before, by a part that grows "
         "with the cube of the time, to D at the end; 0: do not."},
    {.name = "server-optimizer",
     WORD(server_optimizer, outer_word, "none"),
     .help =
         "What everyone goes on from after an average: the mean, or a step of an optimizer for which "
         "mean minus weights before is the direction."},
    {.name = "server-lr",
     REAL(server.lr, 1000, "0", "RATE"),
     .help = "Its learning rate; 0: the optimizer's own, 1 (momentum), 0.7 (nesterov), 0.1 (adam, "
             "adam-paper, adagrad), 0.01 (yogi)."},
    {.name = "server-momentum",
     REAL(server.momentum, 1, "0.9", "M"),
     .help = "Its momentum, beta1; below 1."},
    {.name = "server-beta2",
     REAL(server.beta2, 1, "0.99", "B"),
     .help = "How much of the squares is kept (adam, adam-paper, yogi); below 1."},
    {.name = "server-tau",
     REAL(server.tau, 1000, "0.001", "T"),
     .help = "Added to the root of the squares (adam, adam-paper, yogi, adagrad); above 0."},
    {.name = "threads",
     .resume = RESUME_FREE,
     WHOLE(threads, 0, 1024, "0", "T"),
     .help =
         "OpenMP threads of each rank; 0: as many as cores it is bound to, or its CPU quota is worth."},
    {.name = "isa",
     .resume = RESUME_FREE,
     WORD(isa, engine_isa, "auto"),
     .help = "Instruction set; auto: the best there is. All but sse2 give the same bits."},
    {.name = "case",
     .resume = RESUME_FREE,
     WHOLE(label, 1, 1000000, "", "N:C"),
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
     FLAG(force),
     .help = "Replace an existing result file."},
    {.name = "quiet", .resume = RESUME_NEW, FLAG(quiet), .help = "No progress on stderr."},
    {.name = "json", .resume = RESUME_NEW, FLAG(json), .help = "Print JSON."},
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
     REAL(stall, 1000000, "60", "SECONDS"),
     .help = "Report a rank that shows no progress for so long; 0: none."},
    {.name = "on-nan",
     .resume = RESUME_FREE,
     WORD(on_nan, on_nan_word, "stop"),
     .help = "When a worker's loss or weights are no longer finite: stop, or leave it out of the "
             "average and go on."},
    {.name = NULL},
};
