/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One packet through the rules, as JSON. */
#include <netinet/in.h>

#include "report-private.h"

bool trace_has_ports(uint8_t proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP;
}

static json_t *by_json(struct doc *doc, struct arena *a, const char *node, const struct nat_by *by)
{
	struct verify_by v = { 0 };
	if (by->kind == BY_NONE) {
		return json_null();
	}
	verify_by_from_nat(a, node, by, &v);
	return doc_by(doc, &v);
}

static json_t *step_json(struct doc *doc, struct arena *a, const char *node, const struct nat_step *s)
{
	json_t *o = json_object();
	struct strbuf words CLEANUP(strbuf_release) = STRBUF_INIT;
	trace_step_words(&words, s);
	doc_set(doc, o, "node", doc_string(doc, node));
	doc_set(doc, o, "hook",
		s->hook >= 0 ? doc_string(doc, rs_hook_name((enum rs_hook)s->hook)) : json_null());
	doc_set(doc, o, "by", by_json(doc, a, node, &s->by));
	doc_set(doc, o, "effect", doc_string(doc, nat_effect_name((enum nat_effect)s->effect)));
	switch ((enum nat_effect)s->effect) {
	case EFFECT_JUMP:
	case EFFECT_GOTO:
		doc_set(doc, o, "target", s->target ? doc_string(doc, s->target->name) : json_null());
		break;
	case EFFECT_DNAT:
	case EFFECT_SNAT:
		doc_set(doc, o, "address", doc_addr(doc, &s->addr));
		doc_set(doc, o, "port", s->port ? json_integer(s->port) : json_null());
		break;
	case EFFECT_MARK:
		doc_set(doc, o, "mark", json_integer(s->mark));
		break;
	case EFFECT_CHANCE:
		doc_set(doc, o, "weight", doc_weight(s->weight));
		break;
	case EFFECT_ASSUME:
		doc_set(doc, o, "value", json_boolean(s->value));
		break;
	case EFFECT_ROUTE:
		doc_set(doc, o, "interface", doc_string(doc, s->device));
		break;
	default:
		break;
	}
	if (words.len > 0) {
		doc_set(doc, o, "text", doc_string(doc, strbuf_str(&words)));
	}
	return o;
}

/*
 * A document tells so many steps and assumptions in all, the first endings in full: with a thousand unknown rules, or fifty
 * thousand endpoints, the paths of all endings would fill gigabytes. What is left out is said to be.
 */
enum { DETAILS_MAX = 50000 };

static size_t path_len(const struct follow_step *at)
{
	size_t n = 0;
	for (; at; at = at->prev) {
		for (const struct nat_step *s = at->ending->path; s; s = s->prev) {
			n++;
		}
	}
	return n;
}

/* Steps lead from the end to the start, from node to node and in each node; the array goes the other way. */
static json_t *path_json(struct doc *doc, struct arena *a, const struct follow_step *last, size_t *left)
{
	json_t *path = json_array();
	size_t n = path_len(last);
	if (n > *left) {
		*left = 0;
		return path;
	}
	*left -= n;
	struct place {
		const struct nat_step *step;
		const char *node;
	} *v = calloc(n + 1, sizeof(*v));
	doc->failed |= !v;
	for (const struct follow_step *at = last; v && at; at = at->prev) {
		for (const struct nat_step *s = at->ending->path; s; s = s->prev) {
			v[--n] = (struct place){ s, at->leg->node->name };
		}
	}
	for (size_t i = 0; v && v[i].step; i++) {
		doc_add(doc, path, step_json(doc, a, v[i].node, v[i].step));
	}
	free(v);
	return path;
}

static void add_assumes(struct doc *doc, struct arena *a, json_t *to, const struct follow_step *at, size_t *left)
{
	if (at->prev) {
		add_assumes(doc, a, to, at->prev, left);
	}
	for (const struct nat_assume *x = at->ending->assumes; x && *left > 0; x = x->next, --*left) {
		json_t *o = json_object();
		doc_set(doc, o, "by", by_json(doc, a, at->leg->node->name, &x->by));
		doc_set(doc, o, "value", json_boolean(x->value));
		doc_set(doc, o, "state", json_boolean(x->state));
		doc_add(doc, to, o);
	}
}

/* What the nodes on the way rest on. */
static json_t *assumed_json(struct doc *doc, const struct follow_step *last)
{
	ARRAY_OF(const char *) all = { 0 };
	for (const struct follow_step *at = last; at; at = at->prev) {
		for (const char *const *s = at->leg->assumed; s && *s; s++) {
			doc->failed |= array_push(&all, *s) < 0;
		}
	}
	json_t *v = doc_sorted(doc, all.v, all.len);
	array_free(&all);
	return v;
}

static void add_nodes(struct doc *doc, json_t *to, const struct follow_step *at)
{
	if (at->prev) {
		add_nodes(doc, to, at->prev);
	}
	doc_add(doc, to, doc_string(doc, at->leg->node->name));
}

const struct k8s_pod *trace_pod_at(const struct report *r, const struct ip_addr *a)
{
	return map_get(&r->snapshot->cluster.pod_by_ip, a, sizeof(*a));
}

/* "ns/name" of the pod that has this address, or null. */
static json_t *pod_json(struct doc *doc, const struct report *r, const struct ip_addr *a)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	const struct k8s_pod *pod = trace_pod_at(r, a);
	if (pod) {
		strbuf_addf(&b, "%s/%s", pod->meta.ns, pod->meta.name);
	}
	doc->failed |= b.failed;
	return pod ? doc_string(doc, strbuf_str(&b)) : json_null();
}

static json_t *reply_json(struct doc *doc, const struct nat_ending *e)
{
	json_t *reply = json_object();
	doc_set(doc, reply, "ok", doc_tri(e->reply == TRI_UNKNOWN ? -1 : e->reply == TRI_TRUE));
	doc_set(doc, reply, "why", doc_string(doc, e->reply_why));
	return reply;
}

static json_t *ending_json(struct doc *doc, const struct report *r, struct arena *a, const struct follow_ending *f, size_t *left)
{
	json_t *o = json_object(), *assumes = json_array(), *nodes = json_array();
	const struct nat_ending *e = &f->e;
	const char *node = f->last->leg->node->name;
	bool ports = trace_has_ports(f->last->leg->packet.proto);
	doc_set(doc, o, "verdict", doc_string(doc, nat_verdict_name(e->verdict)));
	doc_set(doc, o, "translated", json_boolean(e->translated));
	doc_set(doc, o, "address", doc_addr(doc, &e->addr));
	doc_set(doc, o, "port", ports ? json_integer(e->port) : json_null());
	doc_set(doc, o, "pod", pod_json(doc, r, &e->addr));
	doc_set(doc, o, "weight", doc_weight(e->weight));
	doc_set(doc, o, "masquerade", json_boolean(e->masquerade));
	doc_set(doc, o, "source", doc_addr(doc, &e->source));
	doc_set(doc, o, "delivery", doc_string(doc, nat_delivery_name(e->delivery)));
	doc_set(doc, o, "interface", doc_string(doc, e->interface));
	doc_set(doc, o, "by", by_json(doc, a, node, &e->by));
	if (e->lost.kind != BY_NONE) {
		doc_set(doc, o, "lost", by_json(doc, a, node, &e->lost));
	}
	if (e->reject_with) {
		doc_set(doc, o, "reject_with", doc_string(doc, e->reject_with));
	}
	add_nodes(doc, nodes, f->last);
	doc_set(doc, o, "node", doc_string(doc, node));
	doc_set(doc, o, "nodes", nodes);
	doc_set(doc, o, "not_followed", doc_string(doc, f->stopped));
	doc_set(doc, o, "path", path_json(doc, a, f->last, left));
	doc_set(doc, o, "assumed", assumed_json(doc, f->last));
	add_assumes(doc, a, assumes, f->last, left);
	doc_set(doc, o, "assumes", assumes);
	if (*left == 0) {
		doc_set(doc, o, "details_left_out", json_true());
	}
	doc_set(doc, o, "reply", reply_json(doc, e));
	return o;
}

/* Where the packet enters may differ from node to node: then it is null. */
static json_t *packet_json(struct doc *doc, const struct trace_report *t, size_t n)
{
	const struct nat_packet *p = &t[0].follow->legs.v[0]->packet;
	json_t *o = json_object();
	const char *iif = p->iif;
	bool ports = trace_has_ports(p->proto);
	for (size_t i = 1; i < n; i++) {
		const char *other = t[i].follow->legs.v[0]->packet.iif;
		iif = iif && other && strcmp(iif, other) == 0 ? iif : NULL;
	}
	doc_set(doc, o, "protocol", doc_string(doc, proto_name(p->proto)));
	doc_set(doc, o, "source", doc_addr(doc, &p->src));
	doc_set(doc, o, "source_port", ports ? json_integer(p->sport) : json_null());
	doc_set(doc, o, "destination", doc_addr(doc, &p->dst));
	doc_set(doc, o, "destination_port", ports ? json_integer(p->dport) : json_null());
	doc_set(doc, o, "mark", json_integer(p->mark));
	doc_set(doc, o, "from_node", json_boolean(p->from_node));
	doc_set(doc, o, "interface", p->from_node ? json_null() : doc_string(doc, iif));
	return o;
}

static json_t *meant_json(struct doc *doc, const struct trace_meant *m)
{
	json_t *o = json_object();
	doc_set(doc, o, "service", doc_service(doc, m->service));
	doc_set(doc, o, "port", doc_port(doc, m->port));
	doc_set(doc, o, "why", doc_string(doc, m->why));
	doc_set(doc, o, "address", doc_addr(doc, &m->addr));
	doc_set(doc, o, "destination_port", json_integer(m->dport));
	doc_set(doc, o, "protocol", doc_string(doc, proto_name(m->port->proto)));
	doc_set(doc, o, "text", doc_string(doc, m->text));
	return o;
}

static int trace_json(const struct report *r, const struct trace_report *t, size_t n)
{
	struct arena a CLEANUP(arena_release) = { 0 };
	struct doc doc;
	size_t left = DETAILS_MAX;
	doc_begin(&doc, r, NULL, n > 0 ? t[0].skipped : NULL, n > 0 ? t[0].nskipped : 0);
	json_t *all = json_array(), *meaning = json_array(), *meant = json_array(), *warnings = json_array();
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < t[i].follow->endings.len; k++) {
			doc_add(&doc, all, ending_json(&doc, r, &a, &t[i].follow->endings.v[k], &left));
		}
	}
	for (size_t i = 0; n > 0 && t[0].meaning && t[0].meaning[i]; i++) {
		doc_add(&doc, meaning, doc_string(&doc, t[0].meaning[i]));
	}
	for (size_t i = 0; n > 0 && i < t[0].nmeant; i++) {
		doc_add(&doc, meant, meant_json(&doc, &t[0].meant[i]));
	}
	doc_set(&doc, doc.root, "packet", n > 0 ? packet_json(&doc, t, n) : json_null());
	doc_set(&doc, doc.root, "meaning", meaning);
	doc_set(&doc, doc.root, "meant", meant);
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < t[i].nwarnings; k++) {
			doc_add(&doc, warnings, doc_string(&doc, t[i].warnings[k]));
		}
	}
	doc_set(&doc, doc.root, "warnings", warnings);
	doc_set(&doc, doc.root, "endings", all);
	return doc_end(&doc, r);
}

int report_trace(const struct report *r, const struct trace_report *t, size_t n)
{
	return r->format == REPORT_JSON ? trace_json(r, t, n) : trace_text(r, t, n);
}
