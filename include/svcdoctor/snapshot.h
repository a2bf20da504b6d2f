/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SVCDOCTOR_SNAPSHOT_H
#define SVCDOCTOR_SNAPSHOT_H

/*
 * What is known: the cluster's objects, the facts of each node, and for every part whether it is known and,
 * if not, why. Plain data, filled by lib/source and judged by everybody else.
 */

#include <svcdoctor/base.h>
#include <svcdoctor/k8s.h>
#include <svcdoctor/node.h>
#include <svcdoctor/ruleset.h>

enum known {
	NOT_COLLECTED = 0, /* nobody gave it */
	KNOWN,
	PARTLY_KNOWN,	   /* some of it was damaged: what was readable is there */
	FORBIDDEN,
	UNREADABLE,
	UNSUPPORTED,	   /* there, in a form that this version cannot read */
	LATE,
};
const char *known_code(enum known k); /* "not-collected", "forbidden", "unreadable", "unsupported", "late"; "" when known */

/* The dumps of one node. */
enum snap_dump {
	DUMP_NFT4, DUMP_LEGACY4, DUMP_NFT6, DUMP_LEGACY6, /* xtables text */
	DUMP_NFT_JSON, DUMP_IPSET, DUMP_IPVS, DUMP_KINDS
};
const char *snap_dump_name(enum snap_dump d); /* "iptables-nft", "iptables-legacy", ... */

struct snap_proxy {
	const char *mode;	/* kube-proxy-mode.txt, trimmed; NULL not known */
	const char *log_mode;	/* that its log names last: "Using iptables Proxier"; NULL not known */
	struct kube_proxy_config config; /* from configz; known false: see the cluster's ConfigMap */
	struct kube_proxy_config flags_config; /* from the FLAG lines of its log */
	bool healthz_known;
	bool healthy;
	const char *healthz_last_updated; /* last finished sync */
	bool has_log;		/* the log file is there */
	/* its metrics: has a sync of IPv4, IPv6 rules ever been finished, and has one failed? */
	bool metrics_known, synced[2], sync_failed[2];
	const char *missing_extension; /* of iptables, which its log says the kernel does not have: "ipvs"; NULL: none */
};

struct snap_node {
	const char *name;
	struct ruleset rules;
	enum known dumps[DUMP_KINDS];
	bool dump_empty[DUMP_KINDS];	/* known and nothing in it */
	size_t nft_proxy_rules[2];	/* IPv4, IPv6: how many rules the nftables table kube-proxy holds */
	bool nft_incompatible[2];	/* IPv4, IPv6: the text of iptables-nft-save says that it leaves a table out, and is whole otherwise */
	const char *nft_not_modelled;	/* "bridge filter": the first nftables table of a family that is not modelled and acts on packets; NULL: none */
	/* a dump said that legacy tables are there too ("# Warning: iptables-legacy tables present") */
	bool legacy_warned[2];		/* IPv4, IPv6 */
	struct node_facts facts;
	struct snap_proxy proxy;
	const char *kernel;		/* uname.txt or Node object */
	bool any_rules;			/* at least one rules dump is known */
};

struct snapshot {
	struct arena arena;
	const char *origin;		/* "bundle 'lab'" */
	struct k8s_cluster cluster;
	enum known kinds[K8S_KINDS];
	bool services_from_rules;	/* nobody gave cluster objects: Services are what the rules' comments say */
	bool any_cluster;		/* at least one kind is known */
	ARRAY_OF(struct snap_node *) nodes; /* sorted by name */
	struct kube_proxy_config configmap_config; /* of ConfigMap kube-system/kube-proxy; the source decodes its YAML */
	struct sd_notes notes;
};

void snapshot_init(struct snapshot *s);
void snapshot_release(struct snapshot *s);
struct snap_node *snapshot_node(struct snapshot *s, const char *name, bool make); /* NULL when absent or out of memory */
/* After the last part: finishes cluster, rulesets and facts, sorts, fills claimed addresses and versions from Node objects. 0 or -ENOMEM. */
int snapshot_finish(struct snapshot *s);
/*
 * kube-proxy's configuration for a node: configz, else the ConfigMap kube-system/kube-proxy (key config.conf), else the FLAG lines of
 * its log, else what the rules say (the predicate that most KUBE-SVC chains use is found by lib/verify, not here). known false: not known.
 */
const struct kube_proxy_config *snapshot_proxy_config(const struct snapshot *s, const struct snap_node *n);
/*
 * "iptables", "ipvs", "nftables": as kube-proxy tells it on the node (its port, else its log: it may have fallen back to another
 * mode than it was configured for), else as it is configured. NULL: not known.
 */
const char *snapshot_proxy_mode(const struct snapshot *s, const struct snap_node *n);

#endif
