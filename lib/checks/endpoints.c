/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * EndpointSlices against pods, nodes and addresses: who is listed and should not be, and the reverse. Where pods or
 * nodes are not known as a whole, a name that is missing proves nothing and is not told.
 */
#include "checks-private.h"

static const char *endpoint_text(struct run *r, const struct k8s_endpoint *e)
{
	char buf[IP_ADDR_STRLEN];

	return e->ip.family    ? run_printf(r, "%s", ip_addr_format(&e->ip, buf))
	       : e->naddresses ? e->addresses[0]
			       : "no address";
}

static void look_at_slice(struct run *r, struct finding *f, const struct k8s_slice *sl)
{
	finding_next(r, f, "kubectl -n %s get endpointslice %s -o yaml", sl->meta.ns, sl->meta.name);
}

/* Calls @fn for each endpoint of the slices that are used; it returns false to stop. */
typedef bool (*endpoint_fn)(struct run *r, struct svc *v, const struct k8s_slice *sl, const struct k8s_endpoint *e);
static void each_endpoint(struct run *r, struct svc *v, endpoint_fn fn)
{
	for (size_t i = 0; v->slices && i < v->slices->v.len; i++) {
		const struct k8s_slice *sl = v->slices->v.v[i];

		for (size_t j = 0; slice_used(v->o, sl) && j < sl->nendpoints; j++)
			if (!fn(r, v, sl, &sl->endpoints[j]))
				return;
	}
}

/* ---- labels ---- */

void check_headless_label(struct run *r, struct svc *v)
{
	for (size_t i = 0; !v->o->headless && !v->external_name && v->slices && i < v->slices->v.len; i++) {
		const struct k8s_slice *sl = v->slices->v.v[i];
		struct finding *f;

		if (!sl->headless || !sl->nendpoints)
			continue;
		f = finding_of_service(r, "stale-headless-label-slice", NULL, sl->meta.name, v);
		f->rank = 14;
		if (v->usable) {
			finding_partial(f);
			finding_severity(f, SEVERITY_WARNING);
		}
		finding_text(
			r, f,
			"EndpointSlice %s/%s carries the label service.kubernetes.io/headless, so "
			"kube-proxy does not read it",
			sl->meta.ns, sl->meta.name);
		finding_changed(f, &sl->meta);
		look_at_slice(r, f, sl);
		finding_fix(r, f, "kubectl -n %s label endpointslice %s service.kubernetes.io/headless-", sl->meta.ns,
			    sl->meta.name);
	}
}

/* The Service that a slice without the right label was made for: its owner, or the name that its own begins with. */
static struct svc *meant_service(struct run *r, const struct k8s_slice *sl)
{
	for (size_t i = 0; i < sl->meta.nowners; i++)
		if (str_is(sl->meta.owners[i].kind, "Service") && sl->meta.owners[i].name) {
			const struct k8s_service *s = k8s_find_service(r->c, sl->meta.ns, sl->meta.owners[i].name);

			return s ? run_svc(r, s) : NULL;
		}
	/* of a Service that was not read the name may fit better */
	for (size_t n = run_complete_in(r, K8S_SERVICES, sl->meta.ns) ? strlen(sl->meta.name) : 0; n > 0; n--) {
		CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
		const struct k8s_service *s;

		if (sl->meta.name[n] != '\0' && sl->meta.name[n] != '-')
			continue;
		strbuf_add(&b, sl->meta.name, n);
		s = k8s_find_service(r->c, sl->meta.ns, strbuf_str(&b));
		if (s)
			return run_svc(r, s);
	}
	return NULL;
}

static void label_wrong(struct run *r, struct svc *v, const struct k8s_slice *sl, const char *why)
{
	struct finding *f = finding_of_service(r, "slice-service-name-label-wrong", NULL, sl->meta.name, v);

	f->rank = 12;
	finding_changed(f, &sl->meta);
	finding_text(r, f, "EndpointSlice %s/%s seems to be meant for Service %s, but %s: kube-proxy does not use it",
		     sl->meta.ns, sl->meta.name, v->o->meta.name, why);
	look_at_slice(r, f, sl);
	finding_fix(r, f, "kubectl -n %s label endpointslice %s --overwrite kubernetes.io/service-name=%s", sl->meta.ns,
		    sl->meta.name, v->o->meta.name);
}

void check_slice_labels(struct run *r)
{
	for (size_t i = 0; i < r->c->slices.len; i++) {
		const struct k8s_slice *sl = r->c->slices.v[i];
		const struct k8s_service *named = sl->service ? k8s_find_service(r->c, sl->meta.ns, sl->service) : NULL;
		struct svc *v;

		if (!sl->nendpoints)
			continue;
		if (named && str_is(sl->address_type, "FQDN")) {
			v = run_svc(r, named);
			if (v && v->nothing_ready)
				label_wrong(r, v, sl, "its addressType is FQDN");
			continue;
		}
		if (named || (sl->service && !run_would_have(r, K8S_SERVICES, sl->meta.ns, sl->service)))
			continue;
		v = meant_service(r, sl);
		/* a slice of another Service's name is only a fault for one that lacks endpoints */
		if (v && v->nothing_ready && !v->o->selector.len)
			label_wrong(r, v, sl,
				    sl->service ? run_printf(r, "its label kubernetes.io/service-name says '%s'",
							     sl->service)
						: "it has no label kubernetes.io/service-name");
	}
}

void check_orphan_mirror(struct run *r, struct svc *v)
{
	const struct k8s_slice *mirrored = NULL, *own = NULL;
	struct finding *f;

	for (size_t i = 0; v->slices && i < v->slices->v.len; i++) {
		const struct k8s_slice *sl = v->slices->v.v[i];

		if (!sl->nendpoints)
			continue;
		if (str_is(sl->managed_by, "endpointslicemirroring-controller.k8s.io"))
			mirrored = sl;
		else if (str_is(sl->managed_by, "endpointslice-controller.k8s.io"))
			own = sl;
	}
	if (!mirrored || !v->o->selector.len)
		return;
	f = finding_of_service(r, "orphan-mirrored-slice", NULL, NULL, v);
	f->rank = 16;
	finding_partial(f);
	finding_text(r, f,
		     "EndpointSlice %s/%s is a mirrored leftover: part of the traffic of %s goes to its addresses",
		     mirrored->meta.ns, mirrored->meta.name, v->o->meta.name);
	finding_evidence(r, f, "the Service has a selector%s%s; mirrored slices belong to Services without one",
			 own ? " and its own slice " : "", own ? own->meta.name : "");
	look_at_slice(r, f, mirrored);
	finding_fix(r, f, "kubectl -n %s delete endpointslice %s", mirrored->meta.ns, mirrored->meta.name);
}

/* ---- addresses ---- */

static const struct k8s_service *service_of_vip(struct run *r, const struct ip_addr *a)
{
	for (size_t i = 0; i < r->c->services.len; i++)
		for (size_t j = 0; j < r->c->services.v[i]->ncluster_ips; j++)
			if (ip_addr_equal(a, &r->c->services.v[i]->cluster_ips[j]))
				return r->c->services.v[i];
	return NULL;
}

static bool in_service_range(struct run *r, const struct ip_addr *a)
{
	for (size_t i = 0; i < r->c->service_cidrs.len; i++)
		for (size_t j = 0; j < r->c->service_cidrs.v[i]->ncidrs; j++)
			if (ip_prefix_contains(&r->c->service_cidrs.v[i]->cidrs[j], a))
				return true;
	return false;
}

static bool special_address(struct run *r, struct svc *v, const struct k8s_slice *sl, const struct k8s_endpoint *e)
{
	const struct k8s_service *vip = NULL;
	const char *what = NULL;
	struct finding *f;

	if (!e->ip.family || e->ready == 0)
		return true;
	if (ip_addr_is_loopback(&e->ip))
		what = "a loopback address";
	else if (ip_addr_is_linklocal(&e->ip))
		what = "a link-local address";
	else if (ip_addr_is_multicast(&e->ip) || ip_addr_is_zero(&e->ip))
		what = "no address of a host";
	else if (!e->target_name && in_service_range(r, &e->ip)) {
		vip = service_of_vip(r, &e->ip);
		what = vip ? run_printf(r, "the cluster IP of Service %s/%s", vip->meta.ns, vip->meta.name)
			   : "in the range of cluster IPs";
	}
	if (!what)
		return true;
	f = finding_of_service(r, "endpoint-address-special-range", NULL, NULL, v);
	f->rank = 17;
	if (v->usable > 1)
		finding_partial(f);
	finding_changed(f, &sl->meta);
	finding_text(r, f, "endpoint %s of %s/%s is %s: nodes cannot send traffic on to it", endpoint_text(r, e),
		     v->o->meta.ns, v->o->meta.name, what);
	finding_evidence(r, f, "EndpointSlice %s/%s", sl->meta.ns, sl->meta.name);
	look_at_slice(r, f, sl);
	return false;
}

void check_special_address(struct run *r, struct svc *v)
{
	each_endpoint(r, v, special_address);
}

/* ---- endpoints whose pod is gone, or is another one ---- */

static bool stale_manual(struct run *r, struct svc *v, const struct k8s_slice *sl, const struct k8s_endpoint *e)
{
	const char *ns = e->target_ns ? e->target_ns : sl->meta.ns;
	struct finding *f;

	if (e->ready == 0 || !str_is(e->target_kind, "Pod") || !e->target_name || k8s_find_pod(r->c, ns, e->target_name) ||
	    !run_would_have(r, K8S_PODS, ns, e->target_name))
		return true;
	/* a list that holds no pod of this namespace at all was hardly taken of it */
	if (run_complete(r, K8S_PODS) && !map_gets(&r->c->pods_by_ns, sl->meta.ns))
		return false;
	f = finding_of_service(r, "selectorless-stale-endpoints", NULL, NULL, v);
	f->rank = 17;
	if (v->usable > 1)
		finding_partial(f);
	finding_changed(f, &v->o->meta);
	finding_text(r, f,
		     "%s/%s has no selector, and its endpoint %s names Pod %s, which is gone: nobody updates this list",
		     v->o->meta.ns, v->o->meta.name, endpoint_text(r, e), e->target_name);
	finding_evidence(r, f, "EndpointSlice %s, managed by %s", sl->meta.name,
			 sl->managed_by ? sl->managed_by : "nobody");
	look_at_slice(r, f, sl);
	return false;
}

void check_stale_manual(struct run *r, struct svc *v)
{
	if (!v->o->selector.len && !v->external_name)
		each_endpoint(r, v, stale_manual);
}

static bool ip_reused(struct run *r, struct svc *v, const struct k8s_slice *sl, const struct k8s_endpoint *e)
{
	const struct k8s_pod *now;
	struct finding *f;

	if (e->ready == 0 || !e->ip.family || !str_is(e->target_kind, "Pod") || !e->target_uid)
		return true;
	now = map_get(&r->c->pod_by_ip, &e->ip, sizeof(e->ip));
	if (!now || !now->meta.uid || strcmp(now->meta.uid, e->target_uid) == 0 || k8s_pod_terminal(now) ||
	    now->host_network)
		return true;
	if (k8s_selector_matches(&v->o->selector, &now->meta.labels) && strcmp(now->meta.ns, v->o->meta.ns) == 0)
		return true; /* the same pod made anew: the slice is a moment old */
	f = finding_of_service(r, "pod-ip-reuse-wrong-backend", NULL, NULL, v);
	f->rank = 16;
	if (v->usable > 1)
		finding_partial(f);
	finding_text(r, f, "endpoint %s of %s/%s now belongs to Pod %s/%s, which the Service does not select",
		     endpoint_text(r, e), v->o->meta.ns, v->o->meta.name, now->meta.ns, now->meta.name);
	finding_evidence(r, f, "EndpointSlice %s names Pod %s", sl->meta.name, e->target_name ? e->target_name : "");
	look_at_slice(r, f, sl);
	finding_next(r, f, "kubectl -n %s get pod %s -o wide", now->meta.ns, now->meta.name);
	return false;
}

void check_ip_reuse(struct run *r, struct svc *v)
{
	/* who has the address now is known wherever that pod was read */
	if (r->s->kinds[K8S_PODS] == KNOWN)
		each_endpoint(r, v, ip_reused);
}

/* ---- the controller ---- */

struct pod_refs {
	struct map by_uid, by_ip;
};

static int collect_refs(const struct svc *v, struct pod_refs *refs)
{
	for (size_t i = 0; v->slices && i < v->slices->v.len; i++) {
		const struct k8s_slice *sl = v->slices->v.v[i];

		for (size_t j = 0; j < sl->nendpoints; j++) {
			const struct k8s_endpoint *e = &sl->endpoints[j];

			if (e->target_uid && map_puts(&refs->by_uid, e->target_uid, refs) < 0)
				return -ENOMEM;
			if (e->ip.family && map_put(&refs->by_ip, &e->ip, sizeof(e->ip), refs) < 0)
				return -ENOMEM;
		}
	}
	return 0;
}

/* Ready pods of the families that the Service has and that no slice lists. */
static size_t count_missing(struct run *r, struct svc *v, const struct pod_refs *refs, const struct k8s_pod **ret)
{
	size_t missing = 0;

	for (size_t i = 0; i < v->pods->v.len; i++) {
		const struct k8s_pod *p = v->pods->v.v[i];
		bool found = p->nips == 0;

		if (!pod_counts_ready(p) || !p->node || (p->meta.uid && map_gets(&refs->by_uid, p->meta.uid)))
			continue;
		/* the controller leaves out a pod whose Node it does not know; and so may we not know it */
		if (run_would_have(r, K8S_NODES, "", p->node) && !k8s_find_node(r->c, p->node))
			continue;
		for (size_t j = 0; j < p->nips; j++)
			found |= map_get(&refs->by_ip, &p->ips[j], sizeof(p->ips[j])) != NULL;
		if (found)
			continue;
		missing++;
		*ret = p;
	}
	return missing;
}

static bool pod_has_service_family(const struct svc *v, const struct k8s_pod *p)
{
	if (!v->o->nip_families)
		return true;
	for (size_t i = 0; i < p->nips; i++)
		for (size_t j = 0; j < v->o->nip_families; j++)
			if (str_is(v->o->ip_families[j], p->ips[i].family == AF_INET6 ? "IPv6" : "IPv4"))
				return true;
	return false;
}

void check_not_syncing(struct run *r, struct svc *v)
{
	const struct k8s_meta *m = &v->o->meta;
	const struct k8s_pod *example = NULL;
	struct pod_refs refs = { 0 };
	struct finding *f;
	size_t missing = 0;

	if (!v->o->selector.len || v->external_name || !run_complete_of(r, K8S_SLICES, v) || !v->pods->ready || m->deleted)
		return;
	/* no slice of the whole cluster: the list was hardly taken of it */
	if (!v->slices && !r->c->slices.len && run_complete(r, K8S_SLICES))
		return;
	if (collect_refs(v, &refs) < 0)
		r->err = -ENOMEM;
	else
		missing = count_missing(r, v, &refs, &example);
	map_release(&refs.by_uid);
	map_release(&refs.by_ip);
	if (!missing || !pod_has_service_family(v, example))
		return;
	f = finding_of_service(r, "endpoint-controller-not-syncing", NULL, NULL, v);
	f->rank = 18;
	if (!v->nothing_ready) {
		finding_partial(f);
		finding_severity(f, SEVERITY_WARNING);
	}
	finding_text(
		r, f,
		"%zu ready pod%s that %s/%s selects stand%s in no EndpointSlice: the endpoint controller "
		"has not taken %s up",
		missing, PLURAL(missing), m->ns, m->name, missing == 1 ? "s" : "", missing == 1 ? "it" : "them");
	finding_evidence(r, f, "for example Pod %s/%s, ready", example->meta.ns, example->meta.name);
	finding_event(r, f, run_event(r, "Service", m->ns, m->name, "FailedToUpdateEndpointSlices"));
	finding_next(r, f, "kubectl -n %s get endpointslices -l kubernetes.io/service-name=%s -o wide", m->ns, m->name);
	finding_next(r, f, "kubectl -n kube-system get lease kube-controller-manager -o yaml");
}

/* ---- readiness ---- */

void check_terminating(struct run *r, struct svc *v)
{
	struct finding *f;

	if (v->usable || !v->fallback || v->o->headless)
		return;
	f = finding_of_service(r, "terminating-endpoints-only", NULL, NULL, v);
	f->rank = 19;
	finding_text(r, f,
		     "only terminating endpoints are left behind %s/%s (%zu): it works until the last of them is gone",
		     v->o->meta.ns, v->o->meta.name, v->fallback);
	finding_next(r, f, "kubectl -n %s get endpointslices -l kubernetes.io/service-name=%s -o yaml", v->o->meta.ns,
		     v->o->meta.name);
}

void check_publish_not_ready(struct run *r, struct svc *v)
{
	size_t unready = 0;
	struct finding *f;

	if (!v->o->publish_not_ready || v->o->headless || v->external_name)
		return;
	for (size_t i = 0; i < v->pods->v.len; i++)
		unready += !k8s_pod_terminal(v->pods->v.v[i]) && !k8s_pod_ready(v->pods->v.v[i]);
	if (!unready)
		return;
	f = finding_of_service(r, "publish-not-ready", NULL, NULL, v);
	f->rank = 22;
	finding_changed(f, &v->o->meta);
	finding_partial(f);
	finding_text(
		r, f,
		"%s/%s publishes addresses that are not ready: %zu of %zu pods get traffic and are not ready for it",
		v->o->meta.ns, v->o->meta.name, unready, v->pods->live);
	finding_next(r, f, "kubectl -n %s get pods -o wide", v->o->meta.ns);
	finding_fix(r, f,
		    "kubectl -n %s patch service %s --type merge -p '{\"spec\":{\"publishNotReadyAddresses\":false}}'",
		    v->o->meta.ns, v->o->meta.name);
}

static bool node_lost(const struct k8s_node *n)
{
	const struct k8s_condition *c = n ? k8s_condition(n->conditions, n->nconditions, "Ready") : NULL;

	return c && str_is(c->status, "Unknown");
}

void check_dead_node(struct run *r, struct svc *v)
{
	const struct k8s_node *dead = NULL;
	struct finding *f;
	size_t n = 0;

	for (size_t i = 0; v->slices && i < v->slices->v.len; i++)
		for (size_t j = 0; slice_used(v->o, v->slices->v.v[i]) && j < v->slices->v.v[i]->nendpoints; j++) {
			const struct k8s_endpoint *e = &v->slices->v.v[i]->endpoints[j];
			const struct k8s_node *node = e->ready != 0 && e->node_name ? k8s_find_node(r->c, e->node_name)
										    : NULL;

			if (node_lost(node)) {
				dead = node;
				n++;
			}
		}
	if (!n || v->o->publish_not_ready)
		return;
	f = finding_of_service(r, "node-notready-endpoints-lag", dead->meta.name, NULL, v);
	f->rank = 18;
	if (n < v->usable)
		finding_partial(f);
	f->since = k8s_condition(dead->conditions, dead->nconditions, "Ready")->since;
	finding_text(
		r, f,
		"%zu of %zu ready endpoints of %s/%s are on node %s, which no longer reports: connections to them hang",
		n, v->ready, v->o->meta.ns, v->o->meta.name, dead->meta.name);
	finding_next(r, f, "kubectl describe node %s", dead->meta.name);
}

/* ---- families and traffic policies ---- */

static void family_ready(const struct svc *v, const char *type, bool *ret_ready)
{
	for (size_t i = 0; v->slices && i < v->slices->v.len; i++) {
		const struct k8s_slice *sl = v->slices->v.v[i];

		for (size_t j = 0; str_is(sl->address_type, type) && slice_used(v->o, sl) && j < sl->nendpoints; j++)
			*ret_ready |= sl->endpoints[j].ready != 0;
	}
}

/* Ready pods, and none has an address of a family that the Service has: nothing is listed for them. */
static void family_of_pods(struct run *r, struct svc *v)
{
	struct finding *f;

	if (!v->nothing_ready || !v->pods->ready || v->listed || !v->o->nip_families)
		return;
	for (size_t i = 0; i < v->pods->v.len; i++)
		if (pod_counts_ready(v->pods->v.v[i]) && pod_has_service_family(v, v->pods->v.v[i]))
			return;
	f = finding_of_service(r, "dual-stack-family-mismatch", NULL, NULL, v);
	f->rank = 15;
	finding_changed(f, &v->o->meta);
	finding_text(r, f, "%s/%s is an %s Service, and none of its ready pods has an %s address: it has no endpoints",
		     v->o->meta.ns, v->o->meta.name, v->o->ip_families[0], v->o->ip_families[0]);
	finding_next(r, f, "kubectl -n %s get pods -o wide", v->o->meta.ns);
	finding_next(r, f, "kubectl -n %s get service %s -o yaml", v->o->meta.ns, v->o->meta.name);
}

void check_family(struct run *r, struct svc *v)
{
	bool ready4 = false, ready6 = false;
	const char *lacking;
	struct finding *f;

	if (v->external_name || !run_complete_of(r, K8S_SLICES, v))
		return;
	if (v->o->nip_families < 2) {
		family_of_pods(r, v);
		return;
	}
	family_ready(v, "IPv4", &ready4);
	family_ready(v, "IPv6", &ready6);
	if (ready4 == ready6)
		return;
	lacking = ready4 ? "IPv6" : "IPv4";
	f = finding_of_service(r, "dual-stack-family-mismatch", NULL, NULL, v);
	f->rank = 21;
	finding_changed(f, &v->o->meta);
	finding_partial(f);
	finding_text(r, f, "%s/%s has an %s address but no ready %s endpoint: clients of that family are refused",
		     v->o->meta.ns, v->o->meta.name, lacking, lacking);
	for (size_t i = 0; i < v->pods->v.len; i++)
		if (pod_counts_ready(v->pods->v.v[i]) && v->pods->v.v[i]->nips < 2) {
			finding_evidence(r, f, "Pod %s has one address only", v->pods->v.v[i]->meta.name);
			break;
		}
	finding_next(r, f, "kubectl -n %s get endpointslices -l kubernetes.io/service-name=%s", v->o->meta.ns,
		     v->o->meta.name);
	finding_next(r, f, "kubectl -n %s get service %s -o yaml", v->o->meta.ns, v->o->meta.name);
}

/*
 * Nodes that serve under policy Local: those with a ready endpoint, and since 1.26 those whose only endpoints are
 * terminating and still serve (KEP-1669, pkg/proxy/topology.go).
 */
static size_t nodes_with_endpoint(struct run *r, struct svc *v)
{
	CLEANUP(map_release) struct map seen = { 0 };
	const int minor = r->c->version ? k8s_minor_version(r->c->version) : -1;
	const bool terminating_serve = minor < 0 || minor >= 26;

	for (size_t i = 0; v->slices && i < v->slices->v.len; i++)
		for (size_t j = 0; slice_used(v->o, v->slices->v.v[i]) && j < v->slices->v.v[i]->nendpoints; j++) {
			const struct k8s_endpoint *e = &v->slices->v.v[i]->endpoints[j];
			bool serves = e->ready != 0 || (terminating_serve && e->serving == 1 && e->terminating == 1);

			if (serves && e->node_name && map_puts(&seen, e->node_name, v) < 0)
				r->err = -ENOMEM;
		}
	return seen.len;
}

/* internalTrafficPolicy Local: pods on a node without an endpoint are dropped, by design and to many a surprise. */
void check_local_policy(struct run *r, struct svc *v)
{
	size_t n, all = r->c->nodes.len;
	struct finding *f;

	if (v->nothing_ready || !v->usable || v->o->headless || v->external_name || !run_reaches_in(r, K8S_NODES, NULL) ||
	    (!v->o->internal_local && !v->o->external_local))
		return;
	n = nodes_with_endpoint(r, v);
	if (n == 0 || n >= all)
		return;
	if (v->o->internal_local) {
		f = finding_of_service(r, "itp-local-no-local-endpoint", NULL, NULL, v);
		f->rank = 40;
		finding_changed(f, &v->o->meta);
		finding_partial(f);
		finding_text(
			r, f,
			"%s/%s has internalTrafficPolicy Local and endpoints on %zu of %zu nodes: pods on "
			"the others cannot use it",
			v->o->meta.ns, v->o->meta.name, n, all);
		finding_next(r, f, "kubectl -n %s get endpointslices -l kubernetes.io/service-name=%s -o yaml",
			     v->o->meta.ns, v->o->meta.name);
	}
	if (v->o->external_local && strcmp(v->o->type, "ClusterIP") != 0) {
		f = finding_of_service(r, "etp-local-no-local-endpoint", NULL, NULL, v);
		f->rank = 41;
		finding_partial(f);
		finding_text(
			r, f,
			"%s/%s has externalTrafficPolicy Local and endpoints on %zu of %zu nodes: outside "
			"clients are dropped at the others, as they must be",
			v->o->meta.ns, v->o->meta.name, n, all);
	}
}
