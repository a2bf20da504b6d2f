/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NFT_PRIVATE_H
#define NFT_PRIVATE_H

/*
 * The reader of `nft -j list ruleset`, in seven parts:
 *   nft.c       objects: tables, chains, rules; what is named before it is defined
 *   nft-set.c   sets and maps, named and anonymous, their elements, and who asks them
 *   nft-value.c words, numbers, addresses, ranges of every type
 *   nft-expr.c  expressions: which field of a packet a rule looks at
 *   nft-match.c comparisons: expressions and values as conditions
 *   nft-stmt.c  statements: verdicts, marks, named objects, limits; nft-nat.c those that translate
 *   nft-text.c  a rule in nft's own syntax
 * The format: libnftables-json(5). Nothing of the JSON is kept: what a ruleset keeps is copied into its arena.
 */

#include <jansson.h>

#include <svcdoctor/source.h>

#define NFT_TEXT_MAX (64u << 10) /* of one rule */
#define NFT_PART_TEXT_MAX 2048u	 /* of what was not understood in it */
#define NFT_DEPTH_MAX 16u	 /* of an expression */
#define NFT_STEPS_MAX 250u	 /* conditions, and statements, of one rule: the kernel takes 128 expressions */
#define NFT_NOTES_MAX 20u	 /* about one file; the last one says that there are more */

/* How a value is written. What it becomes: nft_kind(). */
enum nft_type {
	NFT_OPAQUE, NFT_ADDR4, NFT_ADDR6, NFT_IFNAME,
	NFT_NUMBER, NFT_PROTO, NFT_SERVICE, NFT_MARK, NFT_NFPROTO, NFT_ETHERTYPE, NFT_TCP_FLAGS,
	NFT_ICMP_TYPE, NFT_ICMP6_TYPE, NFT_ICMP_CODE, NFT_ICMP6_CODE, /* a type in the upper byte, as in FIELD_ICMP */
	NFT_CT_STATE, NFT_CT_STATUS, NFT_CT_DIR,
	NFT_FIB_TYPE, /* the bit ADDRTYPE_* */
};

/* One field that a rule looks at, and how what it is compared with is written. */
struct nft_part {
	struct rs_selector sel;
	enum nft_type type;
};
struct nft_key {
	struct nft_part part[RS_KEY_PARTS];
	uint8_t n;
};

/* A chain that was named before it was defined. */
struct nft_jump {
	const struct rs_chain **slot;
	const struct rs_table *table;
	const char *name;
};
/* A named set that a rule asks. */
struct nft_named {
	struct rs_lookup *lookup;
	const struct rs_table *table;
	struct rs_nat *nat;  /* its addr_map is this one; NULL: another use */
	bool changes;	     /* the rule puts elements in or out */
};

struct nft_reader {
	struct ruleset *rs;
	const char *file;
	struct sd_notes *notes;
	struct nft_text *ret;
	unsigned nnotes;
	bool out_of_memory;
	uint32_t line;		/* of the current object */

	struct arena names;	/* keys of the maps, names in @jumps */
	struct map sets;	/* struct rs_set by table and name */
	struct map objects;	/* quotas and limits by table, kind and name: what stands there says whether they are inverted */
	struct map closed;	/* chains that were declared twice: more rules would be the same ones again */
	ARRAY_OF(struct nft_jump) jumps;
	ARRAY_OF(struct nft_named) lookups;
	/* the last one looked up: rules come chain by chain */
	struct rs_table *table;
	struct rs_chain *chain;

	/* the rule */
	ARRAY_OF(struct rs_cond) conds;
	ARRAY_OF(struct rs_stmt) stmts;
	const json_t *stmt;	/* the statement that is being read */
	bool unknown, too_long;
	bool wants_verdict;	/* something was not understood that may itself be a verdict */
	bool has_counters;
	struct rs_counters counters;
	struct strbuf text;
};

/* nft.c */
void nft_note(struct nft_reader *x, const char *code, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* The chain @name of the current table into *@slot, now or at the end. 0 or -ENOMEM. */
int nft_jump_to(struct nft_reader *x, const struct rs_table *t, const char *name, const struct rs_chain **slot);
/* What an object of that kind is known by, in @x->names. NULL when memory is out. */
const char *nft_name_key(struct nft_reader *x, const struct rs_table *t, const char *kind, const char *name);
/* Adds to the rule. 0 or -ENOMEM. */
int nft_add_cond(struct nft_reader *x, struct rs_cond c);
int nft_add_stmt(struct nft_reader *x, struct rs_stmt s);
/* The statement that is being read as text, in the ruleset's arena. NULL when memory is out. */
const char *nft_stmt_text(struct nft_reader *x);
/* The statement becomes a condition or a statement of which only the text is known. */
int nft_add_text_cond(struct nft_reader *x, enum rs_field field, bool negate);
int nft_add_text_stmt(struct nft_reader *x, enum rs_stmt_kind kind);
/* A condition that nft does not print: the protocol or family that a field belongs to. Once in a rule. */
int nft_add_implied(struct nft_reader *x, enum rs_field field, uint32_t value);

/* nft-value.c */
enum rs_value_kind nft_kind(enum nft_type t);
/* "ipv4_addr", ...; NFT_OPAQUE where it is not known. */
enum nft_type nft_type_by_name(const char *name, size_t len);
const char *nft_type_name(enum nft_type t);
/* The largest number of that type. */
uint32_t nft_max(enum nft_type t);
/* One value, prefix or range. 0, SD_EPARSE, -ENOMEM. */
int nft_value(struct nft_reader *x, enum nft_type t, const json_t *v, struct rs_value *ret);
/* An address alone, by the way that it is written. 0 or SD_EPARSE. */
int nft_address(const json_t *v, struct ip_addr *ret);
char *nft_strdup(struct nft_reader *x, const char *s);
/* The first and only member of an object, or NULL. */
const json_t *nft_member(const json_t *o, const char **ret_key);
/* @word is that string, or one of that array of strings. */
bool nft_has_word(const json_t *v, const char *word);

/* nft-expr.c */
/* What @e looks at, with the conditions that it implies. 0, SD_EPARSE: not a key at all, -ENOMEM. */
int nft_key(struct nft_reader *x, const json_t *e, struct nft_key *ret);
/* The type of a set with `typeof`. */
enum nft_type nft_typeof(const json_t *e);
/* Fields that svcdoctor knows by name and does not compute. FIELD_OPAQUE: not one of them. */
enum rs_field nft_text_field(const json_t *e);

/* nft-match.c */
int nft_match(struct nft_reader *x, const json_t *m); /* 0 or -ENOMEM */

/* nft-set.c */
int nft_set_object(struct nft_reader *x, const json_t *o, bool is_map);
/*
 * A lookup of @key in @set: "@name", or { "set": [...] } of which the elements are read. @data: types of an anonymous
 * map's data; @ndata 0 for a set, @is_vmap for verdicts. 0, SD_EPARSE, -ENOMEM.
 */
struct nft_map_of {
	enum nft_type data[RS_KEY_PARTS];
	uint8_t ndata;
	bool is_map, is_vmap;
};
int nft_lookup(struct nft_reader *x, const struct nft_key *key, const json_t *set, const struct nft_map_of *map, bool changes,
	       struct rs_lookup **ret);
/* An anonymous set of one range, which @key is looked up in. */
int nft_range_lookup(struct nft_reader *x, const struct nft_key *key, struct rs_value v, struct rs_lookup **ret);
/* A map of each number that @key can be (numgen, jhash) to itself. */
#define NFT_NUMBERS_MAX 256u
int nft_number_map(struct nft_reader *x, const struct nft_key *key, struct rs_lookup **ret);
/* Named sets are looked for when all are read. 0 or -ENOMEM. */
int nft_settle_sets(struct nft_reader *x);
/* A verdict: "accept", { "jump": { "target": } }. 0, SD_EPARSE, -ENOMEM. */
int nft_verdict(struct nft_reader *x, const struct rs_table *t, const json_t *v, uint8_t *ret_kind, const struct rs_chain **slot);

/* nft-stmt.c, nft-nat.c */
int nft_statement(struct nft_reader *x, const json_t *s); /* 0 or -ENOMEM */
int nft_nat_statement(struct nft_reader *x, enum rs_stmt_kind kind, const json_t *arg);
int nft_reject_statement(struct nft_reader *x, const json_t *arg);

/* nft-text.c: what does not fit into @max is cut off. */
void nft_print_value(struct strbuf *b, const json_t *v, size_t max);
void nft_print_stmt(struct strbuf *b, const json_t *s, size_t max);
void nft_print_rule(struct strbuf *b, const json_t *expr, const char *comment);

#endif
