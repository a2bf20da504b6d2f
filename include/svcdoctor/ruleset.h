/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SVCDOCTOR_RULESET_H
#define SVCDOCTOR_RULESET_H

/*
 * The rules of one node, in one form for every data plane: xtables rules of both backends, native
 * nftables rules, sets and maps, and IPVS virtual servers. Readers in lib/source fill it, lib/nat runs it.
 *
 * A rule is a list of conditions and a list of statements. A statement runs when the first @after
 * conditions of its rule hold (in xtables all of them do, in nftables the two may be mixed). What a
 * reader cannot bring to this form is a FIELD_OPAQUE condition or an ST_UNKNOWN statement with its text.
 *
 * Texts point into buffers that the ruleset owns (ruleset_own_buffer); they are not NUL-terminated where a
 * length stands beside them. Everything else lies in the ruleset's arena and lives as long as the ruleset.
 */

#include <svcdoctor/base.h>

enum rs_backend { BACKEND_LEGACY, BACKEND_NFT };
enum rs_family { RS_IP4, RS_IP6, RS_INET };

/* The kernel's NF_INET_* numbers. */
enum rs_hook { HOOK_NONE = -1, HOOK_PREROUTING, HOOK_INPUT, HOOK_FORWARD, HOOK_OUTPUT, HOOK_POSTROUTING, HOOK_COUNT };
const char *rs_hook_name(enum rs_hook h); /* "PREROUTING", ... */

enum rs_chain_type { CHAIN_FILTER, CHAIN_NAT, CHAIN_ROUTE };
enum rs_policy { POLICY_ACCEPT, POLICY_DROP };

/* Priorities of the xtables tables and of conntrack: include/uapi/linux/netfilter_ipv4.h */
enum {
	PRIO_RAW = -300,
	PRIO_CONNTRACK = -200,
	PRIO_MANGLE = -150,
	PRIO_NAT_DST = -100,
	PRIO_FILTER = 0,
	PRIO_SECURITY = 50,
	PRIO_SECURITY_NFT = 150, /* where iptables-nft registers that table: behind the nat chains of INPUT */
	PRIO_NAT_SRC = 100,
};

/*
 * What a condition asks. X(name, text): the text is what a person would call it.
 * Which of these the engine evaluates, and which are unknown to it, stands in lib/nat/match.c.
 */
#define RS_FIELDS(X) \
	X(FIELD_OPAQUE, "unknown match")	/* text only */ \
	X(FIELD_FALSE, "never")			/* a match that cannot be true, such as a range that is empty */ \
	X(FIELD_SADDR, "source address") X(FIELD_DADDR, "destination address") \
	X(FIELD_PROTO, "protocol")		/* OP_RANGE over 0..255 */ \
	X(FIELD_SPORT, "source port") X(FIELD_DPORT, "destination port") \
	X(FIELD_PORT, "source or destination port") \
	X(FIELD_ICMP, "ICMP type")		/* OP_RANGE over type << 8 | code */ \
	X(FIELD_TCP_FLAGS, "TCP flags")		/* OP_MASK over the flags byte */ \
	X(FIELD_TCP_OPTION, "TCP option") \
	X(FIELD_FRAGMENT, "fragment") \
	X(FIELD_IIF, "input interface") X(FIELD_OIF, "output interface") \
	X(FIELD_PHYSIN, "input bridge port") X(FIELD_PHYSOUT, "output bridge port") \
	X(FIELD_PHYS_BRIDGED, "bridged") X(FIELD_PHYS_IS_IN, "entered by a bridge port") \
	X(FIELD_PHYS_IS_OUT, "leaves by a bridge port") \
	X(FIELD_MARK, "mark")			/* OP_MASK */ \
	X(FIELD_CT_STATE, "conntrack state")	/* OP_ANY over CTSTATE_* */ \
	X(FIELD_CT_STATUS, "conntrack status")	/* OP_ANY over CTSTATUS_* */ \
	X(FIELD_CT_DIR, "conntrack direction")	/* OP_EQ 0 original, 1 reply */ \
	X(FIELD_CT_MARK, "connection mark")	/* OP_MASK */ \
	X(FIELD_CT_PROTO, "connection protocol") \
	X(FIELD_CT_ORIG_SADDR, "original source") X(FIELD_CT_ORIG_DADDR, "original destination") \
	X(FIELD_CT_ORIG_SPORT, "original source port") X(FIELD_CT_ORIG_DPORT, "original destination port") \
	X(FIELD_CT_REPL_SADDR, "reply source") X(FIELD_CT_REPL_DADDR, "reply destination") \
	X(FIELD_CT_REPL_SPORT, "reply source port") X(FIELD_CT_REPL_DPORT, "reply destination port") \
	X(FIELD_CT_EXPIRE, "conntrack timeout") X(FIELD_CT_LABEL, "conntrack label") \
	X(FIELD_CT_BYTES, "bytes of the connection") X(FIELD_CT_COUNT, "connections at once") \
	X(FIELD_HELPER, "conntrack helper") X(FIELD_CT_ZONE, "conntrack zone") \
	X(FIELD_SADDR_TYPE, "type of the source address")	/* OP_ANY over ADDRTYPE_* bits; flags: RS_LIMIT_IIF, RS_LIMIT_OIF */ \
	X(FIELD_DADDR_TYPE, "type of the destination address") \
	X(FIELD_RANDOM, "chance")		/* OP_EQ: true with probability value / 2^31 */ \
	X(FIELD_NTH, "every n-th packet")	/* OP_EQ: chance of weight 1/value for a packet without past */ \
	X(FIELD_LIMIT, "rate limit")		/* state of the past: not exhausted by default */ \
	X(FIELD_HASHLIMIT, "rate limit by hash") X(FIELD_CONNLIMIT, "connection limit") X(FIELD_QUOTA, "quota") \
	X(FIELD_NFACCT_QUOTA, "accounting quota") \
	X(FIELD_RECENT, "recently seen")	/* struct rs_recent */ \
	X(FIELD_RECENT_SET, "remember")		/* changes a list, always true (false when negated) */ \
	X(FIELD_SET, "set")			/* struct rs_set_ref */ \
	X(FIELD_LENGTH, "packet length") X(FIELD_TTL, "TTL") X(FIELD_TOS, "TOS") X(FIELD_DSCP, "DSCP") \
	X(FIELD_ECN, "ECN") X(FIELD_MAC, "source MAC") X(FIELD_PKTTYPE, "packet type") \
	X(FIELD_OWNER, "owner") X(FIELD_CGROUP, "cgroup") X(FIELD_SOCKET, "socket") \
	X(FIELD_RPFILTER, "reverse path") X(FIELD_POLICY, "IPsec policy") X(FIELD_REALM, "realm") \
	X(FIELD_TIME, "time of day") X(FIELD_STRING, "payload") X(FIELD_U32, "u32") X(FIELD_BPF, "bpf") \
	X(FIELD_EXTHDR, "extension header")	/* OP_TEXT; negated: true for a packet without such headers */ \
	X(FIELD_TCPMSS, "TCP MSS") X(FIELD_CPU, "CPU") \
	X(FIELD_DEVGROUP, "device group") X(FIELD_IPVS, "ipvs") X(FIELD_ESP, "IPsec SPI") \
	X(FIELD_CONNBYTES, "connbytes")	/* OP_TEXT; negated: false for a first packet. State of the past, as the limits are */ \
	X(FIELD_FIB, "fib") \
	/* nftables alone asks these */ \
	X(FIELD_LOOKUP, "set")			/* OP_LOOKUP */ \
	X(FIELD_NFPROTO, "family")		/* NFPROTO_IPV4 2, NFPROTO_IPV6 10 */ \
	X(FIELD_ETHERTYPE, "ethertype")		/* 0x0800, 0x86dd */ \
	X(FIELD_NUMGEN, "chance")		/* of a selector: a number from offset to offset + mod - 1, each as likely */ \
	X(FIELD_NUMGEN_INC, "every n-th packet") /* the same, one after the other: chance for a packet without past */ \
	X(FIELD_HASH, "hash")			/* of a selector: jhash, symhash: a function of the packet, which is not computed */

enum rs_field {
#define X(name, text) name,
	RS_FIELDS(X)
#undef X
	FIELD_COUNT
};
const char *rs_field_name(enum rs_field f);

enum rs_op {
	OP_EQ,	   /* u.range.lo */
	OP_RANGE,  /* u.range.lo .. u.range.hi, inclusive, host order */
	OP_MASK,   /* (field & u.bits.mask) == u.bits.value, host order */
	OP_ANY,	   /* (field & u.bits.value) != 0 */
	OP_LIST,   /* any of u.list */
	OP_ADDR4,  /* (address & u.addr4.mask) == u.addr4.value, network order as loaded from memory */
	OP_ADDR6,  /* the same with u.addr6 */
	OP_ADDR_RANGE, /* u.addr_range, inclusive */
	OP_IFNAME, /* u.ifname: the whole name, or a prefix when flags has RS_WILDCARD */
	OP_SET,	   /* u.set */
	OP_RECENT, /* u.recent */
	OP_LOOKUP, /* u.lookup: nftables */
	OP_IPVS,   /* u.ipvs */
	OP_TEXT,   /* u.text: decoded and printed, never evaluated */
};

/* xt_conntrack's view: the state bits and, as in --ctstate, SNAT and DNAT beside them. */
enum {
	CTSTATE_INVALID = 1, CTSTATE_NEW = 2, CTSTATE_ESTABLISHED = 4, CTSTATE_RELATED = 8,
	CTSTATE_UNTRACKED = 16, CTSTATE_SNAT = 32, CTSTATE_DNAT = 64,
};
/* nf_conntrack_common.h: IPS_EXPECTED 1, SEEN_REPLY 2, ASSURED 4, CONFIRMED 8, SRC_NAT 16, DST_NAT 32. NONE is our own bit. */
enum {
	CTSTATUS_EXPECTED = 1, CTSTATUS_SEEN_REPLY = 2, CTSTATUS_ASSURED = 4, CTSTATUS_CONFIRMED = 8,
	CTSTATUS_SNAT = 16, CTSTATUS_DNAT = 32, CTSTATUS_NONE = 1 << 16,
};
/* Bit n is RTN_n of linux/rtnetlink.h: UNSPEC, UNICAST, LOCAL, BROADCAST, ANYCAST, MULTICAST, BLACKHOLE, UNREACHABLE, PROHIBIT, THROW, NAT, XRESOLVE. */
enum {
	ADDRTYPE_UNSPEC = 1 << 0, ADDRTYPE_UNICAST = 1 << 1, ADDRTYPE_LOCAL = 1 << 2, ADDRTYPE_BROADCAST = 1 << 3,
	ADDRTYPE_ANYCAST = 1 << 4, ADDRTYPE_MULTICAST = 1 << 5, ADDRTYPE_BLACKHOLE = 1 << 6,
	ADDRTYPE_UNREACHABLE = 1 << 7, ADDRTYPE_PROHIBIT = 1 << 8, ADDRTYPE_THROW = 1 << 9,
};

/* stmt.flags of ST_SET */
enum {
	RS_SET_DEL = 1,
};

/* cond.flags */
enum {
	RS_WILDCARD = 1,	/* interface name ends in + or * */
	RS_LIMIT_IIF = 2, RS_LIMIT_OIF = 4, /* addrtype --limit-iface-in / -out */
	RS_WITH_STATE = 8,	/* conntrack: --ctstate stands in the same match */
};

struct rs_u32_range {
	uint32_t lo, hi; /* inclusive */
};
struct rs_list {
	uint32_t len;
	struct rs_u32_range v[];
};
struct rs_addr6 {
	struct ip_addr value, mask;
};
struct rs_addr_range {
	struct ip_addr lo, hi;
};
struct rs_recent {
	const char *name;
	bool update;	/* --update: refreshes an entry; --rcheck does not */
	bool remove;	/* --remove */
	bool by_dest;	/* --rdest */
	const char *text;
};
/* -m ipvs --ipvs asks for nothing; the others ask about the connection. Bits of RS_IPVS_*. */
enum {
	RS_IPVS_PROTO = 1, RS_IPVS_ADDR = 2, RS_IPVS_PORT = 4, RS_IPVS_DIR = 8, RS_IPVS_METHOD = 16, RS_IPVS_PORTCTL = 32,
};
struct rs_ipvs {
	uint8_t asked, negated;
	uint8_t proto;
	uint8_t method;		/* as of struct rs_real_server */
	bool reply;		/* --vdir */
	uint16_t port, portctl;
	struct ip_addr addr, mask;
	const char *text;
};
struct rs_set;
struct rs_lookup;
struct rs_set_ref {
	const char *name;
	const struct rs_set *set; /* NULL: no such set was loaded */
	uint8_t nfields;
	bool return_nomatch;	  /* --return-nomatch: true for an element marked nomatch, false for a plain one */
	bool dst[6];		  /* for each field: src or dst */
	const char *text;
};

/* 16 bytes: a large node has a million of them. */
struct rs_cond {
	uint8_t field; /* enum rs_field */
	uint8_t op;    /* enum rs_op */
	bool negate;
	uint8_t flags;
	uint32_t reserved;
	union {
		struct rs_u32_range range;
		struct {
			uint32_t value, mask;
		} bits;
		struct {
			uint32_t value, mask; /* be32 */
		} addr4;
		const struct rs_list *list;
		const struct rs_addr6 *addr6;
		const struct rs_addr_range *addr_range;
		const char *ifname; /* without the wildcard sign */
		const struct rs_set_ref *set;
		const struct rs_recent *recent;
		const struct rs_ipvs *ipvs;
		const struct rs_lookup *lookup;
		const char *text;
	} u;
};

#define RS_STATEMENTS(X) \
	X(ST_ACCEPT, "ACCEPT") X(ST_DROP, "DROP") X(ST_RETURN, "RETURN") X(ST_JUMP, "jump") X(ST_GOTO, "goto") \
	X(ST_REJECT, "REJECT") X(ST_DNAT, "DNAT") X(ST_SNAT, "SNAT") X(ST_MASQUERADE, "MASQUERADE") \
	X(ST_REDIRECT, "REDIRECT") X(ST_NETMAP, "NETMAP") X(ST_MARK, "MARK") \
	X(ST_CONNMARK, "CONNMARK")	/* u.bits as MARK, on the connection */ \
	X(ST_CONNMARK_SAVE, "CONNMARK save")	/* ctmark = (ctmark & ~value) ^ (mark & mask); value: ctmask, mask: nfmask */ \
	X(ST_CONNMARK_RESTORE, "CONNMARK restore") /* mark = (mark & ~mask) ^ (ctmark & value) */ \
	X(ST_NOTRACK, "NOTRACK")	/* also CT --notrack */ \
	X(ST_ZONE, "ZONE")		/* CT --zone, `ct zone set`: u.text. Which connection the packet belongs to is not followed */ \
	X(ST_QUEUE, "QUEUE")		/* a program decides: unknown */ \
	X(ST_TPROXY, "TPROXY") X(ST_SYNPROXY, "SYNPROXY") \
	X(ST_SET, "SET")		/* u.set: adds the packet to a set, or takes it out (RS_SET_DEL), that some rule asks */ \
	X(ST_NOP, "no effect")		/* LOG, NFLOG, TRACE, counters, CHECKSUM, CLASSIFY, TCPMSS, TOS, DSCP, TTL, TEE, CT zone ... */ \
	X(ST_VMAP, "verdict map")	/* nftables: u.lookup. A key that is not in the map ends the rule, as a condition that fails would */ \
	X(ST_MARK_MAP, "mark by map")	/* nftables: u.lookup, whose data is the mark; the same of a key that is not in it */ \
	X(ST_UPDATE, "set update")	/* nftables: u.update */ \
	X(ST_UNKNOWN, "unknown target")	/* u.text */

enum rs_stmt_kind {
#define X(name, text) name,
	RS_STATEMENTS(X)
#undef X
};
const char *rs_stmt_name(enum rs_stmt_kind k);

struct rs_chain;
struct rs_rule;

struct rs_nat {
	bool has_addr, has_port;
	bool random, random_fully, persistent;
	struct ip_addr lo, hi;	      /* equal for one address; NETMAP: address and mask */
	uint16_t port_lo, port_hi;    /* host order */
	uint16_t port_base;	      /* DNAT --to-destination a:p1-p2/base; 0: none */
	/* nftables: the address (with addr_map_has_port its port too), or the port, comes from a map; what is not in it ends the rule */
	const struct rs_lookup *addr_map, *port_map;
	bool addr_map_has_port;
	const char *text;	      /* set where the argument is not of this form (several --to-destination) */
};

struct rs_stmt {
	uint8_t kind;	/* enum rs_stmt_kind */
	uint8_t after;	/* conditions that must hold; 255: all */
	uint16_t flags;
	uint32_t short_cut; /* JUMP, GOTO: ruleset.shorts[short_cut - 1] says all that the chain does; 0: nothing does. Set by ruleset_finish */
	union {
		const struct rs_chain *target;	/* JUMP, GOTO; NULL when that chain is not in the dump */
		struct {
			uint32_t value, mask;	/* MARK: mark = (mark & ~mask) ^ value */
		} bits;
		const struct rs_nat *nat;
		const struct rs_set_ref *set;
		const struct rs_lookup *lookup;
		const struct rs_update *update;
		const char *text;		/* REJECT: "icmp-port-unreachable", ...; NOP and UNKNOWN: the target as written */
	} u;
};

/* 48 bytes: a large node has a million of them. */
struct rs_rule {
	const char *text;	/* the rule as the dump has it, without counters; NOT NUL-terminated */
	const struct rs_cond *conds;
	const struct rs_stmt *stmts;
	struct rs_chain *chain;
	uint32_t text_len;
	uint32_t line;		/* in its file, from 1 */
	uint32_t index;		/* in its chain, from 1 */
	uint16_t nconds;
	uint8_t nstmts;
	bool has_counters : 1;	/* the dump had them: rule_counters() */
	bool unknown : 1;	/* has an opaque condition or an unknown statement */
	bool remembers : 1;	/* has a FIELD_RECENT_SET condition. Set by ruleset_finish */
	bool staged : 1;	/* nftables: a statement with an effect stands before a condition. Set by ruleset_finish */
	bool acts : 1;		/* leaves a trace or goes on elsewhere; false: it can be passed over. Set by ruleset_finish */
};
struct rs_counters {
	uint64_t packets, bytes;
};

struct rs_index; /* lib/ruleset: finds the rules of a chain that may match a destination, a protocol and a port */

/* 72 bytes: a large node has hundreds of thousands of them. */
struct rs_chain {
	const char *name;
	struct rs_table *table;
	struct rs_rule **rules; /* in order */
	const struct rs_index *index; /* NULL for short chains; built by ruleset_finish */
	uint64_t policy_packets, policy_bytes;
	uint32_t nrules, rules_cap;
	uint32_t line;
	uint32_t short_cut;	/* as in rs_stmt */
	int priority;
	uint32_t name_len : 16;
	enum rs_hook hook : 4;	/* HOOK_NONE: a regular chain */
	enum rs_chain_type type : 2;
	enum rs_policy policy : 2;
	bool has_policy_counters : 1;
	bool referenced : 1;	/* something jumps to it */
	bool inert : 1;		/* nothing in it, or in a chain that it leads to, has an effect: a jump to it can be passed over */
	bool seen : 1;		/* ruleset_finish knows whether it is inert, or is about to find out */
};

struct rs_table {
	enum rs_backend backend;
	enum rs_family family;
	const char *name;
	bool xtables;		/* an xtables table (of either backend), else native nftables */
	bool dormant;
	ARRAY_OF(struct rs_chain *) chain_list; /* in the dump's order */
	struct rs_slot {
		uint32_t hash, position; /* of the name; in chain_list + 1, 0: free */
	} *slots;		/* lib/ruleset's own: chains by name */
	uint32_t nslots;	/* a power of two, or 0 */
};

/*
 * A chain that does two things at most: it marks the packets of one source, and translates. The chains of a Service's endpoints
 * are so, and they lie scattered over the whole dump: here is all of one in one place.
 */
struct rs_short {
	const struct rs_rule *marking; /* the rule that asks for the source; NULL: none */
	uint32_t source;	       /* be32, of @marking */
	uint32_t mark, mark_mask;      /* mark = (mark & ~mark_mask) ^ mark */
	uint8_t proto;		       /* 0: any; packets of other protocols go through */
	uint16_t port;		       /* host order; 0: as it was */
	struct ip_addr addr;	       /* family 0: as it was */
};

/*
 * ---- nftables: sets, maps and what is looked up in them ----
 *
 * A set's key has one part for each field of a concatenation. What a part holds is said once, by the set (part_kinds); so is what
 * an element of a map maps to (data_kinds).
 */
#define RS_KEY_PARTS 6
enum rs_value_kind {
	VALUE_NUM,	/* u.num, host order: protocols, ports, marks, states, types */
	VALUE_ADDR4,	/* u.num, host order */
	VALUE_ADDR6,	/* u.addr6 */
	VALUE_NAME,	/* u.name: of an interface; a last '*' is a wildcard */
	VALUE_OPAQUE,	/* u.name: its text. What svcdoctor does not compare (MAC addresses, ...): whether it is met is not known */
};
struct rs_value {
	union {
		struct rs_u32_range num; /* inclusive */
		const struct rs_addr_range *addr6; /* inclusive */
		const char *name;
	} u;
};
struct rs_elem {
	const struct rs_value *keys; /* nfields of the set; NULL: the catch-all element "*" */
	const struct rs_value *data; /* a map's: ndata of the set */
	const struct rs_chain *target; /* a verdict map's JUMP and GOTO; NULL when that chain is not in the dump */
	const char *comment;
	uint8_t verdict;	/* a verdict map's, enum rs_stmt_kind: ST_ACCEPT, DROP, RETURN, JUMP, GOTO, QUEUE; NOP: continue */
	bool has_timeout;
};
/* One part of a key as a rule makes it from a packet: (field & mask) ^ flip of numbers and IPv4 addresses. */
struct rs_selector {
	uint8_t field;		/* enum rs_field; FIELD_OPAQUE: not known */
	uint8_t kind;		/* enum rs_value_kind */
	uint8_t flags;		/* as of a condition */
	uint8_t plen;		/* of VALUE_ADDR6: so many leading bits are kept; 128: all */
	uint32_t mask, flip;	/* all ones and 0: the field itself */
	uint32_t mod, offset;	/* FIELD_NUMGEN, FIELD_NUMGEN_INC, FIELD_HASH */
};
struct rs_lookup {
	const struct rs_set *set; /* NULL: not in the dump */
	const char *name;	  /* of the set; NULL: it is anonymous and belongs to this rule */
	const struct rs_selector *parts;
	uint8_t nparts;		  /* as many as the set has fields, else nothing is ever found */
};
/* "add @set { ... }", "update", "delete": the packet's key goes into the set, or out of it. */
struct rs_update {
	struct rs_lookup key;
	bool is_delete;
};
/* One element of an ipset: what its type does not have is zero. */
struct rs_ipset_elem {
	struct ip_addr addr[2];	/* masked */
	uint8_t len[2];		/* prefix lengths; those of a host are full */
	uint8_t proto;
	bool nomatch, expires;	/* expires: it has a timeout that runs */
	bool physdev, wildcard; /* of iface */
	uint16_t port;		/* host order; of ICMP: type << 8 | code */
	uint32_t mark;
	const char *iface, *member; /* member: of a list:set, the set's name */
	const struct rs_set *set;   /* that set; NULL: it was not loaded */
	uint32_t next;		/* in its bucket, from 1; lib/ruleset's own */
};
struct rs_ipset_type;
struct rs_ipset {
	const struct rs_ipset_type *type;
	bool any_family;	/* of neither family: bitmap:port, list:set, hash:mac */
	bool has_mask;		/* create ... netmask or bitmask: of the first address */
	struct ip_addr mask;
	uint32_t mark_mask;
	bool damaged;		/* some of it could not be read, or is of a kind that is not modelled: nothing is sure of it */
	bool shrinks;		/* a rule takes elements out of it; the set's `dynamic`: a rule puts some in */
	struct rs_ipset_elem *elems;
	uint32_t nelems, nbuckets;
	uint32_t *buckets;
	/* of an address part that is a single address in all elements of a large set, else NULL: offsets into the positions of those of one hash */
	const uint32_t *addr_start[2], *addr_elems[2];
	const uint32_t *port_start, *port_elems; /* the same of a port part */
	uint8_t lens[2][129], nlens[2]; /* the prefix lengths in use, longest first */
};
struct rs_set_index;
struct rs_set {
	enum rs_backend backend; /* BACKEND_LEGACY: an ipset, which both backends' xtables rules can name */
	enum rs_family family;
	const char *name;	/* NULL: anonymous (nftables) */
	const char *type;	/* of an ipset; of nftables: "ipv4_addr . inet_service", for texts */
	const struct rs_table *table; /* nftables only */
	uint8_t nfields, ndata;
	uint8_t part_kinds[RS_KEY_PARTS], data_kinds[RS_KEY_PARTS]; /* enum rs_value_kind; of nftables */
	bool is_map, is_vmap;
	bool dynamic;		/* a rule puts elements in, or they have a timeout: what is in it is state of the past */
	bool partly;		/* of nftables: some of its elements could not be read */
	const struct rs_elem *elems; /* of nftables; those of an ipset lie in @ipset */
	size_t nelems;
	uint32_t line;		/* in its file, from 1; 0: not known */
	/* what ruleset_finish finds out, all of nftables */
	const struct rs_elem *catch_all; /* NULL: none */
	const struct rs_set_index *index[2]; /* lib/ruleset's own: for all of the key, and without the part that asks for a source */
	uint8_t source_parts;	/* bit n: some rule asks for a source in part n */
	struct rs_ipset *ipset;	 /* NULL: of nftables, or of a type that is not known */
};

/*
 * ---- IPVS: lib/ruleset/ipvs.c ----
 */
struct rs_real_server {
	struct ip_addr addr;
	uint16_t port;		/* 0: that which the packet came with */
	int weight;		/* 0: nothing new goes there */
	uint8_t method;		/* 'm'asq, 'r'oute (gate), 't'unnel, 'l'ocal */
	uint8_t tunnel;		/* of a tunnel: protocol of the outer packet, 4, 41 (IPv6 in it), 47, or 17 */
	uint16_t tunnel_port;	/* and its port, where it has one */
	uint32_t active, inactive;
	bool has_conns;
};
struct rs_virtual_server {
	uint8_t proto;		/* of a firewall-mark service 0: any */
	struct ip_addr addr;
	uint16_t port;		/* 0: every port that no other has (persistent ones only) */
	uint32_t fwmark; /* non-zero: a firewall-mark service; addr.family is its family */
	const char *scheduler, *flags; /* flags: of the scheduler, "sh-fallback,sh-port"; NULL: none */
	const char *engine;	/* "sip": the persistence engine; NULL: the client's address */
	const char *text;	/* "IPVS TCP 10.96.0.1:443 rr", "IPVS FWM 7 IPv6 wrr": for people */
	uint32_t persistent; /* seconds, 0: none */
	struct ip_addr netmask; /* persistent: clients of one network go together */
	bool one_packet;	/* ops */
	uint32_t line;		/* in its file, from 1 */
	const struct rs_real_server *servers;
	size_t nservers;
};
struct rs_servers { /* by what packets are told apart: lib/ruleset's own */
	struct map by_key;
	bool has_ftp, has_any_port; /* a TCP one on port 21; one on port 0 */
};

struct ruleset {
	struct arena arena;
	ARRAY_OF(char *) buffers;
	ARRAY_OF(struct rs_table *) tables;
	struct map table_map; /* the same by backend, family and name: lib/ruleset's own */
	ARRAY_OF(struct rs_set *) sets;
	ARRAY_OF(struct rs_virtual_server *) servers;
	uint8_t server_forms; /* bits: 1 `ipvsadm -Sn` was read, 2 `ipvsadm -ln` */
	struct rs_servers server_index; /* built by ruleset_finish */
	size_t nrules, nunknown;
	ARRAY_OF(struct rs_short) shorts;
	bool names_sets; /* some rule asks or changes an ipset */
	bool finished;
};

void ruleset_init(struct ruleset *rs);
void ruleset_release(struct ruleset *rs);
/* The ruleset takes @data (malloc'd) and frees it at the end. On failure the caller keeps it. */
int ruleset_own_buffer(struct ruleset *rs, char *data);

/* Finds or makes. NULL when memory is out. @name is copied where something is made. */
struct rs_table *ruleset_table(struct ruleset *rs, enum rs_backend b, enum rs_family f, const char *name, bool xtables);
const struct rs_table *ruleset_find_table(const struct ruleset *rs, enum rs_backend b, enum rs_family f, const char *name);
struct rs_chain *table_chain(struct ruleset *rs, struct rs_table *t, const char *name, size_t name_len);
const struct rs_chain *table_find_chain(const struct rs_table *t, const char *name);
/* Where the chain stands in chain_list, or -1. Only reads, so that several threads may ask. */
ssize_t table_chain_position(const struct rs_table *t, const char *name, size_t name_len);
/* Many at once, which waits for memory once and not for each: sets @chain, NULL where there is none. Only reads the table. */
struct rs_chain_lookup {
	const char *name;
	uint32_t name_len;
	uint32_t hash; /* lib/ruleset's own */
	struct rs_chain *chain;
};
void table_find_chains(const struct rs_table *t, struct rs_chain_lookup *v, size_t n);
/* Appends @r, which lies in the arena; sets its chain and index. 0 or -ENOMEM. */
int chain_append(struct ruleset *rs, struct rs_chain *c, struct rs_rule *r);
/* The same for @n rules in their order. */
int chain_append_all(struct ruleset *rs, struct rs_chain *c, struct rs_rule *const *rules, uint32_t n);
/* Makes @c the base chain that an xtables table of that name has at the hook of that chain name; false when it has none. */
bool chain_set_xtables_base(struct rs_chain *c);

/* After the last rule: builds the indexes, marks chains and rules. Call once, before lib/nat uses it. 0 or -ENOMEM. */
int ruleset_finish(struct ruleset *rs);

/*
 * The rules of @c at position @from (0-based) or later that can match destination @daddr, protocol and destination port:
 * returns the position of the next candidate, or c->nrules when there is none. A rule that is passed over cannot match.
 */
uint32_t chain_next_candidate(const struct rs_chain *c, const struct ip_addr *daddr, uint8_t proto, uint16_t dport, uint32_t from);

/* True when the condition is about an address and holds for @a; negation included. */
bool cond_match_addr(const struct rs_cond *c, const struct ip_addr *a);
/* True when @v (host order) satisfies the condition's numeric operator; negation included. */
bool cond_match_u32(const struct rs_cond *c, uint32_t v);
bool cond_match_ifname(const struct rs_cond *c, const char *name);

/*
 * ---- ipsets: lib/ruleset/set.c ----
 *
 * What a reference to a set asks of a packet, as net/netfilter/ipset does: the longest prefix decides, nomatch included; a set of
 * another family, or a reference with fewer directions than the type has parts, is not met.
 */
struct rs_set_packet {
	struct ip_addr src, dst;
	bool src_known;		/* false: the source was rewritten to an address that is not known */
	uint8_t proto, icmp_type, icmp_code;
	uint16_t sport, dport;	/* host order */
	uint32_t mark;
	const char *iif, *oif;	/* NULL: not known; "": none, as the output interface before routing */
};
enum rs_answer { RS_NO, RS_YES, RS_UNKNOWN };
/*
 * Is the packet in the set? Before the negation of the condition. RS_UNKNOWN: the set was not loaded or not wholly, asks what is not
 * known (a MAC address), or an element that expires decides. @ret_state: what is answered is what the dump says, and rules of this
 * node may have changed it since (a rule adds to a set that does not hold the packet, or deletes from one that does).
 */
enum rs_answer rs_set_has(const struct rs_set_ref *ref, const struct rs_set_packet *p, bool *ret_state);
/* Does the packet's source address take part in the answer? */
bool rs_set_asks_source(const struct rs_set_ref *ref);

/*
 * The reference projected on a packet of which all is known but the source address: the sources that are in the set, and those of
 * which that is not known; all others are not in it. Each list is sorted, disjoint, and without two ranges that touch.
 * @p->src is not looked at but for its family, and src_known does not matter. @max: so many ranges at most, of both lists together.
 * Before the negation of the condition. A set that rules change (@may_grow, @may_shrink) is given as the dump has it.
 * 0 (the caller frees both with array_free); SD_ELIMIT: there are more ranges; SD_EFORMAT: the set cannot be put into ranges (it has
 * a bitmask with holes): all its sources are unknown; -ENOMEM. On failure @ret holds nothing.
 */
struct rs_ranges {
	struct rs_addr_range *v;
	size_t len, cap;
};
struct rs_set_sources {
	struct rs_ranges in, unknown;
	bool may_grow, may_shrink;
};
int rs_set_project(const struct rs_set_ref *ref, const struct rs_set_packet *p, size_t max, struct rs_set_sources *ret);

/* What a type's name says, for readers. */
enum rs_ipset_part { SETPART_NONE, SETPART_IP, SETPART_NET, SETPART_PORT, SETPART_IFACE, SETPART_MARK, SETPART_MAC, SETPART_SET };
#define RS_IPSET_PARTS 3
struct rs_ipset_type {
	const char *name;
	uint8_t part[RS_IPSET_PARTS]; /* enum rs_ipset_part; as many as the type has dimensions */
	bool any_family, range;	      /* range: a bitmap, which is created with one */
};
const struct rs_ipset_type *rs_ipset_type_find(const char *name, size_t len); /* NULL: not known */
/* Sorts the elements of @s into buckets. After the last one is there. 0 or -ENOMEM. */
int rs_ipset_index(struct ruleset *rs, struct rs_ipset *s);

/*
 * The virtual server of exactly this protocol, address and port, or of this firewall mark and family; NULL: none. After ruleset_finish.
 * Two that a damaged dump gives for one key: the first.
 */
const struct rs_virtual_server *ruleset_find_server(const struct ruleset *rs, uint8_t proto, const struct ip_addr *addr, uint16_t port);
const struct rs_virtual_server *ruleset_find_mark_server(const struct ruleset *rs, int family, uint32_t fwmark);
/* Same key? */
bool rs_same_server(const struct rs_virtual_server *a, const struct rs_virtual_server *b);

/*
 * ---- nftables' sets: lib/ruleset/nft.c ----
 */
const struct rs_set *ruleset_find_set(const struct ruleset *rs, const struct rs_table *t, const char *name); /* NULL: none. Searches all of them */
enum rs_part_how {
	PART_KNOWN,
	PART_UNKNOWN, /* the packet has some value there, which is not known */
	PART_ANY,     /* every value is asked for */
};
/* One part of a key as a packet has it. */
struct rs_part {
	enum rs_part_how how;
	uint32_t num;	     /* VALUE_NUM; VALUE_ADDR4 in host order */
	struct ip_addr addr; /* VALUE_ADDR6 */
	const char *name;    /* VALUE_NAME */
};
/*
 * The elements that agree with all known parts of @key (nfields of them), one after the other: NULL when there are no more.
 * @ret_sure: with nothing but PART_ANY left open it is one that a packet with these values meets. The catch-all comes last, and
 * not at all once a sure one was given. @c is zeroed before the first call.
 */
struct rs_cursor {
	uint32_t at, end;
	const uint32_t *list; /* lib/ruleset's own */
	bool begun, found;
};
const struct rs_elem *rs_elem_next(const struct rs_set *s, const struct rs_part *key, struct rs_cursor *c, bool *ret_sure);
/* "10.96.0.1 . tcp . 80 : goto service-..." as nft prints it, in @buf. Returns the length that it has or would have. */
size_t rs_elem_print(const struct rs_set *s, const struct rs_elem *e, char *buf, size_t size);

/* The one statement that ends or moves a packet, or NULL: in xtables rules there is at most one statement. */
static inline const struct rs_stmt *rule_target(const struct rs_rule *r)
{
	return r->nstmts ? &r->stmts[r->nstmts - 1] : NULL;
}

/* The rule's counters, which lie behind it; of a rule with has_counters only. Whoever makes such a rule leaves room for them. */
static inline struct rs_counters *rule_counters(const struct rs_rule *r)
{
	return (struct rs_counters *)(uintptr_t)(r + 1);
}
/* The first condition on @f that is not negated, or NULL. */
const struct rs_cond *rule_cond(const struct rs_rule *r, enum rs_field f);
bool rule_number(const struct rs_rule *r, enum rs_field f, uint32_t *ret);     /* it asks for exactly one number; false, @ret untouched: not so */
bool rule_host(const struct rs_rule *r, enum rs_field f, struct ip_addr *ret); /* the same of one address */
const struct rs_chain *rule_chain(const struct rs_rule *r); /* that it jumps or goes to; NULL: none */

/* xtables text of the table and family of a rule's chain: "iptables -t nat", "ip6tables-legacy -t filter", for commands and messages. */
const char *table_tool(const struct rs_table *t);
const char *rs_backend_name(enum rs_backend b); /* "legacy", "nft" */
const char *rs_family_name(enum rs_family f);	/* "ip", "ip6", "inet" */

#endif
