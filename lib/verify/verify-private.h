/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SVCDOCTOR_VERIFY_PRIVATE_H
#define SVCDOCTOR_VERIFY_PRIVATE_H

/* What the files of lib/verify share: one node under judgement, sources, signatures of rules, blame. */

#include <svcdoctor/verify.h>

/* Rules of a chain by signature, built on demand. */
struct chain_signatures {
	struct map by_signature; /* signature -> struct rs_rule */
};

struct vseed;
struct vseeds {
	const struct vseed *v;
	size_t len;
	bool built;
};

/* A name of the interface that kube-proxy makes in IPVS mode, for the addresses that it serves. */
#define IPVS_LINK "kube-ipvs0"

struct vnode {
	const struct snapshot *snapshot;
	const struct snap_node *snap;
	struct nat_node nat;
	struct expect_node expect;
	struct arena arena;		/* of everything below; lives as long as the node is judged */
	struct map signatures;		/* struct rs_chain * (by pointer) -> struct chain_signatures */
	struct expect_rules common[2];	/* IPv4, IPv6 */
	struct map common_set[2];	/* expect_key() of each -> itself */
	bool common_built[2];
	enum rs_backend backend[2];	/* where kube-proxy's chains are */
	bool has_chains[2];		/* they carry the names that kube-proxy gives them */
	struct map node_ips;		/* struct ip_addr of every Node object -> itself */
	bool nameless;			/* no object of the cluster knows a node of this name: which endpoints are local is not known */
	const char *unknown_rules[2];	/* why the rules of a family are not known; NULL: they are */
	struct map set_keys;		/* struct rs_set * (by pointer) -> lib/verify/present.c's own */
	struct map sets, link_addresses; /* the same */
	bool sets_built, link_built;
	bool servers_only[2];		/* IPVS mode: the virtual servers are known, and kube-proxy's rules beside them, or their sets, are not */
	bool locals_unknown;		/* IPVS mode: which addresses are the node's is in no file */
	struct vseeds seeds[2];
	bool routes_by_source;		/* some IPv6 route is for certain sources only */
	const char *damaged[2];		/* name of a dump of which a part could not be read; NULL: none */
};
int vnode_init(struct vnode *v, const struct snapshot *s, const struct snap_node *n);
void vnode_release(struct vnode *v);
const struct expect_rules *vnode_common(struct vnode *v, int family); /* NULL: out of memory */

/* "table chain signature" of a rule, as the sets of expected rules are keyed. NULL: out of memory. */
const char *expect_key(struct arena *arena, const char *table, const char *chain, const char *text, size_t len);
/* Adds every rule of @rules to @set; keys lie in @arena. 0 or -ENOMEM. */
int expect_set(struct arena *arena, const struct expect_rules *rules, struct map *set);

/* signature.c: a rule's text without comments, counters, order of options and what has no effect. In @arena; NULL: out of memory. */
const char *rule_signature(struct arena *arena, const char *text, size_t len);
/* The rule of that chain with the same signature, or NULL. @ret_chain, which may be NULL: the chain, or NULL where it is not there.
 * @scratch is for a moment's texts. */
const struct rs_rule *vnode_find_rule(struct vnode *v, struct arena *scratch, int family, const char *table, const char *chain, const char *text,
				      const struct rs_chain **ret_chain);

/*
 * present.c: what of a thing that kube-proxy must have made is there. Of one that is not @present, what stands in its place under the
 * same key: an element with another verdict, a server with another scheduler.
 */
struct vfound {
	bool present;
	const struct rs_rule *rule;
	const struct rs_chain *chain; /* of a rule: where it belongs, if that is there */
	const struct rs_set *set;
	const struct rs_elem *elem;
	const struct rs_virtual_server *server;
	const struct rs_real_server *real;
};
void vnode_look(struct vnode *v, struct arena *scratch, int family, const struct expect_rule *e, struct vfound *ret);
void vpresent_release(struct vnode *v);
bool vnode_on_ipvs_link(struct vnode *v, const struct ip_addr *a);
/* A set or map of the table kube-proxy, or an ipset, by its name; NULL: none. */
const struct rs_set *vnode_set(struct vnode *v, struct arena *scratch, int family, bool ipset, const char *name);
/* As `nft list`, `ipset save` and `ipvsadm -Sn` have them; in @a, NULL: out of memory. */
const char *velem_text(struct arena *a, const struct rs_set *s, const struct rs_elem *e);
const char *vmember_text(struct arena *a, const struct rs_ipset *s, const struct rs_ipset_elem *e);
const char *vserver_text(struct arena *a, const struct rs_virtual_server *s);
const char *vreal_text(struct arena *a, const struct rs_virtual_server *s, const struct rs_real_server *r);
/* What is missing, and what stands in its place. Texts in @a. */
void verify_by_expected(struct arena *a, const char *node, enum rs_backend backend, int family, const struct expect_rule *e, struct verify_by *ret);
void verify_by_found(struct arena *a, const char *node, const struct vfound *f, struct verify_by *ret);

/* 1: the node's rules are kube-proxy's and can be judged. 0: not, @ret says why. -ENOMEM. Texts in @arena. */
int verify_admit(const struct snapshot *s, const struct snap_node *n, struct arena *arena, struct verify_skipped *ret);

/* config.c: kube-proxy's configuration as its own rules have it; @ret is untouched where they do not tell. 0 or -ENOMEM. */
int config_from_rules(struct arena *arena, const struct snap_node *n, enum expect_mode mode, struct kube_proxy_config *ret);
/* The prefix that an address condition compares with, without its negation. False, @ret untouched: it compares with none. */
bool vcond_prefix(const struct rs_cond *c, struct ip_prefix *ret);

/* from-rules.c */
#define RULE_COMMENT_MAX 512
/* A rule's comment, NUL-terminated in @buf; false when it has none, or one that is longer. */
bool rule_comment(const struct rs_rule *r, char buf[static RULE_COMMENT_MAX]);

/* plane.c: what of a node can be judged. */
bool vset_is(const char *name, const char *what); /* an ipset of kube-proxy's: KUBE-CLUSTER-IP, or its IPv6 one, KUBE-6-CLUSTER-IP, cut to 31 letters */
bool vnode_has_rules(const struct snap_node *n, enum rs_family family); /* kube-proxy's entry chains in table nat */
bool vnode_has_ipvs_chains(const struct snap_node *n); /* chains that it makes in IPVS mode only */
/* Of the dumps that a mode needs: one of that family that is there and cannot be read at all, or (@partly) not whole: its name, or NULL. */
const char *vnode_bad_dump(const struct snap_node *n, enum expect_mode mode, unsigned v6, bool partly);
/* kube-proxy's rules of a family are in no dump, and there is a backend of which none was made: they may be there. */
bool vnode_not_dumped(const struct snap_node *n, unsigned v6);

/* torn.c: at most one of each family. Returns how many, or -ENOMEM. Texts in @arena. */
int verify_torn_find(const struct snapshot *s, const struct snap_node *n, struct arena *arena, struct verify_torn ret[static 2]);
bool vnode_never_synced(const struct snap_node *n, unsigned six); /* kube-proxy says so itself */

/* peers.c: fills what @ret says of peers, after its differences. 0 or -ENOMEM. */
int verify_peers(const struct snapshot *s, const struct verify_options *o, struct verify_report *ret);

/* sources.c: seeds are everybody who can send from or through this node, by what the node itself makes of them. */
struct vseed {
	enum expect_source kind;
	bool here;		/* pods of this node */
	enum tri place;		/* does it hang on this node? */
	const char *words;	/* constant: "pods of this node" */
	struct nat_region region;
};
int vseeds_build(struct vnode *v, int family, struct vseeds *ret); /* in the node's arena; 0 or -ENOMEM */
/*
 * The node's own packets to @dst where they bear another source than the node's addresses (IPVS mode): a seed of its own, in
 * @arena. NULL in @ret: they do not. 0 or -ENOMEM.
 */
int vseed_own(const struct vnode *v, struct arena *arena, const struct ip_addr *dst, const struct vseed **ret);
bool vseed_can_reach(const struct vseed *s, const struct expect_frontend *f, const struct ip_addr *dst);

/* A class of sources, with one of them that stands for all. */
struct vsource {
	enum expect_source kind;
	bool here;		/* a pod of this node */
	struct ip_addr addr;
	const char *iif;
	const char *words;	/* the seed's */
	const struct vseed *seed; /* NULL: no region was walked */
	struct nat_region region;
};
/* An address of @r, a part of @seed that is not empty; one that a reader knows as an example, or that a pod may have. */
struct vsource vsource_of(const struct vseed *seed, const struct nat_region *r);

/* region.c: regions as a person and as a program reads them. */
struct vregions {
	ARRAY_OF(struct vregion_part {
		const struct vseed *seed;
		struct nat_region region; /* lies where its walk left it */
	}) v;
};
/* "pods of this node", "outside 198.51.100.0/24", "pod shop/web-0 (10.244.1.5), the node itself"; NULL: out of memory. */
const char *vregions_words(struct arena *arena, const struct snapshot *s, const struct vseeds *seeds, const struct vregions *r);
/* The same as prefixes, sorted; @ret_more: there are more than these. 0 or -ENOMEM. */
int vregions_prefixes(struct arena *arena, const struct vregions *r, const struct ip_prefix **ret, size_t *ret_len, bool *ret_more);

/* judge.c: one packet. */
struct judgement {
	bool judged, undecided;
	bool masquerade_only; /* undecided, and the only thing against it is a source rewritten without need */
	struct nat_by undecided_by;
	ARRAY_OF(struct found_difference {
		enum verify_kind kind;
		struct ip_addr endpoint;
		uint16_t endpoint_port;
		size_t ending; /* index in the result, or SIZE_MAX */
	}) found;
	ARRAY_OF(double) shares; /* the judge's own */
	ARRAY_OF(size_t) places;
};
/* What the judge needs to know of an address and port that is no endpoint of this frontend. */
enum address_is { ADDRESS_NOBODY, ADDRESS_THIS_SERVICE, ADDRESS_OTHER_SERVICE };
struct endpoint_index; /* every ready or serving endpoint of every Service */
struct endpoint_index *endpoint_index_new(const struct k8s_cluster *c); /* @c must live as long */
void endpoint_index_free(struct endpoint_index *i);
enum address_is endpoint_index_find(struct endpoint_index *i, const struct ip_addr *a, uint16_t port, const struct k8s_service *self);

struct judge_context {
	const struct expect_node *node;
	const struct expect_answer *answer;
	const struct expect_frontend *frontend;
	const struct ip_addr *src;
	bool servers_only; /* as of the vnode: what kube-proxy's rules do is not judged */
};
int judge(const struct judge_context *c, const struct nat_result *r, struct endpoint_index *index, struct judgement *ret);

bool judge_is_own(const struct expect_port *p, const struct ip_addr *addr, uint16_t port); /* some endpoint of the port, whoever it is for */

/* blame.c: which rule, or which missing rule, is behind a difference. */
struct blame_context {
	struct vnode *v;
	struct arena *arena; /* for the texts of @ret */
	struct arena *scratch;
	const struct expect_frontend *frontend;
	const struct expect_rules *rules; /* of the port */
	const struct map *rules_set;	  /* the same by expect_key() */
	const struct vsource *source;
	const struct expect_answer *answer;
	const struct nat_result *result;
	const struct ip_addr *dst;
};
/* Is this rule of the dump one that kube-proxy writes, for this port or for all? */
bool blame_expects(const struct blame_context *b, const struct rs_rule *r);
int blame(const struct blame_context *b, const struct found_difference *d, struct verify_by *ret, bool *ret_foreign);
bool is_proxy_chain(const struct rs_chain *c); /* one that kube-proxy makes, in whatever mode */

/* difference.c: differences of one frontend, while their sources are being joined. */
struct open_difference {
	struct verify_difference d;
	size_t outside, others; /* sources outside the cluster, and others, that meet it */
	bool leaving;		/* it must lead to endpoints that are terminating */
	ARRAY_OF(const char *) froms;
	struct vregions regions;
	ARRAY_OF(struct ip_addr) addresses;
};
struct open_list {
	ARRAY_OF(struct open_difference) v;
};
void open_list_release(struct open_list *l);
/* Adds what the judge found for one packet to @dst, joined with what is there by kind and rule. */
int difference_open(struct open_list *l, const struct blame_context *b, const struct found_difference *found,
		    const struct ip_addr *dst);
int difference_add_source(struct open_difference *o, const struct vsource *s, const struct ip_addr *dst);
int difference_push_actual(struct arena *a, const struct nat_result *r, struct verify_difference *d);
/* Moves all of them into @out. @minor: kube-proxy's version or -1. @outside_tried: outside sources that were tried and are to be served. */
int difference_close(struct open_list *l, const struct vnode *v, struct verify_report *out, int minor, size_t outside_tried);
const char *source_class(const struct vsource *s);		     /* "pod", "node", "loopback", "outside" */
const char *frontend_name(struct arena *a, const struct expect_frontend *f); /* "10.96.0.10:53/UDP", "*:30080/TCP"; NULL: out of memory */
bool same_by(const struct verify_by *a, const struct verify_by *b);
/* affinity.c: nftables: does every endpoint that the walk ended at remember its clients, and do they come back to it? Paths are needed. */
bool affinity_is_kept(const struct nat_result *r);
bool may_be_rewritten(const struct expect_frontend *f, const struct vsource *s);

/* An address, protocol and port; a zero address: a port of the node's own addresses. Zeroed before it is filled: it is a key of maps. */
struct vfrontend_key {
	struct ip_addr addr;
	uint8_t proto;
	uint16_t port;
};
/* elements.c: what an element of one of kube-proxy's maps stands for; false: it is none of this form. */
bool velem_key(const struct rs_set *s, const struct rs_elem *e, struct vfrontend_key *ret);
bool velem_address(const struct rs_set *s, const struct rs_elem *e, struct ip_addr *ret); /* of its first part */
struct vchain_name { /* of a chain of nftables mode */
	const char *ns;
	size_t ns_len;
	const char *name;
	size_t name_len;
	const char *port;
	size_t port_len;
};
bool vchain_service(const char *chain, struct vchain_name *ret); /* false: it is no chain of a Service */
const char *velem_service(struct arena *a, const struct rs_elem *e); /* "ns/name"; "" where nothing tells, NULL: out of memory */
int vset_addresses(struct arena *a, const struct rs_set *s, struct map *ret); /* struct ip_addr -> itself; 0 or -ENOMEM */
const struct rs_set *vipset_find(const struct ruleset *rs, const char *name, bool six); /* NULL: was not loaded */

/* stale.c: rules of kube-proxy for what is not in @known; of the Services that were asked for, if any were. 0 or -ENOMEM. */
int vstale_find(struct vnode *v, const struct map *known, const struct verify_options *o, struct verify_report *out);

/* frontend.c: one Service on one node. A worker belongs to one thread. */
struct vworker;
int vworker_new(const struct snapshot *s, const struct snap_node *n, struct vworker **ret); /* 0 or -ENOMEM; vworker_free */
void vworker_free(struct vworker *w);
struct vnode *vworker_node(struct vworker *w);
/* Notes the frontends of @s without judging them. 0 or -ENOMEM. */
int vworker_note(struct vworker *w, const struct k8s_service *s);
/* Adds the frontends of all its Services so far to @set; they live as long as the worker. 0 or -ENOMEM. */
int vworker_frontends(const struct vworker *w, struct map *set);
int vworker_service(struct vworker *w, const struct k8s_service *s, struct verify_report *out);

/* report.c: each thing once. Texts of the arguments must outlive the report, but for @t and @lost, which are copied. 0 or -ENOMEM. */
int report_skip(struct verify_report *out, const char *node, const char *code, const char *what, const char *reason, const char *needs);
int report_assume(struct verify_report *out, const char *node, const char *t);
int report_broken(struct verify_report *out, const char *node, const struct k8s_service *s, const struct nat_by *lost, bool reply);
/* Moves all of @from behind what is in @to. */
int report_join(struct verify_report *to, struct verify_report *from);

#endif
