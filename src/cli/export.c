#include "commands.h"
#include "exchange/exchange.h"
#include "options/options.h"
#include "show/output.h"

#include <stdio.h>

int command_export(int argc, char **argv)
{
    error err = {0};
    export_options o;
    exchange_model *from = NULL;
    enum parse_outcome outcome = options_parse_export(argc, argv, true, &o, &err);
    /* The name first: a large model is not to be read in vain. */
    if (outcome == PARSE_RUN && exchange_format_of(o.out, &err))
        from = exchange_model_open(o.file, &err);
    if (from && exchange_write(from, o.out, o.force, &err))
        printf("%s: %s, %zu weights, %d class%s\n", o.out, from->graph->name,
               from->graph->n_weights, from->graph->n_classes,
               from->graph->n_classes == 1 ? "" : "es");
    exchange_model_free(from);
    if (err.kind == ERROR_NONE)
        output_finish(&err);
    if (err.kind != ERROR_NONE)
        error_print(&err);
    return (int)err.kind;
}
