/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command connect: who was tried from where, what it answered, and what that says. */
#include <errno.h>
#include <math.h>

#include "report-private.h"

static const struct column columns[] = {
	{ "kind", "WHAT" },	{ "address", "ADDRESS" },	  { "node", "NODE" },	  { "pod", "POD" },
	{ "answered", "ANSWERED" }, { "weight", "WEIGHT" }, { "expected", "EXPECTED" }, { "predicted", "BY RULES" },
	{ "result", "RESULT" },
};

static const char *keep(struct table *t, struct arena *a, const char *s)
{
	const char *copy = arena_strdup(a, s);
	t->failed |= s && !copy;
	return copy;
}

static const char *answered_text(struct table *t, struct arena *a, const struct connect_target *x)
{
	char buf[48];
	(void)snprintf(buf, sizeof(buf), "%u of %u", x->answered, x->made);
	return x->made ? keep(t, a, buf) : NULL;
}

/* Of so many tries: "3 of 10", "3.33 of 10". */
static const char *share_text(struct table *t, struct arena *a, const struct connect_target *x, double share)
{
	char buf[48];
	(void)snprintf(buf, sizeof(buf), "%.3g of %u", share * x->made, x->made);
	return isnan(share) || !x->made ? NULL : keep(t, a, buf);
}

static const char *pod_text(struct table *t, struct arena *a, const struct connect_target *x)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	if (!x->pod) {
		return NULL;
	}
	strbuf_addf(&b, "%s/%s%s", x->pod->meta.ns, x->pod->meta.name, x->self ? ", the client" : "");
	return keep(t, a, strbuf_str(&b));
}

static void fill(struct table *t, struct arena *a, const struct connect_plan *p)
{
	for (size_t i = 0; i < p->targets.len; i++) {
		const struct connect_target *x = &p->targets.v[i];
		char address[IP_ENDPOINT_STRLEN], weight[WEIGHT_STRLEN];
		table_text(t, connect_kind_name(x->kind));
		table_text(t, keep(t, a, ip_endpoint_format(&x->addr, x->number, address)));
		table_text(t, x->node);
		table_text(t, pod_text(t, a, x));
		table_text(t, answered_text(t, a, x));
		table_text(t, isnan(x->weight) ? NULL : keep(t, a, text_weight(x->weight, weight)));
		table_text(t, share_text(t, a, x, x->expected));
		table_text(t, share_text(t, a, x, x->predicted));
		table_text(t, x->result);
	}
}

static bool same_port(const struct connect_target *a, const struct connect_target *b)
{
	return a->service == b->service && a->port == b->port;
}

static void tables(const struct report *r, struct strbuf *b, const struct connect_plan *p, const struct table *t)
{
	size_t to;
	for (size_t from = 0; from < p->targets.len; from = to) {
		struct strbuf name CLEANUP(strbuf_release) = STRBUF_INIT;
		const struct connect_target *first = &p->targets.v[from];
		for (to = from; to < p->targets.len && same_port(first, &p->targets.v[to]); to++) {
		}
		text_service(&name, first->service);
		strbuf_addc(b, '\n');
		text_styled(r, b, STYLE_BOLD, strbuf_str(&name));
		strbuf_adds(b, "   ");
		text_port(b, first->port);
		strbuf_addc(b, '\n');
		table_print(r, b, t, from, to);
	}
}

static void client_line(struct strbuf *b, const struct connect_client *c)
{
	strbuf_adds(b, "tried from: ");
	strbuf_add_clean(b, c->words ? c->words : "");
	bool first = true;
	for (size_t f = 0; f < 2; f++) {
		char buf[IP_ADDR_STRLEN];
		if (c->addr[f].family) {
			strbuf_addf(b, "%s%s", first ? "   " : ", ", ip_addr_format(&c->addr[f], buf));
			first = false;
		}
	}
	if (c->from == FROM_UNKNOWN && !c->in_pod) {
		strbuf_adds(b, "   (whether it is a node or a pod of the cluster is not known)");
	}
	strbuf_addc(b, '\n');
}

static void left_lines(struct strbuf *b, const struct connect_plan *p)
{
	for (size_t i = 0; i < p->left.len; i++) {
		const struct connect_left *l = &p->left.v[i];
		strbuf_adds(b, i == 0 ? "\nnot tried: " : "           ");
		text_service(b, l->service);
		if (l->port) {
			strbuf_addf(b, " %u/%s", l->port->port, text_proto(l->port->proto));
		}
		strbuf_addf(b, ": %s: %s\n", l->what, l->reason);
	}
}

static int causes(const struct report *r, struct strbuf *b, const struct diagnosis *d)
{
	size_t n = 0;
	const struct finding **v = causes_sorted(d, &n);
	if (!v) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		strbuf_adds(b, r->quiet ? "" : "\n");
		text_cause(r, b, v[i], r->quiet ? DETAIL_LINE : DETAIL_FULL, true);
	}
	free(v);
	return 0;
}

static int text(const struct report *r, const struct connect_plan *p, const struct diagnosis *d, const struct table *t)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	text_looked_at(r, &b, NULL);
	if (!r->quiet) {
		client_line(&b, &p->client);
		tables(r, &b, p, t);
	}
	int err = causes(r, &b, d);
	if (!r->quiet) {
		left_lines(&b, p);
		text_skipped(r, &b, d);
	}
	return err < 0 ? err : text_write(r, &b);
}

/* ---- JSON ---- */

static json_t *client_json(struct doc *doc, const struct connect_client *c)
{
	json_t *o = json_object(), *addresses = json_array();
	for (size_t f = 0; f < 2; f++) {
		if (c->addr[f].family) {
			doc_add(doc, addresses, doc_addr(doc, &c->addr[f]));
		}
	}
	doc_set(doc, o, "from", doc_string(doc, connect_from_name(c->from)));
	doc_set(doc, o, "name", doc_string(doc, c->name));
	doc_set(doc, o, "node", doc_string(doc, c->node));
	doc_set(doc, o, "addresses", addresses);
	return o;
}

static json_t *icmp_json(struct doc *doc, const struct snap_try *y)
{
	if (!y || y->end != TRY_REJECTED) {
		return json_null();
	}
	json_t *o = json_object();
	doc_set(doc, o, "type", json_integer(y->icmp_type));
	doc_set(doc, o, "code", json_integer(y->icmp_code));
	doc_set(doc, o, "from", doc_addr(doc, &y->from));
	return o;
}

static json_t *listening_json(struct doc *doc, const struct connect_target *x)
{
	if (!x->listeners || !x->listeners->known) {
		return json_null();
	}
	json_t *a = json_array();
	for (size_t i = 0; i < x->listeners->sockets.len; i++) {
		const struct node_socket *k = &x->listeners->sockets.v[i];
		char buf[IP_ENDPOINT_STRLEN], any[16];
		(void)snprintf(any, sizeof(any), "*:%u", k->port);
		if (k->proto == x->proto) {
			doc_add(doc, a, doc_string(doc, k->addr.family ? ip_endpoint_format(&k->addr, k->port, buf) : any));
		}
	}
	return a;
}

static json_t *target_json(struct doc *doc, const struct connect_target *x)
{
	static const char *const ways[] = { [WAY_TCP] = "tcp", [WAY_HTTP] = "http", [WAY_UDP] = "udp", [WAY_DNS] = "dns" };
	const struct snap_try *y = x->worst;
	struct strbuf pod CLEANUP(strbuf_release) = STRBUF_INIT;
	json_t *o = json_object();
	if (x->pod) {
		strbuf_addf(&pod, "%s/%s", x->pod->meta.ns, x->pod->meta.name);
	}
	doc_set(doc, o, "service", doc_service(doc, x->service));
	doc_set(doc, o, "port", doc_port(doc, x->port));
	doc_set(doc, o, "kind", doc_string(doc, connect_kind_name(x->kind)));
	doc_set(doc, o, "address", doc_addr(doc, &x->addr));
	doc_set(doc, o, "number", json_integer(x->number));
	doc_set(doc, o, "protocol", doc_string(doc, text_proto(x->proto)));
	doc_set(doc, o, "way", doc_string(doc, ways[x->way]));
	doc_set(doc, o, "node", doc_string(doc, x->node));
	doc_set(doc, o, "pod", doc_string(doc, x->pod ? strbuf_str(&pod) : NULL));
	doc_set(doc, o, "same_node", json_boolean(x->here));
	doc_set(doc, o, "self", json_boolean(x->self));
	doc_set(doc, o, "tries", json_integer(x->made));
	doc_set(doc, o, "answered", json_integer(x->answered));
	doc_set(doc, o, "weight", doc_weight(x->weight));
	doc_set(doc, o, "expected", doc_weight(x->expected));
	doc_set(doc, o, "by_rules", doc_weight(x->predicted));
	doc_set(doc, o, "outcome", doc_string(doc, y ? snap_try_name(y->end) : snap_try_name(TRY_NOT_MADE)));
	doc_set(doc, o, "error", doc_string(doc, y && y->error ? sd_strerror(-y->error) : NULL));
	doc_set(doc, o, "icmp", icmp_json(doc, y));
	doc_set(doc, o, "source", y ? doc_addr(doc, &y->source) : json_null());
	doc_set(doc, o, "status", y && y->status ? json_integer(y->status) : json_null());
	doc_set(doc, o, "ms", y ? json_real((double)y->us / 1000) : json_null());
	doc_set(doc, o, "listening", listening_json(doc, x));
	doc_set(doc, o, "result", doc_string(doc, x->result));
	return o;
}

static json_t *left_json(struct doc *doc, const struct connect_left *l)
{
	json_t *o = json_object();
	doc_set(doc, o, "service", doc_service(doc, l->service));
	doc_set(doc, o, "port", doc_port(doc, l->port));
	doc_set(doc, o, "what", doc_string(doc, l->what));
	doc_set(doc, o, "reason", doc_string(doc, l->reason));
	return o;
}

static int json(const struct report *r, const struct connect_plan *p, const struct diagnosis *d)
{
	struct doc doc;
	doc_begin(&doc, r, d, NULL, 0);
	json_t *targets = json_array(), *left = json_array();
	for (size_t i = 0; p && i < p->targets.len; i++) {
		doc_add(&doc, targets, target_json(&doc, &p->targets.v[i]));
	}
	for (size_t i = 0; p && i < p->left.len; i++) {
		doc_add(&doc, left, left_json(&doc, &p->left.v[i]));
	}
	doc_set(&doc, doc.root, "findings", doc_findings(&doc, r, d));
	doc_set(&doc, doc.root, "client", p ? client_json(&doc, &p->client) : json_null());
	doc_set(&doc, doc.root, "connections", targets);
	doc_set(&doc, doc.root, "not_tried", left);
	return doc_end(&doc, r);
}

int report_connect(const struct report *r, const struct connect_plan *p, const struct diagnosis *d)
{
	struct arena a CLEANUP(arena_release) = { 0 };
	struct table t CLEANUP(table_release) = { .columns = columns, .ncolumns = ARRAY_LEN(columns) };
	if (r->format == REPORT_JSON) {
		return json(r, p, d);
	}
	if (r->format == REPORT_LINES || !p) {
		return lines_findings(r, d);
	}
	fill(&t, &a, p);
	return text(r, p, d, &t);
}
