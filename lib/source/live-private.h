/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef LIVE_PRIVATE_H
#define LIVE_PRIVATE_H

/*
 * What the parts of the live source share. live-plan.c and live-near.c decide what to ask, from what is wanted and what is known so far,
 * without asking anything; live-word.c reads a SERVICE; live.c asks, round by round; live-decode.c decodes pages beside it;
 * live-result.c says how far the answers go; live-facts.c asks what stands beside objects.
 */

#include <svcdoctor/source.h>

#define LIVE_PAGE 500u	       /* objects a page */
#define LIVE_SMALL_PODS 150    /* a cluster of at most so many pods and Services is read as a whole, whatever was asked for */
#define LIVE_SMALL_SERVICES 150
/* What one named Service may cost in a large cluster. */
#define LIVE_REQUESTS 15u
#define LIVE_BYTES (300u << 10)

/* One question to the API server, and what became of it. Strings lie in the plan's arena. */
struct live_ask {
	enum k8s_kind kind;
	const char *ns;		     /* NULL: cluster-wide, or of a kind without namespaces */
	const char *name;	     /* NULL: a list */
	const char *labels, *fields; /* selectors; NULL */
	unsigned limit, pages_max;   /* of a list; 0: 500, all */
	bool metadata;		     /* the metadata of objects only */
	bool count;		     /* only how many there are */
	bool whole;		     /* what the selectors leave out is used by nobody */
	bool optional;		     /* of use where it is allowed, and not worth a word where it is not */
	struct snap_name service;    /* whose: then the answer is all that belongs to it; name NULL: nobody's */

	/* the answer */
	bool done;
	unsigned version; /* of k8s_resource(kind)->versions: the one that was asked last */
	enum api_outcome outcome;
	bool cut;     /* there are more of them than pages_max has */
	bool damaged; /* some objects could not be decoded */
	size_t objects;
	int64_t total; /* of @count: -1 not told */
	const char *text, *hint;
	bool failed_whole; /* it concerns the server, not this question */
};

/* A SERVICE of the command line: the Services that it may name, and whether its words may mean an address or a node. */
struct live_word {
	struct snap_name names[2];
	size_t nnames;
	const char *host;    /* without port; NULL: none */
	struct ip_addr addr; /* family 0: no address */
	uint16_t port;
};

struct live_plan {
	struct arena *arena;
	const struct live_want *want;
	const struct k8s_cluster *known; /* what was decoded so far; not finished: no maps */
	ARRAY_OF(struct live_ask *) asks;
	struct map by_path;
	ARRAY_OF(struct live_word) words;
	ARRAY_OF(const struct k8s_service *) targets; /* the Services that were asked for by name, as far as they are known */
	size_t used_requests; /* so far, pages and retries counted */
	uint64_t used_bytes;
	bool absent[K8S_KINDS]; /* this server has no such kind, as another question has shown */
	bool widened; /* the cluster is small: all of it is read, whatever was asked for */
	bool failed; /* out of memory */
};

enum live_scope { LIVE_ALL, LIVE_NAMESPACE, LIVE_NAMED };

int live_plan_init(struct live_plan *p, struct arena *arena, const struct live_want *w, const struct k8s_cluster *known);
void live_plan_release(struct live_plan *p);
/*
 * What is to be asked next, now that all earlier questions are answered: how many were added behind the others; 0: nothing is missing
 * any more. -ENOMEM.
 */
int live_plan_next(struct live_plan *p);
enum live_scope live_scope(const struct live_plan *p);
/* Adds a question, unless the same was asked before. That one, or NULL when memory is out (p->failed). */
struct live_ask *live_ask(struct live_plan *p, const struct live_ask *a);
/* Of this kind, namespace, name and selectors (NULL or ""), answered; NULL: not asked, or not answered yet. */
const struct live_ask *live_answer(const struct live_plan *p, enum k8s_kind k, const char *ns, const char *name, const char *labels);
/* Is the whole kind there, of a namespace or of the cluster (@ns NULL)? */
bool live_has_all(const struct live_plan *p, enum k8s_kind k, const char *ns);
bool live_is_all(const struct live_ask *a); /* the answer is all of the kind that there is: of a->ns, or of the cluster */
/* Is there room for so many more requests and bytes for each named Service, or no bound at all? */
bool live_room(const struct live_plan *p, unsigned requests, unsigned kilobytes);
/* Path and query of the question, for version @version of its resource. In @arena; NULL: out of memory. */
const char *live_path(struct arena *arena, const struct live_ask *a, unsigned version);
struct api_what live_what(const struct live_ask *a);
bool live_answered(const struct live_ask *a); /* with objects, or with the certainty that there are none */

/* What the table has for one Service; kube-proxy's ConfigMap. */
void live_plan_service(struct live_plan *p, const char *ns, const char *name);
void live_plan_proxy_config(struct live_plan *p);

/* live-word.c: 0 or -ENOMEM. */
int live_word_parse(struct arena *arena, const char *text, const char *ns, struct live_word *ret);
/* How well does the Service fit: 3 by name, 2 by address, 1 by a port that it has at nodes, 0 not at all. The best ones are meant. */
unsigned live_word_match(const struct live_word *w, const struct k8s_service *s);

/* The nodes concerned, those with endpoints that are not ready first: at most two for named Services, else ten. */
struct name_list {
	ARRAY_OF(const char *) v;
};
void live_nodes(struct live_plan *p, struct name_list *ret);
/* Asks for kube-proxy's and other agents' pods there. */
void live_plan_agents(struct live_plan *p);
/* live-facts.c: what kubelets and pods say for themselves, as far as that may be asked. 0 or -ENOMEM, -EINTR. */
int live_facts(struct snapshot *s, struct api *a, struct live_plan *p);

/* live-near.c: what is asked once a named Service is known: its pods, nodes, what comes near. */
void live_plan_targets(struct live_plan *p);
/* ... and of names that nobody has. */
void live_plan_missing(struct live_plan *p);

/* Is every pod, every node that the slices and pods of the Service name known, or known not to exist? */
bool live_knows_pods(const struct live_plan *p, const struct k8s_service *s);
bool live_knows_nodes(const struct live_plan *p, const struct k8s_service *s);

/* live-result.c: kinds, extents and missing rights of the snapshot from the answers. 0 or -ENOMEM. */
int live_results(struct snapshot *s, const struct live_plan *p, enum api_outcome *ret_worst);

/* live-decode.c */
struct live_decoder;
/* One list: what its pages hold. */
struct live_list;
struct live_decoder *live_decoder_new(void);
/* Frees what is left of it; NULL is nothing. */
void live_decoder_free(struct live_decoder *d);
/* @metadata: its objects have nothing else. NULL: out of memory. */
struct live_list *live_list_new(struct live_decoder *d, enum k8s_kind kind, bool metadata);
/* A page, malloc'd, which it takes. @restart: forget those before. 0 or -ENOMEM. */
int live_list_page(struct live_list *l, char *data, size_t size, bool restart);
/* Waits for all pages of all lists. */
void live_decoder_wait(struct live_decoder *d);
/* After that: moves the objects to the cluster and the notes to @notes. @ret_damaged: something could not be decoded. 0 or -ENOMEM. */
int live_list_join(struct live_list *l, struct k8s_cluster *c, struct sd_notes *notes, size_t *ret_objects, bool *ret_damaged);

#endif
