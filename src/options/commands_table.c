#include "data/views.h"
#include "entries.h"
#include "transport/average.h"
#include "words.h"

#define TEST(field) OPTION_BIND(test_options, field)
#define REPORT(field) OPTION_BIND(report_options, field)
#define PLAN(field) OPTION_BIND(plan_options, field)
#define WATCH(field) OPTION_BIND(watch_options, field)
#define DOCTOR(field) OPTION_BIND(doctor_options, field)
#define INFO(field) OPTION_BIND(info_options, field)
#define FLAG(of, field) of(field), .initial = "false"

static const char *format_word(size_t i)
{
    static const char *const words[] = {
        [REPORT_TABLE] = "table", [REPORT_CSV] = "csv", [REPORT_JSON] = "json"};
    return i < sizeof words / sizeof *words ? words[i] : NULL;
}

static const char *plan_average_word(size_t i)
{
    if (i == 0)
        return "measured";
    return average_rules[i - 1] ? average_rules[i - 1]->name : NULL;
}

static const option_entry test_table[] = {
    {.name = "data",
     TEST(data),
     .least = 1,
     .initial = "data",
     .variable = "BRAMBLE_DATA",
     .metavar = "DATA",
     .group = "Options:",
     .help =
         "The images: a file or a folder whose kind is recognised, or KIND:WHERE, as for train."},
    OPTION_MODEL_BESIDE(test_options),
    {.name = "limit-test",
     TEST(limit_test),
     .most = OPTION_MAX_IMAGES,
     .initial = "0",
     .metavar = "N",
     .help = "Test on the first N test images only; 0: on all."},
    OPTION_NORMALISE_BESIDE(test_options),
    {.name = "tta",
     TEST(tta),
     .word = tta_word,
     .initial = "none",
     .help =
         "Test also by the mean of several views of each image: itself and its mirror image; these and "
         "both shifted by a pixel; or both moved by up to three pixels each way."},
    OPTION_THREADS(test_options),
    OPTION_ISA(test_options),
    {.name = "seed",
     TEST(seed),
     .most = OPTION_MAX_SEED,
     .initial = "1",
     .metavar = "S",
     .help = "Seed of synthetic images."},
    {.name = "json", FLAG(TEST, json), .help = "Print JSON."},
    {.name = NULL},
};

static const option_entry report_table[] = {
    {.name = "format",
     REPORT(format),
     .word = format_word,
     .initial = "table",
     .group = "Options:",
     .help = "Form of the report."},
    {.name = "by",
     REPORT(by),
     .least = 1,
     .initial = "case",
     .metavar = "OPTION,...",
     .help = "What tells cases apart: case, which is N:C, or options of bramble train, as in lr or "
             "case,lr."},
    {.name = "base",
     REPORT(base),
     .initial = "",
     .metavar = "CASE",
     .help = "The case that the speedup of all others refers to, as N:C or what --by says; without "
             "it the one with the fewest cores, and among these the fewest nodes."},
    {.name = "rounds",
     FLAG(REPORT, rounds),
     .help = "A line for each round of each file: time, speed, loss, accuracy; also of a run that "
             "is going on."},
    {.name = "ranks",
     FLAG(REPORT, ranks),
     .help =
         "A line for each rank: the seconds of each phase, images, loss; with --rounds for each "
         "rank of each round."},
    {.name = "labels",
     FLAG(REPORT, labels),
     .help = "A line for each worker, or client: how many training images of each class it has."},
    {.name = "clients",
     FLAG(REPORT, clients),
     .help = "How the clients of --clients or --eval-clients differ, and which are the worst; csv "
             "and json: a line for each."},
    {.name = "trace",
     REPORT(trace),
     .initial = "",
     .metavar = "FILE.json",
     .help =
         "Print nothing, but write the phases of one run, also of one that is going on, as a timeline "
         "that Perfetto (ui.perfetto.dev) and chrome://tracing open."},
    {.name = NULL},
};

static const option_entry plan_table[] = {
    {.name = "nodes",
     PLAN(nodes),
     .most = PLAN_NODES,
     .initial = "0",
     .metavar = "N",
     .group = "Options:",
     .help = "Workers of the cluster to be improved, at most 1024; 0: the most of the runs."},
    {.name = "cores",
     PLAN(cores),
     .high = 1024,
     .initial = "0",
     .metavar = "C",
     .help = "Cores of a node, fractions too; 0: of the run with the most workers."},
    {.name = "average",
     PLAN(average),
     .word = plan_average_word,
     .initial = "measured",
     .help = "How the weights travel."},
    {.name = "local-steps",
     PLAN(local_steps),
     .most = 1000000000,
     .initial = "0",
     .metavar = "H",
     .help = "Batches between two averages; 0: as measured."},
    {.name = "local-epochs",
     PLAN(local_epochs),
     .most = 1000000,
     .initial = "0",
     .metavar = "E",
     .help = "Epochs, each once through the images, between two averages; 0: as measured."},
    {.name = "link",
     PLAN(link),
     .high = 1e6,
     .initial = "0",
     .metavar = "MBIT",
     .help = "Speed of a node's link in Mbit/s; 0: as measured."},
    {.name = "link-measured",
     PLAN(link_measured),
     .low = 0.001,
     .high = 1e6,
     .initial = "1000",
     .metavar = "MBIT",
     .help = "Speed of the links the runs were measured with."},
    {.name = "json", FLAG(PLAN, json), .help = "Print JSON."},
    {.name = NULL},
};

static const option_entry watch_table[] = {
    {.name = "patience",
     WATCH(patience),
     .high = 1000000,
     .initial = "10",
     .metavar = "S",
     .group = "Options:",
     .help =
         "Give up after S seconds without the file, or without a new round in one that no run is writing."},
    {.name = "web",
     WATCH(web),
     .initial = "false",
     .help = "Show the run on a page in a browser; PORT is a free one without. Ends with Ctrl-C."},
    {.name = "bind",
     WATCH(bind),
     .least = 1,
     .initial = "127.0.0.1",
     .metavar = "ADDRESS",
     .help =
         "With --web: listen there, for other machines to see the page; 0.0.0.0 is everywhere."},
    {.name = NULL},
};

static const option_entry doctor_table[] = {
    {.name = "model",
     DOCTOR(model),
     .least = 1,
     .initial = "paper",
     .metavar = "FILE",
     .group = "Options:",
     .help = "The network to try: an INI file; a bare name means models/NAME.ini."},
    {.name = "batch",
     DOCTOR(batch),
     .least = 1,
     .most = 65536,
     .initial = "32",
     .metavar = "B",
     .help = "Images a worker takes for one step; 1 to 65536."},
    {.name = "data",
     DOCTOR(data),
     .least = 1,
     .initial = "data",
     .variable = "BRAMBLE_DATA",
     .metavar = "DATA",
     .help = "The images a run would use: are they there, and is there memory for them?"},
    {.name = "threads",
     DOCTOR(threads),
     .most = 1024,
     .initial = "0",
     .metavar = "T",
     .help =
         "OpenMP threads of each worker; 0: as many as cores it is bound to, or its CPU quota is worth."},
    OPTION_ISA(doctor_options),
    {.name = "out",
     DOCTOR(out),
     .initial = "",
     .metavar = "FILE.h5",
     .help = "Store everything in this file. Its folder, or without it the present one, is where "
             "results would go."},
    {.name = "force", FLAG(DOCTOR, force), .help = "Replace an existing file."},
    {.name = "json", FLAG(DOCTOR, json), .help = "Print JSON."},
    {.name = NULL},
};

static const option_entry info_table[] = {
    {.name = "model",
     INFO(model),
     .initial = "",
     .metavar = "FILE",
     .group = "Options:",
     .help = "About a model file: its layers and their settings, sizes, weights. NAME means "
             "models/NAME.ini."},
    {.name = "dot", FLAG(INFO, dot), .help = "Print its graph for Graphviz's dot."},
    {.name = "json", FLAG(INFO, json), .help = "Print JSON."},
    {.name = NULL},
};

/* ---- subcommands ----------------------------------------------------------------------------- */

const option_command option_commands[] = {
    {.name = "train",
     .summary = "train a network, on one machine or under mpirun",
     .arguments = "",
     .about =
         "Train a convolutional network. Under mpirun rank 0 is the server, which shares out the "
         "images, averages the weights and tests the model, and all other ranks train. A rank "
         "alone does everything itself.",
     .examples = "  bramble train --preset fast --out fast.h5\n"
                 "  mpirun -n 4 --hostfile pis --map-by ppr:1:node:pe=4 bramble train \\\n"
                 "      --data data --preset paper --average gather --out paper-3.h5\n",
     .options = option_train_table,
     .has_presets = true},
    {.name = "test",
     .summary = "test a saved model",
     .arguments = "FILE.h5[:/GROUP]",
     .min_arguments = 1,
     .max_arguments = 1,
     .about = "Print accuracy and loss of the model in FILE.h5 on the test images, the accuracy of "
              "each class and the confusion matrix.",
     .examples = "  bramble test paper-3.h5 --data data\n"
                 "  bramble test weights.h5:/epoch5 --model paper --json\n",
     .options = test_table},
    {.name = "predict",
     .summary = "tell what is on pictures",
     .arguments = "FILE.h5[:/GROUP] PICTURE|FOLDER...\nFILE.h5[:/GROUP] -",
     .min_arguments = 2,
     .max_arguments = OPTION_ARGUMENTS_MAX,
     .about =
         "Print the most probable classes of PNG, JPEG and BMP pictures, of files, of folders, or from standard "
         "input one behind the other. Each is resized and normalised as the model wants it. A picture that "
         "cannot be read is named and left out, and the status is 1 in the end.",
     .examples = "  bramble predict paper-3.h5 cat.jpg holidays/\n"
                 "  bramble predict paper-3.h5 --evaluate pictures/test\n"
                 "  rpicam-still -o - | bramble predict paper-3.h5 --top 1 -\n",
     .options = option_predict_table},
    {.name = "report",
     .summary = "summarise runs in a table",
     .arguments = "FILE.h5...",
     .min_arguments = 1,
     .max_arguments = OPTION_ARGUMENTS_MAX,
     .about =
         "Print a line for each case N:C, nodes and cores: T_time, W_time, the shares of work and "
         "overhead, speedup S, efficiency E, serial fraction e (Karp and Flatt) and accuracy; then the "
         "parts of the overhead. Runs of one case are averaged; +- is their sample standard deviation.",
     .examples = "  bramble report results/*.h5\n"
                 "  bramble report --by case,lr results/*.h5\n"
                 "  bramble report --rounds --ranks results/run.h5\n"
                 "  bramble report --format csv --base 3:3 results/*.h5 > cores.csv\n"
                 "  bramble report --trace run.json results/run.h5\n",
     .options = report_table},
    {.name = "plan",
     .summary = "predict other clusters from measured runs",
     .arguments = "FILE.h5...",
     .min_arguments = 1,
     .max_arguments = OPTION_ARGUMENTS_MAX,
     .about =
         "Fit compute, averaging and waiting times to measured runs, at least one with two or more "
         "workers, and predict time T, overhead O and speedup S for 1 to 64 nodes, or up to --nodes; tell from where "
         "on overhead exceeds work or the next node does not pay, and what would help most.",
     .examples = "  bramble plan results/*.h5\n"
                 "  bramble plan --link 100 --local-steps 32 --json results/*.h5\n",
     .options = plan_table},
    {.name = "watch",
     .summary = "follow a run that is going on",
     .arguments = "FILE.h5\n--web [PORT] FILE.h5",
     .min_arguments = 1,
     .max_arguments = 2,
     .about =
         "Print a line for each round of a run as it is finished, or keep one line up to date on a "
         "terminal, from the run's result file. Ends with the run: status 0 when the run came to its "
         "end, 1 when nobody goes on with it.",
     .examples = "  bramble watch results/run.h5\n"
                 "  bramble watch --web 8080 results/run.h5\n",
     .options = watch_table},
    {.name = "info",
     .summary = "about this build and machine, a result file or a model",
     .arguments = "[FILE.h5]",
     .max_arguments = 1,
     .about =
         "Print version, compiler, vector width, libraries, cores and binding; or what FILE.h5 "
         "holds: the run, its options, machines and weights; or what a model file describes.",
     .examples = "  mpirun -n 1 --bind-to core bramble info\n"
                 "  bramble info --json paper-3.h5\n"
                 "  bramble info --model paper --dot | dot -Tsvg > paper.svg\n",
     .options = info_table},
    {.name = "data",
     .summary = "look at a data set, check CIFAR-10 files, or write synthetic ones",
     .arguments =
         "info DATA\npack DATA OUT.h5\npartition DATA\npictures DATA DIR [N]\ncheck DIR\nsynth DIR [N]",
     .max_arguments = 4,
     .about =
         "info reads all images of a data set and prints their size, how many there are of each class, and "
         "mean and deviation of each channel. pack writes a data set of any kind to an HDF5 file. partition prints how many images of each class each of N workers would train on. pictures writes it, or N images for training and N for testing, as PNG files to a new folder DIR. check reads CIFAR-10's binary files in DIR and counts their images by class. synth "
         "writes synthetic images in the same form to DIR, N of them for training and a fifth as "
         "many, at least ten, for testing, or as many as CIFAR-10 has.",
     .examples = "  bramble data info fashion-mnist\n"
                 "  bramble data partition --workers 10 --partition dirichlet:0.5 data\n"
                 "  bramble data pack folder:pictures:64x64 pictures.h5\n"
                 "  bramble data check data\n"
                 "  bramble data synth /tmp/shapes 5000 --seed 7\n",
     .options = option_data_table},
    {.name = "export",
     .summary = "write a trained model for other programs",
     .arguments = "RESULT.h5[:/GROUP] OUT.safetensors|OUT.npz|OUT.h5|OUT.onnx",
     .min_arguments = 2,
     .max_arguments = 2,
     .about = "Write the weights of a result file under the names and in the shapes of PyTorch's "
              "state_dict, with the model file, normalisation and names of classes. The ending of "
              "OUT says the format.",
     .examples = "  bramble export paper-3.h5 paper.safetensors\n"
                 "  bramble export results/run.h5 weights.npz --force\n",
     .options = option_export_table},
    {.name = "import",
     .summary = "make a result file of another program's model",
     .arguments = "IN.safetensors|IN.npz|IN.h5|IN.onnx OUT.h5",
     .min_arguments = 2,
     .max_arguments = 2,
     .about = "Read weights, compare their names and shapes with the model's, and write a result "
              "file of no rounds, for test, train --init and info. What bramble export has "
              "written says its model itself.",
     .examples = "  bramble import paper.safetensors paper.h5\n"
                 "  bramble import state.npz net.h5 --model net.ini --normalise 0.5/0.25\n",
     .options = option_import_table},
    {.name = "doctor",
     .summary = "look at the cluster: nodes, links, and what is wrong",
     .arguments = "",
     .about =
         "Look at every node and at what is between them, under mpirun as a training would run, "
         "for some seconds: builds, binding, clock, heat, power, memory, disk, speed, network. "
         "Each finding is said in plain words, with the remedy. Exit status 0: no problem, 1: "
         "at least one.",
     .examples =
         "  bramble doctor --data synthetic:\n"
         "  mpirun -n 4 --hostfile pis --map-by ppr:1:node:pe=4 bramble doctor --out pis.h5\n",
     .options = doctor_table},
    {.name = NULL},
};
