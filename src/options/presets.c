#include "options/option.h"

/* What was found for several nets trained for tens or hundreds of passes (docs/experiments.md). */
/* clang-format off */
#define MUON_FOR_LONG \
    {"normalise", "measured"}, \
    {"optimizer", "muon"}, \
    {"batch", "64"}, \
    {"momentum", "0.9"}, \
    {"muon-lr", "0.02"}, \
    {"muon-momentum", "0.9"}, \
    {"weight-decay", "0.0005"}, \
    {"keep-momentum", "true"}, \
    {"schedule", "linear"}
#define RESIDUAL_NET \
    MUON_FOR_LONG, \
    {"augment", "flip,crop:2:reflect"}, \
    {"lr", "0.05"}, \
    {"warmup", "2"}, \
    {"tta", "mirror"}
/* clang-format on */

const option_preset option_presets[] = {
    {
        .name = "paper",
        .about = "as the Flower clients of the study that Bramble repeats",
        .settings =
            {
                {"batch", "32"},
                {"lr", "0.001"},
                {"momentum", "0.9"},
                {"local-epochs", "1"},
                {"rounds", "30"},
            },
    },
    {
        .name = "fast",
        .about = "reaches the accuracy of that study soonest",
        .settings =
            {
                {"batch", "16"},
                {"lr", "0.015"},
                {"momentum", "0.9"},
                {"nesterov", "true"},
                {"keep-momentum", "true"},
                {"schedule", "linear"},
                {"warmup", "0.25"},
                {"average-every", "16"},
                {"tail-average", "0.5"},
                {"rounds", "5"},
            },
    },
    {
        .name = "lenet",
        .about = "the study's net for minutes, for the accuracy that it can have",
        .settings =
            {
                MUON_FOR_LONG,
                {"augment", "flip,crop:2:reflect"},
                {"muon-dense", "true"},
                {"lr", "0.03"},
                {"warmup", "10"},
                {"tta", "crops"},
                {"rounds", "500"},
                {"eval-every", "20"},
            },
    },
    {
        .name = "fashion",
        .about = "Fashion-MNIST, with a net for it and Muon",
        .settings =
            {
                {"data", "fashion-mnist"},
                {"model", "fashion"},
                MUON_FOR_LONG,
                {"augment", "flip"},
                {"lr", "0.05"},
                {"warmup", "2"},
                {"tta", "mirror"},
                {"rounds", "40"},
                {"eval-every", "4"},
            },
    },
    {
        .name = "resnet8",
        .about = "MLPerf Tiny's residual net, with Muon",
        .settings =
            {
                {"model", "resnet8"},
                RESIDUAL_NET,
                {"rounds", "40"},
                {"eval-every", "4"},
            },
    },
    {
        .name = "tiny",
        .about = "a residual net of less than 100,000 weights, with Muon",
        .settings =
            {
                {"model", "tiny"},
                RESIDUAL_NET,
                {"rounds", "60"},
                {"eval-every", "4"},
            },
    },
    {
        .name = "resnet20",
        .about = "a residual net of 20 layers, 0.27 million weights, with Muon",
        .settings =
            {
                {"model", "resnet20"},
                RESIDUAL_NET,
                {"rounds", "40"},
                {"eval-every", "4"},
            },
    },
    {
        .name = "speed94",
        .about = "94 % on CIFAR-10, soon: airbench94's net, and Muon as in its successor",
        .settings =
            {
                {"model", "airbench94"},
                {"normalise", "measured"},
                {"augment", "flip:alternate,crop:2:reflect"},
                {"optimizer", "muon"},
                {"batch", "2000"},
                {"lr", "1.66"},
                {"momentum", "0.85"},
                {"muon-lr", "0.24"},
                {"muon-momentum", "0.6"},
                {"weight-decay", "0.0024"},
                {"label-smoothing", "0.2"},
                {"keep-momentum", "true"},
                {"schedule", "linear"},
                {"tta", "shifts"},
                {"rounds", "8"},
            },
    },
    {.name = NULL},
};
