/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The resolv.conf that a kubelet writes for a pod. Source: pkg/kubelet/network/dns/dns.go (1.22 to 1.34). */

#include <errno.h>

#include "resolv-private.h"

enum {
	SERVERS_MAX = 3,
	OLD_SEARCHES = 6, OLD_SEARCH_CHARS = 256,
	NEW_SEARCHES = 32, NEW_SEARCH_CHARS = 2048,
	DOMAIN_MAX = 253
};

struct writing {
	struct arena *arena;
	const struct kubelet_dns *kubelet;
	struct kubelet_resolv *out;
};

void kubelet_resolv_release(struct kubelet_resolv *k)
{
	array_free(&k->nameservers);
	array_free(&k->searches);
	array_free(&k->options);
	*k = (struct kubelet_resolv){ 0 };
}

/* ---- lists ---- */

#define add_new(list, text) (is_in((list)->v, (list)->len, (text)) ? 0 : array_push((list), (text)))

static bool is_in(const char *const *v, size_t len, const char *text)
{
	for (size_t i = 0; i < len; i++) {
		if (strcmp(v[i], text) == 0)
			return true;
	}
	return false;
}

/* An option of the pod's dnsConfig takes the place of the one with its name. */
static int add_option(struct kubelet_resolv *out, const char *option)
{
	size_t len = strcspn(option, ":");

	for (size_t i = 0; i < out->options.len; i++) {
		const char *have = out->options.v[i];
		if (strcspn(have, ":") == len && strncmp(have, option, len) == 0) {
			out->options.v[i] = option;
			return 0;
		}
	}
	return array_push(&out->options, option);
}

/* ---- the node's file, as the kubelet reads it: without `domain`, the last `search` and the last `options` count ---- */

static int node_words(struct writing *w, struct resolv_text rest, bool search)
{
	struct resolv_text word;
	const char *copy;
	int r = 0;

	if (search)
		w->out->searches.len = 0;
	else
		w->out->options.len = 0;
	while (r == 0 && resolv_next_word(&rest, RESOLV_SPACES, &word)) {
		if (search && word.len > 1 && word.s[word.len - 1] == '.')
			word.len--;
		if (!(copy = arena_strndup(w->arena, word.s, word.len)))
			return -ENOMEM;
		r = search ? array_push(&w->out->searches, copy) : array_push(&w->out->options, copy);
	}
	return r;
}

static int node_line(struct writing *w, struct resolv_text rest)
{
	struct resolv_text word, value;
	const char *copy;

	if (!resolv_next_word(&rest, RESOLV_SPACES, &word) || *word.s == '#')
		return 0;
	if (word.len == strlen("search") && resolv_text_starts(&word, "search"))
		return node_words(w, rest, true);
	if (word.len == strlen("options") && resolv_text_starts(&word, "options"))
		return node_words(w, rest, false);
	if (word.len != strlen("nameserver") || !resolv_text_starts(&word, "nameserver") || !resolv_next_word(&rest, RESOLV_SPACES, &value))
		return 0;
	copy = arena_strndup(w->arena, value.s, value.len);
	return copy ? array_push(&w->out->nameservers, copy) : -ENOMEM;
}

static int as_node(struct writing *w)
{
	struct resolv_line l = { 0 };
	const char *at;
	int r = 0;

	if (!w->kubelet->node) {
		w->out->node_unknown = true;
		return 0;
	}
	at = w->kubelet->node->text;
	while (r == 0 && resolv_next_line(&at, &l))
		r = node_line(w, l.text);
	return r;
}

/* ---- the pod's ---- */

static int add_search(struct writing *w, const char *prefix, const char *ns)
{
	const char *domain = w->kubelet->cluster_domain;
	char *text = arena_printf(w->arena, "%s%s%s", ns, prefix, domain);

	return text ? add_new(&w->out->searches, text) : -ENOMEM;
}

/* ClusterFirst: the kubelet's servers, the cluster's domains before the node's, and its one option. */
static int as_cluster(struct writing *w, const char *ns)
{
	const struct kubelet_dns *k = w->kubelet;
	struct kubelet_resolv *out = w->out;
	ARRAY_OF(const char *) node = { 0 };
	int r = as_node(w);

	out->nameservers.len = out->options.len = 0;
	for (size_t i = 0; r == 0 && i < out->searches.len; i++)
		r = array_push(&node, out->searches.v[i]);
	if (r == 0 && k->cluster_domain && *k->cluster_domain) {
		out->searches.len = 0;
		r = add_search(w, ".svc.", ns);
		r = r < 0 ? r : add_search(w, "svc.", "");
		r = r < 0 ? r : add_search(w, "", "");
		for (size_t i = 0; r == 0 && i < node.len; i++)
			r = add_new(&out->searches, node.v[i]);
	}
	for (size_t i = 0; r == 0 && i < k->ncluster_dns; i++)
		r = array_push(&out->nameservers, k->cluster_dns[i]);
	array_free(&node);
	return r < 0 ? r : array_push(&out->options, "ndots:5");
}

static int add_config(struct writing *w, const struct pod_dns *p)
{
	struct kubelet_resolv *out = w->out;
	int r = 0;

	for (size_t i = 0; r == 0 && i < p->nnameservers; i++)
		r = add_new(&out->nameservers, p->nameservers[i]);
	for (size_t i = 0; r == 0 && i < p->nsearches; i++)
		r = add_new(&out->searches, p->searches[i]);
	for (size_t i = 0; r == 0 && i < p->noptions; i++)
		r = add_option(out, p->options[i]);
	return r;
}

/* ---- limits ---- */

static size_t joined(const struct kubelet_resolv *out)
{
	size_t len = 0;

	for (size_t i = 0; i < out->searches.len; i++)
		len += strlen(out->searches.v[i]) + (i > 0);
	return len;
}

static void limit(struct kubelet_resolv *out, bool old)
{
	size_t max = old ? OLD_SEARCHES : NEW_SEARCHES, chars = old ? OLD_SEARCH_CHARS : NEW_SEARCH_CHARS, had = out->searches.len, n = 0;

	if (out->nameservers.len > SERVERS_MAX) {
		out->servers_cut = out->nameservers.len - SERVERS_MAX;
		out->nameservers.len = SERVERS_MAX;
	}
	out->searches.len = MIN(had, max);
	for (size_t i = 0; i < out->searches.len; i++) {
		if (strlen(out->searches.v[i]) <= DOMAIN_MAX)
			out->searches.v[n++] = out->searches.v[i];
	}
	out->searches.len = n;
	while (joined(out) > chars)
		out->searches.len--;
	out->searches_cut = had - out->searches.len;
}

static int compose(struct writing *w, const struct pod_dns *p)
{
	const char *policy = p->policy ? p->policy : "ClusterFirst";
	bool host = strcmp(policy, "Default") == 0 || (strcmp(policy, "ClusterFirst") == 0 && p->host_network);
	int r = 0;

	if (strcmp(policy, "None") != 0) {
		w->out->fell_back = !host && w->kubelet->ncluster_dns == 0;
		r = host || w->out->fell_back ? as_node(w) : as_cluster(w, p->ns);
	}
	return r < 0 ? r : add_config(w, p);
}

int kubelet_resolv_make(struct arena *arena, const struct kubelet_dns *k, const struct pod_dns *p, struct kubelet_resolv *ret)
{
	struct kubelet_resolv out = { 0 };
	struct writing w = { .arena = arena, .kubelet = k, .out = &out };
	int r = compose(&w, p);

	if (r < 0) {
		kubelet_resolv_release(&out);
		return r;
	}
	limit(&out, k->old_limits);
	*ret = out;
	return 0;
}
