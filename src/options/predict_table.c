#include "entries.h"
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
     .help =
         "Probabilities from the mean of several views of each picture: itself and its mirror "
         "image; these and both shifted by a pixel; or both moved by up to three pixels each way."},
    {.name = "evaluate",
     PREDICT(evaluate),
     .initial = "false",
     .help = "The one FOLDER has a folder for each class: print accuracy and confusion."},
    {.name = "classes",
     PREDICT(classes),
     .initial = "",
     .metavar = "FILE",
     .help = "Names of the classes, a line each, where FILE.h5 does not have them."},
    OPTION_MODEL_BESIDE(predict_options),
    OPTION_NORMALISE_BESIDE(predict_options),
    OPTION_THREADS(predict_options),
    OPTION_ISA(predict_options),
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
