/*
 * replay [--some] FOLDER... - every target over its kept files: FOLDER/TARGET/FILE
 *
 * HDF5 files are read as the program reads them, in a process of their own.  One line per target; ends with
 * status 0 when all files were read and, without --some, at least one of each target.
 */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 1 << 20 };

static const struct {
    const char *name;
    fuzz_target *run;
} targets[] = {
    {"cifar10", fuzz_cifar10},
    {"model", fuzz_model},
    {"config", fuzz_config},
    {"options", fuzz_options},
    {"value", fuzz_value},
    {"ini", fuzz_ini},
    {"result", fuzz_result},
    {"weights", fuzz_weights},
    {"checkpoint", fuzz_checkpoint},
    {"table", fuzz_table},
    {"images", fuzz_images},
    {"idx", fuzz_idx},
    {"cifar100", fuzz_cifar100},
    {"mat", fuzz_mat},
    {"npz", fuzz_npz},
    {"picture", fuzz_picture},
    {"safetensors", fuzz_safetensors},
    {"npz_weights", fuzz_npz_weights},
    {"onnx", fuzz_onnx},
};

static void replay_file(fuzz_target *run, const char *path)
{
    uint8_t *data = malloc(MOST_BYTES);
    FILE *file = fopen(path, "rb");
    fuzz_need(data && file, path);
    size_t n = fread(data, 1, MOST_BYTES, file);
    fclose(file);
    uint8_t *exact = malloc(n > 0 ? n : 1); /* so that a read past the end is seen */
    fuzz_need(exact && n < MOST_BYTES, path);
    for (size_t i = 0; i < n; i++)
        exact[i] = data[i];
    free(data);
    printf("%s\n", path);
    fflush(stdout); /* the last line names the culprit */
    run(exact, n);
    free(exact);
}

static size_t replay_folder(fuzz_target *run, const char *folder, const char *name)
{
    char path[4096];
    size_t n = 0;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s/%s", folder, name, entry->d_name);
        replay_file(run, path);
        n++;
    }
    if (dir)
        closedir(dir);
    return n;
}

int main(int argc, char **argv)
{
    bool all = true, some = argc > 1 && strcmp(argv[1], "--some") == 0;
    fuzz_direct = false;
    for (size_t t = 0; t < sizeof targets / sizeof *targets; t++) {
        size_t n = 0;
        for (int i = some ? 2 : 1; i < argc; i++)
            n += replay_folder(targets[t].run, argv[i], targets[t].name);
        printf("%s: %zu files\n", targets[t].name, n);
        all = all && n > 0;
    }
    return all || some ? 0 : 1;
}
