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
		X(workloads) X(ingresses) X(service_cidrs) X(callers)

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

static int compare_meta(const void *pa, const void *pb)
{
	const struct k8s_meta *a = element(pa, 0), *b = element(pb, 0);
	int r = strcmp(a->ns, b->ns);

	return r ? r : strcmp(a->name, b->name);
}

/* Workloads and callers have their kind behind the metadata. */
struct kinded {
	struct k8s_meta meta;
	const char *kind;
};
static_assert(offsetof(struct k8s_workload, kind) == offsetof(struct kinded, kind), "a workload's kind stands behind its metadata");
static_assert(offsetof(struct k8s_caller, kind) == offsetof(struct kinded, kind), "a caller's kind stands behind its metadata");

static const char *kind_of(const void *v, size_t i)
{
	const struct kinded *k;

	memcpy(&k, (const char *)v + i * sizeof(k), sizeof(k));
	return k->kind;
}

static int compare_kind(const void *pa, const void *pb)
{
	int r = compare_meta(pa, pb);

	return r ? r : strcmp(kind_of(pa, 0), kind_of(pb, 0));
}

/* "ns/name", and "/kind" behind it for workloads and callers, which share a list each; NULL when memory is out. */
static char *key_of(struct k8s_cluster *c, const struct k8s_meta *m, const char *kind)
{
	return arena_printf(&c->arena, "%s/%s%s%s", m->ns, m->name, *kind ? "/" : "", kind);
}

/*
 * Keeps of each name the object that was read last, then sorts. @by_name, when given, gets the objects that
 * stay. The keys lie in the arena.
 */
static int finish_list(struct k8s_cluster *c, void *v, size_t *len, bool kinds, struct map *by_name)
{
	struct map seen CLEANUP(map_release) = { 0 };
	size_t from = *len, to = *len, n;

	while (from-- > 0) {
		struct k8s_meta *m = element(v, from);
		const char *kind = "";
		char *key;

		if (kinds)
			kind = kind_of(v, from);
		key = key_of(c, m, kind);
		if (!key)
			return -ENOMEM;
		if (map_gets(&seen, key))
			continue;
		if (map_puts(&seen, key, m) < 0)
			return -ENOMEM;
		to--;
		memcpy((char *)v + to * sizeof(m), &m, sizeof(m));
	}
	n = *len - to;
	memmove(v, (char *)v + to * sizeof(void *), n * sizeof(void *));
	*len = n;
	qsort(v, n, sizeof(void *), kinds ? compare_kind : compare_meta);
	if (by_name) {
		*by_name = seen;
		seen = (struct map){ 0 };
	}
	return 0;
}

static int finish_lists(struct k8s_cluster *c)
{
	const struct {
		void *v;
		size_t *len;
		bool kinds; /* the list holds several */
		struct map *by_name;
	} rows[] = {
		{ c->services.v, &c->services.len, false, &c->service_by_name },
		{ c->pods.v, &c->pods.len, false, &c->pod_by_name },
		{ c->nodes.v, &c->nodes.len, false, NULL },
		{ c->namespaces.v, &c->namespaces.len, false, NULL },
		{ c->slices.v, &c->slices.len, false, NULL },
		{ c->endpoints.v, &c->endpoints.len, false, NULL },
		{ c->configmaps.v, &c->configmaps.len, false, NULL },
		{ c->events.v, &c->events.len, false, NULL },
		{ c->netpols.v, &c->netpols.len, false, NULL },
		{ c->workloads.v, &c->workloads.len, true, NULL },
		{ c->ingresses.v, &c->ingresses.len, false, NULL },
		{ c->service_cidrs.v, &c->service_cidrs.len, false, NULL },
		{ c->callers.v, &c->callers.len, true, NULL },
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(rows); i++) {
		if (*rows[i].len > 0)
			r = finish_list(c, rows[i].v, rows[i].len, rows[i].kinds, rows[i].by_name);
	}
	return r;
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

/* The group of @key, made where it is missing; cap counts its members to come. */
static int count_slice(struct k8s_cluster *c, const struct k8s_slice *s)
{
	char *key = arena_printf(&c->arena, "%s/%s", s->meta.ns, s->service);
	struct k8s_slice_group *g = key ? map_gets(&c->slices_by_service, key) : NULL;

	if (!g && key && (g = arena_new(&c->arena, struct k8s_slice_group)) &&
	    map_puts(&c->slices_by_service, key, g) < 0)
		g = NULL;
	if (!g)
		return -ENOMEM;
	g->v.cap++;
	return 0;
}

static int map_slices(struct k8s_cluster *c)
{
	char key[KEY_SIZE];

	for (size_t i = 0; i < c->slices.len; i++) {
		const struct k8s_slice *s = c->slices.v[i];

		if (s->service && strlen(s->service) <= 253 && count_slice(c, s) < 0)
			return -ENOMEM;
	}
	for (size_t i = 0; i < c->slices.len; i++) {
		const struct k8s_slice *s = c->slices.v[i];
		struct k8s_slice_group *g;

		if (!s->service || strlen(s->service) > 253)
			continue;
		snprintf(key, sizeof(key), "%s/%s", s->meta.ns, s->service);
		g = map_gets(&c->slices_by_service, key);
		if (!g->v.v)
			g->v.v = arena_array(&c->arena, const struct k8s_slice *, g->v.cap);
		if (!g->v.v)
			return -ENOMEM;
		g->v.v[g->v.len++] = s;
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
	int r = finish_lists(c);

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
	return r;
}

/* ---- lookups ---- */

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
