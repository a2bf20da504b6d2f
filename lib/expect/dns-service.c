/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names below svc.DOMAIN: the Service, its endpoints, its named ports. CoreDNS: plugin/kubernetes/kubernetes.go findServices, and
 * plugin/backend_lookup.go for what becomes of the records of other types.
 */

#include "dns-private.h"

/* What stands in front of a Service's name. */
struct below {
	const char *endpoint;	     /* NULL: none */
	const char *port, *protocol; /* without their underscores; NULL: none */
};

const char *dns_endpoint_name(struct dns_ask *q, const struct k8s_endpoint *e, const char *address)
{
	if (e->hostname && *e->hostname) {
		return e->hostname;
	}
	if (q->habits.pod_names && e->target_name && *e->target_name && strlen(e->target_name) < 64) {
		return e->target_name;
	}
	/* a label must not end with a dash: "fd00::" is fd00--0 */
	char *name = arena_printf(q->arena, "%s%s", address, str_ends(address, ":") ? "0" : "");
	if (!name) {
		q->err = -ENOMEM;
		return NULL;
	}
	for (char *p = name; *p; p++) {
		if (*p == '.' || *p == ':') {
			*p = '-';
		}
	}
	return name;
}

/* "10.96.0.1, fd00::1" of all records found, for the line that says why. */
static const char *addresses_text(struct dns_ask *q, const struct k8s_service *s)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	char buf[IP_ADDR_STRLEN];

	for (size_t i = 0; i < s->ncluster_ips; i++) {
		strbuf_addf(&b, "%s%s", i ? ", " : "", ip_addr_format(&s->cluster_ips[i], buf));
	}
	const char *text = b.failed ? NULL : arena_strdup(q->arena, strbuf_str(&b));
	if (!text) {
		q->err = -ENOMEM;
		return "";
	}
	return text;
}

static const char *type_words(const struct dns_ask *q, char buf[static DNS_TYPE_STRLEN])
{
	return q->qtype == DNS_A ? "IPv4 address" : q->qtype == DNS_AAAA ? "IPv6 address" : dns_type_name(q->qtype, buf);
}

static int family_of(uint16_t qtype)
{
	return qtype == DNS_A ? AF_INET : qtype == DNS_AAAA ? AF_INET6 : 0;
}

/* ---- records, each once ---- */

static void add_address(struct dns_ask *q, const struct ip_addr *a)
{
	for (size_t i = 0; i < q->e.records.len; i++) {
		if (ip_addr_equal(&q->e.records.v[i].addr, a)) {
			return;
		}
	}
	dns_add_record(q, &(struct dns_record){ .owner = q->qname, .type = q->qtype, .addr = *a });
}

static void add_srv(struct dns_ask *q, const char *target, uint16_t port)
{
	if (!target) {
		q->err = -ENOMEM;
		return;
	}
	for (size_t i = 0; i < q->e.records.len; i++) {
		if (q->e.records.v[i].port == port && dns_name_equal(q->e.records.v[i].target, target)) {
			return;
		}
	}
	dns_add_record(q, &(struct dns_record){ .owner = q->qname, .type = DNS_SRV, .target = target, .port = port });
}

/* backend_lookup.go SRV: the weights add up to 100, and none is 0; @n: before doubles are left out. */
static void weigh(struct dns_ask *q, size_t n)
{
	for (size_t i = 0; i < q->e.records.len && q->qtype == DNS_SRV; i++) {
		q->e.records.v[i].weight = n > 100 ? 1 : (uint16_t)(100 / n);
	}
}

/* Something of that name is there: its records of the type, or none. */
static void say_found(struct dns_ask *q, size_t found, const char *what)
{
	const struct k8s_meta *m = &q->e.service->meta;
	char buf[DNS_TYPE_STRLEN];

	if (q->e.records.len) {
		weigh(q, found);
		dns_say(q, DNS_EXPECT_RECORDS, "Service %s/%s %s", m->ns, m->name, what);
	} else if (q->qtype == DNS_SRV) {
		dns_say(q, DNS_EXPECT_NODATA, "Service %s/%s has no port for a SRV record", m->ns, m->name);
	} else if (family_of(q->qtype)) {
		dns_say(q, DNS_EXPECT_NODATA, "Service %s/%s has no %s", m->ns, m->name, type_words(q, buf));
	} else {
		dns_say(q, DNS_EXPECT_NODATA, "the name exists, and has no %s record", type_words(q, buf));
	}
}

/* ---- a Service with cluster IPs ---- */

static bool port_is(const struct below *b, const char *name, uint8_t proto)
{
	return !b->port || (strcasecmp(b->port, name ? name : "") == 0 && strcasecmp(b->protocol, proto_name(proto)) == 0);
}

static void no_such_port(struct dns_ask *q, const struct below *b)
{
	const struct k8s_meta *m = &q->e.service->meta;

	dns_say(q, DNS_EXPECT_NXDOMAIN, "Service %s/%s has no port '%s' of protocol %s", m->ns, m->name, b->port, b->protocol);
}

static void cluster_ip_port(struct dns_ask *q, uint16_t port)
{
	const struct k8s_service *s = q->e.service;

	if (q->qtype == DNS_SRV && port) {
		add_srv(q, arena_printf(q->arena, "%s.%s.svc.%s", s->meta.name, s->meta.ns, q->domain), port);
	}
	for (size_t i = 0; i < s->ncluster_ips; i++) {
		if (s->cluster_ips[i].family == family_of(q->qtype)) {
			add_address(q, &s->cluster_ips[i]);
		}
	}
}

static void ask_cluster_ip(struct dns_ask *q, const struct below *b)
{
	const struct k8s_service *s = q->e.service;
	size_t found = 0;

	if (q->habits.ignores_empty) {
		dns_say(q, DNS_EXPECT_NOTHING, "Services without endpoints have no name here (ignore empty_service in the Corefile)");
		return;
	}
	if (!s->ncluster_ips) {
		dns_say(q, DNS_EXPECT_NOTHING, "Service %s/%s has no cluster IP", s->meta.ns, s->meta.name);
		return;
	}
	for (size_t i = 0; i < s->nports; i++) {
		if (port_is(b, s->ports[i].name, s->ports[i].proto)) {
			cluster_ip_port(q, s->ports[i].port);
			found += s->ncluster_ips;
		}
	}
	if (!s->nports && !b->port) {
		cluster_ip_port(q, 0);
		found++;
	}
	if (!found) {
		no_such_port(q, b);
		return;
	}
	const char *what = arena_printf(q->arena, "has the cluster IP %s", addresses_text(q, s));
	say_found(q, found, what ? what : "");
}

/* ---- endpoints ---- */

struct found {
	size_t v;      /* addresses with ports that fit */
	size_t hidden; /* endpoints of that name that are not ready */
	size_t shown;  /* endpoints that are, whatever their ports */
};

static void endpoint_port(struct dns_ask *q, const struct k8s_endpoint *e, const char *address, uint16_t port)
{
	const struct k8s_meta *m = &q->e.service->meta;
	struct ip_addr a;

	if (q->qtype == DNS_SRV && port) {
		const char *name = dns_endpoint_name(q, e, address);
		add_srv(q, name ? arena_printf(q->arena, "%s.%s.%s.svc.%s", name, m->name, m->ns, q->domain) : NULL, port);
	}
	if (family_of(q->qtype) && ip_addr_parse(address, &a) == 0 && a.family == family_of(q->qtype)) {
		add_address(q, &a);
	}
}

static void ask_address(struct dns_ask *q, const struct k8s_slice *sl, const struct k8s_endpoint *e, const char *address,
			const struct below *b, struct found *ret)
{
	const char *name = b->endpoint ? dns_endpoint_name(q, e, address) : "";

	if (!name || (b->endpoint && strcasecmp(name, b->endpoint) != 0)) {
		return;
	}
	if (!dns_endpoint_shown(e)) {
		ret->hidden++;
		return;
	}
	ret->shown++;
	for (size_t i = 0; i < sl->nports; i++) {
		if (port_is(b, sl->ports[i].name, sl->ports[i].proto)) {
			endpoint_port(q, e, address, sl->ports[i].has_port ? sl->ports[i].port : 0);
			ret->v++;
		}
	}
	/* object/endpoint.go: a slice without ports has one that nobody asks for */
	if (!sl->nports && !b->port) {
		endpoint_port(q, e, address, 0);
		ret->v++;
	}
}

static void each_endpoint(struct dns_ask *q, const struct below *b, struct found *ret)
{
	const struct k8s_slice_group *g = k8s_slices_of(q->c, q->e.service);

	for (size_t i = 0; g && i < g->v.len; i++) {
		const struct k8s_slice *sl = g->v.v[i];

		for (size_t j = 0; j < sl->nendpoints && dns_slice_has_addresses(sl); j++) {
			for (size_t k = 0; k < sl->endpoints[j].naddresses; k++) {
				ask_address(q, sl, &sl->endpoints[j], sl->endpoints[j].addresses[k], b, ret);
			}
		}
	}
}

static void say_no_endpoint(struct dns_ask *q, const struct below *b, const struct found *f)
{
	const struct k8s_meta *m = &q->e.service->meta;

	if (f->shown) {
		no_such_port(q, b);
	} else if (b->endpoint && f->hidden) {
		dns_say(q, DNS_EXPECT_NXDOMAIN, "endpoint %s of Service %s/%s is not ready", b->endpoint, m->ns, m->name);
	} else if (b->endpoint) {
		dns_say(q, DNS_EXPECT_NXDOMAIN, "Service %s/%s has no endpoint of the name %s", m->ns, m->name, b->endpoint);
	} else if (f->hidden) {
		dns_say(q, DNS_EXPECT_NXDOMAIN, "no endpoint of the headless Service %s/%s is ready", m->ns, m->name);
	} else {
		dns_say(q, DNS_EXPECT_NXDOMAIN, "the headless Service %s/%s has no endpoint", m->ns, m->name);
	}
}

static void ask_endpoints(struct dns_ask *q, const struct below *b)
{
	const struct k8s_service *s = q->e.service;
	bool known = q->known(q->arg, K8S_SLICES, s->meta.ns, s->meta.name);
	struct found f = { 0 };

	if (q->habits.no_endpoints) {
		dns_say(q, DNS_EXPECT_NOTHING, "CoreDNS reads no endpoints (noendpoints in the Corefile)");
		return;
	}
	each_endpoint(q, b, &f);
	q->e.hostname = b->endpoint;
	/* with publishNotReadyAddresses the controller makes all of them ready: what is not yet, will be in a moment */
	q->e.may_have_more = !known || (s->publish_not_ready && f.hidden);
	if (f.v) {
		const char *what = arena_printf(q->arena, "has %zu ready endpoint%s%s%s", f.shown, f.shown == 1 ? "" : "s",
						b->endpoint ? " of the name " : "", b->endpoint ? b->endpoint : "");
		say_found(q, f.v, what ? what : "");
		if (!known && !q->e.records.len) {
			dns_say(q, DNS_EXPECT_NOTHING, "the EndpointSlices of Service %s/%s are not known as a whole", s->meta.ns, s->meta.name);
		}
	} else if (!known) {
		dns_say(q, DNS_EXPECT_NOTHING, "the EndpointSlices of Service %s/%s are not known", s->meta.ns, s->meta.name);
	} else if (s->publish_not_ready && f.hidden) {
		dns_say(q, DNS_EXPECT_NOTHING, "endpoints of Service %s/%s become ready in a moment, for it publishes those that are not", s->meta.ns,
			s->meta.name);
	} else {
		say_no_endpoint(q, b, &f);
	}
}

/* ---- ExternalName ---- */

/* A name of the cluster is looked up at once, and where it has nothing of the type, CoreDNS says nothing of the CNAME either. */
static void follow_inside(struct dns_ask *q, const char *target)
{
	struct dns_ask next = { .arena = q->arena, .c = q->c, .domain = q->domain, .qname = target, .qtype = q->qtype, .known = q->known,
				.arg = q->arg, .depth = q->depth + 1 };

	if (next.depth > DNS_CHAIN_MAX) {
		dns_say(q, DNS_EXPECT_NODATA, "the externalName leads back to itself, or through too many others");
		return;
	}
	dns_ask_inside(&next);
	q->err = next.err;
	if (next.e.kind == DNS_EXPECT_NOTHING) {
		dns_say(q, DNS_EXPECT_NOTHING, "%s", next.e.why ? next.e.why : "");
	} else if (next.e.kind != DNS_EXPECT_RECORDS) {
		dns_say(q, DNS_EXPECT_NODATA, "%s%s", q->depth ? "" : "its externalName leads to nothing: ", next.e.why ? next.e.why : "");
	} else {
		for (size_t i = 0; i < next.e.records.len; i++) {
			dns_add_record(q, &next.e.records.v[i]);
		}
		q->e.may_have_more = next.e.may_have_more;
	}
	dns_expected_release(&next.e);
}

static void external_records(struct dns_ask *q, const char *target)
{
	const struct k8s_meta *m = &q->e.service->meta;

	if (dns_name_equal(target, q->qname)) {
		dns_say(q, DNS_EXPECT_NODATA, "Service %s/%s is an ExternalName for itself", m->ns, m->name);
		return;
	}
	dns_say(q, DNS_EXPECT_RECORDS, "Service %s/%s is an ExternalName for %s", m->ns, m->name, target);
	dns_add_record(q, &(struct dns_record){ .owner = q->qname, .type = DNS_CNAME, .target = target });
	if (q->qtype == DNS_CNAME) {
		return;
	}
	if (dns_name_inside(target, q->domain)) {
		follow_inside(q, target);
	} else {
		q->e.may_have_more = true; /* what somebody else's server says */
	}
	if (q->e.kind != DNS_EXPECT_RECORDS) {
		q->e.records.len = 0;
	}
}

static void ask_external(struct dns_ask *q, const struct below *b)
{
	const struct k8s_service *s = q->e.service;
	const char *name = s->external_name ? s->external_name : "";
	char *target = arena_strndup(q->arena, name, strlen(name) - str_ends(name, "."));
	struct ip_addr a;

	if (!target) {
		q->err = -ENOMEM;
	} else if (b->endpoint || b->port) {
		dns_say(q, DNS_EXPECT_NXDOMAIN, "Service %s/%s is an ExternalName, which has no endpoints and ports", s->meta.ns, s->meta.name);
	} else if (!*target) {
		dns_say(q, DNS_EXPECT_NOTHING, "Service %s/%s has no externalName", s->meta.ns, s->meta.name);
	} else if (ip_addr_parse(target, &a) == 0) {
		dns_say(q, DNS_EXPECT_NXDOMAIN, "the externalName of Service %s/%s is the address %s, which CoreDNS makes no record of", s->meta.ns,
			s->meta.name, target);
	} else if (family_of(q->qtype) || q->qtype == DNS_CNAME) {
		external_records(q, target);
	} else {
		dns_say(q, DNS_EXPECT_NODATA, "Service %s/%s is an ExternalName, of which nothing but a CNAME is answered", s->meta.ns, s->meta.name);
	}
}

/* ---- which Service ---- */

static void no_service(struct dns_ask *q, const char *ns, const char *name)
{
	int exists = dns_namespace_exists(q, ns);

	if (exists == 0) {
		dns_say(q, DNS_EXPECT_NXDOMAIN, "there is no namespace %s", ns);
	} else if (!name && exists > 0) {
		dns_say(q, DNS_EXPECT_NODATA, "the name is that of namespace %s", ns);
	} else if (!name) {
		dns_say(q, DNS_EXPECT_NOTHING, "whether there is a namespace %s is not known", ns);
	} else if (q->known(q->arg, K8S_SERVICES, ns, name)) {
		dns_say(q, DNS_EXPECT_NXDOMAIN, "there is no Service %s/%s", ns, name);
	} else {
		dns_say(q, DNS_EXPECT_NOTHING, "whether there is a Service %s/%s is not known", ns, name);
	}
}

static const char *bare_label(const char *label)
{
	return *label == '_' ? label + 1 : label;
}

void dns_ask_service(struct dns_ask *q)
{
	struct below b = { 0 };

	if (q->nlabels > 5) {
		/* parse.go: zone.pin._zone.SERVICE of the option zonal */
		if (str_is(q->label[3], "_zone")) {
			dns_say(q, DNS_EXPECT_NOTHING, "whether CoreDNS answers by zones is not known");
		} else {
			dns_say(q, DNS_EXPECT_NXDOMAIN, "no name of a Service has as many labels");
		}
		return;
	}
	q->e.service = q->nlabels < 3 ? NULL : k8s_find_service(q->c, q->label[1], q->label[2]);
	if (!q->e.service) {
		no_service(q, q->label[1], q->nlabels < 3 ? NULL : q->label[2]);
		return;
	}
	if (q->nlabels == 4) {
		b.endpoint = q->label[3];
	} else if (q->nlabels == 5) {
		b.protocol = bare_label(q->label[3]);
		b.port = bare_label(q->label[4]);
	}
	if (str_is(q->e.service->type, "ExternalName")) {
		ask_external(q, &b);
	} else if (q->e.service->headless || b.endpoint) {
		ask_endpoints(q, &b);
	} else {
		ask_cluster_ip(q, &b);
	}
}
