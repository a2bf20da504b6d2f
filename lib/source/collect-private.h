/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef COLLECT_PRIVATE_H
#define COLLECT_PRIVATE_H

/* What the files of `collect` share: collect.c plans and keeps the books, collect-list.c writes lists, collect-page.c cuts pages. */

#include <svcdoctor/source.h>

/* Places in the text of one page of a list; sizes 0 where there is none. */
struct page_span {
	const char *at;
	size_t size;
};
struct page_parts {
	struct page_span kind, api_version, resource_version; /* with their quotes */
	struct page_span items; /* what stands between the brackets, without space around */
	size_t count;		/* of items */
};
/* 0, or SD_EPARSE where this is no object with a list of items (or with null for it). */
int page_split(const char *data, size_t size, struct page_parts *ret);


struct collect {
	struct arena *arena;
	struct bundle_out *out;
	struct api *api;
	const char *ns; /* NULL: all */
	struct collect_report *report;
	size_t answered; /* questions that had an answer of some use */
	/* Nodes that are there; whether they may be asked, and how many were. */
	ARRAY_OF(const char *) nodes;
	size_t nodes_done;
	bool nodes_allowed, stopped;
	/* ConfigMaps come one by one and make one list. */
	struct strbuf configmaps;
	size_t nconfigmaps, configmaps_open;
};
/* Counts @r for the report: an answer, or @what that is missing. 0 or -ENOMEM. */
int collect_note(struct collect *c, const struct api_result *r, const char *what, bool needed);

/* collect-list.c: queues the list of a kind, of @ns or (NULL) all namespaces, for the member @path. 0 or -ENOMEM. */
int collect_list(struct collect *c, enum k8s_kind k, const char *ns, const char *path, bool needed);
/* "cluster/nodes.json" when the server refused the list: the refusal, as it would stand there. 0 or negative. */
int collect_refusal(struct collect *c, const char *path, const struct api_result *r);

/* collect-more.c: queue what is no list of objects. 0 or -ENOMEM. */
int collect_version(struct collect *c);
int collect_configmaps(struct collect *c);
int collect_system_pods(struct collect *c); /* their logs */
/* A node that is there: its kubelet and kube-proxy are asked where that is allowed. */
int collect_node(struct collect *c, const char *name);
/* ConfigMaps that are read, in kube-system; ends with NULL. */
extern const char *const collect_configmap_names[];

#define COLLECT_SYSTEM "kube-system"

#endif
