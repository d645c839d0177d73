/*
 * fuzz.h - the fuzz targets: every reader of Bramble, given bytes that may be anything
 *
 * libfuzzer.c makes a fuzzer of one target, replay.c runs all of them over kept files.
 */
#ifndef BRAMBLE_FUZZ_H
#define BRAMBLE_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A target reads n bytes and comes back, whatever they are; an abort, a report of a sanitizer, a leak and
 * too much time or memory are findings.
 *   data  in  n bytes, not NUL-terminated
 */
typedef void fuzz_target(const uint8_t *data, size_t n);

/*
 * A folder of CIFAR-10's files.  First byte: which of them are there (bits 0 to 6: five for training, one for
 * testing, the names); bit 7: they become shorter once they are open.  Then for each a length of 16 bits,
 * 65535 standing for one image too many, and its bytes; what is missing of them is 0.
 */
fuzz_target fuzz_cifar10;
/*
 * IDX files, CIFAR-100's with names of classes, SVHN's: parts, each of 16 bits of length and its bytes, one for each
 * file, and again from the first.  An npz file.
 */
fuzz_target fuzz_idx;
fuzz_target fuzz_cifar100;
fuzz_target fuzz_mat;
fuzz_target fuzz_npz;
/* A PNG, JPEG or BMP picture.  Images and labels in an HDF5 file, which the program reads in a process of its own. */
fuzz_target fuzz_picture;
fuzz_target fuzz_images;
/* A model file: parsed, shapes inferred, weights drawn and a step made where the model is small. */
fuzz_target fuzz_model;
/* Any INI text, line by line. */
fuzz_target fuzz_ini;
/* The value of an option of `bramble train`, which the first byte chooses. */
fuzz_target fuzz_value;
/* A configuration file. */
fuzz_target fuzz_config;
/* A command line: a line per argument, the first is the subcommand. */
fuzz_target fuzz_options;
/* A result file; the weights of an HDF5 file; a checkpoint without its seal, which is added; a doctor's tables. */
fuzz_target fuzz_result;
fuzz_target fuzz_weights;
fuzz_target fuzz_checkpoint;
fuzz_target fuzz_table;

/* Weights in a safetensors file, and in an npz file. */
fuzz_target fuzz_safetensors;
fuzz_target fuzz_npz_weights;
/* An ONNX file: its graph as a model file, which is parsed, and its weights. */
fuzz_target fuzz_onnx;

/* fuzz_direct - the HDF5 targets read without a process around it; replay.c clears it */
extern bool fuzz_direct;

/* fuzz_need - abort with a line when something that must hold does not */
void fuzz_need(bool holds, const char *what);

/*
 * fuzz_file - a path under which n bytes can be read by this process, until the next call
 * The file lies in /dev/shm: HDF5 asks for its true name, which one without a name does not have.
 */
const char *fuzz_file(const uint8_t *data, size_t n);

/*
 * fuzz_folder - a new folder in /dev/shm for a target of this process, which goes at its end with all files in it
 *   folder  inout  its path; as it is where it has been made before; must outlive the process' functions
 */
enum { FUZZ_FOLDER_BYTES = 64 };
void fuzz_folder(char folder[FUZZ_FOLDER_BYTES]);

/* fuzz_text - the bytes as a string, NUL bytes turned to '?'; free it */
char *fuzz_text(const uint8_t *data, size_t n);

/*
 * fuzz_mend_hdf5 - set right the checksums of an HDF5 file's metadata, as far as it can be found
 * Most of what a mutation spoils would be refused for its checksum, and nothing behind it be tried.
 */
void fuzz_mend_hdf5(uint8_t *data, size_t n);

#endif
