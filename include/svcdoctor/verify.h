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

/* BY of the contract, with the place of a rule that is missing. */
struct verify_by {
	enum nat_by_kind kind;	/* BY_NONE: not known */
	const char *node;
	const char *backend, *family, *table, *chain; /* NULL where they do not apply */
	uint32_t index;		/* from 1; 0: no rule, or it is missing */
	const char *text;	/* NUL-terminated */
	bool missing;		/* this rule is not there: it belongs in `chain` */
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
	const struct ip_prefix *prefixes; /* of the sources that were tried */
	size_t nprefixes;
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

struct verify_report {
	struct arena arena;
	size_t services, frontends, decided;
	ARRAY_OF(struct verify_difference) differences;
	ARRAY_OF(struct verify_undecided) undecided;
	ARRAY_OF(struct verify_broken) broken;
	ARRAY_OF(struct verify_frontend) fronts;
	ARRAY_OF(struct verify_skipped) skipped;
	ARRAY_OF(const char *) nodes;	/* judged */
	ARRAY_OF(const char *) assumed;	/* each once */
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
int verify_expect_node(struct arena *arena, const struct snapshot *s, const struct snap_node *n, struct expect_node *ret);
/* Does the node carry rules that kube-proxy writes? And a sign that it runs there? */
bool verify_has_proxy_rules(const struct snap_node *n);
/* The other data plane that the rules show ("cilium", "calico-ebpf", ...), or NULL. */
const char *verify_other_plane(const struct snapshot *s, const struct snap_node *n);

/*
 * For a snapshot without any cluster object and with one node that carries kube-proxy's rules: makes Services and slices of
 * what these rules and their comments say, so that contradictions in them can be found. The kinds stay not collected. Call after
 * snapshot_finish. Returns how many Services, 0 where this does not apply, or -ENOMEM.
 */
int verify_services_from_rules(struct snapshot *s);

/* A table row of the command `rules`: one chain (or entry place) of a Service port on a node. */
struct rules_row {
	const char *role;	/* "entry", "nodeport", "service", "local", "external", "firewall", "endpoint", "refuse" */
	const char *table, *chain;
	size_t needed, found;	/* rules that must be there; those of them that are */
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
