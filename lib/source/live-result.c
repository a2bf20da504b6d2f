/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the answers come to: which kinds are known and how far, and which questions were refused or failed, each once. A kind that nothing
 * in this run depends on is known as far as it goes, which is nowhere: nobody misses it.
 */

#include <errno.h>

#include "live-private.h"

static enum known known_of(enum api_outcome o)
{
	switch (o) {
	case API_OK:
	case API_NOT_FOUND:
		return KNOWN;
	case API_UNAUTHORIZED:
	case API_FORBIDDEN:
	case API_NO_CREDENTIAL:
		return FORBIDDEN;
	case API_NO_KIND:
		return UNSUPPORTED;
	case API_LATE:
	case API_STOPPED:
		return LATE;
	case API_BUSY:
	case API_SERVER_ERROR:
	case API_REFUSED:
	case API_UNREACHABLE:
	case API_NOT_TRUSTED:
	case API_BAD_ANSWER:
	case API_NO_MEMORY:
		break;
	}
	return UNREADABLE;
}

/* ---- extents ---- */

static int add_namespace(struct snap_extent *e, const char *ns)
{
	for (size_t i = 0; i < e->namespaces.len; i++) {
		if (strcmp(e->namespaces.v[i], ns) == 0)
			return 0;
	}
	return array_push(&e->namespaces, ns);
}

static int extend(struct snap_extent *e, const struct live_ask *a)
{
	if (live_is_all(a)) {
		e->limited &= a->ns != NULL;
		return a->ns ? add_namespace(e, a->ns) : 0;
	}
	if (a->name && !a->damaged) {
		struct snap_name n = { a->ns ? a->ns : "", a->name };

		if (array_push(&e->objects, n) < 0)
			return -ENOMEM;
	}
	return !a->cut && !a->damaged && !a->metadata && a->service.name && a->kind != K8S_PODS ? array_push(&e->services, a->service) : 0;
}

/* Pods and nodes belong to a Service by its selector and by what its slices name. */
static int extend_targets(struct snapshot *s, const struct live_plan *p)
{
	for (size_t i = 0; i < p->targets.len; i++) {
		const struct k8s_service *t = p->targets.v[i];
		struct snap_name n = { t->meta.ns, t->meta.name };
		bool pods = t->selector.len == 0;

		for (size_t j = 0; j < p->asks.len; j++) {
			const struct live_ask *a = p->asks.v[j];

			pods |= a->kind == K8S_PODS && str_is(a->service.name, n.name) && str_is(a->service.ns, n.ns) &&
				live_answered(a) && !a->cut && !a->damaged;
		}
		if (pods && live_knows_pods(p, t) && array_push(&s->extents[K8S_PODS].services, n) < 0)
			return -ENOMEM;
		if (pods && live_knows_nodes(p, t) && array_push(&s->extents[K8S_NODES].services, n) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int take_kind(struct snapshot *s, const struct live_plan *p, enum k8s_kind k)
{
	struct snap_extent *e = &s->extents[k];
	enum known worst = KNOWN;
	bool any = false, some = false, damaged = false;

	e->limited = !p->absent[k];
	for (size_t i = 0; i < p->asks.len; i++) {
		const struct live_ask *a = p->asks.v[i];

		if (a->kind != k || a->count)
			continue;
		any |= !a->optional;
		if (live_answered(a)) {
			some = true;
			damaged |= a->damaged;
			if (extend(e, a) < 0)
				return -ENOMEM;
		} else if (a->done) {
			worst = worst == KNOWN ? known_of(a->outcome) : worst;
			damaged |= a->objects > 0; /* it broke off */
			some |= a->objects > 0;
		}
	}
	if (some)
		s->kinds[k] = damaged ? PARTLY_KNOWN : KNOWN;
	else
		s->kinds[k] = any ? worst : KNOWN;
	return 0;
}

/* ---- what is missing ---- */

static const char *right_of(struct arena *arena, const struct live_ask *a)
{
	const struct api_what w = live_what(a);

	return arena_printf(arena, w.namespace_ ? "%s %s in namespace %s" : "%s %s", w.verb, w.resource, w.namespace_);
}

/* What it says was said already: of the same right, of the whole kind, or of the whole server. */
static bool is_told(const struct snapshot *s, const struct live_plan *p, size_t n, const char *right)
{
	const struct live_ask *a = p->asks.v[n];

	for (size_t i = 0; right && i < s->missing.len; i++) {
		if (str_is(s->missing.v[i].right, right))
			return true;
	}
	for (size_t i = 0; i < n; i++) {
		const struct live_ask *b = p->asks.v[i];

		if (b->optional || !b->done || live_answered(b) || b->outcome != a->outcome)
			continue;
		if (a->failed_whole && b->failed_whole)
			return true;
		if (b->kind == a->kind && !b->ns && !b->name)
			return true;
	}
	return false;
}

static int take_missing(struct snapshot *s, const struct live_plan *p, size_t n)
{
	const struct live_ask *a = p->asks.v[n];
	const bool refused = a->outcome == API_FORBIDDEN;
	const char *right = refused ? right_of(&s->arena, a) : NULL;
	struct snap_missing m = { .kind = (int)a->kind, .why = known_of(a->outcome), .right = right, .text = a->text, .hint = a->hint };

	if (refused && !right)
		return -ENOMEM;
	if (is_told(s, p, n, right))
		return 0;
	sd_note_add(&s->notes, !refused, api_outcome_code(a->outcome), NULL, 0, 0, m.hint, "%s", m.text ? m.text : "no answer");
	return array_push(&s->missing, m);
}

/* An answer that came whole, and of which something could not be read. */
static int tell_damage(struct snapshot *s, const struct live_ask *a)
{
	const struct api_what w = live_what(a);
	CLEANUP(strbuf_release) struct strbuf place = STRBUF_INIT;
	if (a->ns)
		strbuf_addf(&place, " in namespace '%s'", w.namespace_ ? w.namespace_ : "");
	if (place.failed)
		return -ENOMEM;
	sd_note_add(&s->notes, true, "bad-answer", NULL, 0, 0, "try again; if it stays so, look at what stands in front of the API server",
		    "cannot %s all %s%s: 200 OK, but the answer is damaged: %zu of its objects could be read",
		    w.verb, w.resource, strbuf_str(&place), a->objects);
	return 0;
}

/* -A, and only one namespace may be read. */
static void tell_limits(struct snapshot *s, const struct live_plan *p)
{
	if (live_scope(p) == LIVE_ALL && s->kinds[K8S_SERVICES] == KNOWN && s->extents[K8S_SERVICES].limited)
		sd_note_add(&s->notes, true, "only-namespace", NULL, 0, 0, "svcdoctor rbac prints the rights that -A needs",
			    "only namespace '%s' was looked at: to list the Services of all namespaces is forbidden", p->want->namespace_);
}

/* The outcome that kept everything from being read; API_OK: something was. */
static enum api_outcome worst_of(const struct live_plan *p)
{
	enum api_outcome worst = API_OK;

	for (size_t i = 0; i < p->asks.len; i++) {
		const struct live_ask *a = p->asks.v[i];

		if (a->done && (a->outcome == API_OK || a->outcome == API_NOT_FOUND || a->objects > 0))
			return API_OK;
		if (a->done && !a->optional && (worst == API_OK || worst == API_FORBIDDEN || a->outcome == API_UNAUTHORIZED))
			worst = a->outcome;
	}
	return worst;
}

int live_results(struct snapshot *s, const struct live_plan *p, enum api_outcome *ret_worst)
{
	int r = 0;

	for (int k = 0; r == 0 && k < K8S_KINDS; k++)
		r = take_kind(s, p, (enum k8s_kind)k);
	for (size_t i = 0; r == 0 && i < p->asks.len; i++) {
		if (p->asks.v[i]->done && !p->asks.v[i]->optional && !live_answered(p->asks.v[i]))
			r = take_missing(s, p, i);
		else if (p->asks.v[i]->done && !p->asks.v[i]->name && p->asks.v[i]->damaged)
			r = tell_damage(s, p->asks.v[i]);
	}
	if (r == 0)
		r = extend_targets(s, p);
	if (r == 0) {
		tell_limits(s, p);
		*ret_worst = worst_of(p);
		for (int k = 0; *ret_worst != API_OK && k < K8S_KINDS; k++)
			s->kinds[k] = s->kinds[k] == KNOWN ? NOT_COLLECTED : s->kinds[k];
	}
	return r;
}
