/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DNS_SEATS_PRIVATE_H
#define DNS_SEATS_PRIVATE_H

/*
 * The answers of DNS as the checks over them see them: each place with the servers that were asked there, how each of them did over each
 * transport, and every answer about a name of the cluster beside what the API says must come back.
 */

#include <svcdoctor/expect.h>

#include "checks-private.h"

enum { DNS_IS_VIP = 1, DNS_IS_ENDPOINT = 2, DNS_IS_NODE_LOCAL = 4, DNS_IS_NAMESERVER = 8 };
/* Of the cluster's DNS by what the API says of the address. */
#define DNS_IS_CLUSTER (DNS_IS_VIP | DNS_IS_ENDPOINT | DNS_IS_NODE_LOCAL)

/* What came of the questions to one server over one transport. */
struct dns_way {
	size_t asked;	    /* that were sent at all */
	size_t answered, timed_out, closed, unreachable, prohibited, cut, garbage, strangers;
	size_t sent;	    /* messages that nobody answered in time */
	const struct dns_answer *lost; /* one of those that were not answered; NULL */
};
struct dns_server {
	struct ip_addr addr;
	unsigned is;
	const char *what;   /* "10.96.0.10 (cluster DNS kube-system/kube-dns)" */
	const char *pod, *node; /* of an endpoint; NULL: not known */
	bool ready;	    /* of an endpoint */
	struct dns_way udp, tcp;
	const struct dns_answer *cut_short; /* with TC, over UDP; NULL */
	bool foreign;	    /* it is no server of the cluster: what it says of the cluster's names is not judged */
};
struct dns_seat {
	const struct snap_dns *d;
	ARRAY_OF(struct dns_server) servers;
	const char *domain;  /* that its search list was made for: of "svc.DOMAIN"; NULL: it has none, and no names of the cluster */
};

enum dns_verdict {
	DNS_FINE,
	DNS_UNDECIDED,	/* the API does not say enough */
	DNS_DENIED,	/* NXDOMAIN for a name that exists */
	DNS_EMPTY,	/* no record where there must be some */
	DNS_FAILING,	/* SERVFAIL, or another code of failure */
	DNS_REFUSING,	/* REFUSED */
	DNS_DIFFERENT,	/* other records than there must be */
	DNS_UNFOUNDED,	/* records where there must be none */
};
/* An answer about a name of the cluster, by a server that should know it. */
struct dns_judged {
	const struct dns_seat *seat;
	const struct dns_server *server; /* NULL: the text does not say which */
	const struct dns_answer *a;
	const char *name;	/* whole */
	const struct dns_expected *e;
	enum dns_verdict verdict;
	const struct dns_record *record; /* of DIFFERENT, UNFOUNDED: the first that should not be there; NULL: some are missing */
	size_t before;		/* another answer of this server to the same question: its number in judged, from 1; 0: none */
	bool told;		/* a finding says it */
};
struct dns_view {
	struct run *r;
	const struct k8s_service *dns; /* the cluster's DNS; NULL: not known */
	const char *domain;	       /* the cluster's */
	bool domain_found;	       /* kubernetes.default was found in it */
	bool domain_assumed;	       /* nothing tells it: names in it need not be there */
	bool domain_configured;	       /* or else the Corefile says it, and no search list */
	struct dns_seat *seats;
	size_t nseats;
	size_t nbad;			    /* in judged: they are bounded, and found faults anyway */
	ARRAY_OF(struct dns_judged) judged; /* of questions that were asked again, the last word only */
	struct map expected;		    /* "type name" -> struct dns_expected */
	struct map questions;		    /* place, server, type and name -> the last number in judged */
	ARRAY_OF(struct dns_expected *) all_expected;
};
void dns_view_make(struct run *r, struct dns_view *v);
void dns_view_release(struct dns_view *v);
/* After some servers were found to be foreign. */
void dns_view_judge(struct dns_view *v);

/* 1: it answered something over this transport; 0: believed not to; -1: not asked, or one message was lost. */
int dns_way_alive(const struct dns_way *w);
int dns_server_alive(const struct dns_server *s); /* over any */
static inline bool dns_way_refused(const struct dns_way *w)
{
	return w->closed && w->closed == w->asked;
}
struct dns_server *dns_seat_server(const struct dns_seat *seat, const struct ip_addr *a); /* NULL: not asked there */
bool dns_is_control(const struct dns_view *v, const char *name); /* kubernetes.default */
/* No name of the cluster, and none of an address. */
bool dns_is_outside_name(const struct dns_view *v, const char *name);
/* The SOA in the authority section of a denial; NULL: none. */
const struct dns_record *dns_soa(const struct dns_answer *a);

/* ---- words ---- */

const char *dns_clean(struct run *r, const char *text); /* what came from outside, for a terminal; never NULL */
/* "A web.shop.svc.cluster.local at 10.96.0.10 (cluster DNS ...), from pod shop/client: NXDOMAIN" */
const char *dns_answer_line(struct run *r, const struct dns_seat *seat, const struct dns_server *s, const struct dns_answer *a);
const char *dns_way_words(struct run *r, const struct dns_way *w, const char *transport); /* "UDP: 3 of 3 timed out" */
const char *dns_seat_node(const struct dns_view *v, const struct dns_seat *seat); /* on which the place is; NULL: not known */
const char *dns_dns_words(const struct dns_view *v); /* "kube-system/kube-dns", or "the cluster's DNS" */

/* ---- findings ---- */

/* The finding of that check that is there already, about @service where it is not NULL; NULL: none. */
struct finding *dns_finding_there(struct run *r, const char *id, const struct k8s_service *service);
/* One of the cluster as a whole, with the DNS Service as subject. @detail as of finding_new. */
struct finding *dns_finding_cluster(struct dns_view *v, const char *id, const char *node, const char *detail);
/* The name of a Service that was judged, for whom the finding is: the Service, or the cluster where it is kubernetes.default or nobody's. */
struct finding *dns_finding_about(struct dns_view *v, const char *id, const struct dns_judged *j, bool *ret_new);
/* Question, server, answer, and what the API says. */
void dns_evidence(struct dns_view *v, struct finding *f, const struct dns_judged *j);
/* A command that asks the same again, where the place tells how. */
void dns_next(struct dns_view *v, struct finding *f, const struct dns_judged *j);

/* ---- the parts ---- */

void dns_servers_before(struct dns_view *v); /* which servers are none of the cluster's */
void dns_servers_findings(struct dns_view *v);
void dns_latency_findings(struct dns_view *v);
void dns_answers_findings(struct dns_view *v);

#endif
