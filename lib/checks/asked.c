/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The port that the user asked for, where the Service does not have it: the number may be one of the Service's three, and
 * then it is said which one counts at that place. What is none of them is said to be none.
 */
#include "checks-private.h"

#define PORTS_MAX 8

static bool proto_fits(const struct k8s_service_port *p, uint8_t proto)
{
	return !proto || p->proto == proto;
}

static bool answers(const struct k8s_service *s, const struct asked_port *a)
{
	if (a->place == ASKED_NODE && s->health_check_node_port == a->port)
		return true;
	for (size_t i = 0; i < s->nports; i++)
		if (proto_fits(&s->ports[i], a->proto) && (a->place == ASKED_NODE ? s->ports[i].node_port : s->ports[i].port) == a->port)
			return true;
	return false;
}

/* The protocol of a port of that number, where another one was asked for; NULL: there is none. */
static const char *other_proto(const struct k8s_service *s, const struct asked_port *a)
{
	for (size_t i = 0; a->place != ASKED_NODE && i < s->nports; i++)
		if (s->ports[i].port == a->port)
			return proto_upper(s->ports[i].proto);
	return NULL;
}

/* At a node: "port 80 of default/web is node port 32035 there". */
static const char *node_port_instead(struct run *r, const struct k8s_service *s, const struct asked_port *a)
{
	for (size_t i = 0; i < s->nports; i++) {
		const struct k8s_service_port *p = &s->ports[i];

		if (!p->node_port || !proto_fits(p, a->proto))
			continue;
		if (p->port == a->port)
			return run_printf(r, "port %u of %s/%s is node port %u there", p->port, s->meta.ns, s->meta.name, p->node_port);
		if (!p->target.name && p->target.number == a->port)
			return run_printf(r, "%u is the targetPort of port %u of %s/%s, which is node port %u there", a->port, p->port,
					  s->meta.ns, s->meta.name, p->node_port);
	}
	return NULL;
}

static void asked_text(struct run *r, struct finding *f, const struct asked_service *q)
{
	const struct k8s_service *s = q->service;
	const struct asked_port *a = &q->asked;
	const char *instead, *proto = other_proto(s, a);

	if (a->place == ASKED_NODE) {
		instead = node_port_instead(r, s, a);
		finding_text(r, f, "no Service answers at port %u of a node: %s", a->port, instead ? instead : "it is nobody's node port");
		return;
	}
	instead = proto ? run_printf(r, "its port %u is %s", a->port, proto) : port_instead(r, s, NULL, a->port, a->proto);
	finding_text(r, f, "%s/%s has no port %u%s%s%s%s", s->meta.ns, s->meta.name, a->port, a->proto ? "/" : "",
		     a->proto ? proto_upper(a->proto) : "", instead ? ": " : "", instead ? instead : "");
}

static void ports_evidence(struct run *r, struct finding *f, const struct k8s_service *s)
{
	for (size_t i = 0; i < s->nports && i < PORTS_MAX; i++) {
		const struct k8s_service_port *p = &s->ports[i];

		finding_evidence(r, f, "port %u/%s%s%s: clients of the Service; targetPort %s: the pods%s", p->port, proto_upper(p->proto),
				 p->name[0] ? " " : "", p->name, target_port_text(r, p),
				 p->node_port ? run_printf(r, "; nodePort %u: addresses of nodes", p->node_port) : "");
	}
}

/* Behind a headless Service every port of the pods is open, and an ExternalName is another server's name: there nobody knows. */
void check_asked_ports(struct run *r)
{
	for (size_t i = 0; i < r->o->nasked; i++) {
		const struct asked_service *q = &r->o->asked[i];
		struct svc *v = run_svc(r, q->service);
		struct finding *f;

		if (!v || !q->asked.port || (q->asked.place == ASKED_NODE && !run_reaches_in(r, K8S_SERVICES, NULL)) || v->o->headless || v->external_name || answers(q->service, &q->asked))
			continue;
		f = finding_of_service(r, "port-targetport-nodeport-confusion", NULL,
				       run_printf(r, "asked for %u%s%s", q->asked.port, q->asked.proto ? "/" : "",
						  q->asked.proto ? proto_upper(q->asked.proto) : ""), v);
		f->rank = 1;
		finding_severity(f, SEVERITY_ERROR);
		finding_partial(f); /* whoever asks for another port is served */
		asked_text(r, f, q);
		if (q->text)
			finding_evidence(r, f, "asked for: %.200s%s", q->text,
					 q->asked.implied ? run_printf(r, ", which means port %u", q->asked.port) : "");
		ports_evidence(r, f, q->service);
		finding_next(r, f, "kubectl -n %s get service %s", q->service->meta.ns, q->service->meta.name);
	}
}
