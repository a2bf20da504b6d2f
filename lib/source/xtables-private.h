/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef XTABLES_PRIVATE_H
#define XTABLES_PRIVATE_H

/*
 * The reader of iptables-save text, in seven parts:
 *   xtables.c         lines: headers, tables, chains, what a dump is and where it is damaged
 *   xtables-shared.c  the rules of a long table by two threads
 *   xtables-rule.c    one rule: words, negation, which match or target owns an option
 *   xtables-match.c   the table of matches, and what each one asks
 *   xtables-ipvs.c    of these -m ipvs
 *   xtables-target.c  the same for targets
 *   xtables-value.c   numbers, addresses, lists, names
 * Words point into the text; only what a ruleset keeps is copied into its arena.
 */

#include <svcdoctor/source.h>

/* One word of a rule; a quoted one without its quotes, its backslash escapes still in it. */
struct xt_word {
	const char *s;
	uint32_t len;
	bool quoted;
};

struct xt_opt {
	const char *name; /* without the two dashes */
	uint8_t len, id, nargs;
};

#define XT_CONDS_MAX 4096u /* of one rule; one with more is unknown: struct rs_rule counts in 16 bits */
#define XT_IDS 24  /* options that one extension can tell apart */
#define XT_ARGS 2

struct xt_reader;
struct xt_ext;

/* One use of a match or target in a rule, its options collected until the next one begins. */
struct xt_inst {
	const struct xt_ext *ext; /* NULL: none is open */
	bool is_target;
	bool free;		  /* nobody knows its options: it takes what looks like one */
	bool bad;		  /* something in it was not understood: all of it becomes text */
	uint32_t seen, negated, again; /* bits by option id; again: seen twice */
	uint32_t nfree;
	const char *start, *end;  /* its text */
	struct xt_word v[XT_IDS][XT_ARGS]; /* of the options in @seen only */
};

/* 0, SD_EPARSE: keep it as text, -ENOMEM. */
typedef int xt_emit_fn(struct xt_reader *x, const struct xt_inst *m);

struct xt_ext {
	const char *name;
	uint8_t len, nopts;
	uint8_t field; /* matches: enum rs_field; targets: enum rs_stmt_kind */
	uint8_t flags; /* XT_VALUE_MAY_BE_BANG, XT_ANY_OPTION */
	const struct xt_opt *opts;
	xt_emit_fn *emit;
};
#define XT_VALUE_MAY_BE_BANG 1 /* an unquoted "!" behind the option is its value, not an old-style negation */
#define XT_ANY_OPTION 2	       /* takes whatever looks like an option of its own */

#define XT_FLAG(id, name) { name, sizeof(name) - 1, id, 0 }
#define XT_OPT(id, name) { name, sizeof(name) - 1, id, 1 }
#define XT_OPT2(id, name) { name, sizeof(name) - 1, id, 2 }

#define XT_SOON 32u

/* A rule whose target is not known yet. */
struct xt_pending {
	struct rs_rule *rule;
	struct rs_table *table;
	const char *name;
	uint32_t name_len, line, column;
};

/* Rows of an extension table by first letter: first[c] .. first[c + 1]. */
struct xt_first {
	uint8_t first[129];
};

struct xt_reader {
	struct ruleset *rs;
	struct sd_notes *notes;
	const char *file;
	struct xtables_text *ret;
	struct xt_first matches, targets;
	const char *data, *end;

	/* the dump */
	enum rs_backend backend;
	bool ip6;
	bool save_form;		/* a table or chain line of iptables-save was seen */
	bool has_nul;
	bool shadowed;		/* a chain has the name of a target extension */
	uint32_t line_no;
	uint32_t usable, junk;	/* lines */
	struct rs_table *table; /* NULL between COMMIT and the next table */
	bool last_was_policy;	/* `iptables -S`: inside a block of -P lines */
	const char *said_table; /* `iptables -S`: named by a comment */
	size_t last_chain;	/* where the last rule's chain stands in the table's list */
	const struct rs_table *twice; /* the last one with a chain that was declared again */
	struct xt_pending soon[XT_SOON]; /* bare names of chains, looked up together */
	unsigned nsoon;
	ARRAY_OF(struct xt_pending) pending; /* not declared so far */
	ARRAY_OF(struct rs_rule *) fresh; /* rules that are not in their chains yet */

	const char *alone_until; /* up to here one thread reads */
	bool is_part;		/* xtables-shared.c: no chain and nothing else that others see may be changed */
	bool gave_up;		/* a part met a chain that is not declared */

	/* the line */
	const char *line, *line_end;
	bool cut_line;		/* the dump ends in this line, or it holds a NUL byte */

	/* the rule */
	const char *p;		/* what is not read yet */
	bool unterminated;
	bool neg, neg_used;
	const char *neg_at;
	int proto;		/* of a -p that is not negated, or -1 */
	ARRAY_OF(struct rs_cond) conds;
	ARRAY_OF(const struct xt_ext *) used; /* matches of this rule */
	struct xt_inst inst;
	bool has_stmt, broken;
	struct rs_stmt stmt;
	struct xt_word jump;	/* a target that is neither an extension nor a chain so far */
	const char *counters_at, *counters_end; /* "-c 1 2" within the rule */
	uint64_t packets, bytes;
	bool has_counters;
};

/* xtables.c */
/* Reads lines from @p to x->end. 0, SD_EFORMAT or -ENOMEM. */
int xt_read_lines(struct xt_reader *x, const char *p);
/* Looks up the chains of x->soon; what is not declared so far goes to x->pending. 0 or -ENOMEM. */
int xt_find_soon(struct xt_reader *x);
/* Brings the rules that were read into their chains. 0 or -ENOMEM. */
int xt_settle(struct xt_reader *x);
void xt_release(struct xt_reader *x);

/* xtables-shared.c */
/* Reads rules from *p on as far as two threads can, at least none, and moves it. 0 or -ENOMEM. */
int xt_read_shared(struct xt_reader *x, const char **p);
/* Whether a line that begins at @s is a rule, with counters or without. */
bool xt_is_rule_line(const char *s, const char *end);

/* xtables-rule.c */
/* Reads the rule of the current line; @s: behind "-A ". 0 or -ENOMEM. */
int xt_read_rule(struct xt_reader *x, const char *start, const char *s);
bool xt_next_word(struct xt_reader *x, struct xt_word *ret);
bool xt_word_is(const struct xt_word *w, const char *s);
/* Finds a chain of the current table, or makes it as an undeclared one. NULL when memory is out. */
struct rs_chain *xt_rule_chain(struct xt_reader *x, const char *name, uint32_t len);
/* NULL: the table has no such chain so far. */
const struct rs_chain *xt_find_chain(const struct rs_table *t, const char *name, uint32_t len);
void xt_note(struct xt_reader *x, bool fatal, const char *code, const char *at, const char *hint, const char *fmt, ...)
	PRINTF_LIKE(6, 7);

/* xtables-match.c, xtables-target.c */
void xt_index_exts(struct xt_first *f, const struct xt_ext *rows, size_t len);
const struct xt_ext *xt_find_match(const struct xt_reader *x, const char *name, size_t len);
const struct xt_ext *xt_find_target(const struct xt_reader *x, const char *name, size_t len);
void xt_index_matches(struct xt_first *f);
void xt_index_targets(struct xt_first *f);
/* A set and its directions: the two arguments of option @id. 0, SD_EPARSE, -ENOMEM. */
int xt_set_ref(struct xt_reader *x, const struct xt_inst *m, unsigned id, struct rs_set_ref **ret);
extern const struct xt_ext xt_unknown_match, xt_unknown_target;

/* xtables-ipvs.c: -m ipvs */
extern const struct xt_opt xt_ipvs_opts[7];
int xt_emit_ipvs(struct xt_reader *x, const struct xt_inst *m);

/* xtables-value.c: 0 or SD_EPARSE; what adds a condition also -ENOMEM. */
int xt_add_cond(struct xt_reader *x, struct rs_cond c);
int xt_add_text(struct xt_reader *x, enum rs_field field, bool negate, const char *start, const char *end);
int xt_add_range(struct xt_reader *x, enum rs_field field, bool negate, uint32_t lo, uint32_t hi);
int xt_add_addr(struct xt_reader *x, enum rs_field field, bool negate, const struct xt_word *w, bool keep_any);
int xt_add_ifname(struct xt_reader *x, enum rs_field field, bool negate, const struct xt_word *w);
/* The word without its escapes, in the arena; NULL when memory is out. */
char *xt_word_dup(struct xt_reader *x, const struct xt_word *w);
/* As strtoul with base 0: decimal, 0x, and octal with a leading 0. */
int xt_uint(const char *s, size_t len, uint32_t max, uint32_t *ret);
int xt_u64(const char *s, size_t len, uint64_t *ret);
/* "a", "a:b", ":b", "a:" */
int xt_range(const char *s, size_t len, uint32_t max, struct rs_u32_range *ret);
/* "value[/mask]"; without a mask all bits. */
int xt_mark(const struct xt_word *w, uint32_t *ret_value, uint32_t *ret_mask);
int xtables_addr(const char *s, size_t len, bool ip6, struct ip_addr *ret);
/* "addr[/len or mask]", any mask; the address is masked. */
int xt_addr_mask(const char *s, size_t len, bool ip6, struct ip_addr *ret_addr, struct ip_addr *ret_mask);
int xt_proto(const struct xt_word *w, uint8_t *ret);
int xt_icmp_type(const struct xt_word *w, bool ip6, struct rs_u32_range *ret);
/* The next item of a comma-separated list; *s is moved behind it. False at the end. */
bool xt_list_item(const char **s, const char *end, const char **ret_item, size_t *ret_len);

#endif
