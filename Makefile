# SPDX-License-Identifier: GPL-2.0-or-later
#
#   make            build/svcdoctor                     make install    PREFIX=/usr/local DESTDIR=      make uninstall
#   make demo       build, and diagnose a recorded broken cluster
#   make check      build and run every test            SANITIZE=1: with ASan and UBSan    CC=clang
#   make check-alloc  every unit test, with each of its allocations failing once: at most ALLOC_TRIES=500 of each test, 0: all, which
#                   one test makes last for days (make check: two of each)
#   make fuzz       every fuzz target for FUZZ_SECONDS=60
#   make mutations  1250 random mutations of recorded rules in every mode, judged by the plain evaluators of the tests (make check: a share of them)
#   make check-kernel  2,000 random rulesets of each backend, judged by the running kernel (make check: 100 of each)
#   make bench      times, memory and growth on large clusters in every mode, of a live one, and of a log of 1 GiB
#   make krew       build/krew: archive and manifest of a release for krew; KREW_URI= says where it will lie
#   make portable   build/svcdoctor-VERSION-x86_64.tar.gz: the program with its libraries, for any folder of any x86-64 Linux
#   V=1             shows the commands
#
# `demo`, `check`, `check-alloc`, `check-kernel`, `mutations`, `fuzz` and `bench` install what they need where they may, and otherwise print the line that does.

PREFIX ?= /usr/local
DESTDIR ?=
FUZZ_SECONDS ?= 60
ifeq ($(origin CC),default)
CC := $(if $(shell command -v gcc 2>/dev/null),gcc,cc)
endif
SANITIZE ?=
V ?=
BUILD ?= build$(if $(filter-out 0,$(SANITIZE)),/sanitize)
DEMO := tests/corpus/lab-iptables-nft

# pkg-config modules with the oldest version that is supported (scripts/deps.sh knows their packages).
MODULES := jansson:2.13 libarchive:3.4 libcurl:7.77 libmd:1 yaml-0.1:0.1 zlib:1.2 libcares:1.17 libmnl:1.0 libnl-3.0:3.4 libnl-genl-3.0:3.4

VERSION := $(or $(shell cat VERSION 2>/dev/null),$(patsubst v%,%,$(shell git describe --tags --match 'v*' --dirty 2>/dev/null)),$\
	0.1.0$(addprefix -g,$(shell git describe --always --dirty --exclude '*' 2>/dev/null)))

# ---- flags ----

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
	-Wpointer-arith -Wcast-qual -Wwrite-strings -Wformat=2 -Wundef -Wvla -Wno-format-nonliteral -Wno-overlength-strings
OPT ?= -O2 -g
ifneq ($(filter-out 0,$(SANITIZE)),)
HARDEN := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
HARDEN_LD := -fsanitize=address,undefined
else
HARDEN := -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
HARDEN_LD := -pie -Wl,-z,relro,-z,now -Wl,--as-needed
endif
modules := $(foreach m,$(MODULES),$(firstword $(subst :, ,$m)))
pkg_cflags := $(shell pkg-config --cflags $(modules) 2>/dev/null)
pkg_libs := $(shell pkg-config --libs $(modules) 2>/dev/null)
ALL_CPPFLAGS = -Iinclude -D_GNU_SOURCE $(pkg_cflags) $(CPPFLAGS)
ALL_CFLAGS = -std=gnu11 -pthread $(WARN) $(OPT) $(HARDEN) $(CFLAGS)
ALL_LDFLAGS = $(HARDEN_LD) $(LDFLAGS)
LIBS = $(pkg_libs) -lresolv -lm
# Not in the stamp of flags: it changes no object, only whether a warning stops the build.
WERROR ?=
werror := $(if $(filter-out 0,$(WERROR)),-Werror)
version_flag = -DSVCDOCTOR_VERSION='"$(VERSION)"'
demo_flag = -DDEMO_BUNDLE_FILE='"$(BUILD)/demo.tar.gz"' -DNODE_SCRIPT_FILE='"lib/source/node-script.sh"'

# ---- sources ----

LIB_SRC := $(sort $(wildcard lib/*/*.c))
CMD_SRC := $(sort $(filter-out cmd/main.c,$(wildcard cmd/*.c)))
UNIT_SRC := $(sort $(wildcard tests/unit/test_*.c))
UNIT_HELP := $(sort $(filter-out $(UNIT_SRC),$(wildcard tests/unit/*.c)))
FUZZ_SRC := $(sort $(wildcard tests/fuzz/fuzz_*.c))
BENCH_SRC := tests/bench/bench.c tests/bench/log.c
JUDGE_SRC := tests/judge/judge.c
KERNEL_READ_SRC := tests/kernel-read/main.c
DNS_SRC := tests/dns/main.c
NAMES_SRC := tests/names/main.c
obj = $(patsubst %.c,$(BUILD)/obj/%.o,$1)
LIB_OBJ := $(call obj,$(LIB_SRC))
CMD_OBJ := $(call obj,$(CMD_SRC))
UNIT_BIN := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(UNIT_SRC))
ALLOC_BIN := $(patsubst tests/unit/%.c,$(BUILD)/alloc/%,$(UNIT_SRC))
FUZZ_BIN := $(patsubst tests/fuzz/%.c,$(BUILD)/tests/%,$(FUZZ_SRC))
BENCH_BIN := $(BUILD)/tests/bench
JUDGE_BIN := $(BUILD)/tests/judge
KERNEL_READ_BIN := $(BUILD)/tests/kernel_read
DNS_BIN := $(BUILD)/tests/dns
NAMES_BIN := $(BUILD)/tests/names
ARCHIVE := $(BUILD)/libsvcdoctor.a
LIBFUZZER_BIN := $(patsubst tests/fuzz/%.c,$(BUILD)/libfuzzer/%,$(FUZZ_SRC))

Q := $(if $(filter-out 0,$(V)),,@)
say = $(if $(filter-out 0,$(V)),,@printf '  %-7s %s\n' '$1' '$(patsubst $(BUILD)/%,%,$2)';)
ifeq ($(filter -j%,$(MAKEFLAGS))$(filter --jobserver%,$(MAKEFLAGS)),)
JOBS := -j$(or $(shell nproc 2>/dev/null),2) --output-sync=target
endif
SUBMAKE = +$(Q)$(MAKE) --no-print-directory $(JOBS)

.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: all demo check check-alloc check-kernel check-programs fuzz fuzz-programs mutations bench lint install uninstall krew portable clean FORCE

all:
	$(SUBMAKE) $(BUILD)/svcdoctor

demo:
	$(Q)CC='$(CC)' MODULES='$(MODULES)' scripts/deps.sh install build
	$(SUBMAKE) $(BUILD)/svcdoctor
	$(Q)$(BUILD)/svcdoctor demo

check:
	$(Q)CC='$(CC)' MODULES='$(MODULES)' scripts/deps.sh install build check
	$(SUBMAKE) WERROR=1 check-programs
	+$(Q)BUILD='$(BUILD)' CC='$(CC)' SANITIZE='$(SANITIZE)' MAKE='$(MAKE)' tests/run.sh

check-programs: $(BUILD)/svcdoctor $(UNIT_BIN) $(FUZZ_BIN) $(BENCH_BIN) $(JUDGE_BIN) $(KERNEL_READ_BIN) $(DNS_BIN) $(NAMES_BIN) $(if $(filter-out 0,$(SANITIZE)),,$(LIBFUZZER_BIN) $(ALLOC_BIN))

check-kernel:
	$(Q)CC='$(CC)' MODULES='$(MODULES)' scripts/deps.sh install build check
	$(SUBMAKE) $(BUILD)/svcdoctor $(JUDGE_BIN) $(KERNEL_READ_BIN)
	$(Q)BUILD='$(BUILD)' KERNEL_SEEDS=2000 TEST_TIMEOUT=3000 tests/run.sh scenario/test_kernel

# Every unit test with every allocation failing once, but for at most ALLOC_TRIES of each test. ALLOC_TRIES=0 are all of them, more than a million:
# an hour or two, but days for test_shared, most of whose allocations have a second thread beside them and need a run of their own.
ALLOC_TRIES ?= 500
check-alloc:
	$(Q)CC='$(CC)' MODULES='$(MODULES)' scripts/deps.sh install build check
	$(SUBMAKE) $(ALLOC_BIN)
	$(Q)BUILD='$(BUILD)' ALLOC_TIMEOUT=20000 tests/alloc/run.sh '$(ALLOC_TRIES)'

fuzz:
	$(Q)CC='$(CC)' MODULES='$(MODULES)' scripts/deps.sh install build fuzz
	$(SUBMAKE) fuzz-programs
	$(Q)BUILD='$(BUILD)' tests/fuzz/run.sh '$(FUZZ_SECONDS)'

fuzz-programs: $(LIBFUZZER_BIN)

mutations:
	$(Q)CC='$(CC)' MODULES='$(MODULES)' scripts/deps.sh install build check
	$(SUBMAKE) $(BUILD)/svcdoctor
	$(Q)SVCDOCTOR='$(abspath $(BUILD))/svcdoctor' SANITIZE='$(SANITIZE)' JUDGED=1250 python3 tests/scenario/test_judged.py

bench:
	$(Q)CC='$(CC)' MODULES='$(MODULES)' scripts/deps.sh install build bench
	$(SUBMAKE) $(BUILD)/svcdoctor $(BENCH_BIN) $(KERNEL_READ_BIN)
	$(Q)SVCDOCTOR='$(BUILD)/svcdoctor' BENCH='$(BENCH_BIN)' python3 tests/bench/bench.py '$(BUILD)/bench'
	$(Q)$(BENCH_BIN) log
	$(Q)SVCDOCTOR='$(BUILD)/svcdoctor' python3 tests/bench/live.py
	$(Q)SVCDOCTOR='$(BUILD)/svcdoctor' BENCH='$(BENCH_BIN)' KERNEL_READ='$(KERNEL_READ_BIN)' python3 tests/bench/node.py '$(BUILD)/bench'

# ---- objects ----

# Rewritten only when it changes, so that what was built with other flags is built again.
$(BUILD)/flags: FORCE
	$(Q)mkdir -p $(@D)
	$(Q)CC='$(CC)' MODULES='$(MODULES)' scripts/deps.sh test build
	$(Q)printf '%s\n' '$(subst ','\'',$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(LIBS))' >$@.new
	$(Q)cmp -s $@.new $@ && rm $@.new || mv $@.new $@
# The same for the list of objects: a source that is gone leaves the archive.
$(BUILD)/objects: FORCE
	$(Q)mkdir -p $(@D)
	$(Q)printf '%s\n' $(LIB_OBJ) $(CMD_OBJ) >$@.new
	$(Q)cmp -s $@.new $@ && rm $@.new || mv $@.new $@
$(BUILD)/version: FORCE
	$(Q)mkdir -p $(@D)
	$(Q)printf '%s\n' '$(VERSION)' >$@.new
	$(Q)cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	$(Q)mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(ALL_CPPFLAGS) $(extra) $(ALL_CFLAGS) $(werror) -MMD -MP -c -o $@ $<

$(BUILD)/obj/cmd/%.o: extra = $(version_flag)
$(BUILD)/obj/cmd/main.o $(CMD_OBJ) $(BUILD)/obj/lib/api/client-curl.o: $(BUILD)/version
$(BUILD)/obj/lib/api/client-curl.o: extra = $(version_flag)
$(BUILD)/obj/tests/%.o: extra = -Itests/unit -I.
$(BUILD)/obj/lib/source/demo-bundle.o $(BUILD)/obj/lib/source/node-script.o: extra = $(demo_flag)
$(BUILD)/obj/lib/source/node-script.o $(BUILD)/libfuzzer/obj/lib/source/node-script.o: lib/source/node-script.sh
$(BUILD)/obj/lib/source/demo-bundle.o: $(BUILD)/demo.tar.gz

# The demo's bundle, the same bytes from the same files wherever it is packed.
$(BUILD)/demo.tar.gz: $(shell find $(DEMO) -type f 2>/dev/null) $(BUILD)/flags
	$(call say,PACK,$@)tar -C $(dir $(DEMO)) --sort=name --format=ustar --mtime=@0 --mode=u=rwX,go=rX --owner=0 --group=0 \
		--numeric-owner -cf - $(notdir $(DEMO)) | gzip -9n >$@.new && mv $@.new $@

$(ARCHIVE): $(LIB_OBJ) $(CMD_OBJ) $(BUILD)/objects
	$(call say,AR,$@)rm -f $@ && ar rcs $@ $(filter %.o,$^)

$(BUILD)/svcdoctor: $(BUILD)/obj/cmd/main.o $(ARCHIVE)
	$(call say,LD,$@)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

# ---- test programs ----

$(UNIT_BIN): $(BUILD)/tests/%: $(BUILD)/obj/tests/unit/%.o $(call obj,$(UNIT_HELP)) $(ARCHIVE)
	$(Q)mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LIBS) -lcmocka

# The unit tests once more, with a library whose allocations can be made to fail and whose code lies in a section of its own.
alloc_sections := $(foreach s,.text .text.unlikely .text.hot .text.startup .text.exit,--rename-section $(s)=sdtext)
$(BUILD)/alloc/lib.a: $(ARCHIVE) tests/alloc/redefine.txt
	$(Q)mkdir -p $(@D)
	$(call say,OBJCOPY,$@)objcopy --redefine-syms=tests/alloc/redefine.txt $(alloc_sections) $< $@
$(ALLOC_BIN): $(BUILD)/alloc/%: $(BUILD)/obj/tests/unit/%.o $(call obj,$(UNIT_HELP)) $(BUILD)/obj/tests/alloc/alloc.o $(BUILD)/alloc/lib.a
	$(call say,LD,$@)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -Wl,--wrap=_cmocka_run_group_tests -o $@ $^ $(LIBS) -lcmocka

$(FUZZ_BIN): $(BUILD)/tests/%: $(BUILD)/obj/tests/fuzz/%.o $(BUILD)/obj/tests/fuzz/driver.o $(ARCHIVE)
	$(Q)mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(NAMES_BIN): $(call obj,$(NAMES_SRC)) $(ARCHIVE)
	$(Q)mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(BENCH_BIN): $(call obj,$(BENCH_SRC)) $(ARCHIVE)
	$(Q)mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(JUDGE_BIN): $(call obj,$(JUDGE_SRC)) $(ARCHIVE)
	$(Q)mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -Wl,--wrap=nat_match_rule -Wl,--wrap=nat_apply -Wl,--wrap=nat_lookup -o $@ $^ $(LIBS)

$(KERNEL_READ_BIN): $(call obj,$(KERNEL_READ_SRC)) $(ARCHIVE)
	$(Q)mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc -o $@ $^ $(LIBS)

$(DNS_BIN): $(call obj,$(DNS_SRC)) $(ARCHIVE)
	$(Q)mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc -o $@ $^ $(LIBS)

# The same sources once more for libFuzzer, always by clang.
FUZZ_CFLAGS = -std=gnu11 -pthread -O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=all
FUZZ_OBJ := $(patsubst %.c,$(BUILD)/libfuzzer/obj/%.o,$(LIB_SRC) $(CMD_SRC))
$(BUILD)/libfuzzer/obj/%.o: %.c $(BUILD)/flags
	$(Q)mkdir -p $(@D)
	$(call say,FUZZCC,$<)clang $(ALL_CPPFLAGS) -Itests/unit -I. $(version_flag) $(demo_flag) $(FUZZ_CFLAGS) \
		-fsanitize=fuzzer-no-link,address,undefined -MMD -MP -c -o $@ $<
$(BUILD)/libfuzzer/obj/lib/source/demo-bundle.o: $(BUILD)/demo.tar.gz
$(BUILD)/libfuzzer/lib.a: $(FUZZ_OBJ) $(BUILD)/objects
	$(call say,AR,$@)rm -f $@ && ar rcs $@ $(filter %.o,$^)
$(LIBFUZZER_BIN): $(BUILD)/libfuzzer/%: $(BUILD)/libfuzzer/obj/tests/fuzz/%.o $(BUILD)/libfuzzer/lib.a
	$(call say,LD,$@)clang -pthread -fsanitize=fuzzer,address,undefined -o $@ $^ $(LIBS)

# ---- the other compiler: every source must pass both without a warning ----

OTHER_CC ?= $(if $(findstring clang,$(CC)),gcc,clang)
LINT := $(patsubst %.c,$(BUILD)/lint/%.ok,$(LIB_SRC) $(CMD_SRC) cmd/main.c $(UNIT_SRC) $(UNIT_HELP) $(FUZZ_SRC) tests/fuzz/driver.c $(BENCH_SRC) \
	$(JUDGE_SRC) $(KERNEL_READ_SRC) $(DNS_SRC) $(NAMES_SRC))
lint: $(LINT)
$(BUILD)/lint/%.ok: %.c $(BUILD)/flags $(BUILD)/demo.tar.gz
	$(Q)mkdir -p $(@D)
	$(call say,LINT,$<)$(OTHER_CC) $(ALL_CPPFLAGS) -Itests/unit -I. $(version_flag) $(demo_flag) -std=gnu11 $(WARN) -Werror \
		-fsyntax-only -MMD -MP -MF $(@:.ok=.d) -MT $@ $< && touch $@

# ---- install, clean ----

# Beside the program lie its names as a kubectl plugin: kubectl finds both on the path, the second one to complete the first.
PLUGIN_LINKS := kubectl-svcdoctor kubectl_complete-svcdoctor
bindir := $(DESTDIR)$(PREFIX)/bin
sharedir := $(DESTDIR)$(PREFIX)/share
COMPLETIONS := bash:bash-completion/completions/svcdoctor zsh:zsh/site-functions/_svcdoctor fish:fish/vendor_completions.d/svcdoctor.fish

install:
	$(SUBMAKE) $(BUILD)/svcdoctor
	$(Q)install -d '$(bindir)'
	$(Q)install -m 755 $(BUILD)/svcdoctor '$(bindir)/svcdoctor'
	$(Q)for link in $(PLUGIN_LINKS); do ln -sf svcdoctor '$(bindir)'/"$$link" || exit 1; done
	$(Q)for page in man/*.[1-9]; do \
		install -d '$(sharedir)'/man/man$${page##*.} && install -m 644 "$$page" '$(sharedir)'/man/man$${page##*.}/ || exit 1; \
	done
	$(Q)for c in $(COMPLETIONS); do \
		install -d "$$(dirname '$(sharedir)'/$${c#*:})" && $(BUILD)/svcdoctor completion $${c%%:*} >'$(sharedir)'/$${c#*:} || exit 1; \
	done

uninstall:
	$(Q)rm -f $(foreach f,svcdoctor $(PLUGIN_LINKS),'$(bindir)/$f')
	$(Q)for page in man/*.[1-9]; do rm -f '$(sharedir)'/man/man$${page##*.}/$${page##*/} || exit 1; done
	$(Q)rm -f $(foreach c,$(COMPLETIONS),'$(sharedir)/$(lastword $(subst :, ,$c))')

# The archive and the manifest of a release for krew, as which the plugin is called service-doctor: krew's guide forbids abbreviations
# of resources. Where releases lie is not known here:   make krew KREW_URI=https://HOST/PATH/ KREW_HOMEPAGE=https://HOST/PATH
KREW_URI ?=
KREW_HOMEPAGE ?=
KREW_VERSION ?= v$(VERSION)
KREW_ARCH ?= $(or $(patsubst x86_64,amd64,$(filter x86_64,$(uname_m))),$(patsubst aarch64,arm64,$(filter aarch64,$(uname_m))),$(uname_m))
uname_m := $(shell uname -m)
krew_file = service-doctor-linux-$(KREW_ARCH).tar.gz
krew:
	$(SUBMAKE) $(BUILD)/svcdoctor
	$(Q)KREW_URI='$(KREW_URI)' KREW_HOMEPAGE='$(KREW_HOMEPAGE)' KREW_VERSION='$(KREW_VERSION)' KREW_ARCH='$(KREW_ARCH)' \
		krew/pack.sh $(BUILD)/svcdoctor $(BUILD)/krew/$(krew_file)

portable:
	$(Q)CC='$(CC)' MODULES='$(MODULES)' scripts/deps.sh install build
	$(SUBMAKE) $(BUILD)/svcdoctor
	$(Q)CC='$(CC)' scripts/portable.sh $(BUILD)/svcdoctor '$(VERSION)' $(BUILD)

clean:
	$(Q)rm -rf build

-include $(wildcard $(patsubst %.c,$(BUILD)/obj/%.d,$(LIB_SRC) $(CMD_SRC) cmd/main.c $(UNIT_SRC) $(UNIT_HELP) $(FUZZ_SRC) \
	tests/fuzz/driver.c $(BENCH_SRC) $(JUDGE_SRC) $(KERNEL_READ_SRC) $(DNS_SRC) $(NAMES_SRC)) $(patsubst %.o,%.d,$(FUZZ_OBJ)) $(patsubst %.c,$(BUILD)/libfuzzer/obj/%.d,$(FUZZ_SRC)) $(LINT:.ok=.d))
