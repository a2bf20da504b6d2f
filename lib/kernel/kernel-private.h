/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef KERNEL_PRIVATE_H
#define KERNEL_PRIVATE_H

/* What the readers of the kernel share. */

#include <svcdoctor/kernel.h>

/* Ends a reading. @why as printf; each returns 0, or -ENOMEM where @r is that. */
int kernel_text_end(struct kernel_text *t, enum kernel_state state, const char *why, ...) PRINTF_LIKE(3, 4);
/* By a negative errno: EPERM and EACCES are a missing capability (@lacks), ENOENT and its like absence, the rest a failure. -ENOMEM stays one. */
int kernel_text_errno(struct kernel_text *t, int r, const char *lacks, const char *what);

/* Is a module loaded, or built in? /sys/module/NAME. Nothing is loaded by asking. */
bool kernel_module_is_here(const char *name);
/* A whole file of /proc or /sys, bounded: 0, -errno, -EFBIG, -ENOMEM. @path "net/tcp" is looked up below /proc/thread-self. */
int kernel_proc_read(const char *path, struct strbuf *ret);

/*
 * What has no generation is read until two readings agree: so often at most, and before reading number @reading (from 0) a wait, longer
 * each time, so that who writes in steps gets done. Together less than a second.
 */
#define KERNEL_READINGS_MAX 10u
void kernel_wait_before(unsigned reading);

/*
 * ---- matches and targets as C structs: xt-*.c ----
 * The one table for the entries of the legacy backend and for the compat expressions of iptables-nft: (name, revision, struct) to words of an
 * iptables-save line.
 */
struct xt_sets;
struct xt_rule_context {
	bool ip6;
	uint8_t proto; /* of the rule, 0: any; "not" is 0 too. Some words of matches depend on it */
	bool is_target;
	/* where the tool that prints another backend writes something else: iptables-nft-save and iptables-legacy-save are not one */
	bool nft;
	struct xt_sets *sets; /* for names of ipsets, which rules hold by number; NULL: rules with one are unknown */
};
/*
 * Asks the kernel for the names of ipsets (IP_SET_OP_GET_BYINDEX), one after the other as rules need them, and remembers them. Nothing is asked
 * before the first one is needed, and never where ip_set is not loaded. xt_set_name: NULL where there is no such set, or it cannot be told.
 */
struct xt_sets *xt_sets_new(void); /* NULL: out of memory */
void xt_sets_free(struct xt_sets *s);
void xt_sets_freep(struct xt_sets **s); /* for CLEANUP */
const char *xt_set_name(struct xt_sets *s, uint16_t index);
/* Asks again for each that was asked: 1 while all are called as before, 0 when not; -ENOMEM: a name is missing for want of memory. */
int xt_sets_same(struct xt_sets *s);
/*
 * Appends " -m NAME WORDS" or " -j NAME WORDS" as iptables-save of 1.8.9 prints them. @data may be unaligned. False: there is no decoder for
 * this name and revision, or @size does not fit; nothing is appended then.
 */
bool xt_print_match(struct strbuf *b, const struct xt_rule_context *c, const char *name, unsigned revision, const void *data, size_t size);
bool xt_print_target(struct strbuf *b, const struct xt_rule_context *c, const char *name, unsigned revision, const void *data, size_t size);
/*
 * What nobody decodes, so that it is read as one unknown condition (or target) and never as nothing: " -m NAME --svcdoctor-unknown REVISION/HEX".
 */
void xt_print_unknown(struct strbuf *b, bool is_target, const char *name, unsigned revision, const void *data, size_t size);

#endif
