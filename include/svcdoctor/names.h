/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SVCDOCTOR_NAMES_H
#define SVCDOCTOR_NAMES_H

/*
 * The name axis: names, questions and answers of DNS, resolv.conf, and what a libc makes of them. Nothing here asks anybody:
 * lib/source does.
 */

#include <svcdoctor/base.h>

/*
 * Splits "name", "name.ns", "name.ns.svc", "name.ns.svc.DOMAIN[.]" into name and namespace. @domain: the cluster domain, or NULL for any.
 * 0 with @ret_ns "" for a bare name; SD_EPARSE for what is no Service name. Buffers hold at least 64 bytes.
 */
int service_name_split(const char *dns_name, const char *domain, char ret_name[static 64], char ret_ns[static 64]);

/* ---- a question to a DNS server, and what came back ---- */

enum { /* types of records: RFC 1035, 2782, 3596, 6672, 6891 */
	DNS_A = 1, DNS_NS = 2, DNS_CNAME = 5, DNS_SOA = 6, DNS_PTR = 12, DNS_HINFO = 13, DNS_MX = 15, DNS_TXT = 16, DNS_AAAA = 28,
	DNS_SRV = 33, DNS_DNAME = 39, DNS_OPT = 41, DNS_ANY = 255
};
enum { DNS_NOERROR = 0, DNS_FORMERR = 1, DNS_SERVFAIL = 2, DNS_NXDOMAIN = 3, DNS_NOTIMP = 4, DNS_REFUSED = 5 };

/*
 * Names are text as dig prints it (RFC 1035, 5.1: odd bytes as \DDD), without the final dot; the root is "". They are compared without
 * regard to case.
 */
struct dns_record {
	const char *owner;
	uint16_t type;
	uint32_t ttl;		/* seconds */
	struct ip_addr addr;	/* A, AAAA */
	const char *target;	/* CNAME, DNAME, NS, PTR, SRV; of SOA the first server */
	uint16_t priority, weight, port; /* SRV */
	uint32_t minimum;	/* SOA: for how many seconds, at most, a denial may be kept (RFC 2308) */
	const char *text;	/* of other types, and of SOA where it is known: as dig prints it; else NULL */
};

enum dns_end {
	DNS_NOT_ASKED,	    /* time ran out before, or the run was stopped */
	DNS_ANSWERED,	    /* with rcode */
	DNS_TIMED_OUT,	    /* nothing came */
	DNS_PORT_CLOSED,    /* ICMP port unreachable, or the connection was refused: ECONNREFUSED */
	DNS_UNREACHABLE,    /* no way there: EHOSTUNREACH, ENETUNREACH */
	DNS_PROHIBITED,	    /* somebody on the way forbids it: EPERM of this machine's rules, EACCES */
	DNS_CUT_OFF,	    /* TCP: closed or reset before the answer was whole */
	DNS_GARBAGE,	    /* what came is no DNS message, or one that cannot be read to its end; dns_answer.why */
	DNS_STRANGERS,	    /* only answers with other ids, questions or from other addresses came */
	DNS_FAILED,	    /* this machine could not ask: dns_answer.error; it says nothing of the server */
	DNS_ENDS
};
const char *dns_end_name(enum dns_end e); /* "not-asked", "answered", "timed-out", ...: a value of the JSON */

struct dns_question {
	const char *name;	/* whole, without the final dot */
	uint16_t type;
	struct ip_addr server;
	uint16_t port;
	bool tcp;
	uint16_t edns;		/* size that is offered for an answer over UDP; 0: no EDNS */
	bool no_recursion;	/* RD is not set */
	unsigned pair;		/* questions of one number (not 0), of one server, leave from one socket at the same time, as libcs send A and AAAA */
};
/* Texts and arrays lie in the arena of whoever made it. */
struct dns_answer {
	struct dns_question q;	/* server.family 0: not known */
	bool searched;		/* q.name is what somebody typed, and the program that asked went through its search list (nslookup, host, getent) */
	enum dns_end end;
	int error;		/* errno; 0: none */
	const char *why;	/* of GARBAGE, FAILED, or what else a text says; NULL */
	uint8_t rcode;		/* of ANSWERED, without the extension of EDNS */
	bool tc, aa, ra, ad;
	bool records_unknown;	/* the text says that it was answered and not with which records, or not all of them */
	struct dns_record *answers, *authority;	/* as the server ordered them */
	size_t nanswers, nauthority;
	uint32_t us;		/* how long it took; 0: not known */
	size_t size;		/* bytes of the message; 0: not known */
	unsigned strangers;	/* datagrams that were passed over: wrong id, question or sender */
	unsigned tries;		/* how often it was sent; 0: not known */
	uint16_t source_port;	/* 0: not known */
	const char *file;	/* where it was read; NULL: it was asked just now */
	unsigned line;
};

bool dns_name_equal(const char *a, const char *b);	   /* without regard to case and a final dot */
bool dns_name_inside(const char *name, const char *zone); /* is it @zone or below? "" is the root */
size_t dns_name_dots(const char *name);			   /* as libcs count them: dots between labels, a final one too */
/* "A", "AAAA", ... in @buf, "TYPE65" for what has no name here. */
#define DNS_TYPE_STRLEN 12
const char *dns_type_name(uint16_t type, char buf[static DNS_TYPE_STRLEN]);
int dns_type_parse(const char *text); /* -EINVAL: none that is known */
const char *dns_rcode_name(uint8_t rcode); /* "NOERROR", "NXDOMAIN", ..., "RCODE11" is not made: "?" */
/* 10.0.0.1 -> "1.0.0.10.in-addr.arpa", in @buf. */
#define DNS_REVERSE_STRLEN 80
const char *dns_reverse_name(const struct ip_addr *a, char buf[static DNS_REVERSE_STRLEN]);
/*
 * The end of the chain of CNAMEs and DNAMEs that begins at @name in the answers: the last name. *@ret_loop: it comes back to itself;
 * *@ret_len: how many steps it took.
 */
const char *dns_chain_end(const struct dns_answer *a, const char *name, size_t *ret_len, bool *ret_loop);
/*
 * The server went through the search list itself: asked for BASE.NS.svc.DOMAIN, it answers with an alias to BASE, or to BASE in another domain of the list
 * (CoreDNS, plugin/autopath).
 */
bool dns_is_autopath(const struct dns_answer *a);
/* NOERROR, and no record of the type asked for at the end of the chain: the name exists, the type does not (RFC 2308, 2.2). */
bool dns_is_nodata(const struct dns_answer *a);

/* ---- resolv.conf ---- */

struct resolv_server {
	const char *text;     /* as written */
	struct ip_addr addr;  /* family 0: it is no address */
	unsigned line;
};
struct resolv_search {
	const char *domain;   /* without a final dot */
	unsigned line;
};
struct resolv_option {
	const char *text;     /* "ndots:5" */
	unsigned line;
};
/* All that the file says, before a libc leaves something out. `search` and `domain`: the last of them counts, as in both libcs. */
struct resolv_conf {
	const char *file;     /* "/etc/resolv.conf", or the bundle's member; NULL */
	const char *text;     /* whole, NUL-terminated */
	ARRAY_OF(struct resolv_server) servers;
	ARRAY_OF(struct resolv_search) searches;
	ARRAY_OF(struct resolv_option) options;
	unsigned search_line; /* 0: there is none */
	bool search_is_domain; /* it was `domain` */
	bool truncated;	      /* the text has no final newline, or was cut at a limit */
};
void resolv_conf_release(struct resolv_conf *c);
/* Damage goes to @notes. Texts are copied to @arena. 0 or -ENOMEM. */
int resolv_conf_read(struct arena *arena, const char *data, size_t size, const char *file, struct sd_notes *notes, struct resolv_conf *ret);
/* "NS.svc.DOMAIN" in the search list, which kubelets write for a pod of NS: the length of NS, which begins there; NULL: there is none. */
const char *resolv_conf_namespace(const struct resolv_conf *c, size_t *ret_len);

enum libc { LIBC_GLIBC, LIBC_MUSL, LIBC_COUNT };
const char *libc_name(enum libc l); /* "glibc", "musl" */

/* What a libc does not take from the file, and why: "only the first 3 nameservers are asked". */
struct resolv_left_out {
	const char *what, *why;
	unsigned line;
};
/* The file as one libc takes it. Sources: glibc resolv/res_init.c (2.36), musl src/network/resolvconf.c (1.2.3). */
struct resolv_view {
	enum libc libc;
	struct ip_addr servers[3];
	size_t nservers;      /* never 0: without any, the libc asks 127.0.0.1 */
	bool default_server;  /* that is so here */
	const char **searches; /* in the arena */
	size_t nsearches;
	unsigned ndots, timeout_s, attempts;
	bool rotate, single_request, single_request_reopen, use_vc, edns0, no_aaaa, no_tld_query, trust_ad;
	ARRAY_OF(struct resolv_left_out) left_out;
};
void resolv_view_release(struct resolv_view *v);
int resolv_view_make(struct arena *arena, const struct resolv_conf *c, enum libc libc, struct resolv_view *ret);

/* ---- what a libc asks for a name ---- */

enum libc_result {
	LIBC_RESOLVED,	/* addresses */
	LIBC_NO_NAME,	/* EAI_NONAME: there is no such name */
	LIBC_NO_DATA,	/* EAI_NODATA (musl and glibc): the name has no address */
	LIBC_TRY_AGAIN, /* EAI_AGAIN: a server failed, or none answered */
	LIBC_FAILED,	/* EAI_FAIL */
	LIBC_NO_QUESTION, /* an address, or a name that no libc asks about: nothing is sent */
	LIBC_UNKNOWN	/* an answer that it depends on is not known */
};
const char *libc_result_name(enum libc_result r); /* "resolved", "no-name", ... */

/* One name that it asks for, A and AAAA together. */
struct libc_step {
	const char *name;	/* whole, without the final dot */
	const char *search;	/* the domain that was appended; NULL: the name as it was typed */
	const struct dns_answer *a, *aaaa; /* NULL: not known, or not asked for */
	bool needed;		/* it is sent, as far as the answers before it are known */
	const char *outcome;	/* "NXDOMAIN", "10.96.0.10", "no address", "SERVFAIL", "not known" */
};
struct libc_walk {
	enum libc_result result;
	ARRAY_OF(struct libc_step) steps; /* in their order; those behind the winner with needed false */
	const struct libc_step *winner;	  /* the one that decides; NULL: none */
	size_t queries;		/* messages to the first server when nothing is lost: A and AAAA count 2 */
	size_t queries_at_most;	/* when every name that may be tried is tried */
	const char *stopped;	/* why the libc does not go on although names are left ("musl stops at an answer without data"); NULL */
};
void libc_walk_release(struct libc_walk *w);
/* The answer that a libc would get, with this libc's server order in mind, or NULL: not known. */
typedef const struct dns_answer *libc_answer_fn(void *arg, const char *name, uint16_t type);
/* getaddrinfo(@typed, AF_UNSPEC) with this file. @answer NULL: none is known (all names that may be tried). 0 or -ENOMEM. */
int libc_walk(struct arena *arena, const struct resolv_view *v, const char *typed, libc_answer_fn *answer, void *arg, struct libc_walk *ret);

/* ---- what the kubelet writes ---- */

/* Source: pkg/kubelet/network/dns/dns.go. */
struct kubelet_dns {
	const char *const *cluster_dns; /* as the kubelet is configured; NULL: none */
	size_t ncluster_dns;
	const char *cluster_domain;	/* NULL: not set */
	const struct resolv_conf *node;	/* the file that resolvConf names; NULL: not known */
	bool old_limits;		/* before 1.26 without ExpandedDNSConfig: 6 domains, 256 characters; else 32 and 2048 */
};
struct pod_dns {
	const char *ns, *policy; /* policy NULL: ClusterFirst */
	bool host_network;
	const char *const *nameservers, *const *searches, *const *options; /* dnsConfig: options as "ndots:2" */
	size_t nnameservers, nsearches, noptions;
};
struct kubelet_resolv {
	ARRAY_OF(const char *) nameservers, searches, options;
	bool node_unknown;   /* what comes from the node's file is missing here, because it is not known */
	bool fell_back;	     /* ClusterFirst without clusterDNS: as Default (event MissingClusterDNS) */
	size_t servers_cut, searches_cut; /* left out for the limits (event DNSConfigForming) */
};
void kubelet_resolv_release(struct kubelet_resolv *k);
int kubelet_resolv_make(struct arena *arena, const struct kubelet_dns *k, const struct pod_dns *p, struct kubelet_resolv *ret);

/* ---- Corefile ---- */

/* One directive with its arguments, and what stands in its braces: CoreDNS's form (coredns/caddy caddyfile). */
struct corefile_directive {
	const char *name;
	const char *const *args;
	size_t nargs;
	const struct corefile_directive *inner; /* in its braces */
	size_t ninner;
	unsigned line;
};
struct corefile_block {
	const char *const *zones; /* as written, without dns:// and port: ".", "cluster.local", "in-addr.arpa"; without the final dot, "." is "" */
	const uint16_t *ports;	  /* of each zone; 53 when none is written */
	size_t nzones;
	const struct corefile_directive *directives;
	size_t ndirectives;
	unsigned line;
};
struct corefile {
	const char *source;    /* "ConfigMap kube-system/coredns" */
	ARRAY_OF(struct corefile_block) blocks;
	const char *error;     /* why it cannot be read to its end, as CoreDNS would not either; NULL: it can */
	unsigned error_line;
	bool has_imports;      /* parts that are not here */
};
void corefile_release(struct corefile *c);
/* 0 (also with an error of the file) or -ENOMEM. */
int corefile_read(struct arena *arena, const char *data, size_t size, struct corefile *ret);
/* The block that answers for @name: that of the longest zone; NULL: none, and CoreDNS says REFUSED. */
const struct corefile_block *corefile_block_of(const struct corefile *c, const char *name);
const struct corefile_directive *corefile_find(const struct corefile_block *b, const char *directive); /* the first; NULL */

#endif
