/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef LAB_H
#define LAB_H

/* A cluster to diagnose, for tests of lib/checks: a recorded one, a damaged copy of one, or one written out as JSON. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <svcdoctor/checks.h>

#define LAB "tests/corpus/lab-iptables-nft"

struct lab {
	struct snapshot s;
	struct diagnosis d;
};
void lab_open(struct lab *l, const char *path);
/* File name and JSON with ' for ", one after the other, NULL at the end. */
void lab_read(struct lab *l, const char *const docs[]);
void lab_release(struct lab *l);
/* NULL: all axes, all Services. */
void diagnose(struct lab *l, const struct diagnose_options *o);
const struct service_result *result_of(const struct lab *l, const char *ns, const char *name);
const struct finding *find_finding(const struct lab *l, const char *id); /* the first of that check, or NULL */
/* In the finding's text, evidence or commands. */
bool has_text(const struct finding *f, const char *text);

/* What one check says of a small cluster: a row of a table of tests. */
enum { SILENT = -1 };
struct lab_case {
	const char *docs[14]; /* as lab_read() takes them */
	const char *check;
	int severity;	  /* SILENT: nothing of that check */
	const char *text; /* said in it; NULL */
};

/* ---- damaged copies ---- */

#define LAB_DIR "/tmp/svcdoctor-checks-XXXXXX"
/* Copies LAB into a new folder; @dir is LAB_DIR and is filled in. */
void lab_copy(char dir[static sizeof(LAB_DIR)]);
void lab_remove(const char *dir);
/* In @file of node1: @change looks at each line and says whether it stays. At least once it must have set `found`. */
struct lab_line {
	const char *find, *put; /* what it works with, if anything */
	bool found;
	const char *before; /* for it to set: written before this line, whether that stays or not */
	size_t skip;	    /* for it to set: bytes of the line that are left out */
	char text[16384];
};
void lab_change(const char *dir, const char *file, bool (*change)(struct lab_line *l), struct lab_line *l);
/* The line that holds @find becomes @put ("" removes it); with + before it, @put stands before that line. */
void damage(const char *dir, const char *file, const char *find, const char *put);

#endif
