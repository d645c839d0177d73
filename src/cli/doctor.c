#include "doctor/doctor.h"
#include "commands.h"
#include "launch.h"

#include <stdio.h>

/* Returns whether no problem was found. */
static bool run(doctor *self, enum parse_outcome outcome, const option_line *line, error *err)
{
    const option_command *command = option_command_find("doctor");
    if (outcome == PARSE_RUN)
        options_set_doctor(line, &self->options, err);
    if (doctor_meet(self)) {
        if (!transport_agree(err) || !launch_compare(command, outcome, line, true, err))
            return false;
        if (outcome == PARSE_DONE) {
            if (transport_is_server())
                option_print_help(command, stdout, err);
            return true;
        }
        if (!doctor_examine(self, err))
            return false;
    }
    return doctor_conclude(self, err);
}

int command_doctor(int argc, char **argv)
{
    error err = {0};
    static doctor d; /* large: the options hold paths */
    static option_line line;
    enum parse_outcome outcome;
    if (!launch_read("doctor", argc, argv, &outcome, &line, &err))
        return (int)err.kind;
    transport_start(&argc, &argv);
    bool good = run(&d, outcome, &line, &err);
    if (err.kind != ERROR_NONE && transport_is_server())
        error_print(&err);
    doctor_release(&d);
    transport_stop();
    return err.kind != ERROR_NONE ? (int)err.kind : !good;
}
