/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SVCDOCTOR_NAT_PRIVATE_H
#define SVCDOCTOR_NAT_PRIVATE_H

/* What the files of the engine share: the state of one packet under way, and the walk over all its ways. */

#include <netinet/in.h>

#include <svcdoctor/nat.h>

/* A chain that a jump left, and where it goes on. Immutable: states that split share them. */
struct frame {
	const struct frame *parent;
	const struct rs_chain *chain;
	uint32_t pos;
};

/* An entry that a rule of this walk made in a `recent` list. Immutable, newest first. */
struct remembered {
	const struct remembered *next;
	struct ip_addr addr; /* family 0: not known */
	const struct rs_recent *list;
};
/* A set that a rule of this walk has changed (target SET). Immutable, newest first. */
struct changed_set {
	const struct changed_set *next;
	const struct rs_set_ref *set;
};

struct nft_update; /* lookup.c: an element that a rule of this walk has put into a set, or taken out. Immutable, newest first */

/* A connection that IPVS has made. Immutable: states that split share it, and the reply's has the request's. */
struct ipvs_conn {
	const struct rs_virtual_server *server;
	const struct rs_real_server *real;
	struct ip_addr caddr, vaddr, daddr; /* client, virtual server, server */
	uint16_t cport, vport, dport, control_port;
	uint8_t method;	 /* as of struct rs_real_server */
	bool tracked;	 /* conntrack keeps it: net.ipv4.vs.conntrack */
	bool controlled; /* by a template of a persistent service, whose virtual port is control_port */
	bool one_packet; /* forgotten at once */
};

struct state {
	/* the packet now, and as it began (conntrack's original tuple) */
	struct ip_addr src, dst, orig_src, orig_dst;
	uint16_t sport, dport, orig_sport, orig_dport;
	uint8_t proto, icmp_type, icmp_code;
	uint32_t mark, ctmark;
	bool src_known; /* false: rewritten to an address that is not known */
	bool src_derived; /* rewritten to one that depends on what it was (NETMAP) */
	bool src_ours;	/* MASQUERADE: whatever it is, it is an address of this node */
	bool dst_forced_local; /* REDIRECT */
	const char *iif, *oif; /* NULL: not known */
	/* connection tracking */
	bool tracked;	/* passed priority -200 */
	bool notrack;
	const struct rs_rule *notrack_rule;
	const struct rs_rule *zone_rule; /* put it into another zone of conntrack; NULL: none */
	/* a reply under way (reply.c): the end of the request, whose connection it belongs to; NULL: of none */
	const struct state *request;
	bool is_reply;
	bool dst_hidden; /* destination before it is translated back: not known */
	bool invalid;	/* a reply without connection: INVALID wherever conntrack has looked */
	bool switched;	/* stays on its bridge: no routing */
	bool bridged;	/* translated by bridge netfilter, and sent on by the bridge that it came by */
	bool dst_bound, src_bound, dnat, snat;
	const struct ipvs_conn *ipvs; /* NULL: of none */
	bool ipvs_done;	/* IPVS has handled the packet */
	bool ipvs_asked; /* in this hook */
	bool outer;	/* it is in a tunnel: the packet is the outer one */
	/* where it is */
	bool from_node, round; /* round: came round by lo */
	int8_t hook;
	uint8_t plan_pos;      /* next base chain in the hook's plan */
	bool in_chain, entered; /* entered: the hook has begun */
	bool tail_passed;      /* what is behind the translation is being walked */
	bool stopped;	       /* ends undecided because of stop_by */
	bool nat_done;	       /* the nat chains of this hook have bound */
	bool order_known;      /* the order of the chains of equal priority was chosen */
	bool reversed;
	uint8_t group_start, group_end; /* the chains of equal priority in the plan; end is behind the last */
	const struct rs_chain *base, *chain;
	uint32_t pos;
	uint16_t depth;
	const struct frame *frame;
	/* nftables: what of the current rule is done: conditions that held, statements that were run */
	uint16_t next_cond;
	uint8_t next_stmt;
	bool chosen;	       /* which element the next statement finds is settled: @choice, NULL for none */
	const struct rs_elem *choice;
	uint16_t passed;       /* so many elements that it may find are taken as not met */
	uint8_t rule_stage;    /* what of the current rule was assumed already: 0 nothing, 1 unknowns, 2 state too */
	bool reroute, has_next_oif;
	const char *next_oif;  /* OUTPUT: where the second route leads */
	uint32_t mark_before;  /* of a route chain */
	/* what became of it */
	double weight;
	bool translated, masquerade;
	struct ip_addr gateway;
	enum nat_delivery delivery;
	bool lost;
	struct nat_by lost_by, accept_by, stop_by;
	struct nat_step *path;
	struct nat_assume *assumes; /* newest first */
	const struct remembered *remembered;
	const struct changed_set *changed_sets;
	const struct nft_update *nft_updates;
};

struct walk {
	const struct nat_node *node;
	const struct nat_packet *packet;
	unsigned flags;
	struct nat_classes *classes; /* may be NULL */
	struct nat_tails *tails;     /* may be NULL */
	const struct rs_set_ref *settled[8]; /* sets by which the class was cut in this walk */
	unsigned nsettled;
	unsigned open_splits;	     /* splits that wait to compare their two ways */
	struct nat_result *out;
	unsigned family_index; /* 0: IPv4, 1: IPv6 */
	unsigned splits;
	size_t recorded; /* steps of paths */
	unsigned nesting;
	double summary;	 /* sum over all endings inside splits of weight and a hash of their fate: two runs of equal endings have equal sums */
	nat_here_fn here;
	void *here_arg;
	/* nftables: the element that the statement under way has found; NULL: none */
	const struct rs_set *by_set;
	const struct rs_elem *by_elem;
	struct reply *reply; /* a reply is under way: what its ways have come to */
	bool moot;	 /* some EFFECT_ASSUME steps turned out not to matter: NAT_MOOT */
	int error;
};

#define NAT_SPLITS_MAX 4096u
#define NAT_STEPS_MAX 20000000u
#define NAT_RECORDED_MAX 600000u
#define NAT_NESTING_MAX 800u /* ways inside ways: C recursion */
#define NAT_MOOT 255u /* effect of an assumption that changed nothing; taken out of the paths before anybody sees it */
#define NAT_DEPTH_MAX 8192u

/* match.c: what a rule says of the packet. */
enum match_kind { MATCH_NO, MATCH_YES, MATCH_UNKNOWN };
struct match {
	enum match_kind kind;  /* of the conditions that a packet fixes */
	bool has_state;	       /* conditions on the past */
	bool state_default;    /* their value for a first packet */
	bool asked_recent;     /* one of them asks a recent list */
	bool never;	       /* a condition on the past that this walk itself has settled: no match */
	double chance;	       /* 1: no chance in it */
};
/* The conditions from @from to @to, 0 and r->nconds for all. */
void nat_match_rule(struct walk *w, const struct state *st, const struct rs_rule *r, unsigned from, unsigned to, struct match *ret);

/* What else asks the packet as match.c does. Interfaces: NULL: not known, "": none. Types: RTN_*, -1: not known. */
static inline enum match_kind nat_yes_no(bool v)
{
	return v ? MATCH_YES : MATCH_NO;
}
/* Is what @field shows the client's own address, and not what it was rewritten to? */
static inline bool nat_client_shows(const struct state *st, enum rs_field field)
{
	if (field == FIELD_CT_ORIG_SADDR)
		return true;
	if (!st->is_reply)
		return st->src_known && ip_addr_equal(&st->src, &st->orig_src);
	return !st->dst_hidden && (!st->request || ip_addr_equal(&st->dst, &st->request->orig_src));
}
const char *nat_interface(struct walk *w, const struct state *st, enum rs_field f, const struct rs_rule *r);
int nat_addr_type(struct walk *w, const struct state *st, enum rs_field f, unsigned flags, const struct rs_rule *r);

/* conntrack.c */
uint32_t nat_ct_state(const struct state *st);
uint32_t nat_ct_status(const struct state *st);
/* A port of a tuple, as rules may ask for it. False: not known. */
bool nat_ct_port(const struct state *st, enum rs_field f, uint32_t *ret);
enum match_kind nat_match_conntrack(const struct state *st, const struct rs_cond *c, const struct rs_rule *r);

/* lookup.c: nftables */
struct nat_way {
	const struct rs_elem *elem;
	double weight; /* with by_chance: its share */
};
struct nat_found {
	struct nat_way *v;
	size_t len, cap;
	double rest;	 /* by chance: what is left for no element; else 1: none was found for sure, 0: the last one was */
	bool unsure;	 /* one that is not the last is met or not, nobody knows */
	bool too_many;	 /* nothing is known at all */
	bool by_chance, by_hash;
	bool broken;	 /* the packet has no such field: the rule ends */
	bool state;	 /* what the set holds is state of the past: taken as without this key */
	bool put;	 /* this walk itself has put it in */
};
bool nat_is_native(const struct rs_rule *r); /* of nftables, not of xtables */
/* 0 (the caller releases @ret) or -ENOMEM. */
int nat_lookup(struct walk *w, const struct state *st, const struct rs_rule *r, const struct rs_lookup *l, struct nat_found *ret);
void nat_found_release(struct nat_found *f);
/* The same for a packet whose way is about to be looked up: the element or NULL. False: the answer is not so simple. */
bool nat_lookup_again(struct walk *w, const struct state *st, const struct rs_rule *r, const struct rs_lookup *l, const struct rs_elem **ret);
bool nat_lookup_asks_client(const struct state *st, const struct rs_lookup *l);
/* 1: the key cannot be made, and the rule ends there; 0 or -ENOMEM. */
int nat_do_update(struct walk *w, struct state *st, const struct rs_rule *r, const struct rs_update *u);

/* The address that a recent list is asked for or given, masked; family 0: not known. */
struct ip_addr nat_recent_addr(const struct state *st, const struct rs_recent *r);

/* target.c: what a statement does: an action, or -ENOMEM. */
enum action { ACTION_NEXT, ACTION_JUMPED, ACTION_CHAIN_DONE, ACTION_ENDED };
#define ACTION_BREAK ACTION_JUMPED /* nftables: the rule ends here, the next one follows */
int nat_apply(struct walk *w, struct state *st, const struct rs_rule *r, const struct rs_stmt *s);

/* ipvs.c */
/* The place of IPVS in the hook at hand, as a priority; INT_MAX: it has none there. */
int nat_ipvs_place(const struct state *st);
/* IPVS's part at the hook. 0: the packet goes on, perhaps in another hook; 1: it has ended; or -ENOMEM. */
int nat_ipvs(struct walk *w, struct state *st);
void nat_ipvs_ending(const struct state *st, struct nat_ending *e);
enum tri nat_ipvs_match(const struct state *st, const struct rs_ipvs *q);

/* route.c: routing decisions; they set interfaces and say where a packet would be lost. */
void nat_route_input(struct walk *w, struct state *st, bool *ret_local);
void nat_route_output(struct walk *w, struct state *st, bool again);
bool nat_dst_is_local(const struct walk *w, const struct state *st);
/* Takes the way out of a lookup of a way to @dst. */
void nat_take_route(struct walk *w, struct state *st, const struct ip_addr *dst, const struct node_route_result *r);

/* Without a connection, conntrack's state is all that a rule can ask for. */
static inline bool nat_has_connection(const struct state *st)
{
	return st->tracked && !st->notrack && !st->invalid;
}

/* The packet that made the connection, as far as it has come. */
static inline const struct state *nat_connection(const struct state *st)
{
	return st->request ? st->request : st;
}

/* bridge.c */
struct nat_ends {
	struct ip_addr from, to; /* neighbours on the bridge: host or router */
	bool routed;		 /* one of them is a router */
};
struct port_verdict {
	const char *text; /* why not, or why that is not known */
	const char *cause; /* of why not; NULL: "hairpin-mode" */
};
/* Does what a bridge switches pass the rules of this family? */
enum tri nat_bridge_netfilter(const struct walk *w, const struct node_link *l, const char **ret_why);
/* May a packet that came in by @dev and was translated leave by @dev again? */
enum tri nat_may_turn_back(struct walk *w, const char *dev, const struct nat_ends *ends, struct port_verdict *ret);

/* reply.c: fills delivery and reply of an accepted ending. */
void nat_reply(struct walk *w, const struct state *st, struct nat_ending *e);
/* nat_options.here of an address that may be the node's own, or TRI_UNKNOWN. */
enum tri nat_is_attached(const struct walk *w, const struct ip_addr *a);
/* A way of a reply has ended. */
void nat_reply_end(struct walk *w, const struct state *st, enum nat_verdict v, const struct nat_by *by);
/* Conntrack's part at the hook: translates a reply back. True: its destination changed. */
bool nat_reply_translate(struct state *st);

/* walk.c */
void nat_enter_hook(struct state *st, enum rs_hook h);
/* OUTPUT: looks up the way again where something changed what routes the packet. */
void nat_route_again(struct walk *w, struct state *st);
int nat_run(struct walk *w, struct state *st);
/* The walk goes on with statement @i of @r, a rule of the chain that the packet is in, whose conditions have held so far. */
void nat_resume_at(struct state *st, const struct rs_rule *r, unsigned i);
int nat_end(struct walk *w, const struct state *st, enum nat_verdict v, const struct nat_by *by, const char *reject_with);
/* Follows both values of an assumption, @first in the state as given and the other in @st; joins them where they end alike. */
typedef void (*branch_fn)(struct state *st, bool value);
int nat_split(struct walk *w, struct state *st, const struct nat_by *by, bool first, bool is_state, branch_fn prepare);
struct nat_step *nat_record_step(struct walk *w, struct state *st, enum nat_effect e, const struct nat_by *by);
/* NULL where paths are not recorded. */
static inline struct nat_step *nat_record(struct walk *w, struct state *st, enum nat_effect e, const struct nat_by *by)
{
	return w->flags & NAT_NO_PATH ? NULL : nat_record_step(w, st, e, by);
}
void nat_lose(struct walk *w, struct state *st, enum nat_by_kind kind, const char *cause, const char *text);
void nat_assumed(struct walk *w, const char *text);
static inline struct nat_by nat_by_rule(const struct rs_rule *r)
{
	return (struct nat_by){ .kind = BY_RULE, .rule = r, .chain = r->chain };
}
int nat_push_ending(struct walk *w, const struct nat_ending *e);

/* tail.c */
bool nat_tails_apply(const struct walk *w, const struct state *st);
/* The rest of the way of a packet whose destination was rewritten, looked up or walked; st->tail_passed is set by it. */
int nat_tails_run(struct walk *w, struct state *st);
/* node_route_lookup() of a packet that the node sends, looked up once for each class of destinations and source address. */
void nat_tails_route(struct walk *w, const struct node_route_query *q, struct node_route_result *ret);
/* The way under walk asks what no tail is keyed by. */
void nat_tails_spoil(struct walk *w);
bool nat_tails_noting(const struct walk *w); /* what it asks is being noted */
/* It asks this of the source's address, or of the interface; @c NULL: which interface it is. */
void nat_tails_note(struct walk *w, const struct rs_cond *c, const struct rs_rule *by, const char *iif, bool about_iif, bool answer);
/* It looks this up; @found: the element, NULL for none. */
void nat_tails_note_lookup(struct walk *w, const struct rs_lookup *l, const struct rs_rule *by, const struct rs_elem *found);
/* Asks @c (NULL: which it is) of the interface that the packet entered by, for all its class. */
void nat_ask_iif(struct walk *w, const struct rs_cond *c, const struct rs_rule *by);
/* The same: is it @dev? */
void nat_ask_whether_iif(struct walk *w, const char *dev);

/* region.c */
/* Narrows the class to the one origin @a: nothing more can be said of its neighbours. */
void nat_ask_alone(struct walk *w, const struct ip_addr *a, const struct rs_rule *by);
/* Narrows to the origins for whom @cond says the same of the interface; NULL: to those of the same interface. */
void nat_classes_ask_iif(struct nat_classes *c, const char *iif, const struct rs_cond *cond, const struct rs_rule *by);
/* The addresses with which @c compares, or for a mask with holes those around @a that it cannot tell apart. False: none. */
bool nat_cond_range(const struct rs_cond *c, const struct ip_addr *a, struct nat_range *ret);
bool nat_cond_has_holes(const struct rs_cond *c); /* its mask is no prefix */

/* result.c */
void nat_sort_join(struct nat_result *r, size_t from);
/* Do the endings from @a to @b and those from @b to @end make the same, up to the assumptions @stop_a and @stop_b? Sorts both. */
bool nat_same_endings(struct nat_result *r, size_t a, size_t b, size_t end, const struct nat_assume *stop_a,
		      const struct nat_assume *stop_b);
/* A number between 0 and 1 that two endings of one fate share. */
double nat_fate_hash(const struct nat_ending *e);

#endif
