/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Differences: how one is told (its sentence, how bad it is), what was expected and what was found, and the joining of
 * its sources and addresses while a frontend is judged.
 */
#include <errno.h>
#include <netinet/in.h>

#include "verify-private.h"

void open_list_release(struct open_list *l)
{
	for (size_t i = 0; i < l->v.len; i++) {
		array_free(&l->v.v[i].froms);
		array_free(&l->v.v[i].regions.v);
		array_free(&l->v.v[i].addresses);
	}
	array_free(&l->v);
}

const char *source_class(const struct vsource *s)
{
	switch (s->kind) {
	case SOURCE_POD:
		return "pod";
	case SOURCE_NODE:
		return "node";
	case SOURCE_LOOPBACK:
		return "loopback";
	default:
		return "outside";
	}
}

const char *frontend_name(struct arena *a, const struct expect_frontend *f)
{
	const char *proto = f->proto == IPPROTO_UDP ? "/UDP" : f->proto == IPPROTO_SCTP ? "/SCTP" : "/TCP";
	char buf[IP_ENDPOINT_STRLEN + 5];
	size_t len, n = strlen(proto);

	if (!f->addr.family)
		return arena_printf(a, "*:%u%s", f->number, proto);
	/* Ten thousands of these are made in every run: no printf. */
	len = strlen(ip_endpoint_format(&f->addr, f->number, buf));
	memcpy(buf + len, proto, n + 1);
	return arena_strndup(a, buf, len + n);
}

static int push_fate(struct arena *a, const struct expect_answer *x, const struct verify_fate **ret, size_t *ret_len)
{
	size_t n = x->verdict == EXPECT_TRANSLATE ? x->nendpoints : 1;
	struct verify_fate *v = arena_array(a, struct verify_fate, n);

	if (!v)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		v[i] = (struct verify_fate){ .verdict = NAT_ACCEPT, .weight = 1, .masquerade = -1 };
		if (x->verdict == EXPECT_REJECT || x->verdict == EXPECT_DROP) {
			v[i].verdict = x->verdict == EXPECT_REJECT ? NAT_REJECT : NAT_DROP;
		} else if (x->verdict == EXPECT_TRANSLATE) {
			v[i].translated = true;
			v[i].addr = x->endpoints[i]->addr;
			v[i].port = x->endpoints[i]->port;
			v[i].weight = 1.0 / (double)n;
			v[i].masquerade = x->masquerade == TRI_UNKNOWN ? -1 : x->masquerade == TRI_TRUE;
		}
	}
	*ret = v;
	*ret_len = n;
	return 0;
}

int difference_push_actual(struct arena *a, const struct nat_result *r, struct verify_difference *d)
{
	struct verify_fate *v = arena_array(a, struct verify_fate, r->endings.len);

	if (!v)
		return -ENOMEM;
	for (size_t i = 0; i < r->endings.len; i++) {
		const struct nat_ending *e = &r->endings.v[i];

		v[i] = (struct verify_fate){ e->verdict, e->translated, e->addr, e->port, e->weight, e->masquerade };
	}
	d->actual = v;
	d->nactual = r->endings.len;
	return 0;
}

/* @own: the endpoint in question is one of this port. @refused: NAT_REJECT: as a port of no Service; NAT_DROP: by others of its rules. */
static const char *sentence(struct arena *a, const struct verify_difference *d, const struct expect_answer *x, bool own, enum nat_verdict refused)
{
	char ep[IP_ENDPOINT_STRLEN] = "";
	const char *whose = d->foreign ? "a rule that is not kube-proxy's" : "a rule";

	if (d->endpoint.family)
		(void)ip_endpoint_format(&d->endpoint, d->endpoint_port, ep);
	switch (d->kind) {
	case DIFF_NO_RULE:
		if (refused == NAT_DROP)
			return arena_printf(a, "%s is not translated, and so kube-proxy's own rules drop it", d->frontend);
		if (refused == NAT_REJECT)
			return arena_printf(a, "%s is not translated, and so it is refused as a port of no Service", d->frontend);
		return arena_printf(a, "%s is not translated: packets keep the frontend's address and reach no endpoint", d->frontend);
	case DIFF_REJECTED:
		if (d->by.kind == BY_IPVS)
			return arena_printf(a, "%s is rejected by IPVS, which has no server to choose, although it has endpoints", d->frontend);
		return arena_printf(a, "%s is rejected by %s although it has endpoints", d->frontend, whose);
	case DIFF_DROPPED:
		return arena_printf(a, "%s is dropped by %s although it has endpoints", d->frontend,
				    d->by.kind == BY_POLICY ? "the policy of a chain" : whose);
	case DIFF_NOT_REFUSED:
		return arena_printf(a, "%s is let through although it must be %s: %s", d->frontend,
				    x->verdict == EXPECT_REJECT ? "rejected" : "dropped", x->why ? x->why : "no endpoints");
	case DIFF_WRONG_REFUSAL:
		return arena_printf(a, "%s must be %s and is %s", d->frontend, x->verdict == EXPECT_REJECT ? "rejected" : "dropped",
				    x->verdict == EXPECT_REJECT ? "dropped" : "rejected");
	case DIFF_MISSING_ENDPOINT:
		return arena_printf(a, "%s never leads to its endpoint %s", d->frontend, ep);
	case DIFF_STALE_ENDPOINT:
		return arena_printf(a, "%s leads to %s, which is no endpoint of any Service", d->frontend, ep);
	case DIFF_WRONG_ENDPOINT:
		return arena_printf(a, own ? "%s leads to %s, an endpoint of the Service that is not meant for these clients" :
				    "%s leads to %s, which is an endpoint of another Service", d->frontend, ep);
	case DIFF_WRONG_PORT:
		return arena_printf(a, "%s leads to port %u of an endpoint that listens elsewhere (%s)", d->frontend, d->endpoint_port, ep);
	case DIFF_UNEVEN_SHARE:
		return arena_printf(a, "the endpoints of %s do not get equal shares", d->frontend);
	case DIFF_NOT_MASQUERADED:
		return arena_printf(a, "the source of packets to %s is not rewritten, so the reply does not come back this way", d->frontend);
	case DIFF_NEEDLESS_MASQUERADE:
		return arena_printf(a, "the source of packets to %s is rewritten although it must be kept", d->frontend);
	case DIFF_WRONG_AFFINITY:
		return d->service->affinity_client_ip ?
			arena_printf(a, "clients of %s do not keep their endpoint, although the Service asks for session affinity", d->frontend) :
			arena_printf(a, "clients of %s keep their endpoint, although the Service does not ask for session affinity", d->frontend);
	case DIFF_HAIRPIN:
		return arena_printf(a, "a pod that reaches itself by %s gets packets from its own address: their source is not rewritten", d->frontend);
	default:
		return arena_printf(a, "%s: %s", d->frontend, verify_kind_name(d->kind));
	}
}

bool same_by(const struct verify_by *a, const struct verify_by *b)
{
	if (a->kind != b->kind || a->rule != b->rule || a->missing != b->missing)
		return false;
	return a->text == b->text || (a->text && b->text && strcmp(a->text, b->text) == 0);
}

int difference_add_source(struct open_difference *o, const struct vsource *s, const struct ip_addr *dst)
{
	struct vregion_part part = { s->seed, s->region };
	const char *from = source_class(s);
	bool known = false;
	int r = array_push(&o->regions.v, part);

	o->outside += s->kind == SOURCE_OUTSIDE;
	o->others += s->kind != SOURCE_OUTSIDE;
	if (!s->iif || !o->d.interface || strcmp(s->iif, o->d.interface) != 0)
		o->d.interface = NULL;
	for (size_t i = 0; i < o->froms.len; i++)
		known = known || strcmp(o->froms.v[i], from) == 0;
	if (r == 0 && !known)
		r = array_push(&o->froms, from);
	for (size_t i = 0; i < o->addresses.len; i++)
		if (ip_addr_equal(&o->addresses.v[i], dst))
			return r;
	return r < 0 ? r : array_push(&o->addresses, *dst);
}

/*
 * A CNI masquerades what leaves the pod network, and that is its right. A source that somebody else's rule rewrote is a
 * fault only where it was promised to be kept: an outside client of a Service with externalTrafficPolicy Local.
 */
bool may_be_rewritten(const struct expect_frontend *f, const struct vsource *s)
{
	return s->kind != SOURCE_OUTSIDE || f->kind == EXPECT_CLUSTER_IP || !f->port->service->external_local;
}

/* By a rule of its own, that is; one that sets kube-proxy's mark makes kube-proxy rewrite it. */
static bool is_harmless(const struct blame_context *b, const struct verify_difference *d, size_t ending)
{
	const struct nat_step *s = ending < b->result->endings.len ? b->result->endings.v[ending].path : NULL;

	if (d->kind != DIFF_NEEDLESS_MASQUERADE || !d->foreign || !may_be_rewritten(b->frontend, b->source))
		return false;
	while (s && s->effect != EFFECT_SNAT)
		s = s->prev;
	return !s || !s->by.chain || !is_proxy_chain(s->by.chain);
}

static enum nat_verdict caught_by(const struct blame_context *b, const struct found_difference *d)
{
	const struct nat_ending *e = d->ending < b->result->endings.len ? &b->result->endings.v[d->ending] : NULL;
	const char *chain = e && e->verdict != NAT_ACCEPT && e->by.chain ? e->by.chain->name : "";

	if (strcmp(chain, "cluster-ips-check") == 0 || strcmp(chain, "KUBE-IPVS-FILTER") == 0)
		return NAT_REJECT;
	return b->v->expect.mode != MODE_IPTABLES && e && e->verdict == NAT_DROP ? NAT_DROP : NAT_ACCEPT;
}

int difference_open(struct open_list *l, const struct blame_context *b, const struct found_difference *found,
		    const struct ip_addr *dst)
{
	const struct expect_frontend *f = b->frontend;
	const struct vsource *s = b->source;
	struct found_difference d = *found;
	const struct expect_answer *a = b->answer;
	struct open_difference o = { .leaving = a && a->verdict == EXPECT_TRANSLATE && a->nendpoints && !a->endpoints[0]->ready, .d = {
		.kind = found->kind, .node = b->v->snap->name, .service = f->port->service, .port = f->port->port,
		.frontend_kind = f->kind, .family = f->port->family, .interface = s->iif, .example = s->addr,
		.endpoint = found->endpoint, .endpoint_port = found->endpoint_port,
	} };
	int r;

	/* Refused by a rule that kube-proxy would not have there now: that rule is the difference. */
	if (d.kind == DIFF_NO_RULE && d.ending < b->result->endings.len) {
		const struct nat_ending *e = &b->result->endings.v[d.ending];

		if (e->verdict != NAT_ACCEPT && e->by.rule && !blame_expects(b, e->by.rule))
			o.d.kind = d.kind = e->verdict == NAT_DROP ? DIFF_DROPPED : DIFF_REJECTED;
	}
	r = blame(b, &d, &o.d.by, &o.d.foreign);
	if (r < 0 || is_harmless(b, &o.d, d.ending))
		return r;
	for (size_t i = 0; i < l->v.len; i++)
		if (l->v.v[i].d.kind == o.d.kind && same_by(&l->v.v[i].d.by, &o.d.by))
			return difference_add_source(&l->v.v[i], s, dst);
	o.d.frontend = frontend_name(b->arena, f);
	o.d.text = !o.d.frontend ? NULL : d.kind == DIFF_REPLY_LOST && d.ending < b->result->endings.len ?
		arena_printf(b->arena, "the reply to packets for %s does not come back: %s", o.d.frontend, b->result->endings.v[d.ending].reply_why) :
		sentence(b->arena, &o.d, b->answer, judge_is_own(f->port, &o.d.endpoint, o.d.endpoint_port), caught_by(b, &d));
	if (!o.d.text)
		return -ENOMEM;
	r = push_fate(b->arena, b->answer, &o.d.expected, &o.d.nexpected);
	if (r == 0)
		r = difference_push_actual(b->arena, b->result, &o.d);
	if (r == 0)
		r = difference_add_source(&o, s, dst);
	if (r == 0)
		r = array_push(&l->v, o);
	return r;
}

static const char *join_words(struct arena *a, const char *const *v, size_t n, const char *sep)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; i < n; i++) {
		if (i)
			strbuf_adds(&b, sep);
		strbuf_adds(&b, v[i]);
	}
	return b.failed ? NULL : arena_strndup(a, strbuf_str(&b), b.len);
}

/*
 * Somebody's firewall that refuses some addresses outside and no others does what it is for. A kube-proxy before 1.27
 * refused and masqueraded in ways that lib/expect knows only in part.
 */
static enum verify_severity severity_of(const struct open_difference *o, int minor, size_t outside_tried)
{
	const struct verify_difference *d = &o->d;
	bool refused = d->kind == DIFF_DROPPED || d->kind == DIFF_REJECTED || d->kind == DIFF_REPLY_LOST;
	bool ranges = d->frontend_kind == EXPECT_LOAD_BALANCER && d->service && d->service->nsource_ranges > 0;
	bool old = minor >= 0 && minor < 27;

	/* The gate ProxyTerminatingEndpoints was alpha, and what it did changed from version to version. */
	if (minor >= 0 && minor < 26 && o->leaving)
		return VERIFY_INFO;
	if (old && (d->kind == DIFF_NOT_REFUSED || d->kind == DIFF_WRONG_REFUSAL || d->kind == DIFF_NOT_MASQUERADED ||
		    d->kind == DIFF_HAIRPIN || d->kind == DIFF_NEEDLESS_MASQUERADE))
		return VERIFY_INFO;
	/* Without endpoints nothing is lost but the quick answer. */
	if ((d->kind == DIFF_NOT_REFUSED || d->kind == DIFF_WRONG_REFUSAL) && d->foreign && d->nexpected &&
	    d->expected[0].verdict == NAT_REJECT)
		return VERIFY_INFO;
	if (refused && d->foreign && !ranges && o->others == 0 && o->outside < outside_tried)
		return VERIFY_WARNING;
	/* Docker and others rewrite the addresses of their own networks, which come by no wire. */
	if (d->kind == DIFF_NEEDLESS_MASQUERADE && d->foreign && o->others == 0 && o->outside < outside_tried)
		return VERIFY_INFO;
	return d->kind == DIFF_NEEDLESS_MASQUERADE || d->kind == DIFF_WRONG_AFFINITY || d->kind == DIFF_STALE_FRONTEND ? VERIFY_WARNING : VERIFY_ERROR;
}

int difference_close(struct open_list *l, const struct vnode *v, struct verify_report *out, int minor, size_t outside_tried)
{
	struct arena *a = &out->arena;

	for (size_t i = 0; i < l->v.len; i++) {
		struct open_difference *o = &l->v.v[i];
		struct ip_addr *d = arena_array(a, struct ip_addr, o->addresses.len);

		o->d.sources = vregions_words(a, v->snapshot, &v->seeds[o->d.family == AF_INET6], &o->regions);
		o->d.class_from = join_words(a, o->froms.v, o->froms.len, ",");
		o->d.severity = severity_of(o, minor, outside_tried);
		if (!d || !o->d.sources || !o->d.class_from ||
		    vregions_prefixes(a, &o->regions, &o->d.prefixes, &o->d.nprefixes, &o->d.more_prefixes) < 0)
			return -ENOMEM;
		memcpy(d, o->addresses.v, o->addresses.len * sizeof(*d));
		o->d.addresses = d;
		o->d.naddresses = o->addresses.len;
		if (array_push(&out->differences, o->d) < 0)
			return -ENOMEM;
	}
	return 0;
}
