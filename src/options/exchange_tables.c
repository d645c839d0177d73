#include "options/options.h"

#define EXPORT(field) OPTION_BIND(export_options, field)
#define IMPORT(field) OPTION_BIND(import_options, field)

const option_entry option_export_table[] = {
    {.name = "force",
     EXPORT(force),
     .initial = "false",
     .group = "Options:",
     .help = "Replace an existing file."},
    {.name = NULL},
};

const option_entry option_import_table[] = {
    {.name = "model",
     IMPORT(model),
     .initial = "",
     .metavar = "FILE",
     .group = "Options:",
     .help = "INI file that describes the network, a bare name means models/NAME.ini; or a result "
             "file, whose normalisation and names of classes count, too. Without it what IN says."},
    {.name = "normalise",
     IMPORT(normalise),
     .initial = "",
     .metavar = "half|M,.../D,...",
     .help = "Mean and deviation of each channel with which the model was trained, where neither "
             "IN nor a result file says it; without it half."},
    {.name = "force", IMPORT(force), .initial = "false", .help = "Replace an existing file."},
    {.name = NULL},
};
