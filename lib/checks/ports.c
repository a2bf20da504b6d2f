/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ports of Services against ports of containers and of slices. A named target port is resolved for each pod
 * (pkg/api/v1/pod FindPort) and binds; a number is only compared with what containers declare, which binds nobody.
 */
#include <netinet/in.h>

#include "checks-private.h"

#define PODS_MAX 2000 /* pods looked at for one port */

static bool serves(const struct k8s_container *k)
{
	return !k->init || k->sidecar;
}

static bool managed_by_controller(const struct k8s_slice *sl)
{
	return sl->managed_by && strcmp(sl->managed_by, "endpointslice-controller.k8s.io") == 0;
}

static const char *port_label(struct run *r, const struct k8s_service_port *p)
{
	return p->name[0] ? p->name : run_printf(r, "%u/%s", p->port, proto_upper(p->proto));
}

static bool port_has_ready_endpoint(const struct svc *v, const struct k8s_service_port *p)
{
	for (size_t i = 0; v->slices && i < v->slices->v.len; i++) {
		const struct k8s_slice *sl = v->slices->v.v[i];

		if (!slice_used(v->o, sl) || !slice_port(sl, p))
			continue;
		for (size_t j = 0; j < sl->nendpoints; j++)
			if (sl->endpoints[j].ready != 0)
				return true;
	}
	return false;
}

/* ---- named ---- */

struct named_count {
	size_t pods, found, other_proto;
	const struct k8s_pod *lacking;
	uint8_t proto; /* of the port of that name with another protocol */
};

static void count_named(const struct k8s_pod *p, const struct k8s_service_port *sp, struct named_count *n)
{
	bool found = false, other = false;

	for (size_t i = 0; i < p->ncontainers; i++)
		for (size_t j = 0; serves(&p->containers[i]) && j < p->containers[i].nports; j++) {
			const struct k8s_container_port *cp = &p->containers[i].ports[j];

			if (!cp->name || strcmp(cp->name, sp->target.name) != 0)
				continue;
			found |= cp->proto == sp->proto;
			if (cp->proto != sp->proto) {
				other = true;
				n->proto = cp->proto;
			}
		}
	n->pods++;
	n->found += found;
	n->other_proto += !found && other;
	if (!found && !n->lacking)
		n->lacking = p;
}

/* "tls (8443/TCP), http (80/TCP)" of one pod. */
static const char *declared_ports(struct run *r, const struct k8s_pod *p)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	size_t n = 0;

	for (size_t i = 0; i < p->ncontainers; i++)
		for (size_t j = 0; serves(&p->containers[i]) && j < p->containers[i].nports && n < 12; j++, n++) {
			const struct k8s_container_port *cp = &p->containers[i].ports[j];

			strbuf_adds(&b, n ? ", " : "");
			if (cp->name)
				strbuf_addf(&b, "%s (%u/%s)", cp->name, cp->port, proto_upper(cp->proto));
			else
				strbuf_addf(&b, "%u/%s", cp->port, proto_upper(cp->proto));
		}
	return b.len ? run_printf(r, "%s", strbuf_str(&b)) : "none";
}

/* The one port that the pod has instead, for the fix; NULL when there are several. */
static const struct k8s_container_port *only_port(const struct k8s_pod *p, uint8_t proto)
{
	const struct k8s_container_port *only = NULL;

	for (size_t i = 0; i < p->ncontainers; i++)
		for (size_t j = 0; serves(&p->containers[i]) && j < p->containers[i].nports; j++) {
			if (p->containers[i].ports[j].proto != proto)
				continue;
			if (only)
				return NULL;
			only = &p->containers[i].ports[j];
		}
	return only;
}

static void fix_target(struct run *r, struct finding *f, const struct svc *v, size_t index, const struct k8s_pod *p)
{
	const struct k8s_container_port *cp = only_port(p, v->o->ports[index].proto);
	const struct k8s_meta *m = &v->o->meta;

	if (!cp)
		return;
	if (cp->name && v->o->ports[index].target.name)
		finding_fix(r, f,
			    "kubectl -n %s patch service %s --type json -p "
			    "'[{\"op\":\"replace\",\"path\":\"/spec/ports/%u/targetPort\",\"value\":\"%t\"}]'",
			    m->ns, m->name, (unsigned)index, cp->name);
	else
		finding_fix(r, f,
			    "kubectl -n %s patch service %s --type json -p "
			    "'[{\"op\":\"replace\",\"path\":\"/spec/ports/%u/targetPort\",\"value\":%u}]'",
			    m->ns, m->name, (unsigned)index, (unsigned)cp->port);
}

static void named_missing(struct run *r, struct svc *v, size_t index, const struct named_count *n)
{
	const struct k8s_service_port *sp = &v->o->ports[index];
	const struct k8s_meta *m = &v->o->meta;
	struct finding *f = finding_of_service(r, "named-target-port-missing", NULL, port_label(r, sp), v);

	f->rank = 15;
	finding_changed(f, m);
	if (v->o->nports > 1 && !v->nothing_ready)
		finding_partial(f);
	if (n->found) {
		finding_severity(f, SEVERITY_WARNING);
		finding_partial(f);
		finding_text(
			r, f,
			"%zu of %zu pods behind %s/%s have no container port named %s: they get no traffic on port %u",
			n->pods - n->found, n->pods, m->ns, m->name, sp->target.name, sp->port);
	} else {
		finding_text(
			r, f,
			"no container port of the pods behind %s/%s is named %s, the targetPort of port "
			"%u: that port has no endpoints",
			m->ns, m->name, sp->target.name, sp->port);
	}
	finding_evidence(r, f, "container ports of Pod %s/%s: %s", n->lacking->meta.ns, n->lacking->meta.name,
			 declared_ports(r, n->lacking));
	if (n->other_proto)
		finding_evidence(r, f, "a port named %s exists with protocol %s; the Service asks for %s",
				 sp->target.name, proto_upper(n->proto), proto_upper(sp->proto));
	finding_next(r, f, "kubectl -n %s get endpointslices -l kubernetes.io/service-name=%s -o yaml", m->ns, m->name);
	finding_next(r, f, "kubectl -n %s describe pod %s", n->lacking->meta.ns, n->lacking->meta.name);
	if (!n->other_proto)
		fix_target(r, f, v, index, n->lacking);
	else
		finding_fix(r, f,
			    "kubectl -n %s patch service %s --type json -p "
			    "'[{\"op\":\"replace\",\"path\":\"/spec/ports/%u/protocol\",\"value\":\"%t\"}]'",
			    m->ns, m->name, (unsigned)index, proto_upper(n->proto));
}

void check_named_port(struct run *r, struct svc *v)
{
	for (size_t i = 0; i < v->o->nports; i++) {
		const struct k8s_service_port *sp = &v->o->ports[i];
		struct named_count n = { 0 };

		if (!sp->target.name)
			continue;
		for (size_t j = 0; j < v->pods->v.len && n.pods < PODS_MAX; j++)
			if (!k8s_pod_terminal(v->pods->v.v[j]))
				count_named(v->pods->v.v[j], sp, &n);
		if (n.pods == n.found || (!n.found && port_has_ready_endpoint(v, sp)))
			continue;
		named_missing(r, v, i, &n);
	}
}

/* ---- numeric ---- */

struct number_count {
	size_t pods;	 /* that declare ports at all */
	size_t declared; /* with this number and protocol, or probed there */
	size_t other_proto;
	bool silent; /* a container declares nothing: it may be the one that listens */
	const struct k8s_pod *example;
};

static bool probes_port(const struct k8s_probe *p, uint16_t port)
{
	return p->set && !p->port.name && p->port.number == port;
}

static void count_number(const struct k8s_pod *p, uint8_t proto, uint16_t port, struct number_count *n)
{
	bool any = false, same = false, other = false;

	for (size_t i = 0; i < p->ncontainers; i++) {
		const struct k8s_container *k = &p->containers[i];

		if (!serves(k))
			continue;
		n->silent |= k->nports == 0;
		same |= probes_port(&k->readiness, port) || probes_port(&k->liveness, port) ||
			probes_port(&k->startup, port);
		for (size_t j = 0; j < k->nports; j++) {
			any = true;
			same |= k->ports[j].port == port && k->ports[j].proto == proto;
			other |= k->ports[j].port == port && k->ports[j].proto != proto;
		}
	}
	n->pods += any;
	n->declared += same;
	n->other_proto += !same && other;
	if (any && !n->example)
		n->example = p;
}

static void number_wrong(struct run *r, struct svc *v, size_t index, uint16_t port, const struct number_count *n)
{
	const struct k8s_service_port *sp = &v->o->ports[index];
	const struct k8s_meta *m = &v->o->meta;
	const bool proto = n->other_proto == n->pods;
	struct finding *f = finding_of_service(r, proto ? "protocol-mismatch" : "target-port-wrong-number", NULL,
					       port_label(r, sp), v);

	f->rank = 30;
	finding_changed(f, m);
	finding_partial(f);
	if (n->silent)
		finding_severity(f, SEVERITY_INFO);
	if (proto)
		finding_text(r, f, "%s/%s sends %s to port %u, which its pods declare with another protocol only",
			     m->ns, m->name, proto_upper(sp->proto), port);
	else
		finding_text(
			r, f,
			"%s/%s sends to port %u, which no container behind it declares: connections may be "
			"refused by the pods",
			m->ns, m->name, port);
	finding_evidence(r, f, "port %u, targetPort %u; container ports of Pod %s/%s: %s", sp->port, port,
			 n->example->meta.ns, n->example->meta.name, declared_ports(r, n->example));
	finding_evidence(r, f, "a declared port binds nobody: a process may listen on %u all the same", port);
	if (n->silent)
		finding_evidence(r, f,
				 "a container of the pods declares no port at all and may be the one that listens");
	finding_next(r, f, "kubectl -n %s get service %s -o yaml", m->ns, m->name);
	finding_next(r, f, "kubectl -n %s describe pod %s", n->example->meta.ns, n->example->meta.name);
	if (!proto)
		fix_target(r, f, v, index, n->example);
}

void check_number_port(struct run *r, struct svc *v)
{
	if (!v->pods->ready)
		return;
	for (size_t i = 0; i < v->o->nports; i++) {
		const struct k8s_service_port *sp = &v->o->ports[i];
		uint16_t port = sp->target.number ? sp->target.number : sp->port;
		struct number_count n = { 0 };

		if (sp->target.name)
			continue;
		for (size_t j = 0; j < v->pods->v.len && j < PODS_MAX; j++)
			if (pod_counts_ready(v->pods->v.v[j]))
				count_number(v->pods->v.v[j], sp->proto, port, &n);
		if (n.pods && !n.declared)
			number_wrong(r, v, i, port, &n);
	}
}

/* ---- whose pods are these? ---- */

/* The controller behind a pod: the owner, and for a ReplicaSet its Deployment's name (without the hash). */
static const char *controller_of(struct run *r, const struct k8s_pod *p)
{
	const struct k8s_owner *o = p->meta.nowners ? &p->meta.owners[0] : NULL;
	const char *dash;

	if (!o || !o->kind || !o->name)
		return NULL;
	dash = strcmp(o->kind, "ReplicaSet") == 0 ? strrchr(o->name, '-') : NULL;
	if (dash)
		return run_printf(r, "Deployment %.*s", (int)(dash - o->name), o->name);
	return run_printf(r, "%s %s", o->kind, o->name);
}

static bool pod_listens(const struct svc *v, const struct k8s_pod *p)
{
	for (size_t i = 0; i < v->o->nports; i++) {
		const struct k8s_service_port *sp = &v->o->ports[i];
		struct number_count n = { 0 };
		struct named_count m = { 0 };

		if (sp->target.name)
			count_named(p, sp, &m);
		else
			count_number(p, sp->proto, sp->target.number ? sp->target.number : sp->port, &n);
		if (m.found || n.declared || n.silent)
			return true;
	}
	return false;
}

/* Several controllers behind a Service are often meant (a canary): only pods that do not listen where others do are told. */
void check_too_broad(struct run *r, struct svc *v)
{
	const struct k8s_pod *good = NULL, *bad = NULL;
	const char *a, *b;
	struct finding *f;

	if (v->pods->ready < 2 || v->o->nports == 0)
		return;
	for (size_t i = 0; i < v->pods->v.len && i < PODS_MAX && !(good && bad); i++) {
		const struct k8s_pod *p = v->pods->v.v[i];

		if (!pod_counts_ready(p))
			continue;
		if (pod_listens(v, p))
			good = p;
		else
			bad = p;
	}
	a = good && bad ? controller_of(r, good) : NULL;
	b = good && bad ? controller_of(r, bad) : NULL;
	if (!a || !b || strcmp(a, b) == 0)
		return;
	f = finding_of_service(r, "selector-too-broad", NULL, NULL, v);
	f->rank = 25;
	finding_changed(f, &v->o->meta);
	finding_partial(f);
	finding_text(r, f, "%s/%s selects pods of %s and of %s; the latter declare none of its target ports",
		     v->o->meta.ns, v->o->meta.name, a, b);
	finding_evidence(r, f, "selector %s; container ports of Pod %s: %s; of Pod %s: %s",
			 labels_text(r, &v->o->selector), good->meta.name, declared_ports(r, good), bad->meta.name,
			 declared_ports(r, bad));
	finding_next(r, f, "kubectl -n %s get pods --show-labels", v->o->meta.ns);
}

/* ---- slices that people or other programs write ---- */

static const char *slice_port_names(struct run *r, const struct k8s_slice *sl)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; i < sl->nports && i < 8; i++)
		strbuf_addf(&b, "%s'%s'", i ? ", " : "", sl->ports[i].name ? sl->ports[i].name : "null");
	return b.len ? run_printf(r, "%s", strbuf_str(&b)) : "none";
}

void check_port_names(struct run *r, struct svc *v)
{
	for (size_t i = 0; i < v->o->nports && v->slices && v->ready; i++) {
		const struct k8s_service_port *sp = &v->o->ports[i];
		const struct k8s_slice *odd = NULL;
		struct finding *f;

		if (v->o->headless || port_has_ready_endpoint(v, sp))
			continue;
		for (size_t j = 0; j < v->slices->v.len; j++) {
			const struct k8s_slice *sl = v->slices->v.v[j];
			bool named = false;

			for (size_t k = 0; k < sl->nports; k++)
				named |= sl->ports[k].name && sl->ports[k].has_port &&
					 strcmp(sl->ports[k].name, sp->name) != 0;
			if (sl->nendpoints && named && slice_used(v->o, sl) && !managed_by_controller(sl))
				odd = sl;
		}
		if (!odd)
			continue;
		f = finding_of_service(r, "multi-port-needs-name", NULL, port_label(r, sp), v);
		f->rank = 15;
		if (v->usable)
			finding_partial(f);
		finding_text(
			r, f,
			"no EndpointSlice of %s/%s has a port named '%s': port %u has no endpoints, "
			"whatever addresses are listed",
			v->o->meta.ns, v->o->meta.name, sp->name, sp->port);
		finding_evidence(r, f, "EndpointSlice %s has the port names %s; kube-proxy joins by name",
				 odd->meta.name, slice_port_names(r, odd));
		finding_next(r, f, "kubectl -n %s get endpointslice %s -o yaml", odd->meta.ns, odd->meta.name);
	}
}

void check_slice_null_port(struct run *r, struct svc *v)
{
	for (size_t i = 0; v->slices && !v->o->headless && i < v->slices->v.len; i++) {
		const struct k8s_slice *sl = v->slices->v.v[i];
		bool null = sl->ports_null;
		struct finding *f;

		if (!sl->nendpoints || managed_by_controller(sl) || !slice_used(v->o, sl))
			continue;
		for (size_t j = 0; j < sl->nports; j++)
			null |= !sl->ports[j].name || !sl->ports[j].has_port || !sl->ports[j].port;
		if (!null)
			continue;
		f = finding_of_service(r, "slice-port-null-name-or-zero", NULL, sl->meta.name, v);
		f->rank = 14;
		if (v->usable) {
			finding_partial(f);
			finding_severity(f, SEVERITY_WARNING);
		}
		finding_text(r, f, "EndpointSlice %s/%s has a port without name or number, which kube-proxy ignores",
			     sl->meta.ns, sl->meta.name);
		finding_next(r, f, "kubectl -n %s get endpointslice %s -o yaml", sl->meta.ns, sl->meta.name);
	}
}
