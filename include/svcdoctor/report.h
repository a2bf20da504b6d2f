/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SVCDOCTOR_REPORT_H
#define SVCDOCTOR_REPORT_H

/*
 * Turns results into bytes: text and JSON. No format decides anything, and nothing outside lib/report tests for a format.
 * Every function writes to @out only; the caller flushes, checks and closes it. 0 or a negative code.
 */

#include <time.h>

#include <svcdoctor/checks.h>
#include <svcdoctor/nat.h>
#include <svcdoctor/snapshot.h>
#include <svcdoctor/verify.h>

enum report_format { REPORT_TEXT, REPORT_JSON, REPORT_LINES, REPORT_JUNIT };

struct report {
	FILE *out;
	enum report_format format;
	bool color, quiet, verbose;
	const char *command;	    /* "diagnose"; NULL: none was given */
	const char *program;	    /* "svcdoctor" or "kubectl svcdoctor" */
	const char *source_flags;   /* " --bundle lab", appended to svcdoctor's own commands that are printed; "" */
	const char *dns_flags;	    /* " --netns x", appended to commands `svcdoctor dns` as well; NULL or "" */
	const char *dns_servers;    /* " --server 10.0.0.1", the same, but for those that name one; NULL or "" */
	const char *kubectl_flags;  /* " --context x", inserted after "kubectl"; "" */
	const char *node_prefix;    /* "nsenter --net=/run/netns/x", before commands about the node's network; NULL or "": none */
	const struct snapshot *snapshot;
	const char *namespace_;
	const struct diagnosis *findings; /* verify, rules: findings that stand beside their results; NULL: none */
	bool one_line; /* JSON: a document is a line */
	const struct report_look *look; /* JSON: this document is one of several; NULL: the only one */
	const struct report_wait *wait;	/* of the command wait, in JSON; NULL: it could look at nothing */
};

int report_diagnosis(const struct report *r, const struct diagnosis *d);

/* One look of several. */
struct report_look {
	time_t at;
	time_t before_at;	     /* of what was written last; 0: nothing */
	const struct changes *changes; /* since the last look that could be made; NULL: this is the first */
	const struct digest *now;
	bool failed;		     /* nothing could be looked at: why stands in the snapshot's notes */
	bool back;		     /* the look before could not be made */
};
/*
 * What is new in this look, and nothing where nothing is: the first as report_diagnosis. Text has the local time; JSON is one document a
 * line; lines begin with the time and a sign. @d: NULL when it failed. 1 when anything was written, 0, or -ENOMEM.
 */
int report_look(const struct report *r, const struct diagnosis *d, const struct report_look *l);

/* How the command wait ended. */
struct report_waited {
	const char *service, *text; /* text: what it lacks, or what it has */
	bool sound;
};
struct report_wait {
	time_t since, at;
	bool sound; /* all of them */
	const struct report_waited *services;
	size_t nservices;
	const struct rollouts *rollouts; /* NULL: not asked for */
};
int report_wait(const struct report *r, const struct diagnosis *d, const struct report_wait *w);

int report_verify(const struct report *r, const struct verify_report *v);
int report_rules(const struct report *r, const struct rules_report *v);
int report_hairpin(const struct report *r, const struct hairpin_report *h, const struct diagnosis *d);
int report_endpoints(const struct report *r, const struct endpoints_report *e, const struct diagnosis *d);
int report_proxy(const struct report *r, const struct proxy_report *p, const struct diagnosis *d);
int report_dns(const struct report *r, const struct dns_report *n, const struct diagnosis *d);
/* @p NULL: nothing was tried. */
int report_connect(const struct report *r, const struct connect_plan *p, const struct diagnosis *d);
/* The command's document with empty results (JSON), for a run that could look at nothing; other formats print nothing. */
int report_nothing(const struct report *r);
int report_explain(const struct report *r, const struct check *check); /* NULL: the list of all */

/* A port that was probably meant: what was asked for is no port of a Service there, and this one is. */
struct trace_meant {
	const struct k8s_service *service;
	const struct k8s_service_port *port;
	const char *why;    /* "target-port", "node-port", "service-port", "protocol": what the port that was asked for is of this one */
	struct ip_addr addr; /* what to ask instead, with the protocol of the port */
	uint16_t dport;
	const char *text; /* one sentence */
};
struct trace_report {
	const struct follow *follow;
	/* The rest is the same for all that are reported together. */
	const char *const *meaning; /* lines: whose address the destination is, which port; NULL-terminated, or NULL */
	const struct trace_meant *meant;
	size_t nmeant;
	bool to_service; /* the destination is an address and port that a Service has for itself: untranslated, nobody answers there */
	const struct verify_skipped *skipped; /* what of the nodes was not run, so that the packet may fare otherwise */
	size_t nskipped;
	const char *const *warnings; /* of this start: what the rules do not show, such as a NetworkPolicy */
	size_t nwarnings;
};
int report_trace(const struct report *r, const struct trace_report *t, size_t n);

/* Roles, and with subjects their bindings, as kubectl applies them: text is YAML with comments, JSON a List. */
int report_roles(const struct report *r, const struct k8s_role *roles, size_t n, const struct k8s_subject *subjects, size_t nsubjects);

struct version_fact {
	const char *name, *value;
};
int report_version(const struct report *r, const char *version, const struct version_fact *facts, size_t nfacts);

#endif
