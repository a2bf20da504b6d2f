/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The way of a packet, hook by hook. The engine gives a way to each ending; here the ways are laid side by side:
 * what all of them did at a hook is printed once, and where they part each is a line with its weight.
 */
#include <math.h>

#include "report-private.h"

enum {
	WAYS_SHOWN = 12,
	WAYS_MAX = 4096,
	PLACE_MAX = 56,
	WORDS_MAX = 60,
	DEPTH_MAX = 6,
	ONE_LINE = 4,
	STEPS_SHOWN = 40
};

/* One visit to a hook on one ending's way. */
struct visit {
	const struct nat_step **v;
	size_t len;
	int hook;
};
struct way {
	const struct nat_step **steps; /* from the start */
	size_t len;
	ARRAY_OF(struct visit) visits;
	double weight;
};
struct ways {
	struct way *v;
	size_t len;
};

static void ways_release(struct ways *w)
{
	for (size_t i = 0; i < w->len; i++) {
		free(w->v[i].steps);
		array_free(&w->v[i].visits);
	}
	free(w->v);
}

/* A jump into a chain that did nothing, or a chance, which the weights tell. */
static bool is_idle(const struct nat_step *s, const struct nat_step *next, bool verbose)
{
	if (s->effect == EFFECT_CHANCE) {
		return true;
	}
	if (verbose || (s->effect != EFFECT_JUMP && s->effect != EFFECT_GOTO)) {
		return false;
	}
	if (!next || next->effect == EFFECT_ENTER || next->effect == EFFECT_ROUTE || next->hook != s->hook) {
		return true;
	}
	/* what a chain does that was gone to stands as deep as what went there */
	if (s->effect == EFFECT_GOTO && next->depth == s->depth) {
		return (next->by.rule ? next->by.rule->chain : next->by.chain) != s->target;
	}
	return next->depth <= s->depth;
}

/*
 * Cuts the way where a hook begins. What stands before the first ENTER of a hook (the routing of the node's own
 * packets) belongs to the visit of that hook. ENTER itself is taken out.
 */
static bool cut_visits(struct way *w)
{
	size_t n = 0;
	bool entered = true;
	for (size_t i = 0; i < w->len; i++) {
		const struct nat_step *s = w->steps[i];
		bool enter = s->effect == EFFECT_ENTER;
		bool same = w->visits.len > 0 && w->visits.v[w->visits.len - 1].hook == s->hook;
		if (w->visits.len == 0 || (enter && !(same && !entered))) {
			struct visit v = { &w->steps[n], 0, s->hook };
			if (array_push(&w->visits, v) < 0) {
				return false;
			}
			entered = enter;
		}
		if (enter) {
			entered = true;
		} else {
			w->steps[n++] = s;
			w->visits.v[w->visits.len - 1].len++;
		}
	}
	w->len = n;
	return true;
}

static bool way_fill(struct way *w, const struct nat_ending *e, bool verbose)
{
	size_t n = 0;
	for (const struct nat_step *s = e->path; s; s = s->prev) {
		n++;
	}
	w->steps = calloc(n + 1, sizeof(*w->steps));
	if (!w->steps) {
		return false;
	}
	for (const struct nat_step *s = e->path; s; s = s->prev) {
		w->steps[--n] = s;
		w->len++;
	}
	/* from the end, so that a jump into a chain of idle jumps is idle itself */
	const struct nat_step *next = NULL;
	size_t kept = w->len;
	for (size_t i = w->len; i > 0; i--) {
		const struct nat_step *s = w->steps[i - 1];
		if (!is_idle(s, next, verbose)) {
			w->steps[--kept] = s;
			next = s;
		}
	}
	memmove(w->steps, w->steps + kept, (w->len - kept) * sizeof(*w->steps));
	w->len -= kept;
	w->weight = e->weight;
	return cut_visits(w);
}

static bool same_step(const struct nat_step *a, const struct nat_step *b)
{
	if (a == b) {
		return true;
	}
	bool text = a->text == b->text || (a->text && b->text && strcmp(a->text, b->text) == 0);
	bool device = a->device == b->device || (a->device && b->device && strcmp(a->device, b->device) == 0);
	return a->effect == b->effect && a->hook == b->hook && a->depth == b->depth && a->value == b->value &&
	       text && device && nat_by_equal(&a->by, &b->by) && a->target == b->target &&
	       ip_addr_equal(&a->addr, &b->addr) && a->port == b->port && a->mark == b->mark;
}

static bool same_visit(const struct visit *a, const struct visit *b)
{
	if (a->len != b->len || a->hook != b->hook) {
		return false;
	}
	for (size_t i = 0; i < a->len; i++) {
		if (!same_step(a->v[i], b->v[i])) {
			return false;
		}
	}
	return true;
}

/* ---- lines ---- */

static void add_place(struct strbuf *b, const struct nat_step *s, bool backends)
{
	const struct rs_chain *chain = s->by.rule ? s->by.rule->chain : s->by.chain;
	strbuf_addf(b, "%*s", 2 + 2 * MIN((int)s->depth, (int)DEPTH_MAX), "");
	if (!chain) {
		strbuf_adds(b, s->effect == EFFECT_ROUTE ? "routing" : nat_by_kind_name(s->by.kind));
		return;
	}
	if (backends) {
		strbuf_addf(b, "%s ", rs_backend_name(chain->table->backend));
	}
	strbuf_add_clean(b, chain->table->name);
	strbuf_addc(b, ' ');
	strbuf_add_clean(b, chain->name);
	if (s->by.rule) {
		strbuf_addf(b, " %u", (unsigned)s->by.rule->index);
	} else {
		strbuf_adds(b, " policy");
	}
}

static void add_rule_text(struct strbuf *b, const struct rs_rule *rule)
{
	struct strbuf text CLEANUP(strbuf_release) = STRBUF_INIT;
	strbuf_add(&text, rule->text, rule->text_len);
	strbuf_add_clean(b, strbuf_str(&text));
	b->failed |= text.failed;
}

static void add_route(struct strbuf *b, const struct nat_step *s)
{
	char buf[IP_ADDR_STRLEN];
	if (s->device) {
		strbuf_addf(b, "out by %s", s->device);
		if (s->addr.family && !ip_addr_is_zero(&s->addr)) {
			strbuf_addf(b, " through %s", ip_addr_format(&s->addr, buf));
		}
	}
	if (s->text) {
		strbuf_adds(b, s->device ? ": " : "");
		strbuf_add_clean(b, s->text);
	} else if (!s->device) {
		strbuf_adds(b, "by an interface that is not known");
	}
}

void trace_step_words(struct strbuf *b, const struct nat_step *s)
{
	char buf[IP_ENDPOINT_STRLEN];
	switch ((enum nat_effect)s->effect) {
	case EFFECT_JUMP:
	case EFFECT_GOTO:
		strbuf_adds(b, "-> ");
		strbuf_add_clean(b, s->target ? s->target->name : "a chain that is not there");
		break;
	case EFFECT_RETURN:
		strbuf_adds(b, "return");
		break;
	case EFFECT_ACCEPT:
		strbuf_adds(b, "accept");
		break;
	case EFFECT_DROP:
		strbuf_adds(b, "DROP");
		break;
	case EFFECT_REJECT:
		strbuf_adds(b, "REJECT");
		break;
	case EFFECT_DNAT:
		strbuf_addf(b, "DNAT %s",
			    s->port ? ip_endpoint_format(&s->addr, s->port, buf)
				    : ip_addr_format(&s->addr, buf));
		break;
	case EFFECT_SNAT:
		strbuf_addf(b, "source becomes %s",
			    s->addr.family ? ip_addr_format(&s->addr, buf) : "an address that is not known");
		break;
	case EFFECT_MARK:
		strbuf_addf(b, "mark 0x%x becomes 0x%x", (unsigned)s->old_mark, (unsigned)s->mark);
		break;
	case EFFECT_NOTRACK:
		strbuf_adds(b, "not tracked, so no address is rewritten");
		break;
	case EFFECT_ROUTE:
		add_route(b, s);
		break;
	case EFFECT_LOST:
		strbuf_adds(b, "the kernel loses it here: ");
		strbuf_add_clean(b, s->text ? s->text : "");
		break;
	case EFFECT_ASSUME:
		strbuf_addf(b, "cannot be known; followed as %s", s->value ? "true" : "false");
		break;
	case EFFECT_UNDECIDED:
		strbuf_adds(b, "undecided");
		break;
	default:
		break;
	}
}

/* Columns of one hook's lines: where the rule stands, and what it asks. */
struct widths {
	size_t place, words;
};

static void add_question(struct strbuf *b, const struct nat_step *s)
{
	if (s->by.rule && s->effect == EFFECT_ASSUME) {
		add_rule_text(b, s->by.rule);
	} else if (s->by.rule) {
		words_of_rule(b, s->by.rule);
		if (s->by.elem && s->by.set) {
			strbuf_adds(b, b->len ? ", " : "");
			words_of_element(b, s->by.set, s->by.elem);
		}
	} else if ((s->effect == EFFECT_ASSUME || s->by.kind == BY_IPVS) && s->by.text) {
		strbuf_add_clean(b, s->by.text);
	}
}

static void widen(struct widths *w, const struct nat_step *s, size_t indent, bool backends)
{
	struct strbuf place CLEANUP(strbuf_release) = STRBUF_INIT,
			    words CLEANUP(strbuf_release) = STRBUF_INIT;
	add_place(&place, s, backends);
	add_question(&words, s);
	w->place = MAX(w->place, MIN(place.len + indent + 1, (size_t)PLACE_MAX));
	w->words = MAX(w->words, MIN(words.len + 1, (size_t)WORDS_MAX));
}

static void step_line(const struct report *r, struct strbuf *b, const struct nat_step *s, size_t indent,
		      const struct widths *w, bool backends)
{
	struct strbuf words CLEANUP(strbuf_release) = STRBUF_INIT;
	size_t start = b->len;
	strbuf_addf(b, "%*s", (int)indent, "");
	add_place(b, s, backends);
	add_question(&words, s);
	text_pad(b, start, w->place);
	start = b->len;
	strbuf_adds(b, strbuf_str(&words));
	if (words.len > 0) {
		text_pad(b, start, w->words);
	}
	trace_step_words(b, s);
	strbuf_addc(b, '\n');
	if (r->verbose && s->by.rule && s->effect != EFFECT_ASSUME) {
		strbuf_addf(b, "%*s", (int)indent + 8, "");
		add_rule_text(b, s->by.rule);
		strbuf_addc(b, '\n');
	}
}

/* ---- one hook ---- */

/* A group of ways that did the same at this visit. */
struct group {
	const struct visit *visit;
	double weight;
};

static size_t common_prefix(const struct group *g, size_t n)
{
	size_t len = g[0].visit->len;
	for (size_t i = 1; i < n; i++) {
		size_t k = 0;
		while (k < len && k < g[i].visit->len && same_step(g[0].visit->v[k], g[i].visit->v[k])) {
			k++;
		}
		len = k;
	}
	return len;
}

/*
 * A way of few steps is one line: "1/3  KUBE-SEP-X   DNAT 10.244.1.5:80; out by cni0", where it goes first and what
 * is done there. Longer ones, and all with -v, get a line for each step.
 */
static void group_lines(const struct report *r, struct strbuf *b, const struct group *g, size_t from,
			size_t place, bool backends)
{
	char weight[WEIGHT_STRLEN];
	struct widths w = { 0, 0 };
	size_t n = g->visit->len - from, start = b->len, i = 0;
	const struct nat_step *const *v = g->visit->v + from;
	strbuf_addf(b, "      %-6s ", text_weight(g->weight, weight));
	if (n == 0) {
		strbuf_adds(b, "nothing more here\n");
		return;
	}
	if (n <= ONE_LINE && !r->verbose) {
		if (v[0]->effect == EFFECT_JUMP && v[0]->target) {
			strbuf_add_clean(b, v[0]->target->name);
			i = 1;
		} else {
			struct strbuf at CLEANUP(strbuf_release) = STRBUF_INIT;
			add_place(&at, v[0], backends);
			strbuf_adds(b, strbuf_str(&at) + strspn(strbuf_str(&at), " "));
		}
		text_pad(b, start, place);
		for (; i < n; i++) {
			trace_step_words(b, v[i]);
			strbuf_adds(b, i + 1 < n ? "; " : "");
		}
		strbuf_addc(b, '\n');
		return;
	}
	strbuf_addc(b, '\n');
	for (i = 0; i < n; i++) {
		widen(&w, v[i], 8, backends);
	}
	for (i = 0; i < n; i++) {
		step_line(r, b, v[i], 8, &w, backends);
	}
}

static void ways_lines(const struct report *r, struct strbuf *b, const struct group *g, size_t n, size_t from,
		       size_t place, bool backends)
{
	strbuf_addf(b, "    %zu ways\n", n);
	size_t shown = 0, steps = 0;
	for (; shown < n && (r->verbose || (shown < WAYS_SHOWN && steps < STEPS_SHOWN)); shown++) {
		group_lines(r, b, &g[shown], from, place, backends);
		steps += g[shown].visit->len - from > ONE_LINE ? g[shown].visit->len - from : 1;
	}
	if (shown < n) {
		strbuf_addf(b, "      and %zu more ways (-v shows them)\n", n - shown);
	}
}

static void hook_text(const struct report *r, struct strbuf *b, const struct group *g, size_t n,
		      bool backends, bool all)
{
	size_t common = common_prefix(g, n);
	struct widths w = { 34, 0 };
	char weight[WEIGHT_STRLEN];
	const char *name = rs_hook_name((enum rs_hook)g[0].visit->hook);
	text_styled(r, b, STYLE_BOLD, g[0].visit->hook < 0 ? "before the rules" : name);
	if (!all && n == 1) {
		strbuf_addf(b, "  (%s of it)", text_weight(g[0].weight, weight));
	}
	if (common == 0 && n == 1) {
		strbuf_adds(b, "  no rule changes anything");
	}
	strbuf_addc(b, '\n');
	for (size_t i = 0; i < common; i++) {
		widen(&w, g[0].visit->v[i], 0, backends);
	}
	for (size_t i = 0; i < common; i++) {
		step_line(r, b, g[0].visit->v[i], 0, &w, backends);
	}
	if (n > 1) {
		ways_lines(r, b, g, n, common, w.place, backends);
	}
}

/* The visits number @at of all ways that have one, by hook and then by what was done; in order of first appearance. */
static void visit_text(const struct report *r, struct strbuf *b, const struct ways *w, size_t at,
		       bool backends)
{
	struct group *g = calloc(w->len, sizeof(*g));
	bool *done = calloc(w->len, sizeof(*done));
	for (size_t first = 0; g && done && first < w->len; first++) {
		if (done[first] || at >= w->v[first].visits.len) {
			continue;
		}
		size_t n = 0, members = 0;
		int hook = w->v[first].visits.v[at].hook;
		for (size_t i = first; i < w->len; i++) {
			if (at >= w->v[i].visits.len || w->v[i].visits.v[at].hook != hook) {
				continue;
			}
			const struct visit *v = &w->v[i].visits.v[at];
			size_t k = 0;
			while (k < n && !same_visit(g[k].visit, v)) {
				k++;
			}
			if (k == n) {
				g[n++] = (struct group){ v, 0 };
			}
			g[k].weight += w->v[i].weight;
			done[i] = true;
			members++;
		}
		hook_text(r, b, g, n, backends, members == w->len);
	}
	b->failed |= !g || !done;
	free(g);
	free(done);
}

static bool two_backends(const struct ways *w)
{
	bool seen[2] = { false, false };
	for (size_t i = 0; i < w->len; i++) {
		for (size_t k = 0; k < w->v[i].len; k++) {
			const struct nat_by *by = &w->v[i].steps[k]->by;
			const struct rs_chain *c = by->rule ? by->rule->chain : by->chain;
			if (c) {
				seen[c->table->backend == BACKEND_NFT] = true;
			}
		}
	}
	return seen[0] && seen[1];
}

void trace_path_text(const struct report *r, struct strbuf *b, const struct nat_ending *endings, size_t nendings)
{
	struct ways w CLEANUP(ways_release) = { 0 };
	size_t n = MIN(nendings, (size_t)WAYS_MAX), deepest = 0;
	w.v = calloc(n + 1, sizeof(*w.v));
	for (size_t i = 0; w.v && i < n; i++) {
		w.len++;
		if (!way_fill(&w.v[i], &endings[i], r->verbose)) {
			b->failed = true;
			return;
		}
		deepest = MAX(deepest, w.v[i].visits.len);
	}
	b->failed |= !w.v;
	bool backends = two_backends(&w);
	for (size_t at = 0; at < deepest && !b->failed; at++) {
		visit_text(r, b, &w, at, backends);
	}
	if (n < nendings) {
		strbuf_addf(b, "the ways of %zu more endings are not shown\n", nendings - n);
	}
}
