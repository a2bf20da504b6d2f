/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SVCDOCTOR_VERIFY_H
#define SVCDOCTOR_VERIFY_H

/*
 * Expectation against engine: for every node, every frontend of every Service and every kind of source that can start
 * at that node, runs the packet through the node's rules and compares where it ends with where it must end.
 * A difference carries the rule that causes it, or the chain where a missing rule belongs and its text.
 */

#include <svcdoctor/expect.h>
#include <svcdoctor/nat.h>
#include <svcdoctor/snapshot.h>

/* The names of the JSON contract. */
#define VERIFY_KINDS(X) \
	X(DIFF_NO_RULE, "no-rule") X(DIFF_STALE_FRONTEND, "stale-frontend") X(DIFF_REJECTED, "rejected") \
	X(DIFF_DROPPED, "dropped") X(DIFF_NOT_REFUSED, "not-refused") X(DIFF_WRONG_REFUSAL, "wrong-refusal") \
	X(DIFF_MISSING_ENDPOINT, "missing-endpoint") X(DIFF_STALE_ENDPOINT, "stale-endpoint") \
	X(DIFF_WRONG_ENDPOINT, "wrong-endpoint") X(DIFF_WRONG_PORT, "wrong-port") X(DIFF_UNEVEN_SHARE, "uneven-share") \
	X(DIFF_WRONG_AFFINITY, "wrong-affinity") X(DIFF_NOT_MASQUERADED, "not-masqueraded") \
	X(DIFF_NEEDLESS_MASQUERADE, "needless-masquerade") X(DIFF_REPLY_LOST, "reply-lost") X(DIFF_HAIRPIN, "hairpin")
enum verify_kind {
#define X(name, text) name,
	VERIFY_KINDS(X)
#undef X
};
const char *verify_kind_name(enum verify_kind k);

/*
 * BY of the contract, with the place of what is missing. BY_SET: an element of a set or map of nftables (@chain is its name), or a member
 * of an ipset (no table). BY_IPVS: the line of a virtual or real server. BY_LINK: "10.96.0.1/32 dev kube-ipvs0".
 */
struct verify_by {
	enum nat_by_kind kind;	/* BY_NONE: not known */
	const char *node;
	const char *backend, *family, *table, *chain; /* NULL where they do not apply */
	uint32_t index;		/* from 1; 0: no rule, or it is missing */
	const char *text;	/* NUL-terminated */
	bool missing;		/* this is not there: a rule or element belongs in `chain` */
	const char *nft_kind;	/* what `nft list` calls @chain: "chain", "set", "map", or "table" where that is all there is; NULL: of iptables */
	const struct rs_rule *rule; /* NULL: missing or no rule */
};
/* Fills @ret from the engine's form; text copied into @arena. */
void verify_by_from_nat(struct arena *arena, const char *node, const struct nat_by *by, struct verify_by *ret);

struct verify_fate { /* one element of "expected" or "actual" */
	enum nat_verdict verdict;
	bool translated;
	struct ip_addr addr;
	uint16_t port;
	double weight;	/* NAN: null */
	int masquerade; /* -1 not compared, 0, 1 */
};

/*
 * How bad a difference is: an error where clients fail; a warning where it works and something promised is lost, or where
 * only outside addresses are refused by somebody's firewall; info where a kube-proxy older than 1.27 may mean it so.
 */
enum verify_severity { VERIFY_INFO, VERIFY_WARNING, VERIFY_ERROR };

struct verify_difference {
	enum verify_kind kind;
	enum verify_severity severity;
	bool foreign;		/* the deciding rule is not kube-proxy's */
	const char *node;
	const struct k8s_service *service;
	const struct k8s_service_port *port;
	enum expect_kind frontend_kind;
	uint8_t family;
	const char *frontend;	/* "10.96.0.10:53/UDP" or "*:30080/TCP" */
	const struct ip_addr *addresses; /* node port: those that are concerned */
	size_t naddresses;
	const char *class_from;	/* "pod", "node", "loopback", "outside", joined by "," when several */
	const struct ip_prefix *prefixes; /* that hold the sources concerned; sorted */
	size_t nprefixes;
	bool more_prefixes;	/* and there are more */
	const char *interface;	/* NULL: not known */
	const char *sources;	/* in words: "pods of this node, the node itself" */
	struct ip_addr example; /* one source that `trace` accepts */
	struct ip_addr endpoint; /* the endpoint that is missing, stale, wrong, uneven; family 0: none in particular */
	uint16_t endpoint_port;
	const struct verify_fate *expected, *actual;
	size_t nexpected, nactual;
	struct verify_by by;
	const char *text;	/* one sentence */
};

struct verify_undecided {
	const char *node;
	const struct k8s_service *service;
	const struct k8s_service_port *port;
	const char *frontend, *class_from;
	struct ip_addr example;
	struct verify_by by;
	const char *text;
};

struct verify_broken { /* a fault of the node's delivery, once for each cause */
	const char *node, *cause; /* "ip-forward", "no-route", "martian", "rp-filter", "link-down" */
	struct verify_by by;
	size_t services;	/* length of the list */
	ARRAY_OF(const struct k8s_service *) list; /* the Services concerned, each once */
	const char *first;	/* "ns/name" of the first */
	const char *text;
};

/* What a frontend x node came to, for `rules` and `diagnose`. */
struct verify_frontend {
	const char *node;
	const struct k8s_service *service;
	const struct k8s_service_port *port;
	enum expect_kind kind;
	const char *frontend;
	enum { FRONTEND_OK, FRONTEND_DIFFERS, FRONTEND_UNDECIDED, FRONTEND_NOT_JUDGED } state;
	bool minor;		  /* it differs, and all that differs is info */
	bool refused_as_expected; /* no endpoints, and every node refuses as it must */
	size_t endpoints;	  /* expected */
};

/* Why a node's rules were not judged. */
struct verify_skipped {
	const char *node;
	const char *code;	/* "not-collected", "unsupported", "unreadable" */
	const char *reason, *needs;
	const char *what;	/* check: "rules", "masquerade" */
};

/*
 * Node against node. Of every ClusterIP, protocol and port that kube-proxy's rules, maps or virtual servers of any node name, the
 * endpoints that a connection of the node itself ends at, on every node whose kube-proxy has made them: it needs no objects of the
 * cluster. Who differs from what more than half of at least three nodes do, differs from its peers; where there is no such
 * majority, nobody knows who is right. Where the objects are known they decide: a node whose rules are as the API wants them
 * (internalTrafficPolicy Local, hints) is never named, and one that is not is named beside its differences.
 */
struct verify_peer_difference {
	const struct k8s_service *service; /* NULL: not known, or none has this address */
	const char *name;	/* "ns/name", of the object or of a rule's comment; else the frontend */
	const char *frontend;	/* "10.96.0.10:53/UDP" */
	enum verify_severity severity;
	const char *const *missing, *const *extra; /* "10.244.1.5:53", against the majority; without one: against the first node */
	size_t nmissing, nextra;
	const char *text;	/* "does not send to 10.244.1.5:53" */
};
struct verify_peer {
	const char *node;	/* NULL: there is no majority */
	const char *const *others; /* the nodes that it was compared with; without a majority: those that disagree, sorted */
	size_t nothers;
	enum verify_severity severity; /* the worst of its differences */
	size_t services;	/* how many names */
	ARRAY_OF(struct verify_peer_difference) differences; /* sorted by name and frontend */
	const char *text;	/* "node-7 differs from its 4 peers in 12 Services" */
};

/*
 * kube-proxy was not done with a node's rules when they were dumped, or could not be: what is found there is no difference between
 * finished states, and this is said before.
 */
struct verify_torn {
	const char *node;
	uint8_t family;
	bool unfinished;	/* kube-proxy itself knows of no finished sync */
	size_t chains;		/* that packets are sent to and that hold no rule, though kube-proxy always writes some */
	const char *text;	/* one sentence */
	const char *const *why; /* what shows it, one line each */
	size_t nwhy;
};

/*
 * IPVS mode: an outside address or node port of a Service with externalTrafficPolicy Local that leads, on a node without an endpoint
 * of its own, to those of other nodes, with the source kept: their replies do not come back here. kube-proxy means its rules so.
 */
struct verify_local_reply {
	const char *node;
	const struct k8s_service *service;
	const char *frontend;
};

/* Where kube-proxy's configuration on a node was taken from. */
struct verify_config {
	const char *node;
	const char *source; /* "configz", "ConfigMap kube-system/kube-proxy", ... as struct kube_proxy_config has it; NULL: not known */
};

struct verify_report {
	struct arena arena;
	size_t services, frontends, decided;
	ARRAY_OF(struct verify_difference) differences;
	ARRAY_OF(struct verify_undecided) undecided;
	ARRAY_OF(struct verify_broken) broken;
	ARRAY_OF(struct verify_frontend) fronts;
	ARRAY_OF(struct verify_local_reply) local_replies; /* by node and Service; each once */
	ARRAY_OF(struct verify_skipped) skipped;
	ARRAY_OF(struct verify_torn) torn; /* by node; of nodes that are not judged too */
	ARRAY_OF(const char *) nodes;	/* judged */
	ARRAY_OF(struct verify_config) configs; /* of the same nodes */
	ARRAY_OF(const char *) assumed;	/* each once */
	ARRAY_OF(struct verify_peer) peers; /* sorted by node, what nobody decides last */
	ARRAY_OF(const char *) peer_nodes; /* compared with each other; none: there are no two of them */
	size_t peer_frontends;	/* compared */
	size_t peer_local;	/* left out: they lead to local endpoints only, and without the objects nobody knows to which */
	size_t walks;
};

struct verify_options {
	const char *node;	/* NULL: all */
	const struct k8s_service *const *services; /* NULL: all */
	size_t nservices;
};
void verify_report_release(struct verify_report *r);
/* 0 or -ENOMEM. @ret must be zeroed; arrays are sorted (node, Service, port, frontend, kind). */
int verify_run(const struct snapshot *s, const struct verify_options *o, struct verify_report *ret);

/* ---- shared with `trace` and `rules` ---- */

/* The node as engine and expectation see it. @ret's pointers live as long as the snapshot. */
void verify_nat_node(const struct snapshot *s, const struct snap_node *n, struct nat_node *ret);
/* Where addresses are attached, as the API and the node's links say: nat_options.here is verify_is_here, here_arg the place. */
struct verify_place {
	const struct snapshot *snapshot;
	const struct snap_node *node;
	const char *name;	/* of the Node object */
	struct ip_addr self[2];
	struct map slices;	/* struct ip_addr -> struct k8s_endpoint, where pods are not known */
	bool slices_built;
};
void verify_place_init(struct verify_place *p, const struct snapshot *s, const struct snap_node *n, const struct expect_node *e);
void verify_place_release(struct verify_place *p);
enum tri verify_is_here(void *arg, const struct ip_addr *a, const char **ret_why);
/* The name that kube-proxy knows its node by, where the bundle calls it @name. NULL: out of memory. */
const char *verify_own_name(struct arena *arena, const struct kube_proxy_config *c, const char *name);
int verify_expect_node(struct arena *arena, const struct snapshot *s, const struct snap_node *n, struct expect_node *ret);
/*
 * kube-proxy's mode on the node: as it tells it there itself, else as it is configured, else by what is there (the nftables table
 * kube-proxy, chains that only IPVS mode has); iptables where nothing tells.
 */
enum expect_mode verify_mode(const struct snapshot *s, const struct snap_node *n);
const char *verify_mode_name(enum expect_mode m); /* "iptables", "nftables", "ipvs" */
/* Does the node carry xtables rules that kube-proxy writes, in iptables or IPVS mode? Its nftables table of a family? */
bool verify_has_proxy_rules(const struct snap_node *n);
bool verify_has_proxy_table(const struct snap_node *n, bool six);
size_t verify_proxy_table_rules(const struct snap_node *n, bool six); /* how many it holds */
/*
 * Another program than kube-proxy that serves Services on a node: Cilium and Antrea where they are told to replace kube-proxy,
 * Calico's eBPF, OVN-Kubernetes, kube-router's service proxy. What shows it stands in lib/verify/plane.c.
 */
struct verify_plane {
	const char *name;		/* "Cilium" */
	const char *sign;		/* constant text: "the link bpfin.cali" */
	const char *command;		/* of that program, to list what it does for Services, with its usual names */
	const struct k8s_pod *agent;	/* its pod on the node; NULL: not known */
};
/* The node is known to have one, whether or not kube-proxy is there too. False, @ret untouched: none is known. */
bool verify_plane_serves(const struct snapshot *s, const struct snap_node *n, struct verify_plane *ret);
/*
 * The node has another plane *and not* kube-proxy's: one that verify_plane_serves() knows on a node where kube-proxy does not
 * run (rules of kube-proxy are leftovers there) or has written nothing, or a network plugin that can be one on a node without
 * any rule or sign of kube-proxy.
 */
bool verify_plane_is_other(const struct snapshot *s, const struct snap_node *n, struct verify_plane *ret);
const char *verify_other_plane(const struct snapshot *s, const struct snap_node *n); /* its name, or NULL */
/* What shows that kube-proxy runs on the node ("Pod", "kube-proxy-mode.txt", ...), or NULL; rules do not, they may be leftovers. */
const char *verify_proxy_sign(const struct snapshot *s, const struct snap_node *n);

/*
 * For a snapshot without any cluster object and with one node that carries kube-proxy's rules: makes Services and slices of
 * what these rules and their comments say, so that contradictions in them can be found. The kinds stay not collected. Call after
 * snapshot_finish. Returns how many Services, 0 where this does not apply, or -ENOMEM.
 */
int verify_services_from_rules(struct snapshot *s);

/* ---- hairpin: can a pod reach itself through its Service? ---- */

/* From the worst to the best. */
enum hairpin_can { HAIRPIN_UNASKED, HAIRPIN_NO, HAIRPIN_UNKNOWN, HAIRPIN_YES };
const char *hairpin_can_name(enum hairpin_can c); /* NULL for UNASKED; "no", "unknown", "yes" */
struct hairpin_answer {
	enum hairpin_can can;
	const char *why; /* NULL for UNASKED */
};

/* A pod of a node, by one of its addresses. */
struct hairpin_pod {
	const char *node;
	const char *name; /* "ns/pod"; NULL: no object says it */
	struct ip_addr addr;
	const char *dev;  /* that the node's route to it leaves by; NULL: not known */
	const struct node_link *bridge, *port; /* NULL: none, or (the port) not known */
	/* That it was asked through; NULL: there is none whose rules lead to it. */
	const struct k8s_service *service;
	const char *frontend;
	int masquerade;	  /* its own packets to itself; -1: not known */
	struct hairpin_answer self, neighbour;
	struct ip_addr from; /* the neighbour; family 0: there is none */
};
struct hairpin_port {
	const char *node;
	const struct node_link *bridge, *link;
	struct hairpin_answer alone; /* by the bridge and the port, whatever the rules do */
	struct hairpin_answer self;  /* of its pods, the worst; where none was asked: alone */
	size_t pods;
};
struct hairpin_bridge {
	const char *node;
	const struct node_link *link;
	enum tri calls[2];	/* bridge netfilter for IPv4, IPv6 */
	const char *calls_why[2];
	bool promisc;		/* by flag or by somebody who listens */
	enum tri promisc_helps;
	const struct snap_cni *cni; /* the plugin that makes it; NULL: not known */
	size_t first_port, ports;   /* in the report's ports */
	size_t pods;
};
/* What its verdict rests on: walks with cluster objects, with Services that the rules name, or ports alone. */
enum hairpin_basis { HAIRPIN_BY_SERVICES, HAIRPIN_BY_RULES, HAIRPIN_BY_PORTS, HAIRPIN_BY_NOTHING };
struct hairpin_node {
	const struct snap_node *snap;
	const char *mode;	/* of kube-proxy; NULL: nothing of it was read */
	int kubelet_minor;	/* -1: not known */
	enum hairpin_basis basis;
	const char *not_walked; /* why not by walks; NULL */
	struct hairpin_answer self, neighbour;
	size_t pods, asked, cannot; /* pods; of those asked; of those that cannot reach themselves */
};
struct hairpin_report {
	struct arena arena;
	ARRAY_OF(struct hairpin_node) nodes;
	ARRAY_OF(struct hairpin_bridge) bridges; /* by node */
	ARRAY_OF(struct hairpin_port) ports;	 /* by bridge and name */
	ARRAY_OF(struct hairpin_pod) pods;	 /* by node and address */
	struct verify_report found; /* differences and broken: what keeps pods from themselves and their neighbours; class_from "hairpin" */
};
void hairpin_report_release(struct hairpin_report *r);
/*
 * Lets every pod of a node (@node NULL: of all) that is behind a Service there ask that Service's cluster IP and looks whether what leads
 * back to itself arrives with a reply, and the same for a neighbour. 0 or -ENOMEM; @ret must be zeroed.
 */
int hairpin_run(const struct snapshot *s, const char *node, struct hairpin_report *ret);

/* ---- one packet across nodes, for `trace` ---- */

/*
 * A packet that leaves a node goes on where it arrives, if the snapshot has that node's rules. It arrives at the node that the route's
 * gateway belongs to; without such a gateway at the node of the pod that has the address (spec.nodeName), else at the one whose podCIDR
 * holds it, else at the one whose own address it is. There it is a new connection (every node has its own conntrack) with mark 0, which
 * enters by the interface of that node's route back to the source. A rewritten source keeps its port unless the rule names others.
 */
#define FOLLOW_NODES_MAX 8 /* on one way */

/* What all runs of one command may spend on nodes behind the first; each run takes from it. */
struct follow_budget {
	size_t walks, steps, bytes, endings;
};
#define FOLLOW_BUDGET { 4096, 20000000, (size_t)256 << 20, 65536 }

/* One packet through one node. Ways that bring the same packet to the same node share it. */
struct follow_leg {
	const struct snap_node *node;
	struct nat_packet packet;	/* as it enters */
	struct nat_result result;	/* its endings at this node; weights are shares of what enters */
	double weight;			/* how much of the first packet enters so, over all assumptions; NAN: not known */
	unsigned depth;			/* 0: the start, 1: the node behind it, ... */
	const char *const *assumed;	/* result's, with the node's name in front from depth 1 on; NULL-terminated */
};
/* One node on the way of an ending. */
struct follow_step {
	const struct follow_step *prev; /* towards the start; NULL: this is the first node */
	const struct follow_leg *leg;
	const struct nat_ending *ending; /* of leg->result */
};
struct follow_ending {
	/*
	 * The last node's ending, and of the whole way: weight (the product), translated and masquerade (at any node), reply (false where
	 * one node says so; true where every node that translates says so, or every node where none does). assumes and path are the last
	 * node's own: see the steps for the others.
	 */
	struct nat_ending e;
	const struct follow_step *last;
	const char *stopped;		/* why it was not followed any further; NULL: it ended there. One of follow.stops */
};
struct follow_stop {
	const char *text;		/* "node2's rules are not in the bundle: not followed" */
	size_t endings;
	bool limit;			/* it could have been followed, were there not so much of it */
};
struct follow {
	struct arena arena;
	ARRAY_OF(struct follow_leg *) legs;	/* the first is the start; each stands behind the one that it was first reached from */
	ARRAY_OF(struct follow_ending) endings; /* in the order of the first node's endings, each followed by the next node's */
	ARRAY_OF(struct follow_stop *) stops;	/* in order of first appearance */
	ARRAY_OF(const char *) assumed;		/* of all legs, each once */
};
void follow_release(struct follow *f);
/*
 * Runs @p through @start and the nodes behind it. @flags: NAT_FOLLOW_STATE or 0. @ret must be zeroed; it points into snapshot @s.
 * A packet that comes back to a node as it was there before is lost there, with cause "loop". 0, -EINVAL as nat_walk, or -ENOMEM.
 */
int follow_run(const struct snapshot *s, const struct snap_node *start, const struct nat_packet *p, unsigned flags,
	       struct follow_budget *budget, struct follow *ret);
/* The interface of @n's route to @a, by which packets from there are taken to come in; NULL: not known. */
const char *follow_interface(const struct snap_node *n, const struct ip_addr *a);

/*
 * A table row of the command `rules`: one chain (or entry place) of a Service port on a node; of nftables also an element of a map, or
 * all that it has in one set; of IPVS a virtual server, a real server, all its members of one ipset, an address.
 */
struct rules_row {
	/* "entry", "nodeport", "service", "local", "external", "firewall", "endpoint", "refuse", "set", "affinity", "server", "address" */
	const char *role;
	const char *table;	/* of rules; "kube-proxy" of nftables, "ipvs", "ipset", "link" */
	const char *chain;	/* or the set, the virtual server ("-t 10.96.0.1:443"), the link */
	size_t needed, found;	/* rules, or whatever it is, that must be there; those of them that are */
	size_t foreign;		/* rules in a chain of this Service that kube-proxy would not write */
	bool has_packets;
	uint64_t packets;
	const char *target;	/* "10.244.1.5:80", or the chain that it leads to */
	const char *condition;	/* "p 0.5", "dport 30080", "source 198.51.100.0/24", ... */
	const char *missing;	/* text of the first missing rule, or NULL */
	const char *extra;	/* text of the first rule too many, or NULL */
};
struct rules_port {
	const char *node;
	const struct k8s_service *service;
	const struct k8s_service_port *port;
	uint8_t family;
	ARRAY_OF(struct rules_row) rows;
	bool complete;		/* every needed rule found, none too many */
};
struct rules_report {
	struct arena arena;
	ARRAY_OF(struct rules_port) ports;
	ARRAY_OF(struct verify_skipped) skipped;
};
void rules_report_release(struct rules_report *r);
int rules_run(const struct snapshot *s, const struct verify_options *o, struct rules_report *ret);

#endif
