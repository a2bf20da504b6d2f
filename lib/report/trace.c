/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One packet through the rules, as text: a head and the way for each node that it passes, then the endings of the whole
 * way. The way is in trace-path.c, the JSON in trace-json.c.
 */
#include <math.h>

#include "report-private.h"

/* Of what fails as many again are shown where they stand further down. */
enum { ENDINGS_SHOWN = 12, NODES_SHOWN = 4, ARRIVALS_SHOWN = 6, STOPS_SHOWN = 5, ASSUMES_SHOWN = 3, ASSUMED_SHOWN = 12 };
/* Columns of what an ending comes to. */
enum { GOAL_AT = 14, GOAL_MIN = 36, GOAL_MAX = 76 };

static void add_endpoint(struct strbuf *b, const struct ip_addr *a, uint16_t port)
{
	char buf[IP_ENDPOINT_STRLEN];
	strbuf_adds(b, port ? ip_endpoint_format(a, port, buf) : ip_addr_format(a, buf));
}

static void add_iif(struct strbuf *b, const char *iif)
{
	strbuf_add_clean(b, iif ? iif : "an interface that is not known");
}

/* "tcp 10.244.1.5 -> 10.96.0.10:53" */
static void add_packet(struct strbuf *b, const struct nat_packet *p)
{
	char src[IP_ADDR_STRLEN];
	strbuf_addf(b, "%s %s -> ", proto_name(p->proto), ip_addr_format(&p->src, src));
	add_endpoint(b, &p->dst, trace_has_ports(p->proto) ? p->dport : 0);
}

static void head(const struct report *r, struct strbuf *b, const struct follow_leg *leg)
{
	const struct nat_packet *p = &leg->packet;
	struct strbuf line CLEANUP(strbuf_release) = STRBUF_INIT;
	add_packet(&line, p);
	text_styled(r, b, STYLE_BOLD, strbuf_str(&line));
	strbuf_adds(b, "   new connection, ");
	if (p->from_node) {
		strbuf_adds(b, "sent by ");
		strbuf_add_clean(b, leg->node->name);
		strbuf_adds(b, " itself\n");
		return;
	}
	strbuf_adds(b, "enters ");
	strbuf_add_clean(b, leg->node->name);
	strbuf_adds(b, " by ");
	add_iif(b, p->iif);
	strbuf_addc(b, '\n');
}

/* A rule's place where it has one, else its text. */
static void add_by(struct strbuf *b, struct arena *a, const char *node, const struct nat_by *by)
{
	struct verify_by place = { 0 };
	verify_by_from_nat(a, node, by, &place);
	text_by(b, &place, false);
}

static void add_refusal(struct strbuf *b, struct arena *a, const char *word, const struct follow_ending *f)
{
	strbuf_addf(b, "%s ", word);
	add_by(b, a, f->last->leg->node->name, &f->e.by);
	if (f->last->prev) {
		strbuf_adds(b, " on ");
		strbuf_add_clean(b, f->last->leg->node->name);
		strbuf_adds(b, ", on its way to ");
		add_endpoint(b, &f->e.addr, f->e.port);
	}
}

/* "10.244.1.5:80 shop/cart-0": whose address it is, where the API says so. */
static void add_goal(const struct report *r, struct strbuf *b, const struct nat_ending *e)
{
	const struct k8s_pod *pod = trace_pod_at(r, &e->addr);
	add_endpoint(b, &e->addr, e->port);
	if (pod) {
		strbuf_addc(b, ' ');
		strbuf_add_clean(b, pod->meta.ns);
		strbuf_addc(b, '/');
		strbuf_add_clean(b, pod->meta.name);
	}
}

static void add_fate(const struct report *r, struct strbuf *b, struct arena *a, const struct follow_ending *f)
{
	switch (f->e.verdict) {
	case NAT_ACCEPT:
		add_goal(r, b, &f->e);
		break;
	case NAT_REJECT:
		strbuf_addf(b, "refused%s%s", f->e.reject_with ? " with " : "",
			    f->e.reject_with ? f->e.reject_with : "");
		add_refusal(b, a, " by", f);
		break;
	case NAT_DROP:
		add_refusal(b, a, "dropped by", f);
		break;
	case NAT_UNDECIDED:
		add_refusal(b, a, "undecided because of", f);
		break;
	}
}

static void add_source(struct strbuf *b, const struct nat_ending *e)
{
	char buf[IP_ADDR_STRLEN];
	if (e->masquerade) {
		strbuf_addf(b, ", source becomes %s",
			    e->source.family ? ip_addr_format(&e->source, buf)
					     : "an address that is not known");
	}
}

static void add_delivery(struct strbuf *b, const struct nat_ending *e)
{
	switch (e->delivery) {
	case DELIVERY_LOCAL:
		strbuf_adds(b, "delivered to the node itself");
		break;
	case DELIVERY_SENT:
		strbuf_adds(b, "out by ");
		add_iif(b, e->interface);
		break;
	case DELIVERY_LOST:
		strbuf_adds(b, "lost: ");
		strbuf_add_clean(b, e->lost.text ? e->lost.text : "no cause is known");
		break;
	default:
		strbuf_adds(b, "where it goes then is not known");
	}
}

/* From node to node: "out by eth0 to node2; there out by cni0". */
static void add_deliveries(struct strbuf *b, const struct follow_ending *f, const struct follow_step *s,
			   const char *next)
{
	struct nat_ending e = *s->ending;
	if (s->prev) {
		add_deliveries(b, f, s->prev, s->leg->node->name);
		strbuf_adds(b, "; there ");
	}
	if (s == f->last) {
		e.delivery = f->e.delivery;
		e.lost = f->e.lost;
	}
	add_delivery(b, &e);
	if (next) {
		strbuf_adds(b, " to ");
		strbuf_add_clean(b, next);
	}
	add_source(b, &e);
}

static bool ran_whole(const struct trace_report *t, const struct follow_step *s)
{
	for (; s; s = s->prev) {
		for (size_t i = 0; i < t->nskipped; i++) {
			if (strcmp(t->skipped[i].node, s->leg->node->name) == 0) {
				return false;
			}
		}
	}
	return true;
}

static void add_reply(const struct report *r, struct strbuf *b, const struct trace_report *t,
		      const struct follow_ending *f)
{
	static const char *const words[] = {
		[TRI_FALSE] = "is lost", [TRI_TRUE] = "returns", [TRI_UNKNOWN] = "not judged"
	};
	const struct nat_ending *e = &f->e;
	if (t->to_service && !e->translated && e->delivery != DELIVERY_LOCAL) {
		strbuf_adds(b, "   not translated: nobody answers at a Service's own address   ");
		text_styled(r, b, STYLE_BAD, "x");
		return;
	}
	strbuf_adds(b, e->reply == TRI_FALSE ? "   reply lost: " : "   reply: ");
	strbuf_add_clean(b, e->reply_why ? e->reply_why : words[e->reply]);
	bool bad = e->reply == TRI_FALSE || e->delivery == DELIVERY_LOST;
	bool good = e->reply == TRI_TRUE && ran_whole(t, f->last) &&
		    (e->delivery == DELIVERY_SENT || e->delivery == DELIVERY_LOCAL);
	strbuf_adds(b, "   ");
	text_styled(r, b, bad ? STYLE_BAD : good ? STYLE_GOOD : STYLE_WARN, bad ? "x" : good ? "ok" : "?");
}

static void assume_line(const struct report *r, struct strbuf *b, struct arena *a, const struct follow_step *s,
			const struct nat_assume *x)
{
	strbuf_adds(b, "              if ");
	add_by(b, a, s->leg->node->name, &x->by);
	if (s->prev) {
		strbuf_adds(b, " on ");
		strbuf_add_clean(b, s->leg->node->name);
	}
	strbuf_addf(b, " is %s%s", x->value ? "true" : "false", x->state ? " (what past traffic left)" : "");
	if (x->by.rule && r->verbose) {
		struct strbuf text CLEANUP(strbuf_release) = STRBUF_INIT;
		strbuf_add(&text, x->by.rule->text, x->by.rule->text_len);
		strbuf_adds(b, ": ");
		strbuf_add_clean(b, strbuf_str(&text));
	}
	strbuf_addc(b, '\n');
}

/* What the ending rests on, from the first node on. Returns how many conditions. */
static size_t assume_lines(const struct report *r, struct strbuf *b, struct arena *a, const struct follow_step *s)
{
	size_t n = s->prev ? assume_lines(r, b, a, s->prev) : 0;
	for (const struct nat_assume *x = s->ending->assumes; x; x = x->next, n++) {
		if (n < ASSUMES_SHOWN || r->verbose) {
			assume_line(r, b, a, s, x);
		}
	}
	return n;
}

static void ending_line(const struct report *r, struct strbuf *b, struct arena *a,
			const struct trace_report *t, size_t i, size_t width)
{
	const struct follow_ending *f = &t->follow->endings.v[i];
	char weight[WEIGHT_STRLEN];
	size_t start = b->len;
	strbuf_addf(b, "%-6s %-6s ", i == 0 ? "ends" : "", text_weight(f->e.weight, weight));
	add_fate(r, b, a, f);
	if (f->e.verdict == NAT_ACCEPT) {
		text_pad(b, start, width);
		strbuf_adds(b, " ");
		add_deliveries(b, f, f->last, NULL);
		add_reply(r, b, t, f);
	}
	strbuf_addc(b, '\n');
	size_t n = assume_lines(r, b, a, f->last);
	if (n > ASSUMES_SHOWN && !r->verbose) {
		strbuf_addf(b, "              and %zu more conditions (-v shows them)\n", n - ASSUMES_SHOWN);
	}
}

static void skipped_lines(const struct report *r, struct strbuf *b, const struct trace_report *t, const char *node)
{
	for (size_t i = 0; i < t->nskipped; i++) {
		const struct verify_skipped *s = &t->skipped[i];
		if (strcmp(s->node, node) != 0) {
			continue;
		}
		text_styled(r, b, STYLE_WARN, "not run");
		strbuf_adds(b, ": ");
		strbuf_add_clean(b, s->reason);
		strbuf_addc(b, '\n');
	}
}

static bool fails(const struct nat_ending *e)
{
	return e->verdict != NAT_ACCEPT || e->delivery == DELIVERY_LOST;
}

/* Endings that are not shown, and how many of them do not arrive. */
struct hidden {
	size_t all, by_verdict[4], lost;
};

static void hide(struct hidden *h, const struct nat_ending *e)
{
	h->all++;
	h->by_verdict[e->verdict]++;
	h->lost += e->verdict == NAT_ACCEPT && e->delivery == DELIVERY_LOST;
}

static void hidden_line(struct strbuf *b, const struct hidden *h)
{
	static const char *const words[] = {
		[NAT_REJECT] = "refused", [NAT_DROP] = "dropped", [NAT_UNDECIDED] = "undecided"
	};
	strbuf_addf(b, "       and %zu more endings (-v shows them)", h->all);
	for (size_t v = 0; v < ARRAY_LEN(words); v++) {
		if (words[v] && h->by_verdict[v] > 0) {
			strbuf_addf(b, ", %zu %s", h->by_verdict[v], words[v]);
		}
	}
	if (h->lost > 0) {
		strbuf_addf(b, ", %zu lost", h->lost);
	}
	strbuf_addc(b, '\n');
}

/* Why some endings were not followed to the node where they arrive. */
static void stop_lines(const struct report *r, struct strbuf *b, const struct follow *f)
{
	size_t shown = r->verbose ? f->stops.len : MIN(f->stops.len, (size_t)STOPS_SHOWN), more = 0;
	for (size_t i = 0; i < shown; i++) {
		const struct follow_stop *s = f->stops.v[i];
		strbuf_add_clean(b, s->text);
		if (f->endings.len > 1) {
			strbuf_addf(b, " (%zu of %zu endings)", s->endings, f->endings.len);
		}
		strbuf_addc(b, '\n');
	}
	for (size_t i = shown; i < f->stops.len; i++) {
		more += f->stops.v[i]->endings;
	}
	if (more > 0) {
		strbuf_addf(b, "and %zu more endings not followed for %zu more reasons (-v shows them)\n", more,
			    f->stops.len - shown);
	}
}

/* Where the delivery begins, in a column. */
static size_t goal_width(const struct report *r, const struct follow *f)
{
	size_t width = GOAL_MIN;
	for (size_t i = 0; i < MIN(f->endings.len, (size_t)ENDINGS_SHOWN); i++) {
		struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
		if (f->endings.v[i].e.verdict == NAT_ACCEPT) {
			add_goal(r, &b, &f->endings.v[i].e);
		}
		width = MAX(width, MIN(GOAL_AT + b.len + 1, (size_t)GOAL_MAX));
	}
	return width;
}

static void assumed_lines(const struct report *r, struct strbuf *b, const struct follow *f)
{
	size_t n = f->assumed.len, shown = r->verbose ? n : MIN(n, (size_t)ASSUMED_SHOWN);
	for (size_t i = 0; i < shown; i++) {
		text_labelled(b, i == 0 ? "assumed" : "", f->assumed.v[i]);
	}
	if (shown < n) {
		strbuf_addf(b, "           and %zu more things, on other nodes (-v shows them)\n", n - shown);
	}
}

static void endings(const struct report *r, struct strbuf *b, const struct trace_report *t)
{
	struct arena a CLEANUP(arena_release) = { 0 };
	const struct follow *f = t->follow;
	struct hidden hidden = { 0 };
	size_t failed = 0, width = goal_width(r, f);
	for (size_t i = 0; i < f->endings.len; i++) {
		const struct nat_ending *e = &f->endings.v[i].e;
		bool first = r->verbose || i < ENDINGS_SHOWN;
		if (first || (fails(e) && failed++ < ENDINGS_SHOWN)) {
			ending_line(r, b, &a, t, i, width);
		} else {
			hide(&hidden, e);
		}
	}
	if (hidden.all > 0) {
		hidden_line(b, &hidden);
	}
	stop_lines(r, b, f);
	assumed_lines(r, b, f);
}

/* ---- the nodes behind the first ---- */

/* All packets that come to one node after as many others. */
struct arrivals {
	const struct follow_leg **v;
	size_t len;
	double weight;
};

static struct arrivals arrivals_at(const struct follow *f, size_t first, bool *done)
{
	struct arrivals g = { calloc(f->legs.len, sizeof(*g.v)), 0, 0 };
	const struct follow_leg *of = f->legs.v[first];
	for (size_t i = first; g.v && i < f->legs.len; i++) {
		const struct follow_leg *leg = f->legs.v[i];
		if (!done[i] && leg->node == of->node && leg->depth == of->depth) {
			done[i] = true;
			g.v[g.len++] = leg;
			g.weight += leg->weight;
		}
	}
	return g;
}

static bool same_interface(const struct arrivals *g)
{
	const char *one = g->v[0]->packet.iif;
	for (size_t i = 1; i < g->len; i++) {
		const char *iif = g->v[i]->packet.iif;
		if (iif != one && (!iif || !one || strcmp(iif, one) != 0)) {
			return false;
		}
	}
	return true;
}

/* "then on node2: tcp 10.244.1.5 -> 10.244.2.7:80   1/3 of it, enters by eth0"; several packets get a line each. */
static void arrivals_head(const struct report *r, struct strbuf *b, const struct arrivals *g)
{
	struct strbuf line CLEANUP(strbuf_release) = STRBUF_INIT;
	char weight[WEIGHT_STRLEN];
	bool one_iif = same_interface(g);
	strbuf_addf(&line, "then on %s: ", g->v[0]->node->name);
	if (g->len == 1) {
		add_packet(&line, &g->v[0]->packet);
	} else {
		strbuf_addf(&line, "%zu packets", g->len);
	}
	strbuf_addc(b, '\n');
	text_styled(r, b, STYLE_BOLD, strbuf_str(&line));
	strbuf_addf(b, "   %s of it", fabs(g->weight - 1) < 1e-9 ? "all" : text_weight(g->weight, weight));
	if (one_iif) {
		strbuf_adds(b, ", enters by ");
		add_iif(b, g->v[0]->packet.iif);
	}
	strbuf_addc(b, '\n');
	size_t shown = g->len == 1 ? 0 : r->verbose ? g->len : MIN(g->len, (size_t)ARRIVALS_SHOWN);
	for (size_t i = 0; i < shown; i++) {
		strbuf_addf(b, "      %-6s ", text_weight(g->v[i]->weight, weight));
		add_packet(b, &g->v[i]->packet);
		if (!one_iif) {
			strbuf_adds(b, "   enters by ");
			add_iif(b, g->v[i]->packet.iif);
		}
		strbuf_addc(b, '\n');
	}
	if (g->len > 1 && shown < g->len) {
		strbuf_addf(b, "      and %zu more packets (-v shows them)\n", g->len - shown);
	}
}

/* The ways of all of them side by side, each with its share of the first packet. */
static void arrivals_path(const struct report *r, struct strbuf *b, const struct arrivals *g)
{
	ARRAY_OF(struct nat_ending) all = { 0 };
	for (size_t i = 0; i < g->len; i++) {
		for (size_t k = 0; k < g->v[i]->result.endings.len; k++) {
			struct nat_ending e = g->v[i]->result.endings.v[k];
			e.weight *= g->v[i]->weight;
			b->failed |= array_push(&all, e) < 0;
		}
	}
	trace_path_text(r, b, all.v, all.len);
	array_free(&all);
}

static bool any_fails(const struct arrivals *g)
{
	for (size_t i = 0; i < g->len; i++) {
		for (size_t k = 0; k < g->v[i]->result.endings.len; k++) {
			if (fails(&g->v[i]->result.endings.v[k])) {
				return true;
			}
		}
	}
	return false;
}

static void further_nodes(const struct report *r, struct strbuf *b, const struct trace_report *t)
{
	const struct follow *f = t->follow;
	bool *done = calloc(f->legs.len, sizeof(*done));
	size_t n = 0, failed = 0, hidden = 0;
	b->failed |= !done;
	for (size_t i = 1; done && i < f->legs.len; i++) {
		if (done[i]) {
			continue;
		}
		struct arrivals g = arrivals_at(f, i, done);
		b->failed |= !g.v;
		if (g.v && (r->verbose || n++ < NODES_SHOWN || (any_fails(&g) && failed++ < NODES_SHOWN))) {
			arrivals_head(r, b, &g);
			skipped_lines(r, b, t, g.v[0]->node->name);
			arrivals_path(r, b, &g);
		} else {
			hidden++;
		}
		free(g.v);
	}
	if (hidden > 0) {
		strbuf_addf(b, "\nand on %zu more nodes (-v shows them)\n", hidden);
	}
	free(done);
}

int trace_text(const struct report *r, const struct trace_report *t, size_t n)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	for (size_t i = 0; n > 0 && t[0].meaning && t[0].meaning[i] && !r->quiet; i++) {
		strbuf_add_clean(&b, t[0].meaning[i]);
		strbuf_addc(&b, '\n');
	}
	for (size_t i = 0; n > 0 && i < t[0].nmeant && !r->quiet; i++) {
		strbuf_add_clean(&b, t[0].meant[i].text);
		strbuf_addc(&b, '\n');
	}
	for (size_t i = 0; i < n && !b.failed; i++) {
		const struct follow_leg *start = t[i].follow->legs.v[0];
		strbuf_adds(&b, b.len > 0 ? "\n" : "");
		head(r, &b, start);
		skipped_lines(r, &b, &t[i], start->node->name);
		if (!r->quiet) {
			trace_path_text(r, &b, start->result.endings.v, start->result.endings.len);
			further_nodes(r, &b, &t[i]);
		}
		endings(r, &b, &t[i]);
		for (size_t k = 0; k < t[i].nwarnings; k++) {
			text_labelled(&b, k == 0 ? "warning" : "", t[i].warnings[k]);
		}
	}
	return text_write(r, &b);
}
