/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cluster's objects as a whole: doubles dropped, lists sorted, lookups by name and address, and the few
 * questions that one object answers alone.
 */

#include <assert.h>
#include <errno.h>
#include <stddef.h>

#include <svcdoctor/k8s.h>

/* A namespace or name of the API has at most 253 bytes; "kind/ns/name" fits. */
#define KEY_SIZE 600

void k8s_cluster_init(struct k8s_cluster *c)
{
	*c = (struct k8s_cluster){ 0 };
}

/* Every list whose elements begin with struct k8s_meta, and its length. */
#define LISTS(X) \
	X(services) \
	X(slices) X(endpoints) X(pods) X(nodes) X(namespaces) X(configmaps) X(events) X(netpols) \
		X(workloads) X(ingresses) X(service_cidrs) X(callers) X(ingress_classes) X(routes) X(gateways) X(grants)

void k8s_cluster_release(struct k8s_cluster *c)
{
#define X(list) array_free(&c->list);
	LISTS(X)
#undef X
	map_release(&c->strings);
	map_release(&c->service_by_name);
	map_release(&c->slices_by_service);
	map_release(&c->pod_by_name);
	map_release(&c->node_by_name);
	map_release(&c->namespace_by_name);
	map_release(&c->pod_by_ip);
	map_release(&c->pods_by_ns);
	map_release(&c->netpols_by_ns);
	arena_release(&c->arena);
	*c = (struct k8s_cluster){ 0 };
}

static int join_list(void *list_v, size_t *cap, size_t *len, const void *from, size_t n)
{
	void *v;

	if (n == 0)
		return 0;
	if (array_grow_(list_v, cap, *len + n, sizeof(void *)) < 0)
		return -ENOMEM;
	memcpy(&v, list_v, sizeof(v));
	memcpy((char *)v + *len * sizeof(void *), from, n * sizeof(void *));
	*len += n;
	return 0;
}

int k8s_cluster_join(struct k8s_cluster *c, struct k8s_cluster *from)
{
	int r = 0;

#define X(list) \
	if (r == 0) \
		r = join_list(&c->list.v, &c->list.cap, &c->list.len, from->list.v, from->list.len);
	LISTS(X)
#undef X
	if (r < 0)
		return r;
	c->finished = false;
	c->undecodable += from->undecodable;
	arena_join(&c->arena, &from->arena);
	k8s_cluster_release(from);
	return 0;
}

const char *k8s_label_get(const struct k8s_labels *l, const char *key)
{
	for (size_t i = 0; i < l->len; i++) {
		if (strcmp(l->v[i].key, key) == 0)
			return l->v[i].value;
	}
	return NULL;
}

bool k8s_selector_matches(const struct k8s_labels *selector, const struct k8s_labels *labels)
{
	for (size_t i = 0; i < selector->len; i++) {
		const char *value = k8s_label_get(labels, selector->v[i].key);

		if (!value || strcmp(value, selector->v[i].value) != 0)
			return false;
	}
	return selector->len > 0;
}

const struct k8s_condition *k8s_condition(const struct k8s_condition *v, size_t n, const char *type)
{
	for (size_t i = 0; i < n; i++) {
		if (v[i].type && strcmp(v[i].type, type) == 0)
			return &v[i];
	}
	return NULL;
}

bool k8s_pod_ready(const struct k8s_pod *p)
{
	const struct k8s_condition *c = k8s_condition(p->conditions, p->nconditions, "Ready");

	return c && c->status && strcmp(c->status, "True") == 0;
}

bool k8s_pod_terminal(const struct k8s_pod *p)
{
	return strcmp(p->phase, "Succeeded") == 0 || strcmp(p->phase, "Failed") == 0;
}

bool k8s_service_skipped_by_proxy(const struct k8s_service *s)
{
	return s->headless || s->ncluster_ips == 0 || strcmp(s->type, "ExternalName") == 0 ||
	       k8s_label_get(&s->meta.labels, "service.kubernetes.io/service-proxy-name");
}

int k8s_minor_version(const char *version)
{
	const char *dot = version ? strchr(version, '.') : NULL;
	uint64_t minor;

	if (!dot || parse_uint(dot + 1, strspn(dot + 1, "0123456789"), 10000, &minor) < 0)
		return -1;
	return (int)minor;
}

/* ---- doubles and order ---- */

/* The lists differ in their element type only; elements are moved as bytes. */
static struct k8s_meta *element(const void *v, size_t i)
{
	struct k8s_meta *m;

	memcpy(&m, (const char *)v + i * sizeof(m), sizeof(m));
	return m;
}

/* Workloads, callers and routes have their kind behind the metadata. */
struct kinded {
	struct k8s_meta meta;
	const char *kind;
};
static_assert(offsetof(struct k8s_workload, kind) == offsetof(struct kinded, kind), "a workload's kind stands behind its metadata");
static_assert(offsetof(struct k8s_route, kind) == offsetof(struct kinded, kind), "a route's kind stands behind its metadata");
static_assert(offsetof(struct k8s_caller, kind) == offsetof(struct kinded, kind), "a caller's kind stands behind its metadata");

/* By namespace and name; workloads of several kinds share one list, and so do callers and routes. */
static int compare_names(const struct k8s_meta *a, const struct k8s_meta *b, bool kinds)
{
	const struct kinded *wa = (const void *)a, *wb = (const void *)b;
	int r = a->ns == b->ns ? 0 : strcmp(a->ns, b->ns);

	r = r ? r : strcmp(a->name, b->name);
	return r || !kinds ? r : strcmp(wa->kind, wb->kind);
}

static int compare(const void *pa, const void *pb, bool kinds)
{
	const struct k8s_meta *a = element(pa, 0), *b = element(pb, 0);
	int r = compare_names(a, b, kinds);

	return r ? r : (a->order > b->order) - (a->order < b->order);
}

static int compare_meta(const void *pa, const void *pb)
{
	return compare(pa, pb, false);
}

static int compare_kinded(const void *pa, const void *pb)
{
	return compare(pa, pb, true);
}

static bool is_sorted(const void *v, size_t len, bool kinds)
{
	for (size_t i = 1; i < len; i++)
		if (compare((const char *)v + (i - 1) * sizeof(void *), (const char *)v + i * sizeof(void *), kinds) > 0)
			return false;
	return true;
}

/* The API delivers lists in order. Keeps of each name the object that was read last. */
static void finish_list(void *v, size_t *len, bool kinds)
{
	size_t n = 0;

	if (!is_sorted(v, *len, kinds))
		qsort(v, *len, sizeof(void *), kinds ? compare_kinded : compare_meta);
	for (size_t i = 0; i < *len; i++) {
		struct k8s_meta *m = element(v, i);

		if (i + 1 < *len && compare_names(m, element(v, i + 1), kinds) == 0)
			continue;
		memcpy((char *)v + n++ * sizeof(m), &m, sizeof(m));
	}
	*len = n;
}

/* "ns/name" in the arena; NULL when memory is out. */
static char *key_of(struct k8s_cluster *c, const char *ns, const char *name, size_t *ret_len)
{
	size_t ns_len = strlen(ns), name_len = strlen(name);
	char *key = arena_alloc(&c->arena, ns_len + 1 + name_len + 1);

	if (!key)
		return NULL;
	memcpy(key, ns, ns_len);
	key[ns_len] = '/';
	memcpy(key + ns_len + 1, name, name_len);
	*ret_len = ns_len + 1 + name_len;
	return key;
}

static int map_list(struct k8s_cluster *c, struct map *by_name, const void *v, size_t len)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < len; i++) {
		struct k8s_meta *m = element(v, i);
		size_t key_len = 0;
		const char *key = key_of(c, m->ns, m->name, &key_len);

		r = key ? map_put(by_name, key, key_len, m) : -ENOMEM;
	}
	return r;
}

static void finish_lists(struct k8s_cluster *c)
{
#define X(list) \
	finish_list(c->list.v, &c->list.len, \
		    (void *)&c->list == (void *)&c->workloads || (void *)&c->list == (void *)&c->callers || (void *)&c->list == (void *)&c->routes);
	LISTS(X)
#undef X
}

/* ---- maps ---- */

/* Nodes and namespaces have no namespace: the name alone is the key. */
static int map_names(struct k8s_cluster *c)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->nodes.len; i++)
		r = map_puts(&c->node_by_name, c->nodes.v[i]->meta.name, c->nodes.v[i]);
	for (size_t i = 0; r == 0 && i < c->namespaces.len; i++)
		r = map_puts(&c->namespace_by_name, c->namespaces.v[i]->meta.name, c->namespaces.v[i]);
	return r;
}

/* The group of the slice, made where it is missing; cap counts its members to come. */
static struct k8s_slice_group *count_slice(struct k8s_cluster *c, const struct k8s_slice *s)
{
	size_t len = 0;
	char *key = key_of(c, s->meta.ns, s->service, &len);
	struct k8s_slice_group *g = key ? map_get(&c->slices_by_service, key, len) : NULL;

	if (!g && key && (g = arena_new(&c->arena, struct k8s_slice_group)) &&
	    map_put(&c->slices_by_service, key, len, g) < 0)
		g = NULL;
	if (g)
		g->v.cap++;
	return g;
}

static void free_groups(struct k8s_slice_group ***groups)
{
	free(*groups);
}

static int map_slices(struct k8s_cluster *c)
{
	CLEANUP(free_groups) struct k8s_slice_group **groups = calloc(c->slices.len + 1, sizeof(struct k8s_slice_group *));

	if (!groups)
		return -ENOMEM;
	for (size_t i = 0; i < c->slices.len; i++) {
		const struct k8s_slice *s = c->slices.v[i];

		if (s->service && strlen(s->service) <= 253 && !(groups[i] = count_slice(c, s)))
			return -ENOMEM;
	}
	for (size_t i = 0; i < c->slices.len; i++) {
		struct k8s_slice_group *g = groups[i];

		if (!g)
			continue;
		if (!g->v.v)
			g->v.v = arena_array(&c->arena, const struct k8s_slice *, g->v.cap);
		if (!g->v.v)
			return -ENOMEM;
		g->v.v[g->v.len++] = c->slices.v[i];
	}
	return 0;
}

/* Pods are sorted by namespace: each group is one run of the list. */
static int map_pods_by_ns(struct k8s_cluster *c)
{
	for (size_t i = 0, end; i < c->pods.len; i = end) {
		const char *ns = c->pods.v[i]->meta.ns;
		struct k8s_pod_group *g = arena_new(&c->arena, struct k8s_pod_group);

		for (end = i; end < c->pods.len && strcmp(c->pods.v[end]->meta.ns, ns) == 0;)
			end++;
		if (!g || !(g->v.v = arena_array(&c->arena, const struct k8s_pod *, end - i)))
			return -ENOMEM;
		for (size_t k = i; k < end; k++)
			g->v.v[g->v.len++] = c->pods.v[k];
		g->v.cap = g->v.len;
		if (map_puts(&c->pods_by_ns, ns, g) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* So are policies. */
static int map_netpols(struct k8s_cluster *c)
{
	for (size_t i = 0, end; i < c->netpols.len; i = end) {
		const char *ns = c->netpols.v[i]->meta.ns;
		struct k8s_netpol_group *g = arena_new(&c->arena, struct k8s_netpol_group);
		const struct k8s_netpol **v;

		for (end = i; end < c->netpols.len && strcmp(c->netpols.v[end]->meta.ns, ns) == 0;)
			end++;
		v = arena_array(&c->arena, const struct k8s_netpol *, end - i);
		if (!g || !v)
			return -ENOMEM;
		for (size_t k = i; k < end; k++)
			v[g->len++] = c->netpols.v[k];
		g->v = v;
		if (map_puts(&c->netpols_by_ns, ns, g) < 0)
			return -ENOMEM;
	}
	return 0;
}

/*
 * Which of two pods with one address has it: one that runs before one that goes, that before one that is
 * gone.
 */
static int address_rank(const struct k8s_pod *p)
{
	if (k8s_pod_terminal(p))
		return 0;
	if (p->meta.deleted)
		return 1;
	return strcmp(p->phase, "Running") == 0 ? 3 : 2;
}

static int map_pods_by_ip(struct k8s_cluster *c)
{
	for (size_t i = 0; i < c->pods.len; i++) {
		struct k8s_pod *p = c->pods.v[i];

		for (size_t k = 0; !p->host_network && k < p->nips; k++) {
			const struct k8s_pod *other = map_get(&c->pod_by_ip, &p->ips[k], sizeof(p->ips[k]));

			if (other && address_rank(other) >= address_rank(p))
				continue;
			if (map_put(&c->pod_by_ip, &p->ips[k], sizeof(p->ips[k]), p) < 0)
				return -ENOMEM;
		}
	}
	return 0;
}

int k8s_cluster_finish(struct k8s_cluster *c)
{
	int r;

	if (c->finished)
		return 0;
	map_release(&c->strings);
	finish_lists(c);
	r = map_list(c, &c->service_by_name, c->services.v, c->services.len);
	if (r == 0)
		r = map_list(c, &c->pod_by_name, c->pods.v, c->pods.len);
	if (r == 0)
		r = map_names(c);
	if (r == 0)
		r = map_slices(c);
	if (r == 0)
		r = map_pods_by_ns(c);
	if (r == 0)
		r = map_netpols(c);
	if (r == 0)
		r = map_pods_by_ip(c);
	c->finished = r == 0;
	return r;
}

/* ---- lookups ---- */

const char *k8s_configmap_get(const struct k8s_configmap *m, const char *key)
{
	return k8s_label_get(&(struct k8s_labels){ m->data, m->ndata }, key);
}

static const void *find(const struct map *m, const char *ns, const char *name)
{
	char key[KEY_SIZE];
	int len = snprintf(key, sizeof(key), "%s/%s", ns, name);

	return len < (int)sizeof(key) ? map_gets(m, key) : NULL;
}

const struct k8s_service *k8s_find_service(const struct k8s_cluster *c, const char *ns, const char *name)
{
	return find(&c->service_by_name, ns, name);
}

const struct k8s_slice_group *k8s_slices_of(const struct k8s_cluster *c, const struct k8s_service *s)
{
	return find(&c->slices_by_service, s->meta.ns, s->meta.name);
}

const struct k8s_pod *k8s_find_pod(const struct k8s_cluster *c, const char *ns, const char *name)
{
	return find(&c->pod_by_name, ns, name);
}

const struct k8s_node *k8s_find_node(const struct k8s_cluster *c, const char *name)
{
	return map_gets(&c->node_by_name, name);
}

const struct k8s_node *k8s_node_of_ip(const struct k8s_cluster *c, const struct ip_addr *ip)
{
	const struct k8s_pod *p = map_get(&c->pod_by_ip, ip, sizeof(*ip));

	if (p && p->node)
		return k8s_find_node(c, p->node);
	for (size_t i = 0; i < c->nodes.len; i++) {
		const struct k8s_node *n = c->nodes.v[i];

		for (size_t k = 0; k < n->npod_cidrs; k++) {
			if (ip_prefix_contains(&n->pod_cidrs[k], ip))
				return n;
		}
	}
	return NULL;
}
