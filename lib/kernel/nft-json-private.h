/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NFT_JSON_PRIVATE_H
#define NFT_JSON_PRIVATE_H

/*
 * How rules, sets and elements of nf_tables become the JSON of nft(8), in these parts:
 *   nft-json.c   objects, and what is asked of the kernel in which order
 *   nft-elem.c   elements of sets: values, prefixes, ranges, concatenations, verdicts
 *   nft-json-rule.c a rule: its expressions one by one, and what they leave in the registers
 *   nft-match.c  comparisons and lookups; the protocols that they tell of, which nft leaves out where a field names them anyway
 *   nft-field.c  what a register holds, as an expression
 *   nft-proto.c  headers and their fields
 *   nft-stmt.c   statements
 *   nft-value.c  values of each type
 * The forms are those of libnftables-json(5) and of nft 1.0.6, whose words lie in src/datatype.c, meta.c, ct.c, fib.c, proto.c there. What
 * is not known is printed as a statement that no reader knows.
 */

#include "nft-private.h"

/* Types of values, by nft's numbers (include/datatype.h), which it keeps in the key_type of a set. */
enum nft_dt {
	DT_NONE, DT_VERDICT, DT_NFPROTO, DT_BITMASK, DT_INTEGER, DT_STRING, DT_LLADDR, DT_IPADDR, DT_IP6ADDR, DT_ETHERADDR, DT_ETHERTYPE,
	DT_ARPOP, DT_INET_PROTOCOL, DT_INET_SERVICE, DT_ICMP_TYPE, DT_TCP_FLAG, DT_DCCP_PKTTYPE, DT_MH_TYPE, DT_TIME, DT_MARK, DT_IFINDEX,
	DT_ARPHRD, DT_REALM, DT_CLASSID, DT_UID, DT_GID, DT_CT_STATE, DT_CT_DIR, DT_CT_STATUS, DT_ICMP6_TYPE, DT_CT_LABEL, DT_PKTTYPE,
	DT_ICMP_CODE, DT_ICMPV6_CODE, DT_ICMPX_CODE, DT_DEVGROUP, DT_DSCP, DT_ECN, DT_FIB_ADDR, DT_BOOLEAN, DT_CT_EVENT, DT_IFNAME,
	DT_IGMP_TYPE, DT_TIME_DATE, DT_TIME_HOUR, DT_TIME_DAY, DT_CGROUPV2, DT_COUNT
};
#define KEY_PARTS 16u
#define KEY_BYTES 64u /* NFT_DATA_VALUE_MAXLEN */

struct jtype {
	uint8_t dt;    /* enum nft_dt */
	bool host;     /* the numbers are in the machine's byte order */
	uint16_t bits; /* of a field that is no whole number of bytes; 0: as long as it is */
};

/* ---- values: nft-value.c ---- */

#define ADD(b, s) strbuf_add((b), (s), sizeof(s) - 1)
void nft_put_string(struct strbuf *b, const char *s, size_t len); /* quoted and escaped */
void nft_put_number(struct strbuf *b, uint64_t n);
/* The first @size bytes at @p. */
void nft_put_value(struct strbuf *b, struct jtype t, const uint8_t *p, size_t size);
/* Flags as ["a", "b"] where @list, else { "|": [...] }; one alone as a word. */
void nft_put_flags(struct strbuf *b, struct jtype t, const uint8_t *p, size_t size, bool list);
/* From @lo to @hi: a value, a prefix, a name with an asterisk, or a range. */
void nft_put_range(struct strbuf *b, struct jtype t, const uint8_t *lo, const uint8_t *hi, size_t size);
uint64_t nft_number(const uint8_t *p, size_t size, bool host);
const char *nft_dt_name(unsigned dt);
size_t nft_dt_size(unsigned dt); /* bytes; 0: any */
bool nft_dt_is_host(unsigned dt);
bool nft_dt_is_flags(unsigned dt);
const char *nft_family_name(uint8_t family);

/* ---- headers: nft-proto.c ---- */

enum nft_proto {
	P_NONE, P_IP, P_IP6, P_TCP, P_UDP, P_UDPLITE, P_SCTP, P_DCCP, P_ICMP, P_ICMP6, P_IGMP, P_ESP, P_AH, P_COMP, P_TH, P_ETHER, P_VLAN,
	P_ARP, P_COUNT
};
struct nft_field {
	uint8_t proto; /* enum nft_proto */
	const char *name;
	uint16_t offset, bits;
	uint8_t dt;
	bool names_next; /* it tells which protocol follows: EXPR_F_PROTOCOL */
};
const char *nft_proto_name(unsigned proto);
enum nft_proto nft_l4proto(uint8_t n);	  /* P_NONE: not one of these */
enum nft_proto nft_ethertype(uint16_t n);
enum nft_proto nft_proto_by_nfproto(uint8_t n);
/* The field of @proto at these bits exactly; NULL: none. With @bits 0 the first one that starts there. */
const struct nft_field *nft_field_at(unsigned proto, unsigned offset, unsigned bits);

/* ---- sets ---- */

/* The elements of a set as a JSON list, made before the rules are read. */
struct jset {
	const struct nft_set *set;
	struct jtype key[KEY_PARTS], data[KEY_PARTS];
	uint8_t nkey, ndata;
	bool is_map, is_vmap, is_objmap, has_ranges; /* ranges: its data */
	uint32_t jumps; /* elements that name a chain */
	/* what the rule that asks it knows better: bits by which a value is shifted, bytes of a part that its type leaves open */
	uint8_t shift, sizes[KEY_PARTS];
	uint32_t first_number, numbers; /* its keys, where a rule asks it for a number that it has made up */
	uint8_t who; /* whose text holds it */
	size_t at, size;
};
void nft_describe_set(struct jset *s);

/* What one thread has. */
struct jworker {
	struct nft_sock sock;
	struct strbuf text; /* of elements */
	struct arena arena; /* of the set that is being read */
	bool partial;
	int r;
};

/* ---- rules ---- */

enum node_kind {
	N_NONE, N_DATA, N_VERDICT, N_PAYLOAD, N_META, N_CT, N_FIB, N_RT, N_SOCKET, N_EXTHDR, N_NUMGEN, N_HASH, N_OSF, N_XFRM, N_BITWISE, N_SHIFT,
	N_MAP, N_CONCAT, N_UNKNOWN
};
/* What a register holds. */
struct node {
	uint8_t kind;
	bool swapped, hosted; /* a byteorder expression made it big endian, or the machine's */
	bool left;    /* N_SHIFT */
	bool has_dir;
	uint8_t n;    /* N_CONCAT: parts */
	uint8_t base; /* N_PAYLOAD; N_CT, N_XFRM: direction; N_EXTHDR: op */
	uint16_t size; /* bytes */
	uint32_t key, offset, mod, seed, flags; /* N_PAYLOAD: offset in bits */
	const uint8_t *p, *xor; /* N_DATA; N_BITWISE: mask and flip */
	const struct node *sub, *parts[KEY_PARTS];
	struct jset *set;
	const char *name;
};
#define NODES_MAX 192u
#define STMTS_MAX 192u
#define SLOTS 32u /* registers of four bytes */

struct jstmt {
	size_t at, size; /* in scratch */
	bool dead;
	/* a comparison that may be the first half of a range, or tell of a protocol */
	bool is_gte;
	size_t left_at, left_size;
	const uint8_t *p;
	uint16_t bytes;
	uint8_t kind;	/* of the field that tells of a protocol: enum node_kind */
	uint32_t key;	/* NFT_META_* where that is one */
	uint32_t value; /* the protocol */
};
struct jrule {
	struct nft_json *j;
	uint8_t family;
	struct node nodes[NODES_MAX];
	struct jstmt stmts[STMTS_MAX];
	size_t nnodes, nstmts;
	const struct node *reg[SLOTS];
	struct strbuf scratch;
	/* which protocol a payload of each base belongs to (enum nft_payload_bases), and the statement + 1 that told it */
	uint8_t proto[8];
	size_t told_by[8];
	bool overflow;
};

struct nft_json {
	struct nft_dump *d;
	struct jworker *workers; /* CREW_SIZE */
	struct jset *sets;	 /* as d->sets */
	struct map by_name;	 /* "family table name" of sets */
	struct strbuf *out;
	const struct nft_table *table;
	bool first, partial;
	uint32_t rules, jumps; /* of this table: the kernel counts them, too */
	bool may_be_more;      /* elements that have expired and are not taken away yet */
	int r;		       /* what failed while a rule was read */
	struct jrule rule;
};

/* nft-json-rule.c */
int nft_json_rule(void *arg, const struct nlmsghdr *h); /* nft_fn with struct nft_json */
/* Looks only for numbers that are looked up in an anonymous set: jset.numbers. */
int nft_scan_rule(void *arg, const struct nlmsghdr *h);
const struct node *nft_reg(struct jrule *r, uint32_t reg, size_t size);
int nft_remember_set(struct nft_json *j, struct jset *s);
struct jset *nft_find_set(struct nft_json *j, const struct nft_table *t, const char *name);
struct node *nft_new_node(struct jrule *r, enum node_kind kind, size_t size);
/* Begins and ends a statement, which lies in r->scratch. */
struct jstmt *nft_stmt_begin(struct jrule *r);
void nft_stmt_end(struct jrule *r, struct jstmt *s);
/* Of one that does something: no question before it is left out because of what comes behind it. */
void nft_action_end(struct jrule *r, struct jstmt *s);
void nft_put_unknown(struct jrule *r, const char *name, struct nft_attr data);

/* nft-field.c */
struct jtype nft_type_of(struct jrule *r, const struct node *n);
/* @n as an expression; what told of its protocol is left out from now on. */
void nft_put_node(struct jrule *r, struct strbuf *b, const struct node *n);
/* Masked and shifted payload that is one field: that, and by how much its values are shifted. NULL: it is not. */
const struct nft_field *nft_field_of(struct jrule *r, const struct node *n, unsigned *ret_shift);
void nft_put_constant(struct jrule *r, struct strbuf *b, const struct node *like, const uint8_t *p, size_t size);
/* The flags of @n->flags by these names, as nft writes lists: one alone as a word. */
struct jword {
	uint32_t bit;
	const char *name;
};
void nft_put_words(struct strbuf *b, uint32_t flags, const struct jword *words, size_t n, bool always_list);

/* nft-match.c */
void nft_match_cmp(struct jrule *r, const struct nft_attr *a);
void nft_match_range(struct jrule *r, const struct nft_attr *a);
void nft_match_lookup(struct jrule *r, const struct nft_attr *a);
void nft_protocol_used(struct jrule *r, unsigned base, const struct nft_field *f);
void nft_put_set(struct jrule *r, struct strbuf *b, struct jset *s, const struct node *key);

/* nft-stmt.c: false: not one of these. */
bool nft_statement_expr(struct jrule *r, const char *name, struct nft_attr data);
/* The statements that may stand in an element, as a member: "counter": {...}. False: unknown. */
bool nft_put_stateful(struct strbuf *b, const char *name, struct nft_attr data, bool with_counters);
/* All of them in NFTA_SET_EXPR or NFTA_SET_EXPRESSIONS and their like, each in front of it @before, between them @between. */
bool nft_put_statefuls(struct strbuf *b, struct nft_attr expr, struct nft_attr exprs, bool as_objects);
/* NFTA_DATA_VERDICT as {"jump": {"target": "c"}}; one that names a chain is counted in @jumps. False: unknown. */
bool nft_put_verdict(struct strbuf *b, struct nft_attr verdict, uint32_t *jumps);
/* Name and data of an expression, nested in @a. */
bool nft_expr(struct nft_attr a, const char **ret_name, struct nft_attr *ret_data);
/* The comment in user data of this type; NULL: none. */
const char *nft_comment(struct nft_attr userdata, uint8_t type, size_t *ret_len);

/* nft-elem.c */
int nft_read_elements(struct jworker *w, struct jset *s);
/* The same for several sets, of which those with few numbers as keys are asked for together. */
int nft_read_several(struct jworker *w, struct jset *sets, size_t len);

#endif
