/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The context of one run: which pods each Service selects, its slices counted, warnings by object, workloads by
 * namespace, addresses of nodes. Everything is built once and in time that grows with the number of objects: pods
 * are looked up by the label pairs that selectors ask for, never Service by Service.
 */
#include <netinet/in.h>

#include "checks-private.h"

#define KEY_MAX 1024
#define SEP "\x1f"

bool run_has(const struct run *r, enum k8s_kind k)
{
	return r->s->kinds[k] == KNOWN || r->s->kinds[k] == PARTLY_KNOWN;
}

bool run_complete(const struct run *r, enum k8s_kind k)
{
	return snapshot_has_all(r->s, k, NULL);
}

bool run_complete_in(const struct run *r, enum k8s_kind k, const char *ns)
{
	return snapshot_has_all(r->s, k, ns);
}

bool run_complete_of(const struct run *r, enum k8s_kind k, const struct svc *v)
{
	return snapshot_has_of_service(r->s, k, v->o->meta.ns, v->o->meta.name);
}

bool run_would_have(const struct run *r, enum k8s_kind k, const char *ns, const char *name)
{
	return snapshot_would_have(r->s, k, ns, name);
}

bool run_reaches_in(const struct run *r, enum k8s_kind k, const char *ns)
{
	const struct snap_extent *e = &r->s->extents[k];
	bool in = !e->limited;

	for (size_t i = 0; ns && !in && i < e->namespaces.len; i++)
		in = strcmp(e->namespaces.v[i], ns) == 0;
	return in && run_has(r, k);
}

bool run_reaches(const struct run *r, enum k8s_kind k, const struct svc *v)
{
	const struct snap_extent *e = &r->s->extents[k];

	if (!run_has(r, k) || run_reaches_in(r, k, v->o->meta.ns))
		return run_has(r, k);
	for (size_t i = 0; i < e->services.len; i++)
		if (strcmp(e->services.v[i].name, v->o->meta.name) == 0 && strcmp(e->services.v[i].ns, v->o->meta.ns) == 0)
			return true;
	return false;
}

bool run_asked_for(const struct run *r, const char *ns)
{
	return !r->o->services || str_is(r->o->namespace_, ns);
}

struct svc *run_svc(const struct run *r, const struct k8s_service *s)
{
	return map_get(&r->svc_by_object, &s, sizeof(s));
}

/* Joins up to three strings into @buf; the length, or 0 when it does not fit. */
static size_t key_join(char buf[static KEY_MAX], const char *a, const char *b, const char *c)
{
	int n = snprintf(buf, KEY_MAX, "%s" SEP "%s" SEP "%s", a, b, c);

	return n < 0 || n >= KEY_MAX ? 0 : (size_t)n;
}

/* ---- pods by selector ---- */

static struct pod_set *set_new(struct run *r)
{
	struct pod_set *set = arena_new(&r->scratch, struct pod_set);

	if (set)
		run_push(r, &r->all_sets, set);
	else
		r->err = -ENOMEM;
	return set;
}

static struct pod_set *set_of_key(struct run *r, struct map *m, const char *key, size_t len)
{
	struct pod_set *set = map_get(m, key, len);
	char *copy;

	if (set)
		return set;
	set = set_new(r);
	copy = arena_strndup(&r->scratch, key, len);
	if (!set || !copy || map_put(m, copy, len, set) < 0) {
		r->err = -ENOMEM;
		return NULL;
	}
	return set;
}

static void register_selector(struct run *r, struct svc *v)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	const struct k8s_labels *sel = &v->o->selector;
	struct pod_set *set;

	strbuf_adds(&b, v->o->meta.ns);
	for (size_t i = 0; i < sel->len; i++) {
		char key[KEY_MAX];
		size_t n = key_join(key, v->o->meta.ns, sel->v[i].key, sel->v[i].value);

		if (n)
			(void)set_of_key(r, &r->pairs, key, n);
		strbuf_addf(&b, SEP "%s" SEP "%s", sel->v[i].key, sel->v[i].value);
	}
	if (b.failed || b.len > UINT32_MAX) {
		r->err = -ENOMEM;
		return;
	}
	set = set_of_key(r, &r->pod_sets, strbuf_str(&b), b.len);
	if (set)
		v->pods = set;
}

static void sort_pods_into_pairs(struct run *r)
{
	char key[KEY_MAX];

	if (!r->pairs.len)
		return;
	for (size_t i = 0; i < r->c->pods.len; i++) {
		const struct k8s_pod *p = r->c->pods.v[i];

		for (size_t j = 0; j < p->meta.labels.len; j++) {
			const struct k8s_label *l = &p->meta.labels.v[j];
			size_t n = key_join(key, p->meta.ns, l->key, l->value);
			struct pod_set *set = n ? map_get(&r->pairs, key, n) : NULL;

			if (set)
				run_push(r, &set->v, p);
		}
	}
}

bool pod_counts_ready(const struct k8s_pod *p)
{
	return k8s_pod_ready(p) && !k8s_pod_terminal(p) && !p->meta.deleted;
}

static void fill_set(struct run *r, const struct svc *v, struct pod_set *set)
{
	const struct k8s_labels *sel = &v->o->selector;
	const struct pod_set *best = NULL;

	set->filled = true;
	for (size_t i = 0; i < sel->len; i++) {
		char key[KEY_MAX];
		size_t n = key_join(key, v->o->meta.ns, sel->v[i].key, sel->v[i].value);
		const struct pod_set *cand = n ? map_get(&r->pairs, key, n) : NULL;

		if (!cand)
			return; /* a label that no object of Kubernetes can have */
		if (!best || cand->v.len < best->v.len)
			best = cand;
	}
	for (size_t i = 0; best && i < best->v.len; i++) {
		const struct k8s_pod *p = best->v.v[i];

		if (!k8s_selector_matches(sel, &p->meta.labels))
			continue;
		run_push(r, &set->v, p);
		set->live += !k8s_pod_terminal(p);
		set->ready += pod_counts_ready(p);
	}
}

static void match_pods(struct run *r)
{
	struct pod_set *none = set_new(r);

	if (!none)
		return;
	none->filled = true;
	for (size_t i = 0; i < r->nsvcs; i++) {
		r->svcs[i].pods = none;
		if (r->svcs[i].o->selector.len && !r->svcs[i].external_name)
			register_selector(r, &r->svcs[i]);
	}
	sort_pods_into_pairs(r);
	for (size_t i = 0; i < r->nsvcs; i++)
		if (!r->svcs[i].pods->filled)
			fill_set(r, &r->svcs[i], r->svcs[i].pods);
}

/* ---- slices ---- */

bool slice_used(const struct k8s_service *s, const struct k8s_slice *sl)
{
	if (!sl->address_type || strcmp(sl->address_type, "FQDN") == 0)
		return false;
	return s->headless || !sl->headless;
}

const struct k8s_slice_port *slice_port(const struct k8s_slice *sl, const struct k8s_service_port *p)
{
	for (size_t i = 0; i < sl->nports; i++) {
		const struct k8s_slice_port *sp = &sl->ports[i];

		if (sp->name && sp->has_port && sp->port && strcmp(sp->name, p->name) == 0)
			return sp;
	}
	return NULL;
}

static bool slice_has_any_port(const struct k8s_service *s, const struct k8s_slice *sl)
{
	if (s->headless && s->nports == 0)
		return true;
	for (size_t i = 0; i < s->nports; i++)
		if (slice_port(sl, &s->ports[i]))
			return true;
	return false;
}

static void count_slices(struct run *r, struct svc *v)
{
	v->slices = k8s_slices_of(r->c, v->o);
	for (size_t i = 0; v->slices && i < v->slices->v.len; i++) {
		const struct k8s_slice *sl = v->slices->v.v[i];
		bool port = slice_has_any_port(v->o, sl);

		if (!slice_used(v->o, sl))
			continue;
		for (size_t j = 0; j < sl->nendpoints; j++) {
			const struct k8s_endpoint *e = &sl->endpoints[j];

			v->listed++;
			v->ready += e->ready != 0;
			v->usable += e->ready != 0 && port;
			v->fallback += e->ready == 0 && e->serving == 1 && e->terminating == 1 && port;
		}
	}
}

static void judge_endpoints(struct run *r, struct svc *v)
{
	const bool slices = run_reaches(r, K8S_SLICES, v), pods = run_reaches(r, K8S_PODS, v);

	if (v->external_name)
		return;
	count_slices(r, v);
	v->endpoints_known = slices || (pods && v->o->selector.len);
	if (slices)
		v->nothing_ready = v->usable + v->fallback == 0;
	else if (pods && v->o->selector.len)
		v->nothing_ready = v->pods->ready == 0 && !v->o->publish_not_ready;
}

/* ---- events, workloads, nodes ---- */

static void index_event(struct run *r, const struct k8s_event *e)
{
	char key[KEY_MAX];
	struct event_list *l;
	size_t n;

	if (!e->type || strcmp(e->type, "Warning") != 0 || !e->kind || !e->name)
		return;
	n = key_join(key, e->kind, e->ns ? e->ns : "", e->name);
	if (!n)
		return;
	l = map_get(&r->events, key, n);
	if (!l) {
		char *copy = arena_strndup(&r->scratch, key, n);

		l = arena_new(&r->scratch, struct event_list);
		if (!l || !copy || map_put(&r->events, copy, n, l) < 0) {
			r->err = -ENOMEM;
			return;
		}
		run_push(r, &r->event_lists, l);
	}
	run_push(r, &l->v, e);
}

const struct event_list *run_events(const struct run *r, const char *kind, const char *ns, const char *name)
{
	char key[KEY_MAX];
	size_t n = key_join(key, kind, ns, name);

	return n ? map_get(&r->events, key, n) : NULL;
}

const struct k8s_event *run_event(const struct run *r, const char *kind, const char *ns, const char *name,
				  const char *reason)
{
	const struct event_list *l = run_events(r, kind, ns, name);
	const struct k8s_event *best = NULL;

	for (size_t i = 0; l && i < l->v.len; i++) {
		const struct k8s_event *e = l->v.v[i];

		if (reason && (!e->reason || strcmp(e->reason, reason) != 0))
			continue;
		if (!best || time_later(best->last, e->last) == e->last)
			best = e;
	}
	return best;
}

static void index_workloads(struct run *r)
{
	for (size_t i = 0; i < r->c->workloads.len; i++) {
		const struct k8s_workload *w = r->c->workloads.v[i];
		struct workload_list *l = map_gets(&r->workloads_by_ns, w->meta.ns);

		if (!l) {
			l = arena_new(&r->scratch, struct workload_list);
			if (!l || map_puts(&r->workloads_by_ns, w->meta.ns, l) < 0) {
				r->err = -ENOMEM;
				return;
			}
			run_push(r, &r->workload_lists, l);
		}
		run_push(r, &l->v, w);
	}
}

const struct workload_list *run_workloads(const struct run *r, const char *ns)
{
	return map_gets(&r->workloads_by_ns, ns);
}

bool is_proxy_pod(const struct k8s_pod *p)
{
	return str_is(k8s_label_get(&p->meta.labels, "k8s-app"), "kube-proxy") || str_is(k8s_label_get(&p->meta.labels, "component"), "kube-proxy");
}

static void index_nodes(struct run *r)
{
	for (size_t i = 0; i < r->c->nodes.len; i++) {
		struct k8s_node *n = r->c->nodes.v[i];

		for (size_t j = 0; j < n->naddresses; j++)
			if (n->addresses[j].ip.family &&
			    map_put(&r->node_addrs, &n->addresses[j].ip, sizeof(struct ip_addr), n) < 0)
				r->err = -ENOMEM;
	}
	for (size_t i = 0; i < r->c->pods.len; i++) {
		struct k8s_pod *p = r->c->pods.v[i], *old;

		if (!is_proxy_pod(p) || !p->node || k8s_pod_terminal(p))
			continue;
		old = map_gets(&r->proxy_pods, p->node);
		/* while a new one takes its place, there are two */
		if ((!old || old->meta.deleted || !p->meta.deleted) && map_puts(&r->proxy_pods, p->node, p) < 0)
			r->err = -ENOMEM;
	}
}

const struct k8s_node *run_node_of_addr(const struct run *r, const struct ip_addr *a)
{
	return map_get(&r->node_addrs, a, sizeof(*a));
}

const char *run_proxy_mode(const struct run *r, const char *node)
{
	for (size_t i = 0; i < r->s->nodes.len; i++) {
		const struct snap_node *n = r->s->nodes.v[i];
		const char *mode = node && strcmp(n->name, node) != 0 ? NULL : snapshot_proxy_mode(r->s, n);

		if (mode)
			return mode;
	}
	return NULL;
}

/* ---- all together ---- */

static int svc_list(struct run *r)
{
	const size_t n = r->o->services ? r->o->nservices : r->c->services.len;

	r->svcs = n ? calloc(n, sizeof(*r->svcs)) : NULL;
	if (n && !r->svcs)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const struct k8s_service *s = r->o->services ? r->o->services[i] : r->c->services.v[i];
		struct svc *v = &r->svcs[r->nsvcs];

		if (run_svc(r, s))
			continue; /* named twice */
		v->o = s;
		v->external_name = strcmp(s->type, "ExternalName") == 0;
		if (map_put(&r->svc_by_object, &v->o, sizeof(v->o), v) < 0)
			return -ENOMEM;
		r->nsvcs++;
	}
	return 0;
}

void run_index(struct run *r)
{
	r->budget = 4u << 20;
	if (svc_list(r) < 0) {
		r->err = -ENOMEM;
		return;
	}
	match_pods(r);
	if (r->err)
		return;
	for (size_t i = 0; i < r->nsvcs; i++)
		judge_endpoints(r, &r->svcs[i]);
	for (size_t i = 0; i < r->c->events.len; i++)
		index_event(r, r->c->events.v[i]);
	index_workloads(r);
	index_nodes(r);
}

void run_release(struct run *r)
{
	for (size_t i = 0; i < r->nsvcs; i++)
		array_free(&r->svcs[i].findings);
	for (size_t i = 0; i < r->all_sets.len; i++)
		array_free(&r->all_sets.v[i]->v);
	for (size_t i = 0; i < r->event_lists.len; i++)
		array_free(&r->event_lists.v[i]->v);
	for (size_t i = 0; i < r->workload_lists.len; i++)
		array_free(&r->workload_lists.v[i]->v);
	array_free(&r->all_sets);
	array_free(&r->event_lists);
	array_free(&r->workload_lists);
	array_free(&r->dummy.f.evidence);
	array_free(&r->dummy.f.next);
	array_free(&r->dummy.f.fix);
	array_free(&r->dummy.f.services);
	array_free(&r->dummy.f.explains);
	map_release(&r->svc_by_object);
	map_release(&r->pod_sets);
	map_release(&r->pairs);
	map_release(&r->events);
	map_release(&r->workloads_by_ns);
	map_release(&r->node_addrs);
	map_release(&r->proxy_pods);
	map_release(&r->pod_findings);
	free(r->svcs);
	arena_release(&r->scratch);
}
