#include "study/report.h"
#include "commands.h"
#include "show/output.h"

int command_report(int argc, char **argv)
{
    error err = {0};
    static report_options o; /* large: many files */
    enum parse_outcome outcome = options_parse_report(argc, argv, true, &o, &err);
    if (outcome == PARSE_RUN)
        report_print(&o, &err);
    if (err.kind == ERROR_NONE)
        output_finish(&err);
    if (err.kind != ERROR_NONE)
        error_print(&err);
    return (int)err.kind;
}
