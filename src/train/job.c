#include "job.h"

#include "base/memory.h"

static void server_release(server *self)
{
    error err = {0};
    if (!record_close(self->record, &err))
        error_print(&err); /* besides the failure that has brought us here */
    checkpoint_free(self->checkpoint);
    record_file_free(self->past);
    evaluation_release(&self->evaluation);
    ema_release(&self->ema);
    input_rule_release(&self->input);
    dataset_release(&self->test);
    dataset_release(&self->validation);
    dataset_release(&self->measured);
    memory_free(self->machines);
}

void job_release(job *self)
{
    server_release(&self->server);
    probe_release(&self->probe);
    worker_release(&self->worker);
    input_values_release(&self->input);
    course_release(&self->course);
    variates_release(&self->variates);
    merge_release(&self->merge);
    for (int k = self->n_descents - 1; k >= 0; k--)
        descent_release(&self->descents[k]);
    memory_free(self->descents);
    memory_free(self->rows);
    memory_free(self->w);
    memory_free(self->g);
    model_free(self->model);
    *self = (job){0};
}
