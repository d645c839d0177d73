/*
 * entries.h - entries that the tables of several commands share; each takes the command's struct, which has a
 * field of the option's name
 */
#ifndef BRAMBLE_OPTIONS_ENTRIES_H
#define BRAMBLE_OPTIONS_ENTRIES_H

#include "engine/engine.h"
#include "options/options.h"

/* Of commands that take a model from a file. */
#define OPTION_MODEL_BESIDE(of)                                                                    \
    {                                                                                              \
        .name = "model", OPTION_BIND(of, model), .initial = "", .metavar = "FILE",                 \
        .help =                                                                                    \
            "INI file that describes the network; a bare name means models/NAME.ini. Without it "  \
            "the description in FILE.h5 counts."                                                   \
    }
#define OPTION_NORMALISE_BESIDE(of)                                                                \
    {                                                                                              \
        .name = "normalise", OPTION_BIND(of, normalise), .initial = "",                            \
        .metavar = "half|M,.../D,...",                                                             \
        .help =                                                                                    \
            "Mean and deviation of each channel, where FILE.h5 does not say what its model was "   \
            "trained with."                                                                        \
    }

/* Of commands of one process. */
#define OPTION_THREADS(of)                                                                         \
    {                                                                                              \
        .name = "threads", OPTION_BIND(of, threads), .most = 1024, .initial = "0", .metavar = "T", \
        .help =                                                                                    \
            "OpenMP threads; 0: as many as cores the program is bound to, or its CPU quota is "    \
            "worth."                                                                               \
    }
#define OPTION_ISA(of)                                                                             \
    {                                                                                              \
        .name = "isa", OPTION_BIND(of, isa), .word = engine_isa, .initial = "auto",                \
        .help = "Instruction set; auto: the best there is. All but sse2 give the same bits."       \
    }

#endif
