/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Node against node. The frontends are what the rules of any node name; on each node a packet of the node itself is sent
 * to each of them, and the endpoints are compared, with their shares and whether the source is rewritten. It costs one
 * walk for each frontend and node.
 */
#include <errno.h>
#include <math.h>
#include <netinet/in.h>

#include "verify-private.h"

#define SOURCE_PORT 40000
#define ADDRESSES_SHOWN 5
#define SHARE_TOLERANCE 0.01 /* of the greater one: old iptables-save prints probabilities to five digits only */

/* The key of a map: every byte of it is set. */
struct frontend_key {
	struct ip_addr addr;
	uint8_t proto, zero;
	uint16_t port;
};
struct frontend {
	struct frontend_key key;
	const struct rs_rule *named_by; /* has the Service's name in its comment; NULL: none has */
	const char *name;	/* "ns/name", of a chain of nftables mode; NULL: not known */
	bool cluster;	/* some node sends it to all endpoints, or refuses */
	bool external;	/* an external or load-balancer address */
	bool local;	/* some node sends it to its own endpoints only */
};
struct endpoint {
	struct ip_addr addr;
	uint16_t port;
	double share;	/* NAN: not known */
	unsigned masq;	/* MASQ_YES, MASQ_NO or both */
};
enum { MASQ_YES = 1, MASQ_NO = 2 };
enum { SET_UNTRANSLATED = 1, SET_REFUSED = 2, SET_DROPPED = 4 };
struct set {
	bool known;
	unsigned flags;
	ARRAY_OF(struct endpoint) v; /* sorted, each once */
	size_t like; /* position of the first node with the same set */
	size_t count; /* there: how many nodes have it */
};
struct peer_node {
	const struct snap_node *snap;
	struct nat_node nat;
	struct ip_addr src[2];
	enum expect_mode mode;
	bool in[2];	/* its rules of IPv4, IPv6 are compared */
	struct set set;
	struct verify_peer *out; /* NULL: differs nowhere yet */
	ARRAY_OF(struct verify_peer_difference) found;
};
struct peers {
	const struct snapshot *s;
	const struct verify_options *o;
	struct verify_report *out;
	bool objects;		/* the cluster's objects say who is right */
	bool nameless;		/* a node in IPVS mode: what leads to local endpoints only is not told from the rest */
	struct arena scratch;
	struct map by_key, services, differing, asked;
	ARRAY_OF(struct frontend *) frontends;
	ARRAY_OF(struct peer_node) nodes;
	ARRAY_OF(struct verify_peer_difference) open; /* without a majority */
	bool *disagrees;	/* of each node: it is one of those */
	struct nat_result walk;
};

static void peers_release(struct peers *p)
{
	for (size_t i = 0; i < p->nodes.len; i++) {
		array_free(&p->nodes.v[i].set.v);
		array_free(&p->nodes.v[i].found);
	}
	array_free(&p->nodes);
	array_free(&p->frontends);
	array_free(&p->open);
	map_release(&p->by_key);
	map_release(&p->services);
	map_release(&p->differing);
	map_release(&p->asked);
	nat_result_release(&p->walk);
	arena_release(&p->scratch);
}

/* ---- who takes part ---- */

static bool has_servers(const struct snap_node *n, unsigned f)
{
	for (size_t i = 0; i < n->rules.servers.len; i++)
		if (n->rules.servers.v[i]->addr.family == (f ? AF_INET6 : AF_INET) && !n->rules.servers.v[i]->fwmark)
			return true;
	return false;
}

/* What kube-proxy has made for that family is there, and wholly. */
static bool takes_part(const struct peer_node *x, unsigned f)
{
	const struct snap_node *n = x->snap;

	if (vnode_bad_dump(n, x->mode, f, false) || vnode_bad_dump(n, x->mode, f, true))
		return false;
	/* With chains of IPVS mode KUBE-SERVICES names no frontend, whatever kube-proxy was told to be. */
	if (x->mode == MODE_IPTABLES)
		return vnode_has_rules(n, f ? RS_IP6 : RS_IP4) && !vnode_has_ipvs_chains(n);
	return x->mode == MODE_NFTABLES ? verify_has_proxy_table(n, f) : has_servers(n, f);
}

static int add_node(struct peers *p, const struct snap_node *n)
{
	struct peer_node x = { .snap = n, .mode = verify_mode(p->s, n) };
	struct expect_node e;
	int r;

	if (verify_other_plane(p->s, n))
		return 0;
	for (unsigned f = 0; f < 2; f++)
		x.in[f] = takes_part(&x, f);
	if (!x.in[0] && !x.in[1])
		return 0;
	p->nameless |= x.mode == MODE_IPVS;
	r = verify_expect_node(&p->scratch, p->s, n, &e);
	if (r < 0)
		return r;
	/* Where no address of the node is known, any will do that no rule asks for. */
	x.src[0] = e.ip4;
	x.src[1] = e.ip6;
	if (!x.src[0].family && ip_addr_parse("192.0.2.1", &x.src[0]) < 0)
		return -EINVAL;
	if (!x.src[1].family && ip_addr_parse("2001:db8::1", &x.src[1]) < 0)
		return -EINVAL;
	return array_push(&p->nodes, x);
}

/* ---- what the rules name ---- */

static void note_target(struct frontend *f, const struct rs_rule *r)
{
	const struct rs_chain *c = rule_chain(r);
	const struct rs_stmt *t = rule_target(r);
	char comment[RULE_COMMENT_MAX];

	if (!rule_comment(r, comment))
		comment[0] = '\0';
	else if (!f->named_by && strchr(comment, '/'))
		f->named_by = r;
	/* Until 1.23 external addresses of Services with policy Cluster led to KUBE-SVC too. */
	if (strstr(comment, "external IP") || strstr(comment, "loadbalancer IP") ||
	    (c && (str_starts(c->name, "KUBE-EXT-") || str_starts(c->name, "KUBE-FW-"))))
		f->external = true;
	else if ((c && str_starts(c->name, "KUBE-SVC-")) || (t && t->kind == ST_REJECT))
		f->cluster = true;
	else if ((c && (str_starts(c->name, "KUBE-SVL-") || str_starts(c->name, "KUBE-XLB-"))) || (t && t->kind == ST_DROP))
		f->local = true;
}

/* The frontend of that address, made where it was not met before; NULL: out of memory. */
static struct frontend *frontend_of(struct peers *p, const struct ip_addr *a, uint8_t proto, uint16_t port)
{
	struct frontend_key k;
	struct frontend *f;

	memset(&k, 0, sizeof(k));
	k.addr = *a;
	k.proto = proto;
	k.port = port;
	f = map_get(&p->by_key, &k, sizeof(k));
	if (f)
		return f;
	f = arena_new(&p->scratch, struct frontend);
	if (!f)
		return NULL;
	f->key = k;
	return map_put(&p->by_key, &f->key, sizeof(f->key), f) < 0 || array_push(&p->frontends, f) < 0 ? NULL : f;
}

static int note_rule(struct peers *p, const struct rs_rule *r)
{
	struct ip_addr a = { 0 };
	struct frontend *f;
	uint32_t proto, port;

	if (!rule_host(r, FIELD_DADDR, &a) || !rule_number(r, FIELD_PROTO, &proto) || !rule_number(r, FIELD_DPORT, &port))
		return 0;
	f = frontend_of(p, &a, (uint8_t)proto, (uint16_t)port);
	if (!f)
		return -ENOMEM;
	note_target(f, r);
	return 0;
}

/* An element of service-ips or no-endpoint-services. A refusal is of the cluster IP where all of them are listed. */
static int note_element(struct peers *p, const struct rs_set *s, const struct rs_elem *e, const struct map *cluster_ips)
{
	struct vfrontend_key k;
	struct frontend *f;

	if (!velem_key(s, e, &k) || ip_addr_is_zero(&k.addr))
		return 0;
	f = frontend_of(p, &k.addr, k.proto, k.port);
	if (!f)
		return -ENOMEM;
	if (!f->name) {
		f->name = velem_service(&p->scratch, e);
		if (!f->name)
			return -ENOMEM;
	}
	if (!map_get(cluster_ips, &f->key.addr, sizeof(f->key.addr)))
		f->external = true;
	else if (e->verdict == ST_DROP || (e->target && str_starts(e->target->name, "local-")))
		f->local = true;
	else
		f->cluster = true;
	return 0;
}

static int note_elements(struct peers *p, const struct peer_node *n, unsigned six)
{
	static const char *const maps[] = { "service-ips", "no-endpoint-services" };
	const struct rs_table *t = ruleset_find_table(&n->snap->rules, BACKEND_NFT, six ? RS_IP6 : RS_IP4, "kube-proxy");
	CLEANUP(map_release) struct map cluster_ips = { 0 };
	int r = vset_addresses(&p->scratch, ruleset_find_set(&n->snap->rules, t, "cluster-ips"), &cluster_ips);

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(maps); i++) {
		const struct rs_set *s = ruleset_find_set(&n->snap->rules, t, maps[i]);

		for (size_t k = 0; r == 0 && s && k < s->nelems; k++)
			r = note_element(p, s, &s->elems[k], &cluster_ips);
	}
	return r;
}

/* A virtual server is of a cluster IP when the set of these has it; node ports and outside addresses are in other sets. */
static int note_servers(struct peers *p, const struct peer_node *n, unsigned six)
{
	const struct rs_set *s = vipset_find(&n->snap->rules, "KUBE-CLUSTER-IP", six);
	const struct rs_set_ref ref = { .name = "KUBE-CLUSTER-IP", .set = s, .nfields = 2, .dst = { true, true } };

	for (size_t i = 0; s && i < n->snap->rules.servers.len; i++) {
		const struct rs_virtual_server *v = n->snap->rules.servers.v[i];
		const struct rs_set_packet packet = { .src = v->addr, .dst = v->addr, .src_known = true, .proto = v->proto, .dport = v->port };
		struct frontend *f;
		bool state;

		if (v->fwmark || v->addr.family != (six ? AF_INET6 : AF_INET))
			continue;
		f = frontend_of(p, &v->addr, v->proto, v->port);
		if (!f)
			return -ENOMEM;
		*(rs_set_has(&ref, &packet, &state) == RS_YES ? &f->cluster : &f->external) = true;
	}
	return 0;
}

static int note_frontends(struct peers *p, const struct peer_node *n)
{
	const struct ruleset *rules = &n->snap->rules;

	for (unsigned six = 0; n->mode != MODE_IPTABLES && six < 2; six++)
		if (n->in[six] && (n->mode == MODE_IPVS ? note_servers(p, n, six) : note_elements(p, n, six)) < 0)
			return -ENOMEM;
	if (n->mode != MODE_IPTABLES)
		return 0;

	for (size_t i = 0; i < rules->tables.len; i++) {
		const struct rs_table *t = rules->tables.v[i];
		const struct rs_chain *c = t->xtables && n->in[t->family == RS_IP6] ? table_find_chain(t, "KUBE-SERVICES") : NULL;

		for (uint32_t k = 0; c && k < c->nrules; k++)
			if (note_rule(p, c->rules[k]) < 0)
				return -ENOMEM;
	}
	return 0;
}

/* ---- one frontend on one node ---- */

static int cmp_endpoint(const void *pa, const void *pb)
{
	const struct endpoint *a = pa, *b = pb;
	int c = ip_addr_cmp(&a->addr, &b->addr);

	return c ? c : (a->port > b->port) - (a->port < b->port);
}

static int read_endings(const struct nat_result *w, struct set *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < w->endings.len; i++) {
		const struct nat_ending *e = &w->endings.v[i];
		struct endpoint to = { e->addr, e->port, e->weight, e->masquerade ? MASQ_YES : MASQ_NO };

		/* What hangs on a rule that a dump does not decide is not compared; nor what the node answers itself (a node-local cache). */
		if (e->verdict == NAT_UNDECIDED || e->assumes || (e->verdict == NAT_ACCEPT && !e->translated && e->delivery == DELIVERY_LOCAL))
			return 0;
		if (e->verdict == NAT_REJECT)
			ret->flags |= SET_REFUSED;
		else if (e->verdict == NAT_DROP)
			ret->flags |= SET_DROPPED;
		else if (!e->translated)
			ret->flags |= SET_UNTRANSLATED;
		else if (array_push(&ret->v, to) < 0)
			return -ENOMEM;
	}
	if (ret->v.len)
		qsort(ret->v.v, ret->v.len, sizeof(*ret->v.v), cmp_endpoint);
	for (size_t i = 0; i < ret->v.len; i++)
		if (n == 0 || cmp_endpoint(&ret->v.v[i], &ret->v.v[n - 1]) != 0) {
			ret->v.v[n++] = ret->v.v[i];
		} else {
			ret->v.v[n - 1].share += ret->v.v[i].share;
			ret->v.v[n - 1].masq |= ret->v.v[i].masq;
		}
	ret->v.len = n;
	ret->known = w->endings.len > 0;
	return 0;
}

static int find_set(struct peers *p, struct peer_node *n, const struct frontend *f)
{
	const unsigned v6 = f->key.addr.family == AF_INET6;
	const struct nat_options o = { .flags = NAT_NO_PATH };
	/* What is an address of the node is reached from itself. */
	bool own = n->mode == MODE_IPVS && node_is_local(&n->snap->facts, &f->key.addr) == TRI_TRUE;
	const struct nat_packet packet = {
		.src = own ? f->key.addr : n->src[v6], .dst = f->key.addr, .proto = f->key.proto, .sport = SOURCE_PORT, .dport = f->key.port,
		.from_node = true,
	};
	int r;

	n->set.known = false;
	n->set.flags = 0;
	n->set.v.len = 0;
	if (!n->in[v6])
		return 0;
	nat_result_reset(&p->walk);
	r = nat_walk(&n->nat, &packet, &o, &p->walk);
	p->out->walks++;
	return r < 0 ? r : read_endings(&p->walk, &n->set);
}

/* Not known is no difference. */
static bool same_share(const struct endpoint *a, const struct endpoint *b)
{
	return isnan(a->share) || isnan(b->share) || fabs(a->share - b->share) <= SHARE_TOLERANCE * fmax(a->share, b->share);
}

static bool same_endpoints(const struct set *a, const struct set *b)
{
	if (a->flags != b->flags || a->v.len != b->v.len)
		return false;
	for (size_t i = 0; i < a->v.len; i++)
		if (cmp_endpoint(&a->v.v[i], &b->v.v[i]) != 0)
			return false;
	return true;
}

static bool same_set(const struct set *a, const struct set *b)
{
	if (!same_endpoints(a, b))
		return false;
	for (size_t i = 0; i < a->v.len; i++)
		if (a->v.v[i].masq != b->v.v[i].masq || !same_share(&a->v.v[i], &b->v.v[i]))
			return false;
	return true;
}

static bool set_has(const struct set *s, const struct endpoint *e)
{
	return s->v.len && bsearch(e, s->v.v, s->v.len, sizeof(*e), cmp_endpoint);
}

/* ---- texts ---- */

/* Those of @a that @b does not have, as text in the report's arena. */
static int beyond(struct peers *p, const struct set *a, const struct set *b, const char *const **ret, size_t *ret_n)
{
	const char **v = arena_array(&p->out->arena, const char *, a->v.len + 1);
	char buf[IP_ENDPOINT_STRLEN];
	size_t n = 0;

	for (size_t i = 0; v && i < a->v.len; i++)
		if (!set_has(b, &a->v.v[i])) {
			v[n] = arena_strdup(&p->out->arena, ip_endpoint_format(&a->v.v[i].addr, a->v.v[i].port, buf));
			if (!v[n++])
				return -ENOMEM;
		}
	*ret = v;
	*ret_n = n;
	return v ? 0 : -ENOMEM;
}

static void add_list(struct strbuf *b, const char *const *v, size_t n)
{
	for (size_t i = 0; i < n && i < ADDRESSES_SHOWN; i++)
		strbuf_addf(b, "%s%s", i ? ", " : "", v[i]);
	if (n > ADDRESSES_SHOWN)
		strbuf_addf(b, " and %zu more", n - ADDRESSES_SHOWN);
}

/* "sends to 3 endpoints", "refuses it": what a node, or (@many) several, do with all of it. */
static void add_deed(struct strbuf *b, const struct set *s, bool many)
{
	const char *es = many ? "" : "s";

	if (s->v.len)
		strbuf_addf(b, "send%s to %zu endpoint%s", es, s->v.len, s->v.len == 1 ? "" : "s");
	else if (s->flags & SET_UNTRANSLATED)
		strbuf_addf(b, "ha%s no rule for it", many ? "ve" : "s");
	else
		strbuf_addf(b, "%s%s it", s->flags & SET_REFUSED ? "refuse" : "drop", es);
}

static void add_parts(struct strbuf *b, const struct set *s, const struct set *peers)
{
	static const struct {
		unsigned flag;
		const char *text;
	} parts[] = { { SET_UNTRANSLATED, "does not translate" }, { SET_REFUSED, "refuses" }, { SET_DROPPED, "drops" } };

	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (s->v.len && (s->flags & parts[i].flag) && !(peers->flags & parts[i].flag))
			strbuf_addf(b, "%s%s a part of the connections", b->len ? ", " : "", parts[i].text);
}

/* The same endpoints: what is done with them differs. */
static void add_ways(struct strbuf *b, const struct set *s, const struct set *peers, const char *who)
{
	char buf[IP_ENDPOINT_STRLEN];
	bool masq = false, share = false;

	for (size_t i = 0; i < s->v.len; i++) {
		const struct endpoint *e = &s->v.v[i], *o = &peers->v.v[i];
		const char *to = ip_endpoint_format(&e->addr, e->port, buf);

		if (!masq && e->masq != o->masq) {
			masq = true;
			strbuf_addf(b, "%s%s the source of %s connections to %s, unlike %s", b->len ? "; " : "",
				    e->masq & MASQ_YES ? "rewrites" : "does not rewrite",
				    e->masq == (MASQ_YES | MASQ_NO) ? "some" : "its own", to, who);
		}
		if (!share && !same_share(e, o)) {
			share = true;
			strbuf_addf(b, "%sgives %s %.1f %% of the connections, %s %.1f %%", b->len ? "; " : "", to, e->share * 100, who,
				    o->share * 100);
		}
	}
}

/* @other: the one node that it is compared with; NULL: its peers. */
static const char *difference_text(struct peers *p, const struct set *s, const struct set *peers, const struct verify_peer_difference *d,
				   const char *other)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	const char *who = other ? other : "its peers";

	if (!s->v.len || !peers->v.len) {
		add_deed(&b, s, false);
		strbuf_addf(&b, "; %s ", who);
		add_deed(&b, peers, !other);
	} else if (same_endpoints(s, peers)) {
		add_ways(&b, s, peers, who);
	} else {
		if (d->nmissing) {
			strbuf_adds(&b, "does not send to ");
			add_list(&b, d->missing, d->nmissing);
		}
		if (d->nextra) {
			strbuf_addf(&b, "%ssends to ", b.len ? ", " : "");
			add_list(&b, d->extra, d->nextra);
			strbuf_addf(&b, ", which %s %s not", who, other ? "does" : "do");
		}
		add_parts(&b, s, peers);
		if (!b.len)
			strbuf_addf(&b, "serves every connection; %s only a part", who);
	}
	return b.failed ? NULL : arena_strndup(&p->out->arena, strbuf_str(&b), b.len);
}

static const struct k8s_service *service_at(const struct peers *p, const struct frontend *f)
{
	const struct k8s_service *s = map_get(&p->services, &f->key.addr, sizeof(f->key.addr));

	for (size_t i = 0; s && i < s->nports; i++)
		if (s->ports[i].port == f->key.port && s->ports[i].proto == f->key.proto)
			return s;
	return NULL;
}

static const char *service_name(struct peers *p, const struct frontend *f, const struct k8s_service *s, const char *otherwise)
{
	char comment[RULE_COMMENT_MAX], *end;

	if (s)
		return arena_printf(&p->out->arena, "%s/%s", s->meta.ns, s->meta.name);
	if (!f->named_by && f->name && *f->name)
		return arena_clean(&p->out->arena, f->name);
	if (!f->named_by || !rule_comment(f->named_by, comment))
		return otherwise;
	end = comment + strcspn(comment, " :");
	*end = '\0';
	return arena_clean(&p->out->arena, comment);
}

static const char *frontend_text(struct peers *p, const struct frontend *f)
{
	char buf[IP_ENDPOINT_STRLEN];
	const char *proto = f->key.proto == IPPROTO_TCP ? "TCP" : f->key.proto == IPPROTO_UDP ? "UDP" :
			    f->key.proto == IPPROTO_SCTP ? "SCTP" : proto_name(f->key.proto);

	return arena_printf(&p->out->arena, "%s/%s", ip_endpoint_format(&f->key.addr, f->key.port, buf), proto);
}

/* ---- who differs ---- */

/*
 * An error where connections fail if the others are right: no way at all, a part that leads nowhere, or an endpoint that
 * no other node knows beside some that all know. Sets with nothing in common may be those of different zones, a smaller set
 * may be one of hints for the same node: a warning, as is a way where the others refuse or have none.
 */
static enum verify_severity severity_of(const struct set *s, const struct set *peers, const struct verify_peer_difference *d)
{
	bool common = d->nextra < s->v.len;

	if (!peers->v.len)
		return VERIFY_WARNING;
	if (!s->v.len || (s->flags & ~peers->flags) || (common && d->nextra))
		return VERIFY_ERROR;
	return VERIFY_WARNING;
}

static int make_difference(struct peers *p, const struct frontend *f, const struct set *s, const struct set *peers, const char *other,
			   struct verify_peer_difference *ret)
{
	struct verify_peer_difference d = { .service = service_at(p, f), .frontend = frontend_text(p, f) };

	d.name = d.frontend ? service_name(p, f, d.service, d.frontend) : NULL;
	if (!d.name || beyond(p, peers, s, &d.missing, &d.nmissing) < 0 || beyond(p, s, peers, &d.extra, &d.nextra) < 0)
		return -ENOMEM;
	d.severity = severity_of(s, peers, &d);
	if (p->nameless && !d.service)
		d.severity = MIN(d.severity, VERIFY_WARNING);
	d.text = difference_text(p, s, peers, &d, other);
	*ret = d;
	return d.text ? 0 : -ENOMEM;
}

struct node_service {
	struct {
		const char *node;
		const struct k8s_service *service;
	} key;
	enum verify_severity worst;
};

/* With the objects known, who is wrong is who has a difference of this Service from them. */
static const struct node_service *differences_of(const struct peers *p, const char *node, const struct k8s_service *s)
{
	const struct node_service k = { .key = { node, s } };

	/* both names are of the snapshot: the same node has the same pointer */
	return map_get(&p->differing, &k.key, sizeof(k.key));
}

static bool is_asked_for(const struct peers *p, const struct frontend *f)
{
	const struct k8s_service *s;

	if (!p->o->services)
		return true;
	s = service_at(p, f);
	return s && map_get(&p->asked, &s, sizeof(s));
}

static int note_deviator(struct peers *p, struct peer_node *n, const struct frontend *f, const struct set *peers)
{
	const struct k8s_service *s = service_at(p, f);
	const struct node_service *known = s && p->objects ? differences_of(p, n->snap->name, s) : NULL;
	struct verify_peer_difference d;
	int r;

	if ((p->o->node && strcmp(p->o->node, n->snap->name) != 0) || (p->objects && !known))
		return 0; /* an address of no Service is a stale frontend, told as that */
	r = make_difference(p, f, &n->set, peers, NULL, &d);
	if (r < 0)
		return r;
	if (known)
		d.severity = known->worst;
	return array_push(&n->found, d);
}

/* Nobody can say who is right: against the first node, and never an error. */
static int note_open(struct peers *p, const struct frontend *f, const struct peer_node *first)
{
	struct verify_peer_difference d;
	const struct peer_node *other = NULL;
	int r;

	for (size_t i = 0; i < p->nodes.len; i++) {
		const struct peer_node *n = &p->nodes.v[i];

		if (!n->set.known)
			continue;
		p->disagrees[i] = true;
		if (!other && n->set.like != first->set.like)
			other = n;
	}
	r = other ? make_difference(p, f, &other->set, &first->set, first->snap->name, &d) : 0;
	if (r < 0 || !other)
		return r;
	d.text = arena_printf(&p->out->arena, "%s %s", other->snap->name, d.text);
	/* Disjoint sets and one within the other are usual where hints are. */
	d.severity = d.severity == VERIFY_ERROR ? VERIFY_WARNING : VERIFY_INFO;
	return d.text ? array_push(&p->open, d) : -ENOMEM;
}

static int compare(struct peers *p, const struct frontend *f)
{
	struct peer_node *best = NULL, *first = NULL;
	size_t known = 0;
	int r = 0;

	for (size_t i = 0; i < p->nodes.len; i++) {
		struct peer_node *n = &p->nodes.v[i];

		r = find_set(p, n, f);
		if (r < 0)
			return r;
		if (!n->set.known)
			continue;
		known++;
		first = first ? first : n;
		n->set.like = i;
		n->set.count = 0;
		for (size_t k = 0; k < i && n->set.like == i; k++)
			if (p->nodes.v[k].set.known && p->nodes.v[k].set.like == k && same_set(&p->nodes.v[k].set, &n->set))
				n->set.like = k;
		p->nodes.v[n->set.like].set.count++;
	}
	for (size_t i = 0; i < p->nodes.len; i++)
		if (p->nodes.v[i].set.known && p->nodes.v[i].set.like == i && (!best || p->nodes.v[i].set.count > best->set.count))
			best = &p->nodes.v[i];
	p->out->peer_frontends += known > 1;
	if (known < 2 || best->set.count == known)
		return 0;
	if (known < 3 || best->set.count * 2 <= known)
		return p->objects ? 0 : note_open(p, f, first);
	for (size_t i = 0; r == 0 && i < p->nodes.len; i++)
		if (p->nodes.v[i].set.known && p->nodes.v[i].set.like != best->set.like)
			r = note_deviator(p, &p->nodes.v[i], f, &best->set);
	return r;
}

/* ---- what is known of Services ---- */

static bool is_of_rules(enum verify_kind k)
{
	return k != DIFF_NOT_MASQUERADED && k != DIFF_NEEDLESS_MASQUERADE && k != DIFF_REPLY_LOST && k != DIFF_HAIRPIN &&
	       k != DIFF_UNEVEN_SHARE && k != DIFF_WRONG_AFFINITY;
}

static int index_objects(struct peers *p)
{
	const struct k8s_cluster *c = &p->s->cluster;
	const struct verify_report *v = p->out;

	for (size_t i = 0; p->o->services && i < p->o->nservices; i++)
		if (map_put(&p->asked, &p->o->services[i], sizeof(p->o->services[i]), p) < 0)
			return -ENOMEM;
	p->objects = snapshot_has_all(p->s, K8S_SERVICES, NULL) && snapshot_has_all(p->s, K8S_SLICES, NULL);
	for (size_t i = 0; i < c->services.len; i++) {
		struct k8s_service *s = c->services.v[i];

		for (size_t k = 0; k < s->ncluster_ips; k++)
			if (map_put(&p->services, &s->cluster_ips[k], sizeof(s->cluster_ips[k]), s) < 0)
				return -ENOMEM;
	}
	for (size_t i = 0; i < v->differences.len; i++) {
		const struct verify_difference *d = &v->differences.v[i];
		struct node_service *k = map_get(&p->differing, &(const struct node_service){ .key = { d->node, d->service } }.key, sizeof(k->key));

		if (!d->service || !is_of_rules(d->kind))
			continue;
		if (!k) {
			k = arena_new(&p->scratch, struct node_service);
			if (!k)
				return -ENOMEM;
			k->key.node = d->node;
			k->key.service = d->service;
			if (map_put(&p->differing, &k->key, sizeof(k->key), k) < 0)
				return -ENOMEM;
		}
		k->worst = MAX(k->worst, d->severity);
	}
	return 0;
}

/* ---- the report ---- */

static int cmp_difference(const void *pa, const void *pb)
{
	const struct verify_peer_difference *a = pa, *b = pb;
	int c = strcmp(a->name, b->name);

	return c ? c : strcmp(a->frontend, b->frontend);
}

static int others_of(struct peers *p, const struct peer_node *self, struct verify_peer *ret)
{
	const char **v = arena_array(&p->out->arena, const char *, p->nodes.len);

	for (size_t i = 0; v && i < p->nodes.len; i++)
		if (self ? &p->nodes.v[i] != self : p->disagrees[i])
			v[ret->nothers++] = p->nodes.v[i].snap->name;
	ret->others = v;
	return v ? 0 : -ENOMEM;
}

static const char *peer_text(struct peers *p, const struct verify_peer *x)
{
	const char *s = x->services == 1 ? "" : "s";
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

	if (x->node)
		return arena_printf(&p->out->arena, "%s differs from its %zu peers in %zu Service%s", x->node, x->nothers, x->services, s);
	add_list(&b, x->others, x->nothers);
	return b.failed ? NULL : arena_printf(&p->out->arena, "nodes %s disagree about %zu Service%s, and nothing tells which of them is right",
					      strbuf_str(&b), x->services, s);
}

/* Takes over @found. */
static int add_peer(struct peers *p, const struct peer_node *self, struct verify_peer_difference *v, size_t n)
{
	struct verify_peer x = { .node = self ? self->snap->name : NULL };
	int r = others_of(p, self, &x);

	qsort(v, n, sizeof(*v), cmp_difference);
	for (size_t i = 0; r == 0 && i < n; i++) {
		x.severity = MAX(x.severity, v[i].severity);
		x.services += i == 0 || strcmp(v[i].name, v[i - 1].name) != 0;
		r = array_push(&x.differences, v[i]);
	}
	x.text = r == 0 ? peer_text(p, &x) : NULL;
	r = x.text ? array_push(&p->out->peers, x) : -ENOMEM;
	if (r < 0)
		array_free(&x.differences);
	return r;
}

static int add_peers(struct peers *p)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < p->nodes.len; i++) {
		r = array_push(&p->out->peer_nodes, p->nodes.v[i].snap->name);
		if (r == 0 && p->nodes.v[i].found.len)
			r = add_peer(p, &p->nodes.v[i], p->nodes.v[i].found.v, p->nodes.v[i].found.len);
	}
	if (r == 0 && p->open.len)
		r = add_peer(p, NULL, p->open.v, p->open.len);
	return r;
}

int verify_peers(const struct snapshot *s, const struct verify_options *o, struct verify_report *ret)
{
	CLEANUP(peers_release) struct peers p = { .s = s, .o = o, .out = ret };
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->nodes.len && s->nodes.len > 1; i++)
		r = add_node(&p, s->nodes.v[i]);
	if (r < 0 || p.nodes.len < 2)
		return r;
	p.disagrees = arena_array(&p.scratch, bool, p.nodes.len);
	r = p.disagrees ? index_objects(&p) : -ENOMEM;
	for (size_t i = 0; r == 0 && i < p.nodes.len; i++) {
		verify_nat_node(s, p.nodes.v[i].snap, &p.nodes.v[i].nat);
		r = note_frontends(&p, &p.nodes.v[i]);
	}
	for (size_t i = 0; r == 0 && i < p.frontends.len; i++) {
		const struct frontend *f = p.frontends.v[i];

		if (f->external || !(f->cluster || f->local) || !is_asked_for(&p, f))
			continue;
		if (f->local && !(p.objects && service_at(&p, f)))
			ret->peer_local++;
		else
			r = compare(&p, f);
	}
	return r < 0 ? r : add_peers(&p);
}
