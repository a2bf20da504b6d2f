/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SVCDOCTOR_NAT_H
#define SVCDOCTOR_NAT_H

/*
 * The NAT engine: what Linux does to the first packet of a connection, on one node, with the node's real rules.
 *
 * The way of a packet (net/ipv4/ip_input.c, ip_output.c, ip_forward.c and their IPv6 twins):
 *
 *   from the wire:   PREROUTING, routing, then INPUT (delivered here) or FORWARD and POSTROUTING (sent on)
 *   from the node:   routing, OUTPUT, routing again if address, mark or a route chain changed it, POSTROUTING;
 *                    if it is for the node itself it comes round by lo: PREROUTING and INPUT follow, without nat
 *
 * At every hook the base chains of all tables of both backends run in order of priority. All nat chains of a hook
 * run together at -100 (PREROUTING, OUTPUT) or 100 (INPUT, POSTROUTING), until one of them binds the connection; a
 * binding is made once per connection and direction. An accept ends its own base chain only, a drop ends everything.
 * Connection tracking runs at -200: before it INVALID is the only state there is.
 *
 * Three values: a condition is true, false or unknown. Where an unknown condition could change the ending the walk
 * splits, follows both ways and marks the endings with what they assume; where it does not, nothing is said.
 * State that past traffic leaves (recent lists, limits, quotas) has its value for a first packet; with
 * NAT_FOLLOW_STATE the other value is followed too where it changes the ending. Chance (statistic) splits with exact
 * weights, which sum to 1 within each combination of assumptions.
 *
 * An ending has two parts. What the rules do (verdict, address, port, weight, masqueraded or not) is always given.
 * What becomes of the packet (delivery) may be lost or unknown: the walk through the rules goes on all the same, so a
 * missing route or forwarding switched off never hides what the rules do.
 *
 * The reply (NAT_REPLY). From each accepted ending the reply is walked back: as ESTABLISHED, through every hook but without
 * nat chains, whose work conntrack does (nf_nat_packet): the reply's destination is translated back at -100 in PREROUTING or
 * OUTPUT, its source at 100 in INPUT or POSTROUTING. So raw and mangle PREROUTING see endpoint -> translated source, FORWARD
 * and INPUT see endpoint -> client. It must pass the node that translated: it does when the source is or became an address
 * of this node, when the endpoint is here, or when the client is. Where an address is attached only the caller can say
 * (nat_options.here); client and endpoint on one bridge without bridge netfilter is the exception, for there the frame is
 * switched past the rules. A packet that bridge netfilter translates and that would have to leave by the bridge port that
 * it came in by needs that port's hairpin mode: without it the ending is lost (cause "hairpin-mode"). IPVS takes the packet up to
 * the node, and there it is the reply to a masqueraded one that is translated while bridging, and lost.
 *
 * IPVS (lib/nat/ipvs.c). A request is taken in INPUT at 99, for its destination must be local, or in OUTPUT at -98. Which server it
 * gets is a matter of the scheduler: rr and wrr have shares, of the others only the servers are known that it may be (weight NAN), and
 * weight 0 gets nothing. Persistence is state of the past: a first packet is scheduled. No server: it is refused, by no rule.
 * With a server elsewhere the packet enters OUTPUT from its beginning, then POSTROUTING, never FORWARD; with one on this node it goes
 * on where it is. Replies pass FORWARD (or INPUT, OUTPUT) from the server's address and are translated behind the filter. Conntrack
 * knows the server but has no DNAT status. The route and tunnel methods leave the packet as it is: translated is false, and the
 * ending's address is that of the server, unless it is this node; such a server answers the client itself.
 *
 * A nat chain is followed whether or not something in the network namespace has switched connection tracking on: on a
 * node with kube-proxy it is.
 *
 * nftables. Native rules run beside those of xtables. A condition that fails and a lookup that finds nothing in a map end the
 * rule; what is asked of a connection that there is none of does so too, negated or not. An element that a rule of this very walk
 * has put into a set is in it; what else a dynamic set holds for a time is state of the past. numgen is chance, by the numbers that
 * fall to each element; jhash and symhash are a function of the packet which is not computed: every element that it may find is an
 * ending, with a share that is not known. A statement may stand before a condition (rs_stmt.after).
 *
 * Modelled: IPv4 and IPv6, TCP, UDP, SCTP, ICMP, xtables rules of both backends, nftables of the families ip, ip6 and inet, routing
 * with policy rules. Not modelled: netdev, bridge and arp tables, tc, XDP, fragments, IP options and extension headers, IPsec,
 * sets that were not loaded (a rule that asks one is unknown). Which port of a bridge a packet came by is not
 * known; a match on it is decided where all ports of that bridge agree.
 *
 * No I/O, no clock, no globals. A walk reads ruleset and facts and writes only into its result.
 */

#include <endian.h>

#include <svcdoctor/base.h>
#include <svcdoctor/node.h>
#include <svcdoctor/ruleset.h>

struct nat_packet {
	struct ip_addr src, dst;
	uint8_t proto;
	uint16_t sport, dport;	  /* host order; 0 for protocols without ports */
	uint8_t icmp_type, icmp_code;
	uint32_t mark;
	bool from_node;		  /* sent by the node itself: enters at OUTPUT */
	const char *iif;	  /* interface that it enters by; NULL: not known (from_node: unused) */
};

/* What decided something. */
enum nat_by_kind { BY_NONE, BY_RULE, BY_POLICY, BY_IPVS, BY_SET, BY_ROUTE, BY_SYSCTL, BY_LINK, BY_BRIDGE, BY_CONNTRACK, BY_KERNEL };
const char *nat_by_kind_name(enum nat_by_kind k); /* "rule", "policy", ... as in the JSON contract; NONE: "" */
struct nat_by {
	enum nat_by_kind kind;
	const struct rs_rule *rule;   /* BY_RULE, BY_SET */
	const struct rs_chain *chain; /* BY_RULE, BY_POLICY */
	/* nftables: the element of that set or map which gave the verdict or the translation; NULL: none */
	const struct rs_set *set;
	const struct rs_elem *elem;
	const struct rs_virtual_server *server; /* BY_IPVS; NULL: none has this address */
	const char *text;	      /* the others: "net.ipv4.ip_forward = 0", in the walk's arena or constant */
	/* of a loss: "ip-forward", "no-route", "martian", "rp-filter", "link-down", "route-localnet", "hairpin-mode", "port-isolation", "bridge-nf" */
	const char *cause;
};
bool nat_by_equal(const struct nat_by *a, const struct nat_by *b);

/* One step of a path: a rule that did something to the packet, or an event of the kernel. */
enum nat_effect {
	EFFECT_JUMP,	/* by: the rule; target: the chain */
	EFFECT_GOTO,
	EFFECT_RETURN,
	EFFECT_ACCEPT,	/* ends its base chain */
	EFFECT_DROP, EFFECT_REJECT,
	EFFECT_DNAT,	/* addr, port: the new destination */
	EFFECT_SNAT,	/* addr (family 0: not known), port: the new source; masquerade included */
	EFFECT_MARK,	/* mark, old_mark */
	EFFECT_NOTRACK,
	EFFECT_ROUTE,	/* routing decision: text, device */
	EFFECT_LOST,	/* the kernel would lose it here: text */
	EFFECT_CHANCE,	/* a statistic rule was taken: weight */
	EFFECT_ASSUME,	/* an unknown condition was taken as `value` */
	EFFECT_ENTER,	/* a hook begins */
	EFFECT_UNDECIDED,
};
const char *nat_effect_name(enum nat_effect e);

struct nat_step {
	struct nat_step *prev;	     /* towards the start */
	int8_t hook;		     /* enum rs_hook */
	uint8_t effect;		     /* enum nat_effect */
	uint16_t depth;		     /* chains between this one and its base chain */
	bool value;
	struct nat_by by;
	const struct rs_chain *target;
	struct ip_addr addr;
	uint16_t port;
	uint32_t mark, old_mark;
	double weight;		     /* CHANCE: probability with which this rule was taken once reached */
	const char *device, *text;
};

enum nat_verdict { NAT_ACCEPT, NAT_REJECT, NAT_DROP, NAT_UNDECIDED };
const char *nat_verdict_name(enum nat_verdict v);
enum nat_delivery { DELIVERY_UNKNOWN, DELIVERY_LOCAL, DELIVERY_SENT, DELIVERY_LOST };
const char *nat_delivery_name(enum nat_delivery d);

struct nat_assume {
	struct nat_assume *next;
	struct nat_by by;
	bool value;
	bool state; /* of the past, not an unknown match */
	bool moot;  /* changed nothing: taken out before anybody sees it */
};

struct nat_ending {
	enum nat_verdict verdict;
	bool translated;	   /* the destination was rewritten */
	struct ip_addr addr;	   /* destination at the end; with IPVS' route and tunnel methods the server's address, though it is not rewritten */
	uint16_t port;
	double weight;		   /* NAN: not known (a hash over sources, ...) */
	bool masquerade;	   /* the source was rewritten */
	struct ip_addr source;	   /* after SNAT; family 0: rewritten to an address that is not known */
	enum nat_delivery delivery;
	const char *interface;	   /* out interface, or lo; NULL: not known */
	struct nat_by by;	   /* rule or policy of a drop, reject, undecided; of an accept by name in filter */
	struct nat_by lost;	   /* delivery lost: why; its text says it in words */
	const char *reject_with;   /* "icmp-port-unreachable", ... */
	const struct rs_virtual_server *ipvs; /* IPVS has taken it for this virtual server; NULL: it has not */
	const struct rs_real_server *server;  /* and chosen this one of its servers; how it sends it there says its method */
	struct nat_step *path;	   /* last step; walk by prev */
	struct nat_assume *assumes; /* outermost last */
	/* reply: TRI_UNKNOWN with a reason where it was not judged; reply_why is in words, constant or in the result's arena */
	enum tri reply;
	const char *reply_why;
	/* lost: the rule, or with a cause the node's fault; BY_NONE: it goes another way. Unknown: what it depends on, if that is a rule */
	struct nat_by reply_by;
};

struct nat_result {
	struct arena arena;
	ARRAY_OF(struct nat_ending) endings;
	ARRAY_OF(const char *) assumed; /* what all endings rest on: "no ip-route.json: ...": constant or arena texts, each once */
	bool asked_recent;	/* a rule that might have matched asked for a `recent` entry of the past */
	size_t nsteps;		/* work done, for limits and benches */
};
void nat_result_init(struct nat_result *r);
void nat_result_release(struct nat_result *r);
void nat_result_reset(struct nat_result *r); /* keeps memory for the next walk */

enum {
	NAT_FOLLOW_STATE = 1, /* follow the other value of remembered state where it changes the ending */
	NAT_NO_PATH = 2,      /* do not record paths (faster) */
	NAT_AS_WALKED = 4,    /* neither join nor sort the endings (faster) */
	NAT_REPLY = 8,	      /* walk the reply back from accepted endings, and judge bridge ports */
};

/*
 * Does what @a sends and gets pass this node, because it is the node itself or hangs on it (a pod of the node)? Where that
 * is not known, @ret_why, set beforehand to a general reason, may be replaced by a better one: constant text.
 */
typedef enum tri (*nat_here_fn)(void *arg, const struct ip_addr *a, const char **ret_why);

/* ---- who may have sent it: sources as classes ---- */

/* An address as a number that can be compared; IPv4 in lo. */
struct nat_key {
	uint64_t hi, lo;
};
struct nat_range {
	struct nat_key first, last; /* inclusive */
};
/* Addresses that enter by one interface (NULL: not known, or sent by the node itself). */
struct nat_span {
	struct nat_range range;
	const char *iif;
};
struct nat_region {
	uint8_t family;
	size_t len;
	const struct nat_span *v; /* disjoint but for the interface */
};
static inline int nat_key_cmp(struct nat_key a, struct nat_key b)
{
	if (a.hi != b.hi)
		return a.hi < b.hi ? -1 : 1;
	return a.lo < b.lo ? -1 : a.lo > b.lo;
}
static inline struct nat_key nat_key_of(const struct ip_addr *a)
{
	struct nat_key k = { 0, 0 };
	uint64_t be64[2];
	uint32_t be32;

	if (a->family == AF_INET) {
		memcpy(&be32, a->b, sizeof(be32));
		k.lo = ntohl(be32);
	} else {
		memcpy(be64, a->b, sizeof(be64));
		k.hi = be64toh(be64[0]);
		k.lo = be64toh(be64[1]);
	}
	return k;
}
struct ip_addr nat_addr_of(struct nat_key k, int family);
struct nat_key nat_key_next(struct nat_key k); /* wraps */
struct nat_key nat_key_prev(struct nat_key k);
struct nat_range nat_range_of(const struct ip_prefix *p);
/* @iif: NULL for any. */
bool nat_region_has(const struct nat_region *r, const struct ip_addr *a, const char *iif);
/* The parts of @r in and outside @set, which is sorted and disjoint. Spans lie in @arena. 0 or -ENOMEM. */
int nat_region_cut(struct arena *arena, const struct nat_region *r, const struct nat_range *set, size_t n,
		   struct nat_region *ret_in, struct nat_region *ret_out);

/*
 * A walk with classes decides more than its packet: whatever it asks of the packet's origin (source address, interface it
 * entered by) narrows @now, the region that the packet was taken from, to those for whom the answer is the same. What is
 * cut off goes to @rest, for walks of their own. So a region whose parts are all walked is decided for every source in it.
 * All of a region must be alike in what the node itself asks of a source: kind of address, routing rules, way back (its
 * interface or that it is the one that the source enters by, whether there is a router), where it is attached, sysctls of the
 * interface.
 */
struct nat_classes {
	struct arena arena; /* of the regions */
	struct nat_region now;
	ARRAY_OF(struct nat_region) rest;
	const struct rs_rule *cut_by; /* the last rule that cut, or NULL */
	uint32_t seed;	    /* sources of one number are alike in what the node itself asks of them */
	int error;	    /* -ENOMEM */
};
void nat_classes_release(struct nat_classes *c);
void nat_classes_reset(struct nat_classes *c); /* keeps memory */
/* Narrows @now to the side of @set (sorted, disjoint) on which @a lies. @by: the rule that asks, or NULL. */
void nat_classes_ask(struct nat_classes *c, const struct ip_addr *a, const struct nat_range *set, size_t n, const struct rs_rule *by);

/*
 * What becomes of packets behind their translation, remembered from walk to walk on one node: for many walks with
 * NAT_NO_PATH and always the same other flags and `here`. Classes that differ in what the node asks of a source need different
 * seed numbers; without classes it is remembered for each source by itself, and names of interfaces must stay where they are.
 * `assumed` of a result then names only what was met for the first time. One for each thread.
 */
struct nat_node;
struct nat_tails;
int nat_tails_new(const struct nat_node *node, struct nat_tails **ret); /* 0 or -ENOMEM; nat_tails_free */
void nat_tails_free(struct nat_tails *t);

struct nat_options {
	unsigned flags;
	struct nat_classes *classes; /* NULL: the packet alone is decided. now must hold the packet's source and interface */
	struct nat_tails *tails;     /* may be NULL; of this node */
	nat_here_fn here;	     /* NULL: only the node's own addresses are known to be here */
	void *here_arg;
};

/* The base chains of one hook in the order in which they run; empty ones that accept are left out. */
#define NAT_PLAN_MAX 48
struct nat_hook_plan {
	const struct rs_chain *chain[NAT_PLAN_MAX];
	uint8_t n;
	bool overflow;		/* more chains than that: every packet is undecided */
};

/* What a walk needs of a node. Either may lack parts: facts say what they know. */
struct nat_node {
	const char *name;
	const struct ruleset *rules;
	const struct node_facts *facts;
	const char *kernel;	/* release, "6.1.0-18-amd64"; NULL: not known. May be set after nat_node_init */
	bool legacy_known[2], nft_known[2]; /* IPv4, IPv6: was a dump of that backend there? Else "taken as empty" is among `assumed` */
	bool has_nat[2];	/* IPv4, IPv6: there are nat chains, empty or not; filled by nat_node_init */
	bool routes_ask_iif;	/* filled by nat_node_init: routing rules or VRFs look at the interface that a packet came by */
	struct nat_hook_plan plan[2][HOOK_COUNT]; /* IPv4, IPv6; filled by nat_node_init */
};
/* Sets rules and facts and works out the order of base chains. The rest of @n is zeroed. */
void nat_node_init(struct nat_node *n, const char *name, const struct ruleset *rules, const struct node_facts *facts);

/*
 * Runs one packet. @ret must be initialised or reset; its endings are joined by fate and sorted: larger weight first, then
 * address and port (but with NAT_AS_WALKED).
 * 0, -EINVAL for a packet whose addresses are of different families, or -ENOMEM.
 */
int nat_walk(const struct nat_node *node, const struct nat_packet *p, const struct nat_options *o, struct nat_result *ret);

/* ---- bridges, for whoever asks of ports and not of packets ---- */

/* Does what this bridge switches pass the rules of IPv4, or @six? @ret_why: of FALSE and UNKNOWN, constant text. */
enum tri nat_bridge_calls(const struct node_facts *f, const struct node_link *bridge, bool six, const char **ret_why);
/*
 * May a packet that came in by @port and was translated leave by it again? *@ret_text, in @arena or NULL: why not, why that is not known,
 * or why it need not (bridge netfilter is off). NULL with TRI_FALSE and TRI_UNKNOWN: out of memory.
 */
enum tri nat_port_turns_back(struct arena *arena, const struct nat_node *node, const struct node_link *bridge, const struct node_link *port,
			     bool six, const char **ret_text);
/* Does it let a pod reach itself on such a kernel that its bridge is promiscuous? @release: "6.1.0-18-amd64", NULL: not known. */
enum tri nat_promisc_helps(const char *release);

/* Same fate as far as the rules go: verdict, translated, address, port, masquerade. */
bool nat_same_fate(const struct nat_ending *a, const struct nat_ending *b);

#endif
