/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * LoadBalancer Services that wait for an address, and why, as far as objects tell: events, the class, what a controller leaves on
 * the Service when it takes it up, and whether one that is known runs at all. What is only not seen is never called the reason.
 */
#include "checks-private.h"

/* ---- controllers ---- */

/* By what their pods are called, and by the labels that say so. */
static const char *const controllers[] = { "cloud-controller", "metallb", "kube-vip", "svclb-", "load-balancer-controller", "cilium-operator", "openelb",
					   "purelb", "loxilb", "porter-manager", "klipper-lb", "tailscale-operator", "ovnkube", "antrea-controller" };

static const char *controller_in(const char *text)
{
	for (size_t i = 0; text && i < ARRAY_LEN(controllers); i++)
		if (strstr(text, controllers[i]))
			return controllers[i];
	return NULL;
}

/* A pod of one of them; NULL: none among those that were read. */
static const struct k8s_pod *find_controller(const struct run *r)
{
	static const char *const keys[] = { "app", "k8s-app", "app.kubernetes.io/name", "component" };

	for (size_t i = 0; i < r->c->pods.len; i++) {
		const struct k8s_pod *p = r->c->pods.v[i];
		bool is = controller_in(p->meta.name) || controller_in(p->meta.ns);

		for (size_t j = 0; !is && j < ARRAY_LEN(keys); j++)
			is = controller_in(k8s_label_get(&p->meta.labels, keys[j])) != NULL;
		if (is && !k8s_pod_terminal(p))
			return p;
	}
	return NULL;
}

static const struct k8s_pod *controller_pod(struct run *r)
{
	if (!r->balancer_sought)
		r->balancer = find_controller(r);
	r->balancer_sought = true;
	return r->balancer;
}

/* What a controller leaves on a Service that it takes care of; NULL: nothing. */
static const char *taken_up(struct run *r, const struct k8s_service *s)
{
	static const char *const annotations[] = { "metallb.universe.tf/ip-allocated-from-pool", "metallb.io/ip-allocated-from-pool",
						   "kube-vip.io/loadbalancerIPs" };

	for (size_t i = 0; i < s->meta.nfinalizers; i++)
		if (strstr(s->meta.finalizers[i], "load-balancer") || strstr(s->meta.finalizers[i], "loadbalancer") ||
		    strstr(s->meta.finalizers[i], "svccontroller") || str_is(s->meta.finalizers[i], "service.k8s.aws/resources"))
			return run_printf(r, "the finalizer %.100s is on it: a controller has taken it up", s->meta.finalizers[i]);
	for (size_t i = 0; i < ARRAY_LEN(annotations); i++)
		if (k8s_label_get(&s->meta.annotations, annotations[i]))
			return run_printf(r, "the annotation %s is on it: a controller has taken it up", annotations[i]);
	return NULL;
}

/* ---- waiting ---- */

/* Warnings of controllers that say why; of the Service's other events none. */
static const struct k8s_event *failure(const struct run *r, const struct k8s_meta *m)
{
	static const char *const reasons[] = { "SyncLoadBalancerFailed", "AllocationFailed", "CreatingLoadBalancerFailed", "FailedBuildModel",
					       "FailedDeployModel", "EnsureLoadBalancerFailed", "IPAMFailed" };

	for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
		const struct k8s_event *e = run_event(r, "Service", m->ns, m->name, reasons[i]);

		if (e)
			return e;
	}
	return NULL;
}

static void why_waiting(struct run *r, struct svc *v, struct finding *f, const struct k8s_event *e)
{
	const char *taken = taken_up(r, v->o);
	const struct k8s_pod *p = controller_pod(r);

	finding_event(r, f, e);
	if (v->o->lb_ip && v->o->lb_ip[0])
		finding_evidence(r, f, "it asks for the address %.60s (spec.loadBalancerIP)", v->o->lb_ip);
	if (taken)
		finding_evidence(r, f, "%s", taken);
	else if (p)
		finding_evidence(r, f, "Pod %s/%s may be a controller of load balancers, and nothing on the Service shows that it has taken it up", p->meta.ns,
				 p->meta.name);
	else if (!e && run_reaches(r, K8S_EVENTS, v) && run_complete(r, K8S_PODS))
		finding_evidence(r, f, "there is no warning about it, no finalizer of a controller, and no pod of a controller that is known (cloud "
				       "controller manager, MetalLB, kube-vip, ServiceLB, ...); a cloud may run its own where it is not seen");
	else if (!e && run_reaches(r, K8S_EVENTS, v))
		finding_evidence(r, f, "no warning about it: perhaps no controller takes care of load balancers here");
	if (p) {
		finding_next(r, f, "kubectl -n %s get pods -o wide", p->meta.ns);
		finding_next(r, f, "kubectl -n %s logs %s --tail=50", p->meta.ns, p->meta.name);
	}
}

static void lb_pending(struct run *r, struct svc *v)
{
	const struct k8s_meta *m = &v->o->meta;
	const struct k8s_event *e = failure(r, m);
	const bool class = v->o->lb_class && v->o->lb_class[0];
	struct finding *f;

	f = finding_of_service(r, class && !e && !taken_up(r, v->o) ? "lb-class-mismatch" : "lb-pending-no-provider", NULL, NULL, v);
	f->rank = 37;
	finding_partial(f);
	f->since = m->created;
	if (e && e->message)
		finding_text(r, f, "%s/%s waits for a load balancer, and its controller fails: %.200s", m->ns, m->name, e->message);
	else if (class)
		finding_text(r, f, "%s/%s waits for a load balancer of class %s; it has no outside address", m->ns, m->name, v->o->lb_class);
	else
		finding_text(r, f, "%s/%s is of type LoadBalancer and has no outside address yet", m->ns, m->name);
	finding_next(r, f, "kubectl -n %s describe service %s", m->ns, m->name);
	why_waiting(r, v, f, e);
}

static void lb_deleted(struct run *r, struct svc *v)
{
	const struct k8s_meta *m = &v->o->meta;
	struct finding *f = finding_of_service(r, "lb-delete-stuck", NULL, NULL, v);

	finding_partial(f);
	f->since = m->deleted;
	finding_text(r, f, "%s/%s is being deleted and waits for the finalizer %s", m->ns, m->name, m->finalizers[0]);
	finding_event(r, f, run_event(r, "Service", m->ns, m->name, "DeleteLoadBalancerFailed"));
	finding_next(r, f, "kubectl -n %s describe service %s", m->ns, m->name);
}

void check_load_balancer(struct run *r, struct svc *v)
{
	const struct k8s_condition *c = k8s_condition(v->o->conditions, v->o->nconditions, "LoadBalancerPortsError");
	const struct k8s_meta *m = &v->o->meta;
	struct finding *f;

	if (strcmp(v->o->type, "LoadBalancer") != 0)
		return;
	if (m->deleted && m->nfinalizers) {
		lb_deleted(r, v);
		return;
	}
	if (!v->o->ningress)
		lb_pending(r, v);
	if (c && str_is(c->status, "True")) {
		f = finding_of_service(r, "lb-mixed-protocol", NULL, NULL, v);
		f->rank = 37;
		finding_partial(f);
		f->since = c->since;
		finding_text(r, f, "the load balancer of %s/%s refuses some of its ports: %.200s", m->ns, m->name,
			     c->message ? c->message : "no reason given");
		finding_next(r, f, "kubectl -n %s describe service %s", m->ns, m->name);
	}
}

/* ---- given, and not as it was asked for ---- */

static void other_address(struct run *r, struct svc *v)
{
	const struct k8s_meta *m = &v->o->meta;
	const struct ip_addr *given = NULL;
	struct ip_addr wish;
	char buf[IP_ADDR_STRLEN];
	struct finding *f;

	if (!v->o->lb_ip || ip_addr_parse(v->o->lb_ip, &wish) < 0)
		return;
	for (size_t i = 0; i < v->o->ningress; i++) {
		if (ip_addr_equal(&v->o->ingress[i].ip, &wish))
			return;
		given = v->o->ingress[i].ip.family ? &v->o->ingress[i].ip : given;
	}
	if (!given)
		return; /* a host name: what it resolves to is not known */
	f = finding_of_service(r, "lb-requested-ip-not-given", NULL, NULL, v);
	f->rank = 44;
	finding_partial(f);
	finding_changed(f, m);
	finding_text(r, f, "%s/%s asks for the load-balancer IP %s and was given %s", m->ns, m->name, v->o->lb_ip, ip_addr_format(given, buf));
	finding_evidence(r, f, "spec.loadBalancerIP is deprecated since 1.24, and a controller may pass it over");
	finding_event(r, f, failure(r, m));
	finding_next(r, f, "kubectl -n %s describe service %s", m->ns, m->name);
}

/* Load balancers that bring the address itself to a node do without node ports; of no other kind may be seen. */
static void no_node_ports(struct run *r, struct svc *v)
{
	const struct k8s_meta *m = &v->o->meta;
	struct finding *f;

	for (size_t i = 0; i < v->o->nports; i++)
		if (v->o->ports[i].node_port)
			return;
	if (v->o->allocate_node_ports != 0 || !v->o->nports || !run_complete(r, K8S_PODS) || controller_pod(r))
		return;
	f = finding_of_service(r, "lb-no-node-ports", NULL, NULL, v);
	f->rank = 46;
	finding_partial(f);
	finding_changed(f, m);
	finding_text(r, f, "%s/%s has no node ports (allocateLoadBalancerNodePorts is false): a load balancer that sends to node ports cannot reach it",
		     m->ns, m->name);
	finding_evidence(r, f, "load balancers that send to pods, or bring the address itself to a node, do without");
	finding_next(r, f, "kubectl -n %s get service %s -o yaml", m->ns, m->name);
}

void check_lb_wishes(struct run *r, struct svc *v)
{
	if (strcmp(v->o->type, "LoadBalancer") != 0 || v->o->meta.deleted || v->o->headless)
		return;
	other_address(r, v);
	if (v->o->ningress)
		no_node_ports(r, v);
}
