#include "parts.h"

#include <stddef.h>
#include <string.h>

static const char *text_of(const doctor *self, int rank, size_t offset)
{
    return (const char *)&self->hellos[rank] + offset;
}

static bool are_same(const doctor *self, int a, int b, size_t offset)
{
    return strcmp(text_of(self, a, offset), text_of(self, b, offset)) == 0;
}

/* What most ranks have: who differs from it is the odd one.  *differ: does anyone? */
static int rank_of_most(const doctor *self, size_t offset, bool *differ)
{
    int best = 0, n_best = 0;
    for (int a = 0; a < transport_size(); a++) {
        int n = 0;
        for (int b = 0; b < transport_size(); b++)
            n += are_same(self, a, b, offset);
        if (n > n_best) {
            best = a;
            n_best = n;
        }
    }
    *differ = n_best < transport_size();
    return best;
}

static bool compare_builds(doctor *self, enum doctor_level level, size_t offset, const char *what,
                           const char *remedy)
{
    bool differ;
    int most = rank_of_most(self, offset, &differ);
    for (int k = 0; k < transport_size(); k++) {
        bool is_new = !are_same(self, k, most, offset);
        for (int b = 0; b < k; b++)
            is_new = is_new && !(are_same(self, b, k, offset) &&
                                 are_same(self, b, k, offsetof(doctor_hello, host)));
        if (is_new)
            doctor_say(self, level, self->hellos[k].host, "%s is %s here, but %s on %s\n%s", what,
                       text_of(self, k, offset), text_of(self, most, offset),
                       self->hellos[most].host, remedy);
    }
    return differ;
}

void doctor_judge_builds(doctor *self)
{
    static const char copy[] =
        "put one build on all hosts: git pull && make, in the same folder there";
    size_t n = self->n_findings;
    bool is_one_layout = true, differs = false;
    self->check = "build";
    differs |=
        compare_builds(self, DOCTOR_PROBLEM, offsetof(doctor_hello, version), "bramble", copy);
    differs |=
        compare_builds(self, DOCTOR_NOTE, offsetof(doctor_hello, build), "the build",
                       "the weights are the same, the speed may not be: one PRESET everywhere");
    if (!differs) /* or of course the files differ */
        compare_builds(self, DOCTOR_WARNING, offsetof(doctor_hello, program),
                       "the program's checksum", copy);
    compare_builds(self, DOCTOR_WARNING, offsetof(doctor_hello, mpi), "MPI",
                   "the same release everywhere: sudo apt install openmpi-bin libopenmpi-dev");
    compare_builds(self, DOCTOR_NOTE, offsetof(doctor_hello, hdf5), "HDF5",
                   "nothing to do: the server alone writes files");
    for (int k = 1; k < transport_size() && is_one_layout; k++)
        is_one_layout = self->hellos[k].layout == self->hellos[0].layout;
    if (!is_one_layout)
        doctor_say(self, DOCTOR_PROBLEM, "",
                   "these builds do not understand each other: the look ends\n%s", copy);
    if (self->n_findings == n)
        doctor_say(self, DOCTOR_OK, "", "bramble %s, %s, %s everywhere", self->hellos[0].version,
                   self->hellos[0].mpi, self->hellos[0].hdf5);
}

void doctor_judge_instructions(doctor *self, doctor_node *server)
{
    const doctor_node *with = NULL, *without = NULL;
    for (doctor_node *n = server; n < server + transport_size(); n++)
        if (n->is_worker)
            *(n->fused ? &with : &without) = n;
    if (with && without)
        doctor_say(
            self, DOCTOR_NOTE, without->host,
            "it computes with %s, without fused multiply-adds: other bits than %s on %s\n"
            "nothing to do, unless a run is to be repeated to the last bit: leave it out then",
            without->simd, with->simd, with->host);
}
