/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SVCDOCTOR_SNAPSHOT_H
#define SVCDOCTOR_SNAPSHOT_H

/*
 * What is known: the cluster's objects, the facts of each node, and for every part whether it is known and,
 * if not, why. Plain data, filled by lib/source and judged by everybody else.
 */

#include <svcdoctor/base.h>
#include <svcdoctor/k8s.h>
#include <svcdoctor/klog.h>
#include <svcdoctor/names.h>
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

/* How a port of kube-proxy answered when it was asked. */
enum snap_port_end {
	PORT_NOT_ASKED,	 /* or nobody wrote down how it ended */
	PORT_ANSWERED,	 /* with this HTTP status */
	PORT_REFUSED,	 /* nobody listens there */
	PORT_SILENT,	 /* it took the connection, or not even that, and no answer came in time */
	PORT_UNREACHABLE, /* any other error of the way there */
	PORT_STRANGE,	 /* what came is no HTTP, or not what this port answers */
};
enum snap_proxy_port { PROXY_HEALTHZ, PROXY_LIVEZ, PROXY_MODE, PROXY_CONFIGZ, PROXY_METRICS, PROXY_PORTS };
const char *snap_proxy_port_name(enum snap_proxy_port p); /* "healthz", "livez", "proxyMode", "configz", "metrics" */
struct snap_port {
	enum snap_port_end end;
	int status;	   /* of HTTP; 0: not known */
	const char *error; /* in words: "connection refused"; NULL */
};

struct snap_bucket {
	double le;
	uint64_t count;
};
/* What a histogram of Prometheus tells: counts are cumulative, as it writes them. */
struct snap_histogram {
	uint64_t count;	/* 0: it is not there, or nothing was counted */
	double sum;
	ARRAY_OF(struct snap_bucket) buckets; /* sorted; +Inf left out */
};
/* The value below which a share @q of what was counted lies, as histogram_quantile() of Prometheus estimates it; NAN: nothing was counted. */
double snap_quantile(const struct snap_histogram *h, double q);

/* kube-proxy's /metrics. Times are seconds since 1970; NAN: not told. [0] IPv4, [1] IPv6; where it does not tell families apart (before 1.34), both are the same. */
struct snap_metrics {
	bool known;
	struct snap_metrics_family {
		double queued, synced;	/* kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds, ..._last_timestamp_seconds; 0: never */
		double restore_failures, partial_failures, nft_failures, nft_cleanup_failures; /* counters; NAN */
		double rules_nat, rules_filter, rules_nft; /* that it says it wrote last: ..._iptables_total; NAN */
		struct snap_histogram sync, full, partial; /* seconds that a sync took */
	} family[2];
	bool by_family;
	struct snap_histogram programming; /* kubeproxy_network_programming_duration_seconds */
	double endpoints_pending, services_pending; /* changes that wait; NAN */
	double started;		/* process_start_time_seconds */
	double api_ok, api_refused, api_failed; /* rest_client_requests_total with 2xx and 3xx; 401 and 403; "<error>" and 5xx. NAN: none is told */
	double invalid_dropped;	/* kubeproxy_iptables_ct_state_invalid_dropped_packets_total; NAN */
	const char *version;	/* kubernetes_build_info git_version: "v1.36.2"; NULL */
};
void snap_metrics_init(struct snap_metrics *m); /* nothing is told */
void snap_metrics_release(struct snap_metrics *m);

/* The source of a configuration that is made of flags of the command line. */
#define SNAP_FROM_COMMAND "its command line"

/* A process of kube-proxy on the node. */
struct snap_process {
	uint32_t pid;
	int64_t seconds;      /* that it has run for; -1: not told */
	const char *command;  /* its command line */
	const char *inside;   /* the program that has kube-proxy in it: "k3s", "kubelite", "hyperkube"; NULL: it is kube-proxy itself */
};

struct snap_proxy {
	const char *mode;	/* kube-proxy-mode.txt, trimmed; NULL not known */
	const char *log_mode;	/* that its log names last: "Using iptables Proxier"; NULL not known */
	struct kube_proxy_config config; /* from configz; known false: see the cluster's ConfigMap */
	/* from the FLAG lines of its log, or from its command line. With --config it is not known, but hostname_override, which counts before the file */
	struct kube_proxy_config flags_config;
	struct snap_port ports[PROXY_PORTS];
	bool healthz_known;
	bool healthy;
	int eligible;		/* nodeEligible: 0, 1; -1: not told. 0: the node is being drained, and 503 is as it must be */
	const char *healthz_last_updated; /* last finished sync */
	const char *family_updated[2];	/* IPv4, IPv6: its own last finished sync; NULL: not told (before 1.32) */
	int family_healthy[2];		/* 0, 1; -1: not told */
	const char *healthz_now;	/* the node's clock when it was asked: RFC 3339; NULL */
	bool has_log;		/* the log file is there */
	struct snap_metrics metrics;
	/* its metrics: has a sync of IPv4, IPv6 rules ever been finished, and has one failed? */
	bool metrics_known, synced[2], sync_failed[2];
	const char *missing_extension; /* of iptables, which its log says the kernel does not have: "ipvs"; NULL: none */
	bool processes_known;	/* the node's processes were looked through */
	ARRAY_OF(struct snap_process) processes; /* those of kube-proxy */
	size_t lock_waiting;	/* how many wait for it, where somebody holds it */
	const char *lock_holder; /* who holds /run/xtables.lock: "pid 4711 (fail2ban-server)"; NULL: nobody, or not known */
};

/* One entry of a node's conntrack table, as `conntrack -L -o extended` prints it. Ports are 0 where the protocol has none. */
struct snap_flow {
	uint8_t family, proto;	/* AF_INET, AF_INET6; IPPROTO_* */
	bool unreplied, assured, offload;
	uint8_t state;		/* of TCP: enum flow_tcp; else 0 */
	uint16_t sport, dport, reply_sport, reply_dport;
	uint16_t zone;
	uint32_t timeout;	/* seconds; 0: not told */
	uint32_t mark;
	struct ip_addr src, dst, reply_src, reply_dst;
};
enum flow_tcp { FLOW_TCP_NONE, FLOW_TCP_SYN_SENT, FLOW_TCP_SYN_RECV, FLOW_TCP_ESTABLISHED, FLOW_TCP_FIN_WAIT, FLOW_TCP_CLOSE_WAIT, FLOW_TCP_LAST_ACK, FLOW_TCP_TIME_WAIT, FLOW_TCP_CLOSE, FLOW_TCP_OTHER };
struct snap_flows {
	bool known;
	bool cut;		/* there were more than are kept */
	size_t total;		/* entries of all protocols, the ones that are not kept included */
	size_t by_proto[3];	/* TCP, UDP, others */
	ARRAY_OF(struct snap_flow) v; /* those that are translated, or are of UDP or SCTP */
};

struct snap_offload {
	const char *link, *feature;
	bool on;
};
/* A list of clients that session affinity keeps, of one endpoint: /proc/net/xt_recent. */
struct snap_recent {
	const char *name; /* "KUBE-SEP-..." */
	uint32_t entries;
};
/* What the node's kernel is and counts, beside addresses, routes and sysctls. */
struct snap_kernel {
	bool modules_known;	/* lsmod.txt: what is built in does not stand there */
	struct map modules;	/* name -> itself */
	bool counters_known;	/* nstat.txt: all of them since boot, or since nstat was asked last */
	struct map counters;	/* "TcpExtIPReversePathFilter" -> char * */
	bool log_known;		/* dmesg.txt: it is in snapshot.logs as LOG_KERNEL */
	ARRAY_OF(struct snap_offload) offloads; /* ethtool.txt: tx-checksum-ip-generic and its like */
	bool neigh_known;	/* lnstat.txt (/proc/net/stat/arp_cache, ndisc_cache): sums over all processors */
	uint64_t neigh_entries[2], neigh_table_fulls[2];
	bool ipvs_timeouts_known;
	uint32_t ipvs_timeouts[3]; /* ipvsadm-timeout.txt (ipvsadm -l --timeout): tcp, tcpfin, udp, seconds */
	uint32_t recent_limit;	/* xt-recent.txt: the module's ip_list_tot; 0: not known */
	ARRAY_OF(struct snap_recent) recent;
	const char *nft_version, *iptables_version; /* versions.txt: of the tools on the node; NULL */
};

/* A kubelet's configuration (/configz, or its file). */
struct snap_kubelet {
	bool known;
	const char *const *cluster_dns; /* as written: addresses that pods get as their nameservers */
	size_t ncluster_dns;
	const char *cluster_domain, *hairpin_mode, *resolv_conf, *runtime_endpoint; /* NULL: not set */
};

/* A plugin of a network's configuration in /etc/cni/net.d that makes a bridge, or whatever has one of these settings. */
struct snap_cni {
	const char *file;	/* "10-lab.conflist" */
	const char *network, *type, *bridge; /* NULL: not set */
	int hairpin, promisc, masq; /* hairpinMode, promiscMode, ipMasq: 0, 1; -1: not set, which the plugin takes as false */
	bool second;		/* of a file behind the first one: the kubelet's runtime reads the first only */
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
	struct snap_kubelet kubelet;
	bool cni_known;			/* a file of cni/ was read */
	bool conntrack_known;		/* conntrack-stats.txt was read: sums over all processors */
	uint64_t insert_failed, conntrack_drop, early_drop, conntrack_invalid;
	struct snap_flows flows;	/* conntrack.txt */
	struct snap_kernel k;
	ARRAY_OF(struct snap_cni) cni;	/* by file, as the runtime sorts them, and their order in it; after snapshot_finish */
	const char *kernel;		/* uname.txt or Node object */
	bool any_rules;			/* at least one rules dump is known */
	/* read from the kernel of this machine: what that was, and why a dump is not known, and what would allow it */
	const char *live;		/* "this node 'n1'"; NULL: it was not */
	const char *dump_why[DUMP_KINDS], *dump_needs[DUMP_KINDS]; /* NULL: nothing to say */
	bool tried; /* the bundle says which dumps could not be collected */
};

/*
 * How far the objects of a kind go. A bundle gives a kind as a whole; a live run reads one namespace, or what belongs to the Services
 * that were asked for, and then only of these is absence a fact.
 */
struct snap_name {
	const char *ns, *name; /* ns "": of no namespace */
};
struct snap_extent {
	bool limited;				/* false: the whole cluster */
	ARRAY_OF(const char *) namespaces;	/* read as a whole */
	ARRAY_OF(struct snap_name) objects;	/* asked for one by one, whether they are there or not */
	ARRAY_OF(struct snap_name) services;	/* what belongs to these Services is all there: by selector, label or reference */
};

/* A question to the API that was refused or failed: each once, whatever depends on it. */
struct snap_missing {
	int kind;	    /* enum k8s_kind; -1: of none, such as a log */
	enum known why;
	const char *right;  /* "list nodes", "get pods/log in namespace kube-system": what would allow it; NULL where rights are not the reason */
	const char *text, *hint; /* the message, and the next step; hint may be NULL */
};

/* ---- connections that were tried: on request only, and no part of a bundle ---- */

enum snap_try_way { WAY_TCP, WAY_HTTP, WAY_UDP, WAY_DNS };
enum snap_try_end {
	TRY_NOT_MADE,	/* time ran out before, or the run was stopped */
	TRY_ANSWERED,	/* connected; HTTP: a status came; UDP: anything came back; DNS: an answer to the question */
	TRY_REFUSED,	/* by an RST, or, where `unsure`, by an ICMP error that this kernel does not hand on */
	TRY_REJECTED,	/* by an ICMP error: icmp_type, icmp_code, from */
	TRY_UNSENDABLE, /* this machine has no route there, or its own rules forbid it: error */
	TRY_SILENT,	/* nothing came back */
	TRY_ENDED,	/* HTTP: the connection was made, and ended without an answer */
	TRY_MUTE,	/* HTTP: the connection was made, and no answer came in time */
	TRY_STRANGE,	/* HTTP, DNS: what came is something else */
	TRY_FAILED,	/* this machine could not do it at all (descriptors, ports): error. It says nothing of the other end */
	TRY_ENDS
};
const char *snap_try_name(enum snap_try_end e); /* "not-made", "answered", ... */
struct snap_try {
	enum snap_try_end end;
	bool unsure;
	int error;		/* errno; 0: none */
	uint8_t icmp_type, icmp_code;
	struct ip_addr from;	/* who sent the ICMP error; family 0: not known */
	struct ip_addr source;	/* what it was sent from; family 0: not known */
	unsigned status;	/* of HTTP; rcode of DNS */
	uint32_t us;		/* how long it took */
};
/* The sockets that listen where an address is local, in whichever network namespace of this machine that is. */
struct snap_listeners {
	struct ip_addr addr;
	bool known;		/* exactly one namespace of this machine has the address, and its sockets could be read */
	ARRAY_OF(struct node_socket) sockets;
};

/* The answer of a pod's or kubelet's own port, asked through the API server. */
struct snap_probe {
	const char *what;   /* "ready" of CoreDNS */
	const char *ns, *pod, *node;
	int status;	    /* of HTTP, as the pod said it */
	const char *text;   /* first line of the body, cleaned */
};

/* ---- DNS, as it is seen from one place ---- */

enum snap_dns_where { DNS_FROM_HERE, DNS_FROM_NODE, DNS_FROM_POD };
struct snap_dns {
	enum snap_dns_where where;
	const char *node;	/* of FROM_NODE; of the others where it is known; NULL */
	const char *ns, *pod;	/* of FROM_POD; of FROM_HERE where it is known that this is inside a pod; NULL */
	const char *label;	/* "this machine", "node node1", "pod shop/client" */
	bool live;		/* asked just now */
	bool has_conf;		/* resolv.conf is known */
	struct resolv_conf conf;
	int libc;		/* enum libc; -1: not known. Of a pod by the loader in its files */
	ARRAY_OF(struct dns_answer) answers; /* in the order of asking: the same question may have been asked several times */
};

/* A log that was read: of a pod's container, of a node's own program (kube-proxy.log, its journal), or of its kernel. */
struct snap_log {
	enum log_program program;
	const char *ns, *pod, *container; /* NULL: not of a pod */
	const char *node;	/* NULL: not known */
	bool journal;		/* it came from the node's journal */
	bool previous;		/* of the container before this one */
	bool cut;		/* only its end was read */
	struct kube_proxy_config flags; /* of kube-proxy: from the FLAG lines of its last start; known false: there are none */
	struct log_summary summary;
	const char *file;	/* NULL: it came from the API server */
};

struct snapshot {
	struct arena arena;
	const char *origin;		/* "bundle 'lab'", "cluster 'prod' at https://10.0.0.1:6443" */
	bool beside;			/* the kernel is being read meanwhile, and lacks each processor that is taken for this */
	bool live;			/* read from an API server, which shows no rules of nodes and no DNS answers */
	int64_t now;			/* seconds since 1970 when it was taken: the clock of a live run, a bundle's "created"; 0: not known */
	const char *scope;		/* of a live run: "namespace shop", "all namespaces"; NULL */
	struct k8s_cluster cluster;
	enum known kinds[K8S_KINDS];
	struct snap_extent extents[K8S_KINDS]; /* of the kinds that are known */
	ARRAY_OF(struct snap_missing) missing;
	ARRAY_OF(struct snap_probe) probes;
	ARRAY_OF(struct snap_dns *) dns; /* each place once: this machine, then nodes and pods by name; after snapshot_finish */
	ARRAY_OF(struct snap_log) logs;
	bool services_from_rules;	/* nobody gave cluster objects: Services are what the rules' comments say */
	bool any_cluster;		/* at least one kind is known */
	ARRAY_OF(struct snap_node *) nodes; /* sorted by name */
	struct kube_proxy_config configmap_config; /* of ConfigMap kube-system/kube-proxy; the source decodes its YAML */
	struct sd_notes notes;
};

/* What a run that read an API server says of its rules. */
#define SNAP_LIVE_NO_RULES "the API server does not show a node's rules; run svcdoctor on the node, or give a bundle with its dumps"

/* Are all objects of the kind there: of a namespace; @ns NULL: of the cluster? */
bool snapshot_has_all(const struct snapshot *s, enum k8s_kind k, const char *ns);
/* Would this object be there, if it existed? @ns "" for kinds without namespace. */
bool snapshot_would_have(const struct snapshot *s, enum k8s_kind k, const char *ns, const char *name);
/* Is everything of the kind there that belongs to this Service? */
bool snapshot_has_of_service(const struct snapshot *s, enum k8s_kind k, const char *ns, const char *name);

void snapshot_init(struct snapshot *s);
void snapshot_release(struct snapshot *s);
/* The place, which is made where it is not there; @ns, @pod of a pod, @node of a node. NULL when memory is out. */
struct snap_dns *snapshot_dns(struct snapshot *s, enum snap_dns_where where, const char *node, const char *ns, const char *pod);
struct snap_node *snapshot_node(struct snapshot *s, const char *name, bool make); /* NULL when absent or out of memory */
/* Rules, addresses and the like of @n are forgotten; what its kubelet and kube-proxy said stays. */
void snapshot_node_clear(struct snap_node *n);
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
