/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a spec says that cannot work: headless, ExternalName, the label for another proxy, load balancers, Ingresses,
 * StatefulSets.
 */
#include <netinet/in.h>

#include "checks-private.h"

/* ---- headless ---- */

void check_headless(struct run *r, struct svc *v)
{
	const struct k8s_meta *m = &v->o->meta;
	const char *detail = NULL;
	struct finding *f;

	if (!v->o->headless || v->external_name)
		return;
	for (size_t i = 0; i < v->o->nports && !detail; i++) {
		const struct k8s_service_port *p = &v->o->ports[i];

		if (!p->target.name && p->target.number && p->target.number != p->port && v->o->selector.len)
			detail = run_printf(r, "port %u is not translated to targetPort %u: clients must use port %u",
					    p->port, p->target.number, p->target.number);
	}
	if (v->o->nexternal_ips)
		detail = "its external IPs are ignored";
	else if (v->o->affinity_client_ip)
		detail = "its session affinity is ignored";
	if (!detail)
		return;
	f = finding_of_service(r, "headless-misuse", NULL, NULL, v);
	f->rank = 35;
	finding_changed(f, m);
	finding_partial(f);
	finding_text(r, f, "%s/%s is headless, so kube-proxy leaves it alone: %s", m->ns, m->name, detail);
	finding_next(r, f, "kubectl -n %s get service %s -o yaml", m->ns, m->name);
}

/* ---- ExternalName ---- */

/*
 * The Service that an external name means, when it is one of this cluster. @ret_local: it has that form; @ret_known: and is
 * among the Services that were read, or would be if there were one.
 */
static const struct k8s_service *named_service(struct run *r, const char *dns, bool *ret_local, bool *ret_known)
{
	const char *dot = strchr(dns, '.'), *dot2 = dot ? strchr(dot + 1, '.') : NULL;
	CLEANUP(strbuf_release) struct strbuf name = STRBUF_INIT, ns = STRBUF_INIT;

	*ret_local = *ret_known = false;
	if (!dot2)
		return NULL;
	if (strcmp(dot2, ".svc") != 0 && strcmp(dot2, ".svc.") != 0 && strcmp(dot2, ".svc.cluster.local") != 0 &&
	    strcmp(dot2, ".svc.cluster.local.") != 0)
		return NULL;
	strbuf_add(&name, dns, (size_t)(dot - dns));
	strbuf_add(&ns, dot + 1, (size_t)(dot2 - dot - 1));
	*ret_local = name.len && ns.len;
	*ret_known = run_would_have(r, K8S_SERVICES, strbuf_str(&ns), strbuf_str(&name));
	return k8s_find_service(r->c, strbuf_str(&ns), strbuf_str(&name));
}

static void external_chain(struct run *r, struct svc *v)
{
	const struct k8s_service *s = v->o;
	const char *why = NULL;
	struct finding *f;
	bool local, known = false;

	for (unsigned hops = 0; !why; hops++) {
		const struct k8s_service *next = s->external_name ? named_service(r, s->external_name, &local, &known) : NULL;

		if (!s->external_name || !local)
			return;
		if (!next && !known)
			return;
		if (!next)
			why = run_printf(r, "there is no Service '%s'", s->external_name);
		else if (next == v->o)
			why = "it leads back to itself";
		else if (hops > 8)
			why = "the chain of names is too long";
		else if (strcmp(next->type, "ExternalName") != 0)
			return;
		s = next ? next : s;
	}
	f = finding_of_service(r, "externalname-cname-loop", NULL, NULL, v);
	f->rank = 10;
	finding_changed(f, &v->o->meta);
	finding_text(r, f, "%s/%s points to %s and resolves to no address: %s", v->o->meta.ns, v->o->meta.name,
		     v->o->external_name, why);
	finding_next(r, f, "kubectl -n %s get service %s -o yaml", v->o->meta.ns, v->o->meta.name);
}

void check_external_name(struct run *r, struct svc *v)
{
	const struct k8s_meta *m = &v->o->meta;
	struct ip_addr a;
	struct finding *f;

	if (!v->external_name) {
		if (!v->o->external_name || !v->o->external_name[0])
			return;
		f = finding_of_service(r, "externalname-ports-ignored", NULL, NULL, v);
		finding_severity(f, SEVERITY_INFO);
		finding_text(r, f, "%s/%s has an externalName, which is ignored because its type is %s", m->ns, m->name,
			     v->o->type);
		return;
	}
	if (v->o->external_name && ip_addr_parse(v->o->external_name, &a) == 0) {
		f = finding_of_service(r, "externalname-ip", NULL, NULL, v);
		f->rank = 10;
		finding_changed(f, m);
		finding_text(r, f, "%s/%s is an ExternalName whose name is the address %s: DNS has no answer for it",
			     m->ns, m->name, v->o->external_name);
		finding_evidence(
			r, f,
			"an externalName is a DNS name; for an address make a Service without selector and "
			"an EndpointSlice with %s",
			v->o->external_name);
		finding_next(r, f, "kubectl -n %s get service %s -o yaml", m->ns, m->name);
		return;
	}
	external_chain(r, v);
	for (size_t i = 0; i < v->o->nports; i++)
		if (v->o->ports[i].target.number && v->o->ports[i].target.number != v->o->ports[i].port) {
			f = finding_of_service(r, "externalname-ports-ignored", NULL, NULL, v);
			f->rank = 36;
			finding_partial(f);
			finding_changed(f, m);
			finding_text(
				r, f,
				"%s/%s is an ExternalName: its port %u is not translated to %u, clients "
				"reach %s on the port they ask for",
				m->ns, m->name, v->o->ports[i].port, v->o->ports[i].target.number,
				v->o->external_name ? v->o->external_name : "it");
			finding_next(r, f, "kubectl -n %s get service %s -o yaml", m->ns, m->name);
			return;
		}
}

static bool speaks_http(const struct k8s_service_port *p)
{
	static const char *const names[] = { "http", "https", "http2", "grpc", "tls" };

	if (p->port == 80 || p->port == 443)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const size_t n = strlen(names[i]);

		if (str_is(p->app_protocol, names[i]) ||
		    (strncmp(p->name, names[i], n) == 0 && (p->name[n] == '\0' || p->name[n] == '-')))
			return true;
	}
	return false;
}

/* Whether the server minds is not known from objects: information only. */
void check_external_http(struct run *r, struct svc *v)
{
	const struct k8s_meta *m = &v->o->meta;
	const char *name = v->o->external_name;
	struct ip_addr a;
	struct finding *f;
	bool local, known;

	if (!v->external_name || !name || !name[0] || ip_addr_parse(name, &a) == 0)
		return;
	(void)named_service(r, name, &local, &known);
	for (size_t i = 0; !local && i < v->o->nports; i++) {
		const struct k8s_service_port *p = &v->o->ports[i];

		if (p->proto != IPPROTO_TCP || !speaks_http(p))
			continue;
		f = finding_of_service(r, "externalname-host-header-tls", NULL, NULL, v);
		f->rank = 40;
		finding_partial(f);
		finding_changed(f, m);
		finding_text(r, f,
			     "%s/%s stands for %s in DNS only: HTTP and TLS clients on port %u still ask the server for %s.%s",
			     m->ns, m->name, name, p->port, m->name, m->ns);
		finding_evidence(
			r, f,
			"a server that does not know that name answers 404, 421 or 403, or with a certificate for %s", name);
		finding_next(r, f, p->port == 80 ? "curl -v http://%t/" : "curl -v https://%t/", name);
		finding_next(r, f, "kubectl -n %s get service %s -o yaml", m->ns, m->name);
		return;
	}
}

/* ---- one of the three ports of a Service for another ---- */

static uint16_t named_target_number(const struct run *r, const struct k8s_service *s, const struct k8s_service_port *p)
{
	const struct svc *v = run_svc(r, s);

	for (size_t i = 0; v && v->slices && i < v->slices->v.len; i++) {
		const struct k8s_slice_port *sp = slice_port(v->slices->v.v[i], p);

		if (sp)
			return sp->port;
	}
	return 0;
}

const char *port_instead(struct run *r, const struct k8s_service *s, const char *name, uint16_t number, uint8_t proto)
{
	for (size_t i = 0; i < s->nports; i++) {
		const struct k8s_service_port *p = &s->ports[i];

		if (name && str_is(p->target.name, name))
			return run_printf(r, "'%s' is the name of the targetPort of its port %u", name, p->port);
		if (name || !number || (proto && p->proto != proto))
			continue;
		if (p->node_port == number)
			return run_printf(r, "%u is the nodePort of its port %u", number, p->port);
		if (p->target.number == number || (p->target.name && named_target_number(r, s, p) == number))
			return run_printf(r, "%u is the targetPort of its port %u", number, p->port);
	}
	return NULL;
}

static bool has_port_number(const struct k8s_service *s, uint16_t number)
{
	for (size_t i = 0; i < s->nports; i++)
		if (s->ports[i].port == number)
			return true;
	return false;
}

/* An ExternalName that stands for a Service of the cluster, with ports by which that one cannot be reached. */
void check_external_ports(struct run *r, struct svc *v)
{
	const struct k8s_meta *m = &v->o->meta;
	const struct k8s_service *to;
	bool local, known;

	to = v->external_name && v->o->external_name ? named_service(r, v->o->external_name, &local, &known) : NULL;
	if (!to || to->headless || strcmp(to->type, "ExternalName") == 0)
		return;
	for (size_t i = 0; i < v->o->nports; i++) {
		const uint16_t port = v->o->ports[i].port;
		const char *instead = has_port_number(to, port) ? NULL : port_instead(r, to, NULL, port, 0);
		struct finding *f;

		if (!instead)
			continue;
		f = finding_of_service(r, "port-targetport-nodeport-confusion", NULL,
				       run_printf(r, "%u/%s", port, proto_upper(v->o->ports[i].proto)), v);
		f->rank = 34;
		finding_partial(f);
		finding_changed(f, m);
		finding_text(r, f,
			     "%s/%s stands for Service %s/%s and has port %u, which the latter does not: %s",
			     m->ns, m->name, to->meta.ns, to->meta.name, port, instead);
		finding_evidence(
			r, f,
			"an ExternalName translates no port, and a cluster IP answers on the Service's own port only");
		finding_next(r, f, "kubectl -n %s get service %s -o yaml", m->ns, m->name);
		finding_next(r, f, "kubectl -n %s get service %s", to->meta.ns, to->meta.name);
	}
}

/* ---- ports that kubectl apply lost ---- */

static bool live_port(const struct k8s_service *s, const struct k8s_applied_port *a)
{
	for (size_t i = 0; i < s->nports; i++)
		if (s->ports[i].port == a->port && s->ports[i].proto == a->proto)
			return true;
	return false;
}

/* Another protocol of the same number that was applied as well and that the Service has. */
static const struct k8s_applied_port *kept_twin(const struct k8s_service *s, const struct k8s_applied_port *a)
{
	for (size_t i = 0; i < s->napplied_ports; i++) {
		const struct k8s_applied_port *b = &s->applied_ports[i];

		if (b->port == a->port && b->proto != a->proto && live_port(s, b))
			return b;
	}
	return NULL;
}

void check_applied_ports(struct run *r, struct svc *v)
{
	const struct k8s_meta *m = &v->o->meta;

	for (size_t i = 0; !v->external_name && i < v->o->napplied_ports; i++) {
		const struct k8s_applied_port *a = &v->o->applied_ports[i], *twin;
		struct finding *f;

		twin = live_port(v->o, a) ? NULL : kept_twin(v->o, a);
		if (!twin)
			continue;
		f = finding_of_service(r, "apply-loses-port-same-number", NULL,
				       run_printf(r, "%u/%s", a->port, proto_upper(a->proto)), v);
		f->rank = 32;
		finding_partial(f);
		finding_changed(f, m);
		finding_text(
			r, f,
			"%s/%s was applied with ports %u/%s and %u/%s and has the former only: kubectl apply takes "
			"ports of the same number for one",
			m->ns, m->name, a->port, proto_upper(twin->proto), a->port, proto_upper(a->proto));
		finding_evidence(r, f, "annotation kubectl.kubernetes.io/last-applied-configuration lists %u/%s", a->port,
				 proto_upper(a->proto));
		finding_next(r, f, "kubectl -n %s apply view-last-applied service %s", m->ns, m->name);
		finding_next(r, f, "kubectl -n %s get service %s -o yaml", m->ns, m->name);
		finding_fix(r, f,
			    "kubectl -n %s apply view-last-applied service %s | kubectl apply --server-side -f -",
			    m->ns, m->name);
	}
}

/* ---- another proxy's ---- */

/* Does something of that name run here? Then the label is meant. */
static bool proxy_runs(const struct run *r, const char *name)
{
	static const char *const keys[] = { "app", "k8s-app", "app.kubernetes.io/name", "name", "component" };

	for (size_t i = 0; i < r->c->workloads.len; i++)
		if (strcmp(r->c->workloads.v[i]->meta.name, name) == 0)
			return true;
	for (size_t i = 0; i < r->c->pods.len; i++)
		for (size_t j = 0; j < ARRAY_LEN(keys); j++)
			if (str_is(k8s_label_get(&r->c->pods.v[i]->meta.labels, keys[j]), name))
				return true;
	return false;
}

void check_proxy_name(struct run *r, struct svc *v)
{
	const char *name = k8s_label_get(&v->o->meta.labels, "service.kubernetes.io/service-proxy-name");
	const struct k8s_meta *m = &v->o->meta;
	struct finding *f;

	if (!name || v->external_name || v->o->headless)
		return;
	f = finding_of_service(r, "service-proxy-name-label", NULL, NULL, v);
	f->rank = 12;
	finding_changed(f, m);
	if (proxy_runs(r, name))
		finding_severity(f, SEVERITY_INFO);
	finding_text(
		r, f,
		"%s/%s carries the label service.kubernetes.io/service-proxy-name, so kube-proxy writes no "
		"rules for it on any node",
		m->ns, m->name);
	finding_evidence(r, f, "the label's value is '%s': only a proxy of that name would serve it", name);
	finding_next(r, f, "kubectl -n %s get service %s --show-labels", m->ns, m->name);
	finding_fix(r, f, "kubectl -n %s label service %s service.kubernetes.io/service-proxy-name-", m->ns, m->name);
}

/* ---- events that speak for themselves ---- */

static const struct {
	const char *reason, *check;
} service_events[] = {
	{ "PortOutOfRange", "nodeport-out-of-range" },
	{ "PortAlreadyAllocated", "nodeport-already-allocated" },
	{ "PortRangeFull", "nodeport-already-allocated" },
	{ "ClusterIPOutOfRange", "clusterip-outside-service-cidr" },
	{ "ClusterIPAlreadyAllocated", "clusterip-outside-service-cidr" },
	{ "ClusterIPNotValid", "clusterip-outside-service-cidr" },
	{ "IPAddressWrongReference", "clusterip-outside-service-cidr" },
	{ "ServiceCIDRFull", "service-cidr-full" },
	{ "FailedToStartServiceHealthcheck", "service-hc-nodeport-bind-failure" },
	{ "UnAvailableLoadBalancer", "lb-unavailable-nodes" },
};

void check_service_events(struct run *r, struct svc *v)
{
	const struct k8s_meta *m = &v->o->meta;

	for (size_t i = 0; i < ARRAY_LEN(service_events); i++) {
		const struct k8s_event *e = run_event(r, "Service", m->ns, m->name, service_events[i].reason);
		struct finding *f;

		if (!e)
			continue;
		/* an event may be of the past: it never makes an error by itself */
		f = finding_of_service(r, service_events[i].check, NULL, service_events[i].reason, v);
		f->rank = 38;
		finding_severity(f, SEVERITY_WARNING);
		finding_partial(f);
		finding_text(r, f, "%s/%s: %.200s", m->ns, m->name, e->message ? e->message : e->reason);
		finding_event(r, f, e);
		finding_next(r, f, "kubectl -n %s describe service %s", m->ns, m->name);
	}
}

/* ---- StatefulSets ---- */

void check_statefulsets(struct run *r)
{
	for (size_t i = 0; i < r->c->workloads.len; i++) {
		const struct k8s_workload *w = r->c->workloads.v[i];
		const struct k8s_service *s;
		struct finding *f;

		if (strcmp(w->kind, "StatefulSet") != 0 || !w->service_name || !w->service_name[0])
			continue;
		s = k8s_find_service(r->c, w->meta.ns, w->service_name);
		if (s || !run_asked_for(r, w->meta.ns) || !run_would_have(r, K8S_SERVICES, w->meta.ns, w->service_name))
			continue;
		f = finding_new(r, "statefulset-servicename-mismatch", NULL, NULL,
				run_printf(r, "StatefulSet %s/%s", w->meta.ns, w->meta.name));
		f->rank = 45;
		finding_cluster(f);
		finding_changed(f, &w->meta);
		finding_text(
			r, f,
			"StatefulSet %s/%s names the Service %s, which does not exist: its pods have no "
			"DNS names of their own",
			w->meta.ns, w->meta.name, w->service_name);
		finding_next(r, f, "kubectl -n %s get statefulset %s -o yaml", w->meta.ns, w->meta.name);
		finding_next(r, f, "kubectl -n %s get services", w->meta.ns);
	}
}
