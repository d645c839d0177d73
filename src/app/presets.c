#include "app/option.h"

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
                {"rounds", "20"},
            },
    },
    {
        .name = "fast",
        .about = "reaches the accuracy of that study soonest",
        .settings =
            {
                {"batch", "32"},
                {"lr", "0.02"},
                {"momentum", "0.9"},
                {"nesterov", "true"},
                {"keep-momentum", "true"},
                {"schedule", "linear"},
                {"warmup", "1"},
                {"average-every", "16"},
                {"rounds", "5"},
            },
    },
    {.name = NULL},
};
