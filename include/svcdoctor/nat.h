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
 * it came in by needs that port's hairpin mode: without it the ending is lost (cause "hairpin-mode").
 *
 * A nat chain is followed whether or not something in the network namespace has switched connection tracking on: on a
 * node with kube-proxy it is.
 *
 * Modelled: IPv4 and IPv6, TCP, UDP, SCTP, ICMP, xtables rules of both backends, routing with policy rules. Not
 * modelled: netdev, bridge and arp tables, tc, XDP, fragments, IP options, IPsec, native nftables rules, sets that
 * were not loaded (a rule that asks one is unknown). Bridge port matches are unknown.
 *
 * No I/O, no clock, no globals. A walk reads ruleset and facts and writes only into its result.
 */

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
	const char *text;	      /* the others: "net.ipv4.ip_forward = 0", in the walk's arena or constant */
	/* of a loss: "ip-forward", "no-route", "martian", "rp-filter", "link-down", "route-localnet", "hairpin-mode", "bridge-nf" */
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
	struct ip_addr addr;	   /* destination at the end */
	uint16_t port;
	double weight;		   /* NAN: not known (a hash over sources, ...) */
	bool masquerade;	   /* the source was rewritten */
	struct ip_addr source;	   /* after SNAT; family 0: rewritten to an address that is not known */
	enum nat_delivery delivery;
	const char *interface;	   /* out interface, or lo; NULL: not known */
	struct nat_by by;	   /* rule or policy of a drop, reject, undecided; of an accept by name in filter */
	struct nat_by lost;	   /* delivery lost: why; its text says it in words */
	const char *reject_with;   /* "icmp-port-unreachable", ... */
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
	NAT_REPLY = 4,	      /* walk the reply back from accepted endings, and judge bridge ports */
};

/*
 * Does what @a sends and gets pass this node, because it is the node itself or hangs on it (a pod of the node)? Where that
 * is not known, @ret_why, set beforehand to a general reason, may be replaced by a better one: constant text.
 */
typedef enum tri (*nat_here_fn)(void *arg, const struct ip_addr *a, const char **ret_why);

/* Told about every source condition that the walk asked: the sources on its two sides may fare differently. */
typedef void (*nat_source_fn)(void *arg, const struct rs_cond *c, const struct rs_rule *r);

struct nat_options {
	unsigned flags;
	nat_source_fn asked_source; /* may be NULL; of a reply, conditions on its destination, the client, are told too */
	void *arg;
	nat_here_fn here;	    /* NULL: only the node's own addresses are known to be here */
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
	struct nat_hook_plan plan[2][HOOK_COUNT]; /* IPv4, IPv6; filled by nat_node_init */
};
/* Sets rules and facts and works out the order of base chains. The rest of @n is zeroed. */
void nat_node_init(struct nat_node *n, const char *name, const struct ruleset *rules, const struct node_facts *facts);

/*
 * Runs one packet. @ret must be initialised or reset; its endings are sorted: larger weight first, then address and port.
 * 0, -EINVAL for a packet whose addresses are of different families, or -ENOMEM.
 */
int nat_walk(const struct nat_node *node, const struct nat_packet *p, const struct nat_options *o, struct nat_result *ret);

/* Same fate as far as the rules go: verdict, translated, address, port, masquerade. */
bool nat_same_fate(const struct nat_ending *a, const struct nat_ending *b);

#endif
