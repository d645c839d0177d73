#include "engine/engine.h"
#include "options/options.h"
#include "words.h"

#define PREDICT(field) OPTION_BIND(predict_options, field)

const option_entry option_predict_table[] = {
    {.name = "top",
     PREDICT(top),
     .least = 1,
     .most = 65536,
     .initial = "3",
     .metavar = "K",
     .group = "Options:",
     .help = "The K most probable classes of each picture."},
    {.name = "tta",
     PREDICT(tta),
     .word = tta_word,
     .initial = "none",
     .help = "Probabilities from the mean of several views of each picture: itself and its mirror "
             "image, or these and both shifted by a pixel."},
    {.name = "evaluate",
     PREDICT(evaluate),
     .initial = "false",
     .help = "The one FOLDER has a folder for each class: print accuracy and confusion."},
    {.name = "classes",
     PREDICT(classes),
     .initial = "",
     .metavar = "FILE",
     .help = "Names of the classes, a line each, where FILE.h5 does not have them."},
    {.name = "model",
     PREDICT(model),
     .initial = "",
     .metavar = "FILE",
     .help = "INI file that describes the network; a bare name means models/NAME.ini. Without it "
             "the description in FILE.h5 counts."},
    {.name = "normalise",
     PREDICT(normalise),
     .initial = "",
     .metavar = "half|M,.../D,...",
     .help = "Mean and deviation of each channel, where FILE.h5 does not say what its model was "
             "trained with."},
    {.name = "threads",
     PREDICT(threads),
     .most = 1024,
     .initial = "0",
     .metavar = "T",
     .help =
         "OpenMP threads; 0: as many as cores the program is bound to, or its CPU quota is worth."},
    {.name = "isa",
     PREDICT(isa),
     .word = engine_isa,
     .initial = "auto",
     .help = "Instruction set; auto: the best there is."},
    {.name = "json", PREDICT(json), .initial = "false", .help = "Print JSON."},
    {.name = "csv",
     PREDICT(csv),
     .initial = "false",
     .help = "Print CSV: picture, rank, class, probability."},
    {.name = "sheet",
     PREDICT(sheet),
     .initial = "",
     .metavar = "FILE.png",
     .help =
         "Write a picture of the first 256 pictures, as the model sees them, with what it takes "
         "them for below."},
    {.name = "force", PREDICT(force), .initial = "false", .help = "Replace an existing sheet."},
    {.name = NULL},
};
