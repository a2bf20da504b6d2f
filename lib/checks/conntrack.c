/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connections that the node's rules would not make any more: conntrack binds a translation with the first packet and keeps it while packets come.
 * kube-proxy removes those of UDP that lead to no serving endpoint (pkg/proxy/conntrack/cleanup.go: terminating ones serve, and of a Service without
 * any nothing is removed, since 1.32); those of TCP end by themselves. What the rules themselves do wrong is told elsewhere (rules.c), and
 * a new connection would go the same way: of such a Service nothing is said here. IPVS has a table of its own, which decides.
 */
#include <netinet/in.h>

#include "checks-private.h"
#include "proxy-private.h"

#define GONE_MAX 8	/* addresses that get a command */
#define SETTLE_SECONDS 10 /* that kube-proxy may take from a change of endpoints to its last entry */
#define BUSY_SECONDS 300 /* net.netfilter.nf_conntrack_tcp_timeout_unacknowledged */

enum stale { STALE_GONE, STALE_EMPTY, STALE_BARE, STALE_TCP };

/* Where entries of one finding lead to: enough for a command that takes these and no others. */
struct gone {
	struct ip_addr dst, reply_src;
	uint16_t dport, reply_sport;
	bool by_port; /* the address is an endpoint's, the port is none of it */
	size_t count;
};

struct group {
	enum stale kind;
	struct svc *svc;
	const struct expect_port *port;
	size_t count, more; /* more: entries of further addresses */
	bool certain;	    /* of one of them at least */
	const struct snap_flow *example;
	struct gone gone[GONE_MAX];
	size_t ngone;
};

/* A Service on this node. */
struct service_view {
	struct svc *svc;
	struct expect_service expect;
	bool whole;	 /* all its endpoints are known */
	int64_t changed; /* its EndpointSlices, last; 0: not told */
};

/* Of all nodes. */
struct shared {
	struct map claims; /* struct key -> struct claim */
	struct map pods;   /* struct ip_addr -> struct k8s_pod: those that run */
};

/* A kind of address of a Service port, in one family. */
struct place {
	const struct k8s_service_port *port;
	uint32_t kind, family;
};

struct look {
	struct run *r;
	const struct shared *shared;
	const struct snap_node *n;
	struct expect_node *expect;
	bool judged;		/* its rules were compared */
	int64_t now;
	struct map differing;	/* struct place: where its rules differ */
	struct map views, groups;
	ARRAY_OF(struct group *) order;
};

/* ---- which Service has an address and port ---- */

struct key {
	uint8_t b[20];
};

static struct key key_of(const struct ip_addr *a, uint8_t proto, uint16_t port)
{
	struct key k = { { a ? a->family : 0 } };

	if (a)
		memcpy(k.b + 1, a->b, sizeof(a->b));
	k.b[17] = proto;
	k.b[18] = (uint8_t)(port >> 8);
	k.b[19] = (uint8_t)port;
	return k;
}

struct claim {
	struct key key;
	const struct k8s_service *owner; /* the first one */
	struct svc *svc; /* NULL: it is not looked at, or several Services have it, and whose an entry is cannot be told */
};

static void claim(struct run *r, struct map *claims, const struct ip_addr *a, const struct k8s_service_port *p, uint16_t port, struct claim by)
{
	struct claim *c;

	by.key = key_of(a, p->proto, port);
	c = map_get(claims, &by.key, sizeof(by.key));
	if (c) {
		c->svc = c->owner == by.owner ? c->svc : NULL;
		return;
	}
	c = arena_new(&r->scratch, struct claim);
	if (c)
		*c = by;
	if (!c || map_put(claims, &c->key, sizeof(c->key), c) < 0)
		r->err = -ENOMEM;
}

static void claim_port(struct run *r, struct map *claims, const struct k8s_service_port *p, struct claim by)
{
	const struct k8s_service *s = by.owner;

	if (p->proto != IPPROTO_UDP && p->proto != IPPROTO_TCP)
		return;
	for (size_t i = 0; i < s->ncluster_ips; i++)
		claim(r, claims, &s->cluster_ips[i], p, p->port, by);
	for (size_t i = 0; i < s->nexternal_ips; i++)
		claim(r, claims, &s->external_ips[i], p, p->port, by);
	for (size_t i = 0; i < s->ningress; i++)
		if (s->ingress[i].ip.family)
			claim(r, claims, &s->ingress[i].ip, p, p->port, by);
	if (p->node_port)
		claim(r, claims, NULL, p, p->node_port, by);
}

static void claim_all(struct run *r, struct map *claims, struct claim by)
{
	for (size_t i = 0; i < by.owner->nports && !r->err; i++)
		claim_port(r, claims, &by.owner->ports[i], by);
}

static struct svc *claimer(const struct look *l, const struct snap_flow *f)
{
	const struct key vip = key_of(&f->dst, f->proto, f->dport), any = key_of(NULL, f->proto, f->dport);
	const struct claim *c = map_get(&l->shared->claims, &vip, sizeof(vip));

	c = c ? c : map_get(&l->shared->claims, &any, sizeof(any));
	return c ? c->svc : NULL;
}

/* ---- the Service on the node ---- */

/* When the endpoints changed last, as far as the objects tell. */
static int64_t newest_change(const struct run *r, const struct k8s_service *s)
{
	const struct k8s_slice_group *g = k8s_slices_of(r->c, s);
	int64_t newest = 0;

	for (size_t i = 0; g && i < g->v.len; i++) {
		const struct k8s_meta *m = &g->v.v[i]->meta;
		const char *trigger = k8s_label_get(&m->annotations, "endpoints.kubernetes.io/last-change-trigger-time");

		newest = MAX(newest, log_time(m->last_change ? m->last_change : "", 0));
		newest = MAX(newest, log_time(trigger ? trigger : "", 0));
	}
	return newest;
}

static struct service_view *view_make(struct look *l, struct svc *v)
{
	struct run *r = l->r;
	struct service_view *w = arena_new(&r->scratch, struct service_view);

	if (w && !l->expect) {
		l->expect = arena_new(&r->scratch, struct expect_node);
		if (l->expect && verify_expect_node(&r->scratch, r->s, l->n, l->expect) < 0)
			l->expect = NULL;
	}
	if (!w || !l->expect || expect_service(&r->scratch, r->c, v->o, l->expect, &w->expect) < 0 || map_put(&l->views, &v->o, sizeof(v->o), w) < 0) {
		r->err = -ENOMEM;
		return NULL;
	}
	w->svc = v;
	w->whole = run_complete_of(r, K8S_SLICES, v);
	w->changed = newest_change(r, v->o);
	return w;
}

/* The frontend that the packet came to, as kube-proxy serves it on this node; NULL: it does not. */
static const struct expect_frontend *frontend_of(const struct look *l, const struct service_view *w, const struct snap_flow *f)
{
	for (size_t i = 0; i < w->expect.nfrontends; i++) {
		const struct expect_frontend *e = &w->expect.frontends[i];
		bool here = e->kind != EXPECT_NODE_PORT && ip_addr_equal(&e->addr, &f->dst);

		if (e->proto != f->proto || e->number != f->dport || e->kind == EXPECT_HEALTH_CHECK || e->port->family != f->family)
			continue;
		for (size_t k = 0; e->kind == EXPECT_NODE_PORT && e->addrs_known && k < e->naddrs && !here; k++)
			here = ip_addr_equal(&e->addrs[k], &f->dst);
		here |= e->kind == EXPECT_NODE_PORT && !e->addrs_known && node_is_local(&l->n->facts, &f->dst) == TRI_TRUE;
		if (here)
			return e;
	}
	return NULL;
}

/* The rules themselves go wrong there, for new connections too. */
static bool rules_differ(const struct look *l, const struct expect_frontend *e)
{
	const struct place p = { e->port->port, e->kind, e->port->family };

	return map_get(&l->differing, &p, sizeof(p));
}

static void note_difference(struct look *l, const struct verify_difference *d)
{
	struct place *p = arena_new(&l->r->scratch, struct place);

	if (p)
		*p = (struct place){ d->port, d->frontend_kind, d->family };
	if (!p || map_put(&l->differing, p, sizeof(*p), p) < 0)
		l->r->err = -ENOMEM;
}

/* ---- an entry ---- */

static uint32_t sysctl_seconds(const struct look *l, const char *name, uint32_t otherwise)
{
	const char *s = node_sysctl(&l->n->facts, name);
	uint64_t v;

	return s && parse_uint(s, strlen(s), UINT32_MAX, &v) == 0 ? (uint32_t)v : otherwise;
}

enum alive { ALIVE_NO, ALIVE_MAYBE, ALIVE_YES };

/*
 * Did a packet come since the endpoints changed? One that did not belongs to a client that is done, and goes by itself. Each packet sets the
 * timeout anew (net/netfilter/nf_conntrack_proto_udp.c), so that what is left of it tells when that was.
 */
static enum alive is_alive(const struct look *l, const struct service_view *w, const struct snap_flow *f)
{
	const uint32_t whole = sysctl_seconds(l, f->assured ? "net.netfilter.nf_conntrack_udp_timeout_stream" : "net.netfilter.nf_conntrack_udp_timeout",
					      f->assured ? 120 : 30);
	const int64_t ago = l->now - w->changed;

	if (!l->now || !w->changed || ago < SETTLE_SECONDS || !f->timeout || f->timeout > whole)
		return ALIVE_MAYBE;
	return whole - f->timeout < ago ? ALIVE_YES : ALIVE_NO;
}

static bool listens(const struct look *l, const struct snap_flow *f)
{
	const struct node_facts *facts = &l->n->facts;

	for (size_t i = 0; i < facts->sockets.len; i++) {
		const struct node_socket *s = &facts->sockets.v[i];

		if (s->proto == f->proto && s->port == f->dport && (!s->addr.family || ip_addr_is_zero(&s->addr) || ip_addr_equal(&s->addr, &f->dst)))
			return true;
	}
	return false;
}

/* Would kube-proxy's rules let such a packet through untranslated, or does somebody on the node have the address? Then that is no sign of anything. */
static bool may_be_bare(const struct look *l, const struct expect_frontend *e, const struct snap_flow *f)
{
	const struct k8s_service *s = e->port->service;

	if (e->kind == EXPECT_NODE_PORT ? listens(l, f) : node_is_local(&l->n->facts, &f->dst) == TRI_TRUE)
		return true;
	if (e->kind == EXPECT_LOAD_BALANCER && s->nsource_ranges)
		return true;
	return (e->kind == EXPECT_CLUSTER_IP ? s->internal_local : s->external_local) && !e->port->nlocal;
}

struct serving {
	bool any, addr, port; /* does any endpoint serve; one with this address; and this port? */
	bool listed;	      /* the address is an endpoint's, serving or not */
};

/* Endpoints are sorted by address and port. */
static size_t first_of(const struct expect_port *p, const struct ip_addr *a)
{
	size_t low = 0, high = p->nall;

	while (low < high) {
		const size_t mid = low + (high - low) / 2;

		if (ip_addr_cmp(&p->all[mid].addr, a) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static struct serving serving_of(const struct expect_port *p, const struct snap_flow *f)
{
	struct serving s = { false };

	for (size_t i = 0; i < p->nall && !s.any; i++)
		s.any = p->all[i].serving;
	for (size_t i = first_of(p, &f->reply_src); i < p->nall && ip_addr_equal(&p->all[i].addr, &f->reply_src); i++) {
		s.listed = true;
		s.addr |= p->all[i].serving;
		s.port |= p->all[i].serving && p->all[i].port == f->reply_sport;
	}
	return s;
}

/* ---- groups ---- */

static struct group *group_of(struct look *l, const struct service_view *w, const struct expect_frontend *e, enum stale kind)
{
	struct {
		const struct k8s_service_port *port;
		uintptr_t kind;
	} *key = arena_alloc(&l->r->scratch, sizeof(*key));
	struct group *g;

	if (!key) {
		l->r->err = -ENOMEM;
		return NULL;
	}
	key->port = e->port->port;
	key->kind = kind;
	g = map_get(&l->groups, key, sizeof(*key));
	if (g)
		return g;
	g = arena_new(&l->r->scratch, struct group);
	if (!g || map_put(&l->groups, key, sizeof(*key), g) < 0 || array_push(&l->order, g) < 0) {
		l->r->err = -ENOMEM;
		return NULL;
	}
	g->kind = kind;
	g->svc = w->svc;
	g->port = e->port;
	return g;
}

static void group_add(struct group *g, const struct snap_flow *f, bool by_port, bool certain)
{
	g->count++;
	g->example = !g->example || (certain && !g->certain) ? f : g->example;
	g->certain |= certain;
	for (size_t i = 0; i < g->ngone; i++) {
		struct gone *o = &g->gone[i];

		if (ip_addr_equal(&o->dst, &f->dst) && ip_addr_equal(&o->reply_src, &f->reply_src) && o->dport == f->dport &&
		    o->by_port == by_port && (!by_port || o->reply_sport == f->reply_sport)) {
			o->count++;
			return;
		}
	}
	if (g->ngone == GONE_MAX) {
		g->more++;
		return;
	}
	g->gone[g->ngone++] = (struct gone){ f->dst, f->reply_src, f->dport, f->reply_sport, by_port, 1 };
}

static void take_udp(struct look *l, const struct service_view *w, const struct expect_frontend *e, const struct snap_flow *f)
{
	const struct serving s = serving_of(e->port, f);
	const bool bare = ip_addr_equal(&f->reply_src, &f->dst) && f->reply_sport == f->dport;
	const enum stale kind = bare ? STALE_BARE : s.any ? STALE_GONE : STALE_EMPTY;
	const enum alive alive = is_alive(l, w, f);
	struct group *g;

	if (s.port || alive == ALIVE_NO || (bare && (!s.any || may_be_bare(l, e, f))))
		return;
	g = group_of(l, w, e, kind);
	if (g)
		group_add(g, f, s.addr, l->judged && alive == ALIVE_YES);
}

/* An end of it is gone without a word: the other one sends into the void until it gives up, or waits, up to days. */
static void take_tcp(struct look *l, const struct service_view *w, const struct expect_frontend *e, const struct snap_flow *f)
{
	const struct serving s = serving_of(e->port, f);
	const uint32_t whole = sysctl_seconds(l, "net.netfilter.nf_conntrack_tcp_timeout_established", 0);
	struct group *g;

	/* without a selector an endpoint may be anywhere, and there still */
	if (f->state != FLOW_TCP_ESTABLISHED || s.listed || !w->svc->o->selector.len || ip_addr_equal(&f->reply_src, &f->dst) || !run_complete(l->r, K8S_PODS) ||
	    map_get(&l->shared->pods, &f->reply_src, sizeof(f->reply_src)) || run_node_of_addr(l->r, &f->reply_src))
		return;
	g = group_of(l, w, e, STALE_TCP);
	if (g)
		group_add(g, f, false, f->timeout && (f->timeout <= BUSY_SECONDS || (whole > f->timeout && whole - f->timeout < BUSY_SECONDS)));
}

static void take_flow(struct look *l, const struct snap_flow *f)
{
	struct svc *v = (f->proto == IPPROTO_UDP || f->proto == IPPROTO_TCP) && !f->zone ? claimer(l, f) : NULL;
	const struct expect_frontend *e;
	struct service_view *w;

	if (!v)
		return;
	w = map_get(&l->views, &v->o, sizeof(v->o));
	w = w ? w : view_make(l, v);
	e = w && w->whole ? frontend_of(l, w, f) : NULL;
	e = e && rules_differ(l, e) ? NULL : e;
	if (e && f->proto == IPPROTO_UDP)
		take_udp(l, w, e, f);
	else if (e)
		take_tcp(l, w, e, f);
}

/* ---- findings ---- */

static const char *const ids[] = {
	[STALE_GONE] = "stale-udp-conntrack-deleted-endpoint",
	[STALE_EMPTY] = "stale-udp-conntrack-no-endpoints",
	[STALE_BARE] = "stale-udp-conntrack-no-dnat",
	[STALE_TCP] = "tcp-connections-to-gone-pods",
};

static const char *where(struct run *r, const struct gone *o)
{
	char buf[IP_ENDPOINT_STRLEN];

	return run_printf(r, "%s", o->by_port ? ip_endpoint_format(&o->reply_src, o->reply_sport, buf) : ip_addr_format(&o->reply_src, buf));
}

static const char *gone_text(struct run *r, const struct group *g)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	size_t shown = 0;

	for (size_t i = 0; i < g->ngone; i++) {
		bool seen = false;

		for (size_t k = 0; k < i && !seen; k++)
			seen = ip_addr_equal(&g->gone[k].reply_src, &g->gone[i].reply_src) && g->gone[k].by_port == g->gone[i].by_port;
		if (seen)
			continue;
		if (shown == 3) {
			strbuf_adds(&b, ", ...");
			break;
		}
		strbuf_addf(&b, "%s%s", shown++ ? ", " : "", where(r, &g->gone[i]));
	}
	return run_printf(r, "%s", strbuf_str(&b));
}

static void text_of(struct look *l, struct finding *f, const struct group *g)
{
	struct run *r = l->r;
	const struct k8s_meta *m = &g->svc->o->meta;
	const bool one = g->count == 1;
	const char *head = run_printf(r, "on node %s %zu %s connection%s to port %u of %s/%s", l->n->name, g->count, proto_upper(g->port->port->proto),
				      PLURAL(g->count), g->port->port->port, m->ns, m->name);
	const char *to = gone_text(r, g);

	switch (g->kind) {
	case STALE_GONE:
		finding_text(r, f, "%s still go%s to %s, which is no endpoint of it any more", head, one ? "es" : "", to);
		finding_because(r, f, "%zu UDP connection%s on node %s still go%s to %s", g->count, PLURAL(g->count), l->n->name, one ? "es" : "", to);
		break;
	case STALE_EMPTY:
		finding_text(r, f, "%s still go%s to %s, though the Service has no endpoint", head, one ? "es" : "", to);
		finding_because(r, f, "%zu UDP connection%s on node %s still go%s to %s", g->count, PLURAL(g->count), l->n->name, one ? "es" : "", to);
		break;
	case STALE_BARE:
		finding_text(r, f, "%s go%s to %s itself and to no endpoint: %s began before the rules were there", head, one ? "es" : "", to,
			     one ? "it" : "they");
		finding_because(r, f, "%zu UDP connection%s on node %s go%s to no endpoint", g->count, PLURAL(g->count), l->n->name, one ? "es" : "");
		break;
	case STALE_TCP:
		finding_text(r, f, "%s %s open to %s, where no pod is any more", head, one ? "is" : "are", to);
		break;
	}
}

static void example_of(struct look *l, struct finding *f, const struct snap_flow *e)
{
	char src[IP_ADDR_STRLEN], dst[IP_ADDR_STRLEN], back[IP_ADDR_STRLEN], to[IP_ADDR_STRLEN];

	finding_evidence(l->r, f, "%s src=%s dst=%s sport=%u dport=%u%s src=%s dst=%s sport=%u dport=%u, %u seconds left", proto_name(e->proto),
			 ip_addr_format(&e->src, src), ip_addr_format(&e->dst, dst), e->sport, e->dport, e->unreplied ? " [UNREPLIED]" : "",
			 ip_addr_format(&e->reply_src, back), ip_addr_format(&e->reply_dst, to), e->reply_sport, e->reply_dport, e->timeout);
}

/* Who has such an address now: what the clients send may end at a stranger. */
static void owners_of(struct look *l, struct finding *f, const struct group *g)
{
	char buf[IP_ADDR_STRLEN];

	for (size_t i = 0; i < g->ngone && g->kind != STALE_BARE && g->kind != STALE_TCP; i++) {
		const struct k8s_pod *p = map_get(&l->shared->pods, &g->gone[i].reply_src, sizeof(g->gone[i].reply_src));

		if (p)
			finding_evidence(l->r, f, "%s is the address of pod %s/%s", ip_addr_format(&g->gone[i].reply_src, buf), p->meta.ns, p->meta.name);
	}
}

static void endpoints_of(struct look *l, struct finding *f, const struct group *g)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	size_t shown = 0, n = 0;

	for (size_t i = 0; i < g->port->nall; i++) {
		char buf[IP_ENDPOINT_STRLEN];

		if (!g->port->all[i].serving)
			continue;
		n++;
		if (shown < 3)
			strbuf_addf(&b, "%s%s", shown++ ? ", " : "", ip_endpoint_format(&g->port->all[i].addr, g->port->all[i].port, buf));
	}
	if (n && g->kind != STALE_TCP)
		finding_evidence(l->r, f, "its endpoints are %s%s", strbuf_str(&b), n > shown ? ", ..." : "");
}

static void log_of(struct look *l, struct finding *f)
{
	const struct proxy_view *v = proxy_view_of(l->r, l->n->name);
	const struct snap_log *log = NULL;
	const struct log_hit *h = v ? proxy_hit(l->r, v, "stale-udp-conntrack-deleted-endpoint", &log) : NULL;

	if (h)
		proxy_hit_evidence(l->r, f, v, log, h);
	/* kubernetes/kubernetes issues 125467, 126130; pull request 127780 */
	if (v && v->minor >= 29 && v->minor <= 31)
		finding_evidence(l->r, f, "kube-proxy %s: versions 1.29 to 1.31 forget to remove some of these entries", v->version ? v->version : "1.29 to 1.31");
}

static void commands_of(struct look *l, struct finding *f, const struct group *g)
{
	struct run *r = l->r;

	for (size_t i = 0; i < g->ngone; i++) {
		const struct gone *o = &g->gone[i];
		const bool six = o->dst.family == AF_INET6;
		char dst[IP_ADDR_STRLEN], src[IP_ADDR_STRLEN];

		(void)ip_addr_format(&o->dst, dst);
		(void)ip_addr_format(&o->reply_src, src);
		finding_next(r, f, six ? "sudo conntrack -L -f ipv6 -p %t --orig-dst %a --dport %u" : "sudo conntrack -L -p %t --orig-dst %a --dport %u",
			     proto_name(g->port->port->proto), dst, (unsigned)o->dport);
		if (o->by_port)
			finding_fix(r, f, six ? "sudo conntrack -D -f ipv6 -p udp --orig-dst %a --dport %u --reply-src %a --reply-port-src %u" :
						"sudo conntrack -D -p udp --orig-dst %a --dport %u --reply-src %a --reply-port-src %u",
				    dst, (unsigned)o->dport, src, (unsigned)o->reply_sport);
		else
			finding_fix(r, f, six ? "sudo conntrack -D -f ipv6 -p %t --orig-dst %a --dport %u --reply-src %a" :
						"sudo conntrack -D -p %t --orig-dst %a --dport %u --reply-src %a",
				    proto_name(g->port->port->proto), dst, (unsigned)o->dport, src);
	}
	if (g->more)
		finding_evidence(r, f, "and %zu more, to other addresses: run it again after the commands", g->more);
}

static void tell(struct look *l, const struct group *g)
{
	const struct k8s_service_port *p = g->port->port;
	struct finding *f = finding_of_service(l->r, ids[g->kind], l->n->name, run_printf(l->r, "%u-%s", p->port, proto_name(p->proto)), g->svc);

	f->rank = 22;
	finding_partial(f);
	if (g->kind == STALE_TCP)
		finding_severity(f, g->certain ? SEVERITY_WARNING : SEVERITY_INFO);
	else if (g->kind == STALE_EMPTY || !g->certain)
		finding_severity(f, SEVERITY_WARNING);
	text_of(l, f, g);
	example_of(l, f, g->example);
	endpoints_of(l, f, g);
	owners_of(l, f, g);
	if (g->kind == STALE_GONE)
		log_of(l, f);
	if (g->kind != STALE_TCP && !l->judged)
		finding_evidence(l->r, f, "the rules of node %s were not compared: they may lead there as well", l->n->name);
	commands_of(l, f, g);
}

/* ---- nodes ---- */

static bool is_judged(const struct run *r, const char *node)
{
	for (size_t i = 0; i < r->d->verify.nodes.len; i++)
		if (strcmp(r->d->verify.nodes.v[i], node) == 0)
			return true;
	return false;
}

static bool is_torn(const struct run *r, const char *node)
{
	for (size_t i = 0; i < r->d->verify.torn.len; i++)
		if (strcmp(r->d->verify.torn.v[i].node, node) == 0)
			return true;
	return false;
}

static void look_at(struct run *r, const struct shared *shared, const struct snap_node *n)
{
	const struct verify_report *v = &r->d->verify;
	struct look l = { .r = r, .shared = shared, .n = n, .judged = is_judged(r, n->name), .now = proxy_now(r, proxy_view_of(r, n->name)) };

	for (size_t i = 0; i < v->differences.len; i++) {
		if (strcmp(v->differences.v[i].node, n->name) == 0 && v->differences.v[i].port)
			note_difference(&l, &v->differences.v[i]);
	}
	for (size_t i = 0; i < n->flows.v.len && !r->err; i++)
		take_flow(&l, &n->flows.v.v[i]);
	for (size_t i = 0; i < l.order.len && !r->err; i++)
		tell(&l, l.order.v[i]);
	map_release(&l.differing);
	map_release(&l.views);
	map_release(&l.groups);
	array_free(&l.order);
}

static bool is_wanted(const struct run *r, const struct snap_node *n)
{
	struct verify_plane other;

	return n->flows.v.len && (!r->o->node || strcmp(r->o->node, n->name) == 0) && verify_mode(r->s, n) != MODE_IPVS && !is_torn(r, n->name) &&
	       !verify_plane_is_other(r->s, n, &other);
}

static void shared_release(struct shared *s)
{
	map_release(&s->claims);
	map_release(&s->pods);
}

static void shared_fill(struct run *r, struct shared *s)
{
	for (size_t i = 0; i < r->nsvcs; i++)
		claim_all(r, &s->claims, (struct claim){ .owner = r->svcs[i].o, .svc = &r->svcs[i] });
	for (size_t i = 0; i < r->c->services.len; i++)
		claim_all(r, &s->claims, (struct claim){ .owner = r->c->services.v[i] });
	for (size_t i = 0; i < r->c->pods.len && !r->err; i++) {
		struct k8s_pod *p = r->c->pods.v[i];

		if (strcmp(p->phase, "Succeeded") == 0 || strcmp(p->phase, "Failed") == 0)
			continue;
		for (size_t k = 0; k < p->nips; k++)
			if (map_put(&s->pods, &p->ips[k], sizeof(p->ips[k]), p) < 0)
				r->err = -ENOMEM;
	}
}

void conntrack_findings(struct run *r)
{
	CLEANUP(shared_release) struct shared shared = { 0 };
	bool filled = false;

	if (!run_has(r, K8S_SERVICES) || r->s->services_from_rules || !run_has(r, K8S_SLICES))
		return;
	for (size_t i = 0; i < r->s->nodes.len && !r->err; i++) {
		if (!is_wanted(r, r->s->nodes.v[i]))
			continue;
		if (!filled)
			shared_fill(r, &shared);
		filled = true;
		look_at(r, &shared, r->s->nodes.v[i]);
	}
}
